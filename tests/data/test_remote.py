"""Live sources: what is opened, what is refused, and what ends without an end of its own."""

import base64
import io
import socket
import threading
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from video_adapters.data.annotations import Video
from video_adapters.data.video import one_host, remote
from video_adapters.data.video.frame_source import DecodeError
from video_adapters.data.video.one_host import OneHost, Patience, Refused, shown
from video_adapters.data.video.reader import open_video
from video_adapters.data.video.remote import LiveSource, Lost, NotThere, is_live, picture_of, shown_source

from helpers.servers import Answer, endless, redirecting, serving
from helpers.videos import add_sound, frame_number, numbered_frames, write_video

HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n"


@pytest.fixture(scope="module")
def ts(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """30 numbered frames, a second, as a transport stream."""
    path = write_video(tmp_path_factory.mktemp("ts") / "v.ts", numbered_frames(30), options={"g": "10", "bf": "0"})
    return path.read_bytes()


def numbers(source: str, timeout: float = 5.0) -> list[int]:
    with LiveSource(source, timeout) as live:
        return [frame_number(picture_of(frame)) for _, frame in live.frames()]


def test_a_stream_gives_its_frames_with_their_stamps_as_they_come(ts: bytes) -> None:
    with serving({"/live": endless(ts)}) as address, LiveSource(f"{address}/live", 5) as live:
        stamps, frames = zip(*live.frames(), strict=True)
        assert (live.ends, live.num_corrupt) == (False, 0)
    assert [frame_number(picture_of(frame)) for frame in frames] == list(range(30))
    np.testing.assert_allclose(np.diff(stamps), 1 / 30, atol=2e-5)


def test_a_recording_is_paced_and_has_an_end(ts: bytes) -> None:
    with serving({"/v.ts": ts}) as address, LiveSource(f"{address}/v.ts", 5) as live:
        assert live.ends


def test_a_playlist_of_the_same_host_is_followed_byte_ranges_too(ts: bytes) -> None:
    half = len(ts) // 188 // 2 * 188
    ranges = (
        f"#EXTINF:1,\n#EXT-X-BYTERANGE:{half}@0\nv.ts\n#EXTINF:1,\n#EXT-X-BYTERANGE:{len(ts) - half}@{half}\nv.ts\n"
    )

    def part(handler: Any) -> None:
        first, stop = (int(text) for text in handler.headers["Range"].removeprefix("bytes=").split("-"))
        handler.send_response(206)
        handler.send_header("Content-Length", str(stop + 1 - first))
        handler.end_headers()
        handler.wfile.write(ts[first : stop + 1])

    master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow/l.m3u8\n"
    media = f"#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-TARGETDURATION:1\n{ranges}#EXT-X-ENDLIST\n"
    pages: dict[str, bytes | Answer] = {"/m.m3u8": master.encode(), "/low/l.m3u8": media.encode(), "/low/v.ts": part}
    with serving(pages) as address:
        assert numbers(f"{address}/m.m3u8") == list(range(30))


@pytest.mark.parametrize("kind", ["segment", "variant", "key", "redirect", "map"])
def test_what_a_playlist_names_elsewhere_is_not_opened(kind: str, ts: bytes) -> None:
    """Another port is another host: it may be a service that only this machine reaches."""
    asked: list[str] = []
    with serving({"/v.ts": ts, "/l.m3u8": HLS.format("v.ts").encode(), "/key": bytes(16)}, asked) as other:
        text = {
            "segment": HLS.format(f"{other}/v.ts"),
            "variant": f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{other}/l.m3u8\n",
            "key": HLS.format("v.ts").replace("#EXTINF", f'#EXT-X-KEY:METHOD=AES-128,URI="{other}/key"\n#EXTINF'),
            "map": HLS.format("v.ts").replace("#EXTINF", f'#EXT-X-MAP:URI="{other}/v.ts"\n#EXTINF'),
            "redirect": HLS.format("away.ts"),
        }[kind]
        pages: dict[str, bytes | Answer] = {
            "/p.m3u8": text.encode(), "/v.ts": ts, "/away.ts": redirecting(f"{other}/v.ts"),
        }  # fmt: skip
        with serving(pages) as address, pytest.raises((Refused, Lost)) as error:
            numbers(f"{address}/p.m3u8", 1.0)
        assert asked == []
        if kind != "key":  # which FFmpeg asks for under a protocol of its own, and that is refused too
            assert error.type is Refused
            assert f"leads to {other}" in str(error.value)


@pytest.mark.parametrize(
    "entry", ["file://{}", "{}", "concat:{}", "subfile,,start,0,end,0,,:{}", "data:video/mp2t;base64,{}"]
)
def test_no_other_protocol_comes_out_of_a_playlist(entry: str, ts: bytes, tmp_path: Path) -> None:
    (tmp_path / "v.ts").write_bytes(ts)
    filled = entry.format(base64.b64encode(ts).decode() if entry.startswith("data") else tmp_path / "v.ts")
    with serving({"/p.m3u8": HLS.format(filled).encode()}) as address, pytest.raises((Refused, Lost)):
        numbers(f"{address}/p.m3u8", 1.0)


def test_a_redirect_stays_at_its_host(ts: bytes) -> None:
    asked: list[str] = []
    with (
        serving({"/v.ts": ts}, asked) as other,
        serving({"/a": redirecting("/b"), "/b": ts, "/c": redirecting(f"{other}/v.ts?key=geheim")}) as address,
    ):
        assert numbers(f"{address}/a") == list(range(30))
        with pytest.raises(Refused, match=r"leads to http://127.0.0.1:\d+/v.ts\?\.\.\., but") as error:
            numbers(f"{address}/c")
    assert asked == []
    assert "geheim" not in str(error.value)


def test_a_playlist_under_another_name_or_in_a_file_or_list_is_not_followed(ts: bytes, tmp_path: Path) -> None:
    """Without --live nothing is: see tests/data/test_containers.py."""
    asked: list[str] = []
    with serving({"/v.ts": ts}, asked) as address:
        (tmp_path / "p.m3u8").write_text(HLS.format(f"{address}/v.ts"))
        for name in (str(tmp_path / "p.m3u8"), f"{address}/v.ts"):
            with pytest.raises(DecodeError), open_video(Video(name, 0)):
                pass
    assert asked == []


def test_credentials_answer_the_hosts_question_and_are_never_shown() -> None:
    def closed(handler: Any) -> None:
        if handler.headers.get("Authorization") == "Basic " + base64.b64encode(b"me:a/b@c").decode():
            return endless(b"hello")(handler)
        handler.send_response(401)
        handler.send_header("WWW-Authenticate", 'Basic realm="camera"')
        handler.end_headers()
        return None

    with serving({"/live": closed}) as address:
        host = address.replace("//", "//me:a%2Fb%40c@")
        assert OneHost(f"{host}/live", Patience(5))(f"{address}/live").read(9) == b"hello"
        with pytest.raises(Lost, match=r"HTTP status 401 .*USER:PASSWORD@HOST") as error:
            LiveSource(f"{address.replace('//', '//me:wrong@')}/live", 5)
    assert "wrong" not in str(error.value)


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("rtsp://admin:geheim@cam:554/1", "rtsp://cam:554/1"),
        ("http://cam/v.m3u8?token=geheim#geheim", "http://cam/v.m3u8?..."),
        ("rtsp://[fe80::1]:554/user=admin_password=geheim_1.sdp", "rtsp://[fe80::1]:554/user=..."),
        ("http://a:geheim@[broken/", "an address that cannot be read"),
    ],
)
def test_addresses_are_shown_without_what_is_secret(address: str, text: str) -> None:
    assert shown(address) == text
    assert shown_source(address) == text


