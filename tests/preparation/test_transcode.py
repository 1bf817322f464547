"""`python src/prepare.py transcode`: a copy with the same frames, that trains like the original."""

import errno
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from rich.filesize import decimal

from video_adapters.commands import command
from video_adapters.commands.lock import alone
from video_adapters.data.annotations import Video, VideoList
from video_adapters.data.annotations.prepared import copied_name, in_copy
from video_adapters.data.from_config import build_data
from video_adapters.data.video.decode import VideoReader
from video_adapters.data.video.frame_source import DecodeError
from video_adapters.preparation import copy_cost, copy_labels
from video_adapters.preparation import encode_video as transcoding
from video_adapters.preparation import transcode as module
from video_adapters.preparation.encode_video import Settings, write_copy
from video_adapters.preparation.source import Source
from video_adapters.preparation.transcode import Transcode, transcode

from helpers.miniatures import MINIATURES, write_class_folders, write_frame_folders
from helpers.ssv2 import write_ssv2
from helpers.toy import SMALL, composed, run
from helpers.videos import copy_packets, frame_number, numbered_frames, rotate_on_display, write_video

LENGTH = 20
SAMPLE = copy_cost.SAMPLE
FRAMES = ["data.image_size=32", "data.num_frames=4", "batch.per_step=2", "batch.per_device=2", "trainer.max_steps=1"]
TIMES = np.cumsum(np.random.default_rng(1).integers(10, 300, LENGTH)).tolist()
SOURCES = {
    "h264": lambda path: write_video(path / "v.mp4", numbered_frames(LENGTH), options={"bf": "2", "crf": "8"}),
    "variable rate": lambda path: write_video(path / "v.mkv", numbered_frames(LENGTH), times=TIMES),
    "avi": lambda path: write_video(path / "v.avi", numbered_frames(LENGTH), "mpeg4", {"bf": "2", "qmin": "1"}),
    "raw stream": lambda path: write_video(path / "v.h264", numbered_frames(LENGTH), options={"bf": "2"}),
    "odd size": lambda path: write_video(
        path / "v.mkv", numbered_frames(LENGTH, 51, 67), options={"crf": "8"}, pix_fmt="yuv444p"
    ),
    "full range": lambda path: write_video(
        path / "v.avi", numbered_frames(LENGTH), "mjpeg", {"qmin": "1"}, pix_fmt="yuvj420p"
    ),
    "one frame": lambda path: write_video(path / "v.mp4", numbered_frames(1)),
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy_cost, "SAMPLE", 1)


def asked(root: Path, to: Path, data: str = "ssv2", overrides: tuple[str, ...] = (), **options: int) -> Transcode:
    command.set_up()
    return Transcode(source=Source(data=data, root=root, overrides=overrides), to=to, workers=2, **options)


def read(path: Path) -> np.ndarray:
    with VideoReader(str(path)) as video:
        assert video.quality == ()
        return video.read(range(video.num_frames))


@pytest.mark.parametrize("kind", SOURCES)
def test_a_copy_has_the_frames_in_their_order_and_at_their_times(kind: str, tmp_path: Path) -> None:
    source, target = SOURCES[kind](tmp_path), tmp_path / "new" / "v.mp4"
    write_copy(str(source), str(target), Settings(crf=4))
    frames, copied = read(source), read(target)
    assert [frame_number(frame) for frame in copied] == list(range(len(frames)))
    assert copied.shape[1:3] == tuple(2 * round(side / 2) for side in frames.shape[1:3])
    if copied.shape == frames.shape:  # colours stay; chroma is halved twice
        np.testing.assert_allclose(copied.mean((1, 2)), frames.mean((1, 2)), atol=2)
    with VideoReader(str(source)) as one, VideoReader(str(target)) as other:
        assert other.codec == "h264"
        if kind != "raw stream":  # which has no times
            np.testing.assert_allclose(other.times, one.times, atol=1e-3)


def test_a_copy_stands_upright_and_small_and_starts_where_an_edit_list_says(tmp_path: Path) -> None:
    stored = np.rot90(numbered_frames(LENGTH, 96, 128), axes=(1, 2))
    cut = copy_packets(write_video(tmp_path / "v.mp4", stored, options={"crf": "8"}), tmp_path / "cut.mp4", shift=6)
    source = rotate_on_display(cut, (0, 1, -1, 0))
    write_copy(str(source), str(tmp_path / "small.mp4"), Settings(short_side=48, crf=4))
    small = read(tmp_path / "small.mp4")
    assert small.shape == (LENGTH - 6, 48, 64, 3)
    assert [frame_number(frame.repeat(2, 0).repeat(2, 1)) for frame in small] == list(range(6, LENGTH))


