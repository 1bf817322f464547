"""The data sets as their publishers distribute them, in miniature."""

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from video_adapters.data.annotations import (
    END,
    ClassFolders,
    Diving48,
    Hmdb51,
    Kinetics,
    Ucf101,
    Video,
    VideoList,
    VideoTable,
)
from video_adapters.data.annotations.held_out import held_out, stratified
from video_adapters.data.from_config import build_data

from helpers.miniatures import (
    KINETICS,
    without,
    write_class_folders,
    write_diving48,
    write_frame_folders,
    write_hmdb51,
    write_kinetics,
    write_table,
    write_ucf101,
)
from helpers.toy import composed


def names(videos: object) -> list[str]:
    return [os.path.basename(video.path) for video in videos]  # type: ignore[attr-defined]


def test_diving48_gives_spans_and_classes_by_their_words(tmp_path: Path) -> None:
    annotations = Diving48(str(write_diving48(tmp_path / "d")))
    assert annotations.class_names == ("Back 15som 05Twis FREE", "Forward 25som NoTwis PIKE")
    videos = annotations.videos("train")
    assert videos[2] == Video(str(tmp_path / "d" / "rgb" / "-trainq0PT-u8k_00002.mp4"), 0, 4, 12)
    assert len(annotations.videos("test")) == 3
    assert annotations.missing(videos) == []
    with pytest.raises(ValueError, match=r"no validation split: set data.val_split=test"):
        annotations.videos("val")


def test_diving48_without_its_vocabulary_says_what_is_there(tmp_path: Path) -> None:
    root = without(write_diving48(tmp_path / "d"), "Diving48_vocab.json")
    with pytest.raises(ValueError, match=r"Diving48_vocab.json is neither in .* There are: Diving48_V2_test.json"):
        _ = Diving48(str(root)).class_names


@pytest.mark.parametrize("layout", ["flat", "spaces", "underscores"])
@pytest.mark.parametrize("val", ["val", "validate"])
def test_kinetics_is_found_flat_and_in_class_folders(layout: str, val: str, tmp_path: Path) -> None:
    annotations = Kinetics(str(write_kinetics(tmp_path / "k", layout, val)))
    assert annotations.class_names == tuple(sorted(KINETICS))
    train = annotations.videos("train")
    assert names(train)[1] == "-t1_Abc-DE1_000010_000020.mp4"
    assert train.labels.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert annotations.missing(train) == [train[0].path]  # the one that is gone from the net
    assert annotations.missing(annotations.videos("val")) == []
    assert annotations.videos("test").labels.tolist() == [-1]


def test_kinetics_says_which_csv_files_it_found(tmp_path: Path) -> None:
    root = write_kinetics(tmp_path / "k")
    (root / "train_backup.csv").write_text("label\n")
    with pytest.raises(
        ValueError, match=r"one csv file of the split 'train' is expected .*train_backup.csv, .*train.csv"
    ):
        Kinetics(str(root)).videos("train")
    without(root, "train_backup.csv")
    (root / "annotations" / "val.csv").write_text("name,id\n")
    with pytest.raises(ValueError, match=r"val.csv lacks the columns \['label', 'youtube_id'"):
        Kinetics(str(root)).videos("val")
    with pytest.raises(
        ValueError, match=r"no video of the split 'val' is in .*/k/val, .* There are: annotations, test"
    ):
        Kinetics(str(without(root, "val"))).videos("val")


@pytest.mark.parametrize("fold", [1, 2, 3])
def test_ucf101_has_three_splits(fold: int, tmp_path: Path) -> None:
    annotations = Ucf101(str(write_ucf101(tmp_path / "u")), fold)
    assert annotations.class_names == ("ApplyEyeMakeup", "YoYo")
    assert names(annotations.videos("test")) == [f"v_{n}_g{fold:02d}_c01.avi" for n in ("ApplyEyeMakeup", "YoYo")]
    assert annotations.videos("test").labels.tolist() == [0, 1]
    train = annotations.videos("train")
    assert len(train) == 6
    assert annotations.missing(train) == []
    assert annotations.groups("test") == (f"g{fold:02d}", f"g{fold:02d}")


