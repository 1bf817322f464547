import os
import pickle
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from video_adapters.data.annotations import Video
from video_adapters.data.video import containers, packets, picture
from video_adapters.data.video.decode import VideoReader
from video_adapters.data.video.frame_source import DecodeError
from video_adapters.data.video.frame_table import FrameTable
from video_adapters.data.video.probe_video import probe_video

from helpers.videos import (
    add_sound,
    copy_packets,
    decode_in_sequence,
    frame_number,
    joined,
    numbered_frames,
    write_video,
)

LENGTH = 40


def packet_of(video: VideoReader, place: int) -> av.Packet:
    return list(video._packets.between(0, len(video._packets)))[place]


# Three groups of pictures and a bit more; never a new key frame by scene change.
GROUPS = {"g": "12", "sc_threshold": "0", "crf": "12"}


def h264(folder: Path, name: str = "video.mp4", **options: str) -> Path:
    return write_video(folder / name, numbered_frames(LENGTH), options=GROUPS | options)


def open_gop(folder: Path) -> Path:
    """Packets 10 to 12 are shown before the key frame of packet 9, and also refer to what comes before it."""
    return h264(folder, **{"x264-params": "open-gop=1:keyint=12:min-keyint=1:bframes=3:b-adapt=0:scenecut=0"})


def hevc(folder: Path) -> Path:
    quiet = {"x265-params": "log-level=none:keyint=12:bframes=3:pools=none:frame-threads=1", "preset": "ultrafast"}
    return write_video(folder / "video.mp4", numbered_frames(LENGTH), "libx265", quiet)


def vpx(folder: Path, codec: str = "libvpx-vp9") -> Path:
    # Looking ahead, libvpx-vp9 packs frames that are never shown together with others.
    options = {"g": "15", "lag-in-frames": "16", "auto-alt-ref": "1", "b": "1M", "cpu-used": "8"}
    return write_video(folder / "video.webm", numbered_frames(LENGTH), codec, options)


def variable_rate(folder: Path) -> Path:
    times = np.cumsum(np.random.default_rng(1).integers(10, 300, LENGTH)) + 500
    return write_video(
        folder / "video.mkv", numbered_frames(LENGTH), options=GROUPS | {"bf": "2"}, times=times.tolist()
    )


def avi(folder: Path) -> Path:
    return write_video(folder / "video.avi", numbered_frames(LENGTH), "mpeg4", {"bf": "2", "g": "12", "qmin": "1"})


def odd_size(folder: Path) -> Path:
    return write_video(folder / "video.webm", numbered_frames(LENGTH, 51, 67), "libvpx-vp9", {"cpu-used": "8"})


WHOLE = {
    "no B-frames": lambda folder: h264(folder, bf="0"),
    "B-frames": lambda folder: h264(folder, bf="3"),
    "one group of pictures": lambda folder: h264(folder, bf="3", g="250"),
    "open groups": open_gop,
    "intra refresh": lambda folder: h264(folder, bf="0", **{"x264-params": "intra-refresh=1:keyint=12"}),
    "4:4:4, odd size": lambda folder: write_video(
        folder / "video.mp4", numbered_frames(LENGTH, 49, 65), options=GROUPS, pix_fmt="yuv444p"
    ),
    "transport stream": lambda folder: h264(folder, "video.ts", bf="3"),
    "raw stream": lambda folder: h264(folder, "video.h264", bf="3"),
    "h264 in AVI": lambda folder: h264(folder, "video.avi", bf="3"),
    "hevc": hevc,
    "vp9": vpx,
    "vp8": lambda folder: vpx(folder, "libvpx"),
    "variable rate": variable_rate,
    "avi": avi,
    "motion jpeg": lambda folder: write_video(
        folder / "video.avi", numbered_frames(LENGTH), "mjpeg", {"qmin": "2"}, pix_fmt="yuvj420p"
    ),
    "odd size": odd_size,
}
CUT = {
    "from amid a group": lambda folder: copy_packets(h264(folder, bf="3"), folder / "cut.mp4", first=5),
    "from amid a group without B-frames": lambda folder: copy_packets(
        h264(folder, bf="0"), folder / "cut.mkv", first=5
    ),
    "from amid a group of a transport stream": lambda folder: copy_packets(
        h264(folder, "video.ts", bf="3"), folder / "cut.ts", first=5
    ),
    "from an open group": lambda folder: copy_packets(open_gop(folder), folder / "cut.mkv", first=9),
    "by an edit list": lambda folder: copy_packets(h264(folder, bf="3"), folder / "cut.mp4", shift=7),
    "late start": lambda folder: copy_packets(h264(folder, bf="3"), folder / "cut.mkv", shift=-900),
    "short": lambda folder: copy_packets(h264(folder, bf="3"), folder / "cut.mp4", stop=24),
}