def test_key_frames_are_as_close_as_asked(tmp_path: Path) -> None:
    source = SOURCES["h264"](tmp_path)
    write_copy(str(source), str(tmp_path / "copy.mp4"), Settings(gop=4))
    with VideoReader(str(tmp_path / "copy.mp4")) as video:
        restarts = video._packets.restarts[video._table._positions]  # in the order in which they are shown
        assert np.flatnonzero(restarts).tolist() == [0, 4, 8, 12, 16]


def test_a_name_may_be_as_long_as_names_may_be(tmp_path: Path) -> None:
    target = tmp_path / "new" / f"{'動' * 83}.mp4"  # 253 of 255 bytes
    write_copy(str(SOURCES["one frame"](tmp_path)), str(target), Settings())
    assert list((tmp_path / "new").iterdir()) == [target]


def test_what_cannot_be_read_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_video(tmp_path / "v.mp4", numbered_frames(LENGTH), container_options={"movflags": "faststart"})
    source.write_bytes(source.read_bytes()[:-300])
    with pytest.raises(DecodeError, match=r"v\.mp4"):
        write_copy(str(source), str(tmp_path / "new" / "v.mp4"), Settings())
    assert list((tmp_path / "new").iterdir()) == []
    whole = SOURCES["avi"](tmp_path)
    ticks = transcoding._ticks
    monkeypatch.setattr(transcoding, "_ticks", lambda video: [*ticks(video)[:-1], 0])
    with pytest.raises((ValueError, OSError)):  # time runs backwards: the muxer refuses, or a frame is lost
        write_copy(str(whole), str(tmp_path / "new" / "v.mp4"), Settings())
    assert list((tmp_path / "new").iterdir()) == []


SETS = ("ssv2", "k400", "ucf101", "diving48", "csv", "class folders", "list", "frame folders", "createml")
QUICK_SETS = ("k400", "list")  # a publisher's layout, a list


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK_SETS else pytest.mark.slow) for name in SETS]
)
def test_a_copy_trains_by_the_same_data_config(name: str, tmp_path: Path, shapes_list: Path) -> None:
    if name == "ssv2":
        root, words = write_ssv2(tmp_path / "data", 4, 2, prefix="something-something-v2-"), ["data=ssv2"]
        words.append("data.num_classes=3")
    elif name == "list":
        root, words = tmp_path / "data", ["data=list", "data.num_classes=2"]
        root.mkdir()
        for split in ("train", "val"):
            for i in range(3):
                write_video(root / f"a {split}{i}.avi", numbered_frames(9), "mpeg4")
            (root / f"{split}.txt").write_text("".join(f"a {split}{i}.avi {i % 2}\n" for i in range(3)))
    else:
        write, words = MINIATURES[name]
        root = write(tmp_path / "data")
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in root.rglob("*")}
    to = tmp_path / "copy"
    transcode(asked(root, to, words[0].removeprefix("data="), tuple(words[1:])))
    assert before == {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in root.rglob("*")}
    scores = run(tmp_path / "run", *words, f"data.root={to}", *SMALL, *FRAMES)
    assert [value for name, value in scores.items() if name.endswith("test/unreadable")] == [0]
    made = {path.relative_to(to) for path in to.rglob("*.mp4")}
    videos = [p for p in before if p.suffix in {".mp4", ".avi", ".webm", ".mov"} or (p / "img_00001.png").exists()]
    assert made == {Path(copied_name(str(p.relative_to(root)))) for p in videos} - _unlisted(name)


def _unlisted(name: str) -> set[Path]:
    """Files of the miniature that no split of the config names."""
    return {Path("test/-t0_Abc-DE0_000000_000010.mp4")} if name == "k400" else set()


def test_a_sample_predicts_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_cost, "SAMPLE", SAMPLE)
    root = write_ssv2(tmp_path / "data", 10, 5)
    transcode(asked(root, tmp_path / "copy", sample_only=True))
    shown = capsys.readouterr().out
    assert "8 of 15 videos" in shown
    assert "beside the originals'" in shown
    assert "times as fast" in shown
    assert not (tmp_path / "copy").exists()


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    root = write_ssv2(tmp_path / "data", 6, 3)
    (root / "20bn-something-something-v2" / "1001.webm").write_bytes(b"<html>")
    (root / "20bn-something-something-v2" / "1007.webm").unlink()
    return root