def test_names_of_live_sources() -> None:
    assert [is_live(n) for n in ("-", "/dev/video0", "camera:USB", "udp://h:1", "a.mp4", "a:b/c.mp4")] == [True] * 4 + [
        False
    ] * 2


@pytest.mark.parametrize("name", ["ftp://h/v.mp4", "file:///etc/passwd", "rtmp://h/x", "concat://a", "tcp://h"])
def test_other_protocols_are_refused_in_words(name: str) -> None:
    with pytest.raises(Refused, match=r"is not read, only: rtsp, |expected tcp://HOST:PORT"):
        LiveSource(name, 1)


def test_a_camera_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote.sys, "platform", "linux")
    with pytest.raises(NotThere, match="/dev/video99: there is no such camera; `ls"):
        LiveSource("/dev/video99", 1)
    monkeypatch.setattr(remote.sys, "platform", "plan9")
    with pytest.raises(Refused, match="cameras are read on linux, darwin, win32, not on plan9"):
        LiveSource("camera:0", 1)


def test_sound_alone_is_no_video(ts: bytes, tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", numbered_frames(3))
    add_sound(tmp_path / "v.mp4", tmp_path / "s.mkv", 1)
    with av.open(str(tmp_path / "s.mkv")) as read, av.open(str(tmp_path / "s.wav"), "w") as write:
        copy = write.add_stream_from_template(read.streams.audio[0])
        for packet in [packet for packet in read.demux(read.streams.audio[0]) if packet.size]:
            packet.stream = copy
            write.mux(packet)
    with serving({"/s": (tmp_path / "s.wav").read_bytes()}) as address, pytest.raises(NotThere, match="has no video"):
        LiveSource(f"{address}/s", 5)


@pytest.mark.parametrize(
    "answer",
    [
        endless(np.random.default_rng(0).bytes(200_000)),
        endless(b""),
        endless(b"<html>" + b"x" * 1000),
        endless(b"#EXTM3U\n" + b"#EXTINF:1,\nhttp\n" * 400_000),
    ],
    ids=["garbage", "nothing", "page", "playlist without end"],
)
def test_what_is_no_stream_is_lost_and_may_be_tried_again(answer: Answer) -> None:
    with serving({"/x": answer}) as address, pytest.raises(Lost):
        numbers(f"{address}/x", 2.0)


@pytest.mark.slow
@pytest.mark.parametrize("sent", [0, 5000])
def test_a_server_that_stalls_or_drips_is_lost_after_the_timeout(sent: int, ts: bytes) -> None:
    done = threading.Event()
    drops = [ts[i : i + 1] for i in range(sent, sent + 100)]
    answer = endless(ts[:sent], *drops, pause=lambda: done.wait(0.05))
    with serving({"/x": answer}) as address, pytest.raises(Lost, match=r"no frame for 0.4 s|nothing came in time"):
        numbers(f"{address}/x", 0.4)
    done.set()


def test_a_frame_of_a_hundred_million_pixels_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "MOST_PIXELS", 1 << 14)
    parts = []
    for side in (100, 100, 1000, 100):
        file = io.BytesIO()
        Image.new("RGB", (side, side)).save(file, "JPEG")
        parts.append(b"--b\r\nContent-Type: image/jpeg\r\n\r\n" + file.getvalue() + b"\r\n")
    with serving({"/x": endless(*parts)}) as address, LiveSource(f"{address}/x", 5) as live:
        sizes = [(stamp, frame.width) for stamp, frame in live.frames()]
        assert {width for _, width in sizes} == {100}
        assert {stamp for stamp, _ in sizes} == {None}  # nobody said how many a second
        assert live.num_corrupt >= 1