@pytest.mark.parametrize("fold", [1, 2, 3])
def test_hmdb51_has_three_splits_and_videos_that_are_in_none(fold: int, tmp_path: Path) -> None:
    annotations = Hmdb51(str(write_hmdb51(tmp_path / "h")), fold)
    assert annotations.class_names == ("brush_hair", "wave")
    train, test = annotations.videos("train"), annotations.videos("test")
    assert (train.labels.tolist(), test.labels.tolist()) == ([0, 0, 0, 1, 1, 1], [0, 1])
    assert names(test)[0] == f"#20_brush_hair (a&b)[1]_u_nm_np1_{(2 - fold) % 5}.avi"
    assert annotations.groups("test")[0] == "#20"
    assert annotations.missing(train) == []


@pytest.mark.parametrize(("kind", "write"), [(Ucf101, write_ucf101), (Hmdb51, write_hmdb51)])
def test_small_sets_say_what_they_lack(kind: type, write: object, tmp_path: Path) -> None:
    root = write(tmp_path / "s")  # type: ignore[operator]
    with pytest.raises(ValueError, match=r"data.annotations.fold is 4, expected one of 1, 2, 3"):
        kind(str(root), 4)
    with pytest.raises(ValueError, match=r"no validation split: set data.val_split=test"):
        kind(str(root)).videos("val")
    with pytest.raises(ValueError, match=r"no class folder, such as"):
        kind(str(root), videos="elsewhere").videos("train")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"unpack .* there\. .* is empty"):
        kind(str(tmp_path / "empty")).videos("train")


@pytest.mark.parametrize("offset", [False, True])
def test_lists_of_frame_folders_give_spans(offset: bool, tmp_path: Path) -> None:
    root = write_frame_folders(tmp_path / "f", offset)
    columns = "path offset frames label" if offset else "path frames label"
    videos = VideoList(str(root), train="train.txt", columns=columns).videos("train")
    span = (2, 9) if offset else (0, 10)
    assert videos[1] == Video(str(root / "frames" / "train 1"), 1, *span)
    assert VideoList(str(root)).missing(videos) == []


def test_a_delimiter_may_stand_in_the_path(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("a,b c,1.mp4,3\nd.mp4, 0\n")
    videos = VideoList(str(tmp_path), train="train.txt", delimiter=",").videos("train")
    assert [(os.path.basename(v.path), v.label, v.stop) for v in videos] == [("a,b c,1.mp4", 3, END), ("d.mp4", 0, END)]


def test_unknown_columns_and_lines_that_lack_some_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"columns is 'label path', expected one of: path label; path frames label"):
        VideoList(str(tmp_path), columns="label path")
    (tmp_path / "train.txt").write_text("a 5 1\nb x 1\n")
    with pytest.raises(ValueError, match=r"line 2: 'b x 1' must be path frames label"):
        VideoList(str(tmp_path), train="train.txt", columns="path frames label").videos("train")