def test_what_is_left_out_is_listed(damaged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    transcode(asked(damaged, tmp_path / "copy"))
    listed = (tmp_path / "copy" / "left_out.csv").read_text()
    assert [line.rpartition("/")[2] for line in listed.splitlines()[1:]] == [
        "1007.webm,is missing",
        '1001.webm,"is no video, or so damaged that nothing tells what it holds"',
    ]
    shown = capsys.readouterr().out
    assert "│ train          │ 5 of 6 videos" in shown
    assert "│ val            │ 2 of 3 videos" in shown


def test_a_list_of_what_was_left_out_goes_when_nothing_is(damaged: Path, tmp_path: Path) -> None:
    transcode(asked(damaged, tmp_path / "copy"))
    videos = damaged / "20bn-something-something-v2"
    for name in ("1001.webm", "1007.webm"):
        (videos / name).write_bytes((videos / "1002.webm").read_bytes())
    transcode(asked(damaged, tmp_path / "copy"))
    assert not (tmp_path / "copy" / "left_out.csv").exists()


def test_a_folder_of_frames_becomes_a_video_of_the_frames_that_its_line_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, to = write_frame_folders(tmp_path / "data", offset=True), tmp_path / "copy"
    columns = "path offset frames label"
    (root / "frames" / "train 1" / "img_00004.png").unlink()
    (root / "frames" / "v.2").mkdir()  # empty
    with (root / "train.txt").open("a") as file:
        file.write("frames/v.2 0 3 0\n")
    transcode(asked(root, to, "list", ("data.num_classes=2", f"data.annotations.columns={columns}")))
    assert [frame_number(frame) for frame in read(to / "frames" / "train 0.mp4")] == list(range(10))
    with VideoReader(str(to / "frames" / "train 0.mp4")) as video:
        np.testing.assert_allclose(video.times, np.arange(10) / 30, atol=1e-3)  # as if 30 a second
    copied = in_copy(str(to), VideoList(str(to), train="train.txt", columns=columns).videos("train"))
    assert copied[0] == Video(str(to / "frames" / "train 0.mp4"), 0, 2, 9)
    assert f"data=list data.num_classes=2 'data.annotations.columns={columns}'" in capsys.readouterr().out
    left_out = (to / "left_out.csv").read_text()
    assert 'train 1,"is a folder that lacks 1 of the frames 1 to 10, such as 4"\n' in left_out
    assert "v.2,is a folder that holds no image\n" in left_out


def write_bare_lists(root: Path, lists: str = "") -> tuple[Path, tuple[str, ...]]:
    """Folders of frames, a video without a suffix, lists without one in a folder, and what is to be set for them."""
    write_frame_folders(root)
    write_video(root / "v.mp4", numbered_frames(9)).rename(root / "v")
    (root / lists).mkdir(exist_ok=True)
    with (root / "train.txt").open("a") as file:
        file.write("v 9 0\n")
    for split in ("train", "val"):
        (root / f"{split}.txt").rename(root / lists / f"{split}list")
    names = [f"data.annotations.{split}={os.path.join(lists, f'{split}list')}" for split in ("train", "val")]
    return root, ("data.num_classes=2", "data.annotations.columns=path frames label", *names)


def test_small_files_are_copied_beside_images_too_and_whatever_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_labels, "MOST_BYTES", 10**6)
    root, words = write_bare_lists(tmp_path / "data")
    (root / "preview.png").write_bytes((root / "frames" / "val 0" / "img_00001.png").read_bytes())
    (root / "frames" / "val 0" / "notes.txt").write_text("in a video")
    (root / "archive.zip").write_bytes(bytes(10**6 + 1))
    (root / "gone.txt").symlink_to(tmp_path / "nowhere")
    (root / "labels.json").write_text("1" * (10**6 + 1))
    transcode(asked(root, tmp_path / "copy", "list", words))
    names = {str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*") if path.is_file()}
    videos = {
        "v.mp4",
        *(f"frames/{name}.mp4" for name in ("train 0", "train 1", "train 2", "train 3", "val 0", "val 1")),
    }
    assert names == {*videos, "trainlist", "vallist", "labels.json", "prepared.json", ".lock"}


def test_a_list_that_is_not_copied_is_missed_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "estimate_cost", lambda *_: None)
    monkeypatch.setattr(module, "worked_on", lambda *_: pytest.fail("has begun"))
    root, words = write_bare_lists(tmp_path / "data", ".lists")
    with pytest.raises(
        ValueError,
        match=r"copy lacks: data.annotations.train: the list .*copy/.lists/trainlist is missing.* in no hidden folder",
    ):
        transcode(asked(root, tmp_path / "copy", "list", words))
    assert not list((tmp_path / "copy").rglob("*.mp4"))