def test_a_frame_that_is_far_too_long_is_no_picture() -> None:
    with pytest.raises(ValueError, match="is 4000x16 pixels large, more than 32 times as long as wide"):
        picture_of(av.VideoFrame(4000, 16, "rgb24"))


def test_bytes_without_a_frame_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_host, "MOST_WITHOUT_FRAME", 1 << 20)
    patience = Patience(60)
    patience.check(1 << 20)
    with pytest.raises(OSError, match="1 MB without a frame"):
        patience.check(1)
    patience.frame()
    patience.check(1 << 20)


@pytest.mark.slow
def test_a_recording_that_is_cut_says_so_and_is_not_tried_again(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 240, 320, 3), np.uint8)
    start_at_once = {"movflags": "faststart"}
    data = write_video(tmp_path / "v.mp4", noise, container_options=start_at_once).read_bytes()

    def cut(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[: len(data) // 2])

    with serving({"/v.mp4": cut}) as address, pytest.raises(Refused, match="the recording was cut: cut after"):
        numbers(f"{address}/v.mp4")


def test_tcp_is_read_as_it_comes(ts: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def send() -> None:
            with server.accept()[0] as connection:
                connection.sendall(ts)

        threading.Thread(target=send, daemon=True).start()
        assert numbers(f"tcp://127.0.0.1:{server.getsockname()[1]}") == list(range(30))