def test_a_table_divides_by_group_so_that_nobody_is_on_both_sides(tmp_path: Path) -> None:
    root = write_table(tmp_path / "t")
    annotations = VideoTable(str(root), group="person")
    train, val = annotations.videos("train"), annotations.videos("val")
    assert annotations.class_names == ("clap", "wave")
    assert len(train) + len(val) == 8
    people = [{int(name[6]) // 2 for name in names(split)} for split in (train, val)]
    assert len(people[1]) == 1
    assert not people[0] & people[1]
    for split in ("train", "val"):
        expected = tuple(f"person {int(name[6]) // 2}" for name in names(annotations.videos(split)))
        assert annotations.groups(split) == expected
    assert VideoTable(str(root)).groups("train") is None
    assert annotations.missing(train) == []
    with pytest.raises(ValueError, match=r"no video of the split 'test', only of: train, val"):
        annotations.videos("test")


@pytest.mark.parametrize("change", ["max_videos=4", "fraction=0.5", "missing"])
def test_groups_stay_with_their_videos_whatever_is_left_out(change: str, tmp_path: Path) -> None:
    lines = [f"{i}.mp4,{i % 2},person{i // 3}" for i in range(12)]
    (tmp_path / "videos.csv").write_text("\n".join(["path,label,who", *lines]))
    for i in range(12):
        if change != "missing" or i not in (2, 7):
            (tmp_path / f"{i}.mp4").touch()
    changes = [f"data.{change}"] if "=" in change else []
    data = build_data(
        composed("data=csv", f"data.root={tmp_path}", "data.annotations.group=who", "data.num_classes=2", *changes)
    )
    for use in ("train", "val"):
        numbers = [int(Path(video.path).stem) for video in data.videos(use)]
        assert data.groups(use) == tuple(f"person{i // 3}" for i in numbers)
    assert build_data(composed("data=csv", f"data.root={tmp_path}", "data.num_classes=2")).groups("train") is None


def test_a_table_may_say_split_span_and_numbers(tmp_path: Path) -> None:
    text = "path,label,split,start,stop\na.mp4,0,training,5,9\nb.mp4,1,VALID,,\n"
    (tmp_path / "videos.csv").write_text(text)
    annotations = VideoTable(str(tmp_path))
    assert annotations.class_names == ()
    assert list(annotations.videos("train")) == [Video(str(tmp_path / "a.mp4"), 0, 5, 9)]
    assert list(annotations.videos("val")) == [Video(str(tmp_path / "b.mp4"), 1, 0, END)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,name\na,b\n", r"must have one of the columns label, class, category, action; its header is path, name"),
        ("path,file,label\na,b,c\n", r"must have one of the columns path, file, filename, video"),
        ("path,label\n", "no line below its header"),
        ("path,label\na,b,c\n", "line 2: it has more or fewer columns"),
        ("path,label,split\na,b,dev\n", r"has the splits \['dev'\], expected train, val, test"),
        ("path,label,start\na,b,x\n", "line 2: start and stop must be frame numbers"),
        ("path,label,start\na,b,-5\n", "line 2: there are no frames from -5 up to -1"),
        ("path,label,start,stop\na,b,5,5\n", "line 2: there are no frames from 5 up to 5"),
        ("path,label\na,b\na, \n", "line 3: it names no class"),
        ("path,label\n,b\n", "line 2: it names no video"),
        ("path,label\na,b\na,c\n", "line 3: .*a stands further up too, in another class"),
        ("path,label,split\na,b,train\na,b,val\n", "line 3: .*a stands further up too, in the other side of the split"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "videos.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        VideoTable(str(tmp_path)).videos("train")


def test_blanks_around_a_class_and_a_test_on_the_validation_videos_are_taken_as_meant(tmp_path: Path) -> None:
    (tmp_path / "videos.csv").write_text("path,label,split\na,run,train\nb,run ,val\nb,run,test\n")
    table = VideoTable(str(tmp_path))
    assert table.class_names == ("run",)
    assert [video.path for video in table.videos("test")] == [video.path for video in table.videos("val")]


def test_a_table_without_the_named_group_or_without_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "videos.csv").write_text("path,label\na,b\n")
    with pytest.raises(ValueError, match=r"no column 'person' for groups, only: path, label"):
        VideoTable(str(tmp_path), group="person").videos("train")
    with pytest.raises(
        ValueError, match=r"data.annotations.file: the table .*other.csv is missing. There are: videos.csv"
    ):
        VideoTable(str(tmp_path), "other.csv").videos("train")


def test_split_folders_are_known_by_their_common_names_and_other_files_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("Train/run/a.MTS", "Train/run/b.mp4", "valid/run/c.avi", "Train/run/d.xyz", "Train/run/.hidden"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    annotations = ClassFolders(str(tmp_path))
    assert annotations.class_names == ("run",)
    assert [Path(video.path).name for video in annotations.videos("train")] == ["a.MTS", "b.mp4"]
    assert "Train: no videos by their names: 1 of .xyz (1 file)" in caplog.text
    assert [Path(video.path).name for video in annotations.videos("val")] == ["c.avi"]


def test_class_folders_without_splits_are_divided_by_class(tmp_path: Path) -> None:
    annotations = ClassFolders(str(write_class_folders(tmp_path / "c")))
    train, val = annotations.videos("train"), annotations.videos("val")
    assert annotations.class_names == ("clap", "wave")
    assert (train.labels.tolist(), val.labels.tolist()) == ([0, 0, 0, 1, 1, 1], [0, 1])
    assert not {v.path for v in train} & {v.path for v in val}
    with pytest.raises(ValueError, match="no folder for 'test'"):
        annotations.videos("test")


def test_where_there_is_a_test_set_and_no_validation_a_share_of_training_is_set_aside(tmp_path: Path) -> None:
    for name in (*(f"train/{label}/{i}" for label in "ab" for i in range(5)), "test/a/9", "test/b/9"):
        path = tmp_path / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    rows = [f"train/{label}/{i}.mp4,{label},train" for label in "ab" for i in range(5)]
    rows += ["test/a/9.mp4,a,test", "test/b/9.mp4,b,test"]
    (tmp_path / "videos.csv").write_text("\n".join(["path,label,split", *rows]))
    for annotations in (ClassFolders(str(tmp_path)), VideoTable(str(tmp_path))):
        assert all(map(annotations.has, ("train", "val", "test")))
        train, val, test = map(annotations.videos, ("train", "val", "test"))
        assert [np.bincount(videos.labels).tolist() for videos in (train, val, test)] == [[4, 4], [1, 1], [1, 1]]
        assert not {video.path for video in train} & {video.path for video in val}
        assert all("train" in video.path for video in val)


def test_what_is_held_out_is_a_share_of_each_class_and_always_the_same() -> None:
    labels = np.repeat([0, 1, 2], [100, 10, 2])
    chosen = held_out(labels, 0.2)
    assert [int(chosen[labels == label].sum()) for label in range(3)] == [20, 2, 1]
    assert np.array_equal(chosen, held_out(labels, 0.2))
    assert not np.array_equal(chosen, held_out(labels, 0.2, seed=1))
    assert not held_out(np.array([0]), 0.5).any()


def test_groups_are_held_out_whole_and_leave_every_class_something_to_train_on() -> None:
    generator = np.random.default_rng(0)
    people = [f"p{i}" for i in generator.integers(0, 20, 400)]
    labels = generator.integers(0, 5, 400)
    chosen = held_out(labels, 0.25, people)
    sides = [{p for p, c in zip(people, chosen, strict=True) if c == side} for side in (True, False)]
    assert not sides[0] & sides[1]
    assert 0.15 < chosen.mean() <= 0.25
    with pytest.raises(ValueError, match=r"no group of the 2 can be set aside"):
        held_out(np.array([0, 1]), 0.5, ["a", "b"])
    with pytest.raises(ValueError, match="val_share is 1"):
        held_out(labels, 1)


def test_a_share_of_the_videos_is_one_of_each_class_within_any_larger_share() -> None:
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [40, 20, 3]))
    shares = {share: stratified(labels, share) for share in (0.05, 0.25, 0.5, 1.0)}
    assert [np.bincount(labels[shares[share]]).tolist() for share in shares] == [
        [2, 1, 1],  # at least one of each
        [10, 5, 1],
        [20, 10, 2],
        [40, 20, 3],
    ]
    for smaller, larger in pairwise(shares.values()):
        assert set(smaller) < set(larger)
        assert smaller == sorted(smaller)
    assert stratified(labels, 0.25) == shares[0.25]