def test_a_stand_in_that_was_left_behind_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, to = write_class_folders(tmp_path / "data"), tmp_path / "copy"
    monkeypatch.setattr(module, "estimate_cost", lambda *_: None)
    (root / "clap" / "ü 1.mp4").write_bytes(b"<html>")
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", lambda *_, **__: None)
        patch.setattr(module, "worked_on", lambda *_: iter(()))
        transcode(asked(root, to, "folders"))
    assert len(list(to.rglob("*.mp4"))) == 8
    transcode(asked(root, to, "folders"))
    assert {path.name for path in (to / "clap").iterdir()} == {"ü 0.mp4", "ü 2.mp4", "ü 3.mp4"}


def test_folders_of_frames_count_with_their_files_in_the_prediction(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_cost, "SAMPLE", SAMPLE)
    write, (_, *words) = MINIATURES["frame folders"]
    root = write(tmp_path / "data")
    transcode(asked(root, tmp_path / "copy", "list", tuple(words), sample_only=True))
    size = sum(path.stat().st_size for path in root.rglob("*.png"))
    assert f"beside the originals' {decimal(size)}" in capsys.readouterr().out


def test_an_interrupted_copy_goes_on_where_it_stopped(
    damaged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "estimate_cost", lambda *_: None)
    to, work, results = tmp_path / "copy", module.worked_on, []

    def interrupting(*arguments: object) -> object:
        for result in work(*arguments):
            results.append(result)
            yield result
            if len(results) == 3:
                os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(module, "worked_on", interrupting)
    with pytest.raises(SystemExit):
        transcode(asked(damaged, to))
    videos = to / "20bn-something-something-v2"
    done = {path: path.stat().st_mtime_ns for path in videos.glob("*.mp4")}
    assert 2 <= len(done) < 7
    (videos / ".1005.mp4.elsewhere.1.part").write_bytes(b"half")  # of a process that was killed
    spoilt = next(iter(done))
    spoilt.write_bytes(spoilt.read_bytes()[:200])
    monkeypatch.setattr(module, "worked_on", work)
    transcode(asked(damaged, to))
    assert sorted(path.name for path in videos.iterdir()) == [
        f"{n}.mp4" for n in (1000, 1002, 1003, 1004, 1005, 1006, 1008)
    ]
    assert all((path.stat().st_mtime_ns == made) == (path != spoilt) for path, made in done.items())


def test_a_full_disk_ends_the_copy_and_is_no_fault_of_a_video(
    damaged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "estimate_cost", lambda *_: None)
    with monkeypatch.context() as patch:
        patch.setattr(module, "write_copy", _full)
        with pytest.raises(ValueError, match=r"copy: No space left on device; make room, and the same command"):
            transcode(asked(damaged, tmp_path / "copy"))
    assert not list((tmp_path / "copy").rglob("*.mp4"))
    assert not (tmp_path / "copy" / copy_labels.LEFT_OUT).exists()
    transcode(asked(damaged, tmp_path / "copy"))
    assert len(list((tmp_path / "copy").rglob("*.mp4"))) == 7


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    "step", ["copy_labels", *(pytest.param(step, marks=pytest.mark.slow) for step in ("make_inside", "os.replace"))]
)
def test_a_copy_that_was_hardly_begun_goes_on(
    step: str, damaged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "estimate_cost", lambda *_: None)
    with monkeypatch.context() as patch:
        patch.setattr(f"video_adapters.preparation.transcode.{step}", _killed)
        with pytest.raises(RuntimeError, match="killed"):
            transcode(asked(damaged, tmp_path / "copy"))
    transcode(asked(damaged, tmp_path / "copy"))
    assert len(list((tmp_path / "copy").rglob("*.mp4"))) == 7


def _killed(*_: object, **__: object) -> None:
    raise RuntimeError("killed")


def test_originals_are_out_of_reach(damaged: Path, tmp_path: Path) -> None:
    for to in (damaged, damaged / "20bn-something-something-v2", damaged / "copy", tmp_path):
        with pytest.raises(ValueError, match="must be a folder apart from the data set"):
            transcode(asked(damaged, to))
    link = tmp_path / "link"
    link.symlink_to(damaged)
    with pytest.raises(ValueError, match="must be a folder apart from the data set"):
        transcode(asked(damaged, link))
    to = tmp_path / "copy"
    to.mkdir()
    (to / "prepared.json").write_text(json.dumps({"short_side": 256, "crf": 20, "gop": 12}))
    (to / "20bn-something-something-v2").symlink_to(damaged / "20bn-something-something-v2")
    with pytest.raises(ValueError, match="leads out of"):
        transcode(asked(damaged, to))


