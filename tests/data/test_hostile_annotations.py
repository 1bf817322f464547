"""Label files as somebody would write them who wants a command to break."""

import json
from pathlib import Path

import pytest

from video_adapters.data.annotations import (
    Annotations,
    Diving48,
    Kinetics,
    SomethingSomethingV2,
    Ucf101,
    Video,
    VideoList,
    Videos,
    VideoTable,
)
from video_adapters.data.annotations.videos import LAST
from video_adapters.data.video.frame_source import DecodeError
from video_adapters.data.video.reader import open_video

from helpers.ssv2 import write_ssv2
from helpers.videos import numbered_frames, write_video


@pytest.mark.parametrize("count", [10**9, 10**12, 10**30])
def test_a_line_that_names_more_frames_than_there_can_be_has_those_that_there_are(tmp_path: Path, count: int) -> None:
    write_video(tmp_path / "v.mp4", numbered_frames(5))
    (tmp_path / "train.txt").write_text(f"v.mp4 {count} 0\n")
    (video,) = VideoList(str(tmp_path), train="train.txt", columns="path frames label").videos("train")
    with open_video(video) as span:
        assert span.num_frames == 5
    (tmp_path / "videos.csv").write_text(f"path,label,split,start,stop\nv.mp4,0,train,2,{count}\n")
    (video,) = VideoTable(str(tmp_path)).videos("train")
    with open_video(video) as span:
        assert span.num_frames == 3


def test_a_frame_past_the_end_is_a_video_that_cannot_be_read(tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", numbered_frames(5))
    (tmp_path / "train.txt").write_text(f"v.mp4 {LAST} 10 0\n")
    (video,) = VideoList(str(tmp_path), train="train.txt", columns="path offset frames label").videos("train")
    with pytest.raises(DecodeError, match="has 5 frames, none of"), open_video(video):
        pass


@pytest.mark.parametrize("line", [f"v.mp4 {LAST + 1} 10 0", "v.mp4 0 10 1000000", f"v.mp4 {10**30} 10 {10**30}"])
def test_labels_and_frames_that_no_data_set_has_are_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "train.txt").write_text(f"{line}\n")
    with pytest.raises(ValueError, match="expected a label below 1000000 and frames from 0"):
        VideoList(str(tmp_path), train="train.txt", columns="path offset frames label").videos("train")


def test_json_that_never_ends_is_no_json(tmp_path: Path) -> None:
    root = write_ssv2(tmp_path, 1, 1)
    (next(root.rglob("train.json"))).write_text("[" * 100_000 + "]" * 100_000)
    with pytest.raises(ValueError, match="is not JSON"):
        SomethingSomethingV2(str(root)).videos("train")


def test_a_name_that_no_file_can_have_is_said(tmp_path: Path) -> None:
    entry = {"vid_name": "\ud800", "label": 0, "start_frame": 0, "end_frame": 9}
    (tmp_path / "Diving48_V2_train.json").write_text(json.dumps([entry]))
    with pytest.raises(ValueError, match="is the name of no file"):
        Diving48(str(tmp_path)).videos("train")


DIVE = '[{"vid_name": "a", "label": 0, "start_frame": 0, "end_frame": %s}]'
KINETICS = b"label,youtube_id,time_start,time_end\n"


def read_all(annotations: Annotations) -> tuple[Videos, tuple[str, ...]]:
    return annotations.videos("train"), annotations.class_names


@pytest.mark.parametrize(
    ("reader", "name", "content"),
    [
        (Diving48, "Diving48_V2_train.json", (DIVE % "1e400").encode()),
        (Diving48, "Diving48_V2_train.json", (DIVE % '"many"').encode()),
        (Diving48, "Diving48_V2_train.json", b"null"),
        (Diving48, "Diving48_vocab.json", b"[[1, 2]]"),
        (SomethingSomethingV2, "labels.json", b"{}"),
        (SomethingSomethingV2, "train.json", b'[{"id": "1", "template": 5}]'),
        (Kinetics, "train.csv", KINETICS + b"dancing,abc"),
        (Kinetics, "train.csv", KINETICS + b"dancing,abc,first,11"),
        (Kinetics, "train.csv", KINETICS + b"b\xf6se,abc,1,11"),
        (Ucf101, "classInd.txt", b""),
        (Ucf101, "classInd.txt", b"ApplyEyeMakeup\n"),
    ],
)
def test_what_has_not_the_official_form_is_named_with_its_file(
    reader: type[Annotations], name: str, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "UCF-101").mkdir()
    for video in ("v.webm", "train/v.mp4"):
        (tmp_path / video).parent.mkdir(exist_ok=True)
        (tmp_path / video).touch()
    (tmp_path / "labels.json").write_text('{"Holding something": "0"}')
    (tmp_path / "train.json").write_text('[{"id": "1", "template": "Holding [something]"}]')
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=name):
        read_all(reader(root=str(tmp_path)))  # type: ignore[call-arg]


def test_a_span_that_ends_before_any_frame_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Diving48_V2_train.json").write_text(DIVE % -(10**12))
    with pytest.raises(ValueError, match=r"a\.mp4 .* ends before -1000000000000"):
        Diving48(str(tmp_path)).videos("train")


def test_an_honest_list_stays_as_it_is() -> None:
    videos = [Video("a", -1), Video("b", 999_999, 3, 7), Video("../c", 0, 0, -1)]
    assert list(Videos(videos)) == videos