def reads_like_sequential_decoding(path: Path) -> np.ndarray:
    expected = decode_in_sequence(path)
    for held in (packets.HELD, 0):  # a small file's packets stay in memory, a large one's are read again
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(packets, "HELD", held)
            reads_the_frames(path, expected)
    return expected


def reads_the_frames(path: Path, expected: np.ndarray) -> None:
    generator = np.random.default_rng(2)
    with VideoReader(str(path)) as video:
        assert video.num_frames == len(expected)
        for size in (1, 1, 1, 4, 8, 8):
            indices = generator.integers(0, len(expected), size).tolist()  # unsorted, some of them twice
            np.testing.assert_array_equal(video.read(indices), expected[indices])
        last = len(expected) - 1
        np.testing.assert_array_equal(video.read([last, 0, last]), expected[[last, 0, last]])
        np.testing.assert_array_equal(video.read(range(len(expected))), expected)
        for wanted in (range(len(expected)), sorted({last, 5, 6, 0, last // 2}), [last]):
            indices, frames = zip(*video.stream(wanted), strict=True)
            assert list(indices) == list(wanted)
            np.testing.assert_array_equal(frames, expected[list(wanted)])
        for frame, picture in zip(video.frames(), expected, strict=True):
            np.testing.assert_array_equal(frame.to_ndarray(format="rgb24"), picture)
        assert len(video.times) == len(expected)
        assert video.times[0] == 0
        assert (np.diff(video.times) > 0).all()


@pytest.mark.parametrize("make", WHOLE.values(), ids=WHOLE)
def test_frames_are_those_of_sequential_decoding(make: Callable[[Path], Path], tmp_path: Path) -> None:
    frames = reads_like_sequential_decoding(make(tmp_path))
    assert [frame_number(frame) for frame in frames] == list(range(LENGTH))


@pytest.mark.parametrize("make", CUT.values(), ids=CUT)
def test_frames_of_a_cut_file_are_those_of_sequential_decoding(make: Callable[[Path], Path], tmp_path: Path) -> None:
    frames = reads_like_sequential_decoding(make(tmp_path))
    numbers = [frame_number(frame) for frame in frames]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))


def test_an_edit_list_hides_frames(tmp_path: Path) -> None:
    with VideoReader(str(CUT["by an edit list"](tmp_path))) as video:
        assert video.num_frames == LENGTH - 7
        assert frame_number(video.read([0])[0]) == 7


@pytest.mark.parametrize("kind", sorted(WHOLE.keys() - {"variable rate", "raw stream"}))
def test_frames_are_shown_when_the_file_says(kind: str, tmp_path: Path) -> None:
    with VideoReader(str(WHOLE[kind](tmp_path))) as video:
        np.testing.assert_allclose(video.times, np.arange(LENGTH) / 30, atol=0.001)  # WebM counts milliseconds


def test_times_of_a_variable_rate_are_the_frames_own(tmp_path: Path) -> None:
    times = [0, 40, 1000, 1033, 5000]
    path = write_video(tmp_path / "video.mkv", numbered_frames(5), times=[500 + time for time in times])
    with VideoReader(str(path)) as video:
        np.testing.assert_allclose(video.times, np.array(times) / 1000, atol=1e-9)


def test_times_after_an_edit_list_start_where_the_frames_do(tmp_path: Path) -> None:
    with VideoReader(str(CUT["by an edit list"](tmp_path))) as video:
        np.testing.assert_allclose(video.times, np.arange(LENGTH - 7) / 30, atol=0.001)


def test_a_stream_gives_the_frames_before_a_lost_one_and_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = VideoReader._decode
    with VideoReader(str(h264(tmp_path, bf="0"))) as video:
        lost = packet_of(video, 15).pts
        monkeypatch.setattr(VideoReader, "_decode", lambda *a: (f for f in whole(*a) if f.pts != lost))
        seen: list[int] = []
        with pytest.raises(DecodeError, match=r"frames \[15\] of 40 do not come out of the decoder"):
            seen.extend(index for index, _ in video.stream(range(12, 30)))
    assert seen == [12, 13, 14]


def test_a_stream_looks_once_more_for_a_frame_that_stays_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = VideoReader._decode
    path = h264(tmp_path, bf="0")
    expected = decode_in_sequence(path)
    with VideoReader(str(path)) as video:
        lost = packet_of(video, 15).pts
        monkeypatch.setattr(VideoReader, "_decode", lambda *a: (f for f in whole(*a) if a[3] is None or f.pts != lost))
        indices, frames = zip(*video.stream(range(12, 30)), strict=True)
    assert indices == tuple(range(12, 30))
    np.testing.assert_array_equal(frames, expected[12:30])


# Key frames are every 12 packets (VP9: 15), and without B-frames packet = frame.
@pytest.mark.parametrize(
    ("make", "ranges"),
    [
        (lambda folder: h264(folder, bf="0"), [(12, 16), (36, 39)]),
        (lambda folder: h264(folder, "video.ts", bf="0"), [(12, 16), (36, 39)]),
        (vpx, [(0, 15), (15, 16), (30, 39)]),
        (WHOLE["intra refresh"], [(0, 39)]),
    ],
    ids=["h264", "h264 with start codes", "vp9", "key frames that are not IDR"],
)
def test_decoding_starts_and_stops_close_to_what_is_wanted(
    make: Callable[[Path], Path], ranges: list[tuple[int, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[tuple[int, int]] = []
    decode = VideoReader._decode
    monkeypatch.setattr(VideoReader, "_decode", lambda self, *args: decoded.append(args[:2]) or decode(self, *args))
    with VideoReader(str(make(tmp_path))) as video:
        video.read([38, 14, 15])
    assert decoded == ranges


def test_opening_decodes_no_frame_of_vp9_and_asks_no_more_than_the_header(tmp_path: Path) -> None:
    path, other = vpx(tmp_path), h264(tmp_path)
    without_decoders = {"codec_whitelist": "none"}
    assert (containers._probing(str(path)), containers._probing(str(other))) == (without_decoders, {})
    with av.open(str(path), options=without_decoders) as container:
        assert container.streams.video[0].codec_context.pix_fmt is None  # which the first frame would have told
    with VideoReader(str(path)) as video:
        assert video.num_frames == LENGTH
        np.testing.assert_array_equal(video.read([0, 39]), decode_in_sequence(path)[[0, 39]])
    path.write_bytes(path.read_bytes().replace(b"V_VP9", b"V_XYZ"))  # a codec that nobody knows
    with pytest.raises(DecodeError, match="its codec is unknown"):
        VideoReader(str(path))


@pytest.mark.parametrize("name", ["video.mp4", "video.ts", "video.mkv"])
def test_of_a_large_file_no_packet_is_kept(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = h264(tmp_path, name, bf="2")
    monkeypatch.setattr(packets, "HELD", path.stat().st_size // 4)
    readings: list[str] = []
    read_again = packets._read_again
    monkeypatch.setattr(packets, "_read_again", lambda path: readings.append(path) or read_again(path))
    with VideoReader(str(path)) as video:
        assert video._packets._held is None
        assert [frame_number(frame) for frame in video.read([39, 3, 15, 28])] == [39, 3, 15, 28]
        assert readings == [str(path)]  # once through the file, whatever the number of groups
    monkeypatch.setattr(packets, "HELD", path.stat().st_size)
    with VideoReader(str(path)) as video:
        assert frame_number(video.read([39])[0]) == 39
    assert len(readings) == 1


def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packets, "HELD", 0)
    path, other = h264(tmp_path, bf="0"), variable_rate(tmp_path)
    with VideoReader(str(path)) as video:
        assert frame_number(video.read([20])[0]) == 20
        os.replace(other, path)
        with pytest.raises(DecodeError, match="changed while it was read"):
            video.read([10])


@pytest.mark.parametrize(("name", "codec"), [("v.mkv", "mjpeg"), ("v.webm", "libvpx")])
def test_frames_of_a_changing_size_get_the_first_ones(name: str, codec: str, tmp_path: Path) -> None:
    small, large = (numbered_frames(12).repeat(factor, 1).repeat(factor, 2) for factor in (1, 2))
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    parts = [
        write_video(tmp_path / f"{part.shape[1]}{name}", part, codec, {"qmin": "2", "b": "2M"}, pix_fmt=pix_fmt)
        for part in (small, large)
    ]
    path = joined(parts, tmp_path / name)
    with VideoReader(str(path)) as video:
        frames = dict(video.stream(range(24)))
        assert [frame_number(frame) for frame in frames.values()] == [*range(12), *range(12)]
        assert video.quality == ("12 frames of another size than the first, resized to its 64x48",)
        np.testing.assert_array_equal(frames[5], decode_in_sequence(parts[0])[5])
    for wanted in ([15, 20], [20, 3]):
        with VideoReader(str(path)) as video:
            np.testing.assert_array_equal(video.read(wanted), [frames[index] for index in wanted])
            assert video.num_resized == sum(index >= 12 for index in wanted)
    with VideoReader(str(path), strict=True) as video, pytest.raises(DecodeError, match=r"size changes on the way"):
        video.read([0, 20])


def test_a_frame_that_grows_too_large_on_the_way_is_broken_for_the_check_as_for_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = numbered_frames(4), numbered_frames(4).repeat(2, 1)
    parts = [
        write_video(tmp_path / f"{part.shape[1]}.mkv", part, "mjpeg", pix_fmt="yuvj420p") for part in (small, large)
    ]
    path = joined(parts, tmp_path / "v.mkv")
    monkeypatch.setattr(picture, "MOST_PIXELS", 48 * 64)
    with VideoReader(str(path)) as video:
        assert len(video.read([0, 3])) == 2
        with pytest.raises(DecodeError, match="is 64x96 pixels large"):
            video.read([0, 5])
    check = probe_video(Video(str(path), 0))
    assert (check.status, check.reason) == ("broken", "is 64x96 pixels large, more than 0 million")


def test_the_header_tells_the_size_without_a_second_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [h264(tmp_path), h264(tmp_path, "v.ts"), vpx(tmp_path), avi(tmp_path), odd_size(tmp_path)]
    monkeypatch.setattr(VideoReader, "_first_size", property(lambda _: pytest.fail("the first frame was decoded")))
    for path in paths:
        with VideoReader(str(path)) as video:
            assert frame_number(video.read([20])[0]) == 20


def test_hidden_frames_of_vp8_are_not_counted(tmp_path: Path) -> None:
    path = vpx(tmp_path, "libvpx")
    with VideoReader(str(path)) as video:
        packet = bytes(packet_of(video, 7))
    path.write_bytes(path.read_bytes().replace(packet, bytes([packet[0] & ~0x10]) + packet[1:]))
    frames = reads_like_sequential_decoding(path)
    assert [frame_number(frame) for frame in frames] == [number for number in range(LENGTH) if number != 7]


def test_a_broken_packet_costs_only_the_frames_that_need_it(tmp_path: Path) -> None:
    path = h264(tmp_path, bf="0")
    expected = decode_in_sequence(path)
    with VideoReader(str(path)) as video:
        broken = bytes(packet_of(video, 17))
    content = path.read_bytes()
    path.write_bytes(content.replace(broken, b"\xff" * len(broken)))
    with VideoReader(str(path)) as video:
        np.testing.assert_array_equal(video.read([2, 16, 25, 39]), expected[[2, 16, 25, 39]])
        with pytest.raises(DecodeError, match=r"video\.mp4: "):
            video.read([20])
        with pytest.raises(DecodeError, match=r"video\.mp4: "):
            list(video.frames())
        np.testing.assert_array_equal(video.read([5]), expected[[5]])


def test_a_wrong_start_is_made_good_by_decoding_from_end_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = h264(tmp_path, bf="3")
    expected = decode_in_sequence(path)
    monkeypatch.setattr(FrameTable, "groups", lambda self, wanted: [(wanted[-1], wanted[-1] + 1, wanted[-1:])])
    with VideoReader(str(path)) as video:
        np.testing.assert_array_equal(video.read([7, 17, 31]), expected[[7, 17, 31]])


MP4_INDEX_FIRST = {"movflags": "faststart"}
WITHOUT_SIZE = {"live": "1"}  # of the segment, and no duration either


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
@pytest.mark.parametrize(("name", "codec"), [("v.mp4", "libx264"), ("v.webm", "libvpx"), ("v.avi", "mpeg4")])
def test_a_part_of_a_download_is_remarked_on(name: str, codec: str, share: float, tmp_path: Path) -> None:
    options = MP4_INDEX_FIRST if name == "v.mp4" else None
    path = write_video(tmp_path / name, numbered_frames(LENGTH), codec, {"b": "1M"}, container_options=options)
    content = path.read_bytes()
    with VideoReader(str(path)) as video:
        assert video.quality == ()
    path.write_bytes(content[: round(share * len(content))])
    with VideoReader(str(path)) as video:
        assert video.num_frames < LENGTH or share > 0.9
        assert video.quality == (
            f"is cut short: {len(content) - round(share * len(content))} bytes that it speaks of lie past its end",
        )
        assert frame_number(video.read([5])[0]) == 5


def test_an_mp4_is_measured_by_its_boxes(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", numbered_frames(LENGTH), container_options=MP4_INDEX_FIRST)
    content = path.read_bytes()
    start = content.rindex(b"mdat") - 4  # the last box
    size, rest = len(content) - start, content[start + 4 :]

    def remarks(changed: bytes) -> tuple[str, ...]:
        path.write_bytes(changed)
        with VideoReader(str(path)) as video:
            return video.quality

    assert remarks(content[:start] + size.to_bytes(4, "big") + rest) == ()
    assert remarks(content[:start] + bytes(4) + rest) == ()  # 0: up to the end, however long
    assert remarks(content + b"\xff\xff\xff\xffrubbish that an editor left") == ()
    longer = remarks(content[:start] + (size + 5).to_bytes(4, "big") + rest)
    assert longer == ("is cut short: 5 bytes that it speaks of lie past its end",)


def test_a_fragmented_mp4_that_ends_early_is_remarked_on(tmp_path: Path) -> None:
    fragments = {"movflags": "frag_keyframe+empty_moov"}
    path = write_video(tmp_path / "v.mp4", numbered_frames(LENGTH), options=GROUPS, container_options=fragments)
    with VideoReader(str(path)) as video:
        assert (video.num_frames, video.quality) == (LENGTH, ())
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"mdat") + 100])
    with VideoReader(str(path)) as video:
        assert video.quality[0].startswith("is cut short")


def test_packets_that_are_cut_through_are_remarked_on(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.flv", numbered_frames(LENGTH), "flv1", {"b": "1M"})
    with VideoReader(str(path)) as video:
        assert video.quality == ()
        last = packet_of(video, -3)
    path.write_bytes(path.read_bytes()[: last.pos + last.size - 9])
    with VideoReader(str(path)) as video:
        assert video.quality == ("cut or damaged packets: 1",)


def _without_size(content: bytes) -> bytes:
    """Matroska's way to leave the segment's size open."""
    size = content.index(b"\x18\x53\x80\x67") + 4
    return content[:size] + b"\x01" + b"\xff" * 7 + content[size + 8 :]


@pytest.mark.parametrize(("remark", "options"), [("s before its stated duration", {}), ("", WITHOUT_SIZE)])
def test_a_recording_without_a_size_is_judged_by_its_duration(
    remark: str, options: dict[str, str], tmp_path: Path
) -> None:
    path = write_video(tmp_path / "v.mkv", numbered_frames(120), options=GROUPS, container_options=options)
    content = _without_size(path.read_bytes())
    path.write_bytes(content[: len(content) // 2])
    with VideoReader(str(path)) as video:
        assert 30 < video.num_frames < 90
        assert [remark in said for said in video.quality] == ([True] if remark else [])
        assert frame_number(video.read([20])[0]) == 20


@pytest.mark.parametrize("name", ["v.mkv", "v.mov"])
def test_sound_may_be_longer_than_the_picture(name: str, tmp_path: Path) -> None:
    path = add_sound(h264(tmp_path, "silent.mp4", bf="0"), tmp_path / name, seconds=6)
    with av.open(str(path)) as container:
        assert container.duration > 5.9e6  # microseconds; the picture lasts 40 / 30 s
    with VideoReader(str(path)) as video:
        assert (video.num_frames, video.quality) == (LENGTH, ())


def test_a_cut_file_is_remarked_on_though_it_has_sound(tmp_path: Path) -> None:
    path = add_sound(h264(tmp_path, "silent.mp4", bf="0"), tmp_path / "v.mkv", seconds=30)
    path.write_bytes(_without_size(path.read_bytes())[: path.stat().st_size // 2])  # half of the sound
    with VideoReader(str(path)) as video:
        assert [said.endswith(" s before its stated duration") for said in video.quality] == [True]


def test_damage_that_the_decoder_hides_is_remarked_on(tmp_path: Path) -> None:
    path = h264(tmp_path, bf="0", g="250")
    with VideoReader(str(path)) as video:
        victim = bytes(packet_of(video, 20))
        assert frame_number(video.read([20])[0]) == 20
        assert video.quality == ()
    half = len(victim) // 2
    path.write_bytes(path.read_bytes().replace(victim, victim[:half] + bytes(len(victim) - half)))
    with VideoReader(str(path)) as video:
        video.read([19, 20])
        assert video.quality == ("corrupt frame 20",)


def test_names_and_metadata_may_hold_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plain = h264(tmp_path, bf="0")
    for name in ("-a:b c.mp4", "ü=(1)#é.mp4", os.fsdecode(b"\xff\xfe.mp4")):
        os.rename(plain, name)
        with VideoReader(name) as video:
            assert video.num_frames == LENGTH
        os.rename(name, plain)


@pytest.mark.parametrize("indices", [[], [-1], [0, LENGTH]])
def test_indices_outside_the_video_are_refused(indices: list[int], tmp_path: Path) -> None:
    with VideoReader(str(h264(tmp_path))) as video, pytest.raises(ValueError, match="there are 0 to 39"):
        video.read(indices)


def sound_only(folder: Path) -> Path:
    path = folder / "sound.wav"
    path.write_bytes(
        b"RIFF" + (36 + 800).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
        + bytes.fromhex("0100 0100 401f0000 401f0000 0100 0800") + b"data" + (800).to_bytes(4, "little") + bytes(800)
    )  # fmt: skip
    return path


def holding(name: str, content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def unknown_codec(folder: Path) -> Path:
    path = h264(folder)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    return path


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.mp4")
    return folder / "pipe.mp4"


BROKEN = {
    "missing": (lambda folder: folder / "none.mp4", "No such file"),
    "empty": (holding("empty.mp4", b""), "no video, or so damaged"),
    "text": (holding("text.mp4", b"not a video\n" * 50), "no video, or so damaged"),
    "text that FFmpeg would draw": (holding("text.txt", b"not a video\n" * 50), "is no video"),
    "a folder": (lambda folder: folder, "directory"),
    "a pipe": (pipe, "is no file"),
    "sound only": (sound_only, "no video stream"),
    "unknown codec": (unknown_codec, "codec is unknown"),
}


@pytest.mark.parametrize(("make", "reason"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_video_raises_one_error(
    make: Callable[[Path], Path], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path.parent)
    path = os.path.relpath(make(tmp_path))
    with pytest.raises(DecodeError, match=reason) as caught:
        VideoReader(path)
    assert caught.value.path == path
    assert str(caught.value).startswith(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_raises_one_error(tmp_path: Path) -> None:
    path = h264(tmp_path)
    path.chmod(0)
    with pytest.raises(DecodeError, match="denied"):
        VideoReader(str(path))


def test_the_error_survives_the_way_out_of_a_worker() -> None:
    error = pickle.loads(pickle.dumps(DecodeError("a.mp4", "broken")))
    assert (error.path, error.reason, str(error)) == ("a.mp4", "broken", "a.mp4: broken")