@pytest.mark.parametrize("relative", [True, False])
def test_a_list_does_not_lead_out_of_the_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relative: bool) -> None:
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "root"
    root.mkdir()
    for split in ("train", "val"):
        (root / f"{split}.txt").write_text(f"../../outside/{split}.mp4 0\n")
    with pytest.raises(ValueError, match=r"only videos below data\.root can be copied"):
        transcode(asked(Path("root") if relative else root, tmp_path / "a" / "to", "list", ("data.num_classes=2",)))
    assert not (tmp_path / "a").exists()


def test_links_among_the_labels_lead_neither_out_of_the_root_nor_out_of_the_copy(damaged: Path, tmp_path: Path) -> None:
    secret, victim = tmp_path / "secret.txt", tmp_path / "victim.txt"
    secret.write_text("a secret")
    victim.write_text("as it was")
    (damaged / "mine.txt").symlink_to(secret)
    (damaged / "notes.txt").write_text("new")
    to = tmp_path / "to"
    transcode(asked(damaged, to))
    assert not (to / "mine.txt").exists()
    (to / "notes.txt").unlink()
    (to / "notes.txt").symlink_to(victim)
    transcode(asked(damaged, to))
    assert victim.read_text() == "as it was"
    assert (to / "notes.txt").read_text() == "new"
    assert not (to / "notes.txt").is_symlink()


def test_a_folder_with_something_else_in_it_is_refused(damaged: Path, tmp_path: Path) -> None:
    to = tmp_path / "copy"
    to.mkdir()
    (to / "thesis.tex").write_text("")
    with pytest.raises(ValueError, match=r"holds thesis\.tex and is no copy that was begun"):
        transcode(asked(damaged, to))
    (to / "thesis.tex").unlink()
    with alone(to / ".lock"), pytest.raises(ValueError, match="is in use"):
        transcode(asked(damaged, to))
    transcode(asked(damaged, to))
    with pytest.raises(ValueError, match=r"was made with .*'crf': 20.*, now asked for is .*'crf': 30"):
        transcode(asked(damaged, to, crf=30))


@pytest.mark.parametrize(
    ("image_size", "short_side"), [*(pytest.param(size, 256, marks=pytest.mark.slow) for size in (84, 224)), (336, 384)]
)
def test_a_copy_has_the_pixels_that_its_image_size_needs(
    image_size: int, short_side: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "estimate_cost", lambda *_: None)
    root, to = write_class_folders(tmp_path / "data"), tmp_path / "copy"
    transcode(asked(root, to, "folders", (f"data.image_size={image_size}",)))
    assert json.loads((to / "prepared.json").read_text())["short_side"] == short_side
    words = ["data=folders", f"data.root={to}", "data.num_classes=2"]
    build_data(composed(*words, f"data.image_size={image_size}")).videos("train")
    assert "is a copy of" not in caplog.text
    build_data(composed(*words, "data.image_size=448")).videos("train")
    assert f"is a copy of {short_side} pixels" in caplog.text
    assert "--short-side 512" in caplog.text


def test_two_videos_that_would_become_one_are_named(tmp_path: Path) -> None:
    root = write_class_folders(tmp_path / "data")
    write_video(root / "clap" / "ü 1.avi", numbered_frames(9), "mpeg4")
    with pytest.raises(ValueError, match=r"ü 1.avi and .*ü 1.mp4 would both become .*ü 1.mp4"):
        transcode(asked(root, tmp_path / "copy", "folders"))


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="--short-side is 8, expected native or at least 16"):
        Settings(short_side=8)
    with pytest.raises(ValueError, match=r"^--crf is 52, expected 0 to 51$"):
        Settings(crf=52)
    with pytest.raises(ValueError, match=r"^--gop is 0, expected at least 1 frame$"):
        Settings(gop=0)


@pytest.mark.parametrize(
    ("name", "copied"), [("a/v.webm", "a/v.mp4"), ("v.1.AVI", "v.1.mp4"), ("v.1", "v.1.mp4"), ("v.mp4", "v.mp4")]
)
def test_names_in_a_copy(name: str, copied: str) -> None:
    assert copied_name(name) == copied
