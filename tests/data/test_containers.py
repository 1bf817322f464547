"""Lists of files under a video's name: what they name is not opened."""

import os
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from video_adapters.data.annotations import Video
from video_adapters.data.video.containers import OPTIONS
from video_adapters.data.video.frame_source import DecodeError
from video_adapters.data.video.reader import open_video

from helpers.videos import numbered_frames, write_video

HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\n{name}\n#EXT-X-ENDLIST\n"
DASH = """<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet
mimeType="video/mp4"><Representation id="1"><BaseURL>{name}</BaseURL></Representation></AdaptationSet></Period></MPD>"""
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"


def pipe(folder: Path) -> Path:
    """What nobody writes to: who opens it waits for ever."""
    os.mkfifo(folder / "other.ts")
    return folder / "other.ts"


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("v.m3u8", HLS, r"is a playlist \(HLS\), no video: what it names is not opened"),
        ("v.mp4", HLS, r"is a playlist \(HLS\)"),
        ("v.mp4", "ffconcat version 1.0\nfile {name}\n", r"is a list of files \(ffconcat\)"),
        ("v.mpd", DASH, r"is a playlist \(DASH\)"),
        ("v.sdp", SDP, r"is a description of a stream \(SDP\)"),
        ("v.mp4", SDP, r"is a description of a stream \(SDP\)"),
    ],
)
def test_a_list_of_files_is_no_video_whatever_its_name(tmp_path: Path, name: str, text: str, reason: str) -> None:
    other = pipe(tmp_path)
    (tmp_path / name).write_text(text.format(name=other.name))
    with pytest.raises(DecodeError, match=reason), open_video(Video(str(tmp_path / name), 0)):
        pass  # that it came here at all says that the pipe was not opened


@pytest.mark.parametrize("text", [HLS, "ffconcat version 1.0\nfile {name}\n"])
def test_such_lists_would_be_followed_without_our_options(tmp_path: Path, text: str) -> None:
    write_video(tmp_path / "other.ts", numbered_frames(4))
    (tmp_path / "v.m3u8").write_text(text.format(name="other.ts"))
    with av.open(str(tmp_path / "v.m3u8")) as followed:
        assert sum(1 for packet in followed.demux(video=0) if packet.size) == 4
    with pytest.raises(av.error.ArgumentError):
        av.open(str(tmp_path / "v.m3u8"), options=OPTIONS)


def test_a_container_that_is_not_on_the_list_is_not_said_to_have_no_pictures(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.swf", numbered_frames(4), "flv")
    with av.open(str(path)) as container:
        assert container.streams.video
    reason = "is no video, or in a container that is not read here; mp4, "
    with pytest.raises(DecodeError, match=reason), open_video(Video(str(path), 0)):
        pass


def test_numbers_in_a_name_are_no_pattern_of_other_files(tmp_path: Path) -> None:
    for number in range(3):
        Image.fromarray(np.full((16, 16, 3), number, np.uint8)).save(tmp_path / f"v{number}.png")
    with pytest.raises(DecodeError), open_video(Video(str(tmp_path / "v%d.png"), 0)):
        pass


@pytest.mark.parametrize("name", ["concat:a.mp4|b.mp4", "subfile,,start,0,end,9,,:a.mp4", "http://127.0.0.1:9/a.mp4"])
def test_names_are_files_and_no_protocols(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "a.mp4", numbered_frames(4))
    with pytest.raises(DecodeError, match="No such file"), open_video(Video(name, 0)):
        pass


def test_a_frame_is_a_picture_and_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow goes by the first bytes, and would hand PostScript to Ghostscript."""
    Image.new("RGB", (16, 16)).save(tmp_path / "img_1.jpg", format="eps")
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_, **__: pytest.fail("Ghostscript was called"))
    with open_video(Video(str(tmp_path), 0)) as video, pytest.raises(DecodeError, match="cannot be read as an image"):
        video.read([0])
