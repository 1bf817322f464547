import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from video_adapters.data.annotations import ClassFolders, SomethingSomethingV2, Video, VideoList, Videos, VideoTable

LABELS = {
    "Holding something": "1",
    "Approaching something with your camera": "0",
    "Holding something in something": "2",
}
TRAIN = [
    {"id": "7", "label": "holding a cup", "template": "Holding [something]", "placeholders": ["a cup"]},
    {"id": "3", "label": "", "template": "Approaching [something] with your camera", "placeholders": ["a wall"]},
]
VALIDATION = [{"id": "12", "label": "", "template": "Holding [something] in [something]", "placeholders": []}]
TEST = [{"id": "40"}, {"id": "41"}]


def touch(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def write_ssv2(root: Path, labels: str = ".", videos: str = "20bn-something-something-v2", prefix: str = "") -> str:
    """Something-Something v2 in small -> its root."""
    contents = {"labels": LABELS, "train": TRAIN, "validation": VALIDATION, "test": TEST}
    (root / labels).mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (root / labels / f"{prefix}{name}.json").write_text(json.dumps(content))
    touch(*(root / videos / f"{number}.webm" for number in (3, 7, 12, 40, 41)))
    return str(root)


def write_list(root: Path, *lines: str, name: str = "train.txt") -> str:
    (root / name).write_text("\n".join(lines) + "\n")
    return str(root)


# Videos


def test_videos_come_back_as_they_went_in() -> None:
    listed = [Video("a.mp4", 3), Video("ü/日 本.mp4", 0), Video("", 1), Video(os.fsdecode(b"\xff.mp4"), -1)]
    videos = Videos(listed)
    assert list(videos) == listed
    assert videos[-1] == listed[-1]
    assert list(videos[1:]) == listed[1:]
    assert list(videos.select([2, 0, 0])) == [listed[2], listed[0], listed[0]]
    assert videos.labels.tolist() == [3, 0, 1, -1]
    assert list(pickle.loads(pickle.dumps(videos))) == listed
    assert len(Videos([])) == 0
    for index in (4, -5):
        with pytest.raises(IndexError):
            videos[index]


def test_half_a_million_videos_pickle_as_a_few_flat_pieces() -> None:
    videos = Videos(Video(f"{number:07d}.webm", number % 174) for number in range(500_000))
    assert len(pickle.dumps(videos)) < 500_000 * (12 + 8 + 8) + 10_000  # bytes of path, end and label
    assert videos[123_456] == Video("0123456.webm", 123_456 % 174)


# Missing files


def test_missing_files_are_named_in_order(tmp_path: Path) -> None:
    touch(tmp_path / "a/1.mp4", tmp_path / "b/2.mp4")
    names = ["b/3.mp4", "a/1.mp4", "b/2.mp4", "a/2.mp4", "none/1.mp4"]
    annotations = VideoList(str(tmp_path))
    videos = Videos(Video(str(tmp_path / name), 0) for name in names)
    assert annotations.missing(videos) == [str(tmp_path / names[i]) for i in (0, 3, 4)]
    assert annotations.missing(videos.select([1, 2])) == []


def test_a_data_set_without_any_file_says_where_it_looked(tmp_path: Path) -> None:
    root = write_list(tmp_path, "videos/a.mp4 0", "videos/b.mp4 0")
    annotations = VideoList(root, train="train.txt")
    with pytest.raises(ValueError, match=r"none of the 2 videos is there: looked in .*/videos for .*/videos/a\.mp4"):
        annotations.missing(annotations.videos("train"))


# Something-Something v2


@pytest.mark.parametrize("prefix", ["", "something-something-v2-"])
@pytest.mark.parametrize("labels", [".", "labels", "20bn-something-something-download-package-labels/labels"])
@pytest.mark.parametrize(
    "videos", ["20bn-something-something-v2", "20bn-something-something-v2/20bn-something-something-v2", "."]
)
def test_ssv2_is_read_however_it_was_unpacked(prefix: str, labels: str, videos: str, tmp_path: Path) -> None:
    annotations = SomethingSomethingV2(write_ssv2(tmp_path, labels, videos, prefix))
    folder = os.path.normpath(tmp_path / videos)
    assert annotations.class_names == tuple(sorted(LABELS, key=lambda name: int(LABELS[name])))
    train = annotations.videos("train")
    assert [(os.path.normpath(path), label) for path, label, *_ in train] == [
        (f"{folder}/7.webm", 1),
        (f"{folder}/3.webm", 0),
    ]
    assert annotations.videos("val").labels.tolist() == [2]
    assert annotations.missing(train) == []


def test_ssv2_classes_are_in_the_order_of_their_labels(tmp_path: Path) -> None:
    root = write_ssv2(tmp_path)
    names = [f"Throwing {letter}" for letter in "lkjihgfedcba"]  # not alphabetical, and "10" comes before "2"
    (tmp_path / "labels.json").write_text(json.dumps({name: str(names.index(name)) for name in names[3:] + names[:3]}))
    assert SomethingSomethingV2(root).class_names == tuple(names)


def test_ssv2_videos_may_be_elsewhere(tmp_path: Path) -> None:
    root = write_ssv2(tmp_path / "labels-only", videos="../elsewhere/webm")
    videos = SomethingSomethingV2(root, videos=str(tmp_path / "elsewhere/webm")).videos("val")
    assert videos[0].path == str(tmp_path / "elsewhere/webm/12.webm")


def test_ssv2_test_videos_have_labels_where_the_answers_are(tmp_path: Path) -> None:
    root = write_ssv2(tmp_path)
    assert SomethingSomethingV2(root).videos("test").labels.tolist() == [-1, -1]
    (tmp_path / "test-answers.csv").write_text("41;Holding something\n40;Holding something in something\n")
    assert SomethingSomethingV2(root).videos("test").labels.tolist() == [2, 1]


def test_an_unknown_template_is_refused_with_the_nearest(tmp_path: Path) -> None:
    root = write_ssv2(tmp_path)
    (tmp_path / "train.json").write_text(json.dumps([TRAIN[0] | {"template": "Holding [somethin]"}]))
    with pytest.raises(ValueError, match=r"train\.json: 'Holding \[somethin\]' is not in .*'Holding something'"):
        SomethingSomethingV2(root).videos("train")


@pytest.mark.parametrize("labels", [{"a": "0", "b": "0"}, {"a": "1"}, {"a": "x"}, ["a", "b"]])
def test_ssv2_labels_must_count_from_zero(labels: object, tmp_path: Path) -> None:
    root = write_ssv2(tmp_path)
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    with pytest.raises(ValueError, match=r"labels\.json must give each class a label of its own"):
        _ = SomethingSomethingV2(root).class_names


def test_one_video_with_two_labels_is_refused(tmp_path: Path) -> None:
    root = write_ssv2(tmp_path)
    (tmp_path / "train.json").write_text(json.dumps([*TRAIN, TRAIN[0] | {"template": TRAIN[1]["template"]}]))
    with pytest.raises(ValueError, match=r"train\.json: .*7\.webm has label 1, and label 0 too"):
        SomethingSomethingV2(root).videos("train")
    write_list(tmp_path, "a.mp4 1", "b.mp4 1", "a.mp4 2", name="list.txt")
    with pytest.raises(ValueError, match=r"list\.txt: .*a\.mp4 has label 1, and label 2 too"):
        VideoList(root, train="list.txt").videos("train")


@pytest.mark.parametrize(
    ("content", "message"), [("[{", "is not JSON"), ('[{"id": "1"}]', "entry"), ('["1"]', "entry '?1")]
)
def test_a_malformed_json_file_is_named(content: str, message: str, tmp_path: Path) -> None:
    root = write_ssv2(tmp_path)
    (tmp_path / "train.json").write_text(content)
    with pytest.raises(ValueError, match=rf"train\.json.*{message}"):
        SomethingSomethingV2(root).videos("train")


def test_what_is_missing_of_ssv2_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"labels\.json or something-something-v2-labels\.json is neither in .* does not exist"
    ):
        _ = SomethingSomethingV2(str(tmp_path / "none")).class_names
    root = write_ssv2(tmp_path)
    (tmp_path / "test.json").unlink()
    with pytest.raises(ValueError, match=r"test\.json or .* There are: .*labels\.json, train\.json"):
        SomethingSomethingV2(root).videos("test")
    with pytest.raises(ValueError, match=r"no webm or mp4 file is in .*/nowhere"):
        SomethingSomethingV2(write_ssv2(tmp_path / "other", videos="clips"), videos="nowhere").videos("train")


# Lists


def test_a_list_is_split_from_the_right(tmp_path: Path) -> None:
    root = write_list(tmp_path, "a b/1 2.mp4 3", "", "c.mp4\t0", "  /abs/d.mp4   2  ", "e.mp4 -1")
    videos = VideoList(root, train="train.txt").videos("train")
    assert [video[:2] for video in videos] == [
        (f"{root}/a b/1 2.mp4", 3),
        (f"{root}/c.mp4", 0),
        ("/abs/d.mp4", 2),
        (f"{root}/e.mp4", -1),
    ]


def test_a_list_may_name_a_video_twice(tmp_path: Path) -> None:
    root = write_list(tmp_path, "a.mp4 1", "a.mp4 1")
    assert len(VideoList(root, train="train.txt").videos("train")) == 2


def test_any_bytes_may_be_in_a_listed_name(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_bytes(b"\xef\xbb\xbfa.mp4 0\r\n\xff.mp4 1\r\n")  # with a byte order mark
    names = [os.path.basename(path) for path, *_ in VideoList(str(tmp_path), train="train.txt").videos("train")]
    assert names == ["a.mp4", os.fsdecode(b"\xff.mp4")]


def test_class_names_of_lists_come_from_a_file_or_there_are_none(tmp_path: Path) -> None:
    root = write_list(tmp_path, "a.mp4 0", "b.mp4 1")
    write_list(tmp_path, "c.mp4 2", name="val.txt")
    write_list(tmp_path, "run", "jump high", "sit", name="classes.txt")
    assert VideoList(root, train="train.txt", val="val.txt").class_names == ()
    assert VideoList(root, train="train.txt", classes="classes.txt").class_names == ("run", "jump high", "sit")


def test_a_list_may_not_exceed_its_classes(tmp_path: Path) -> None:
    root = write_list(tmp_path, "a.mp4 0", "b.mp4 2")
    write_list(tmp_path, "run", "jump", name="classes.txt")
    with pytest.raises(ValueError, match=r"train\.txt has label 2, but classes\.txt names 2 classes"):
        VideoList(root, train="train.txt", classes="classes.txt").videos("train")


@pytest.mark.parametrize("line", ["a.mp4", "a.mp4 x", "a.mp4 -2", "5", "a.mp4 1.5"])
def test_a_malformed_line_is_named(line: str, tmp_path: Path) -> None:
    root = write_list(tmp_path, "ok.mp4 0", line)
    with pytest.raises(ValueError, match=rf"train\.txt, line 2: '{line}'"):
        VideoList(root, train="train.txt").videos("train")


def test_a_list_that_is_not_there_is_named(tmp_path: Path) -> None:
    root = write_list(tmp_path, "a.mp4 0")
    with pytest.raises(ValueError, match="no list is given for 'test', only for: train"):
        VideoList(root, train="train.txt").videos("test")
    with pytest.raises(
        ValueError, match=r"^data\.annotations\.val: the list .*val\.txt is missing\. There are: train\.txt"
    ):
        VideoList(root, train="train.txt", val="val.txt").videos("val")


# Class folders


def test_class_folders_give_classes_in_alphabetical_order(tmp_path: Path) -> None:
    touch(tmp_path / "train/run/b.mp4", tmp_path / "train/run/a.AVI", tmp_path / "train/jump/c.webm")
    touch(tmp_path / "train/run/notes.txt", tmp_path / "train/run/._a.mp4", tmp_path / "train/.cache/d.mp4")
    touch(tmp_path / "validation/run/e.mkv")
    annotations = ClassFolders(str(tmp_path))
    assert annotations.class_names == ("jump", "run")
    train = [(os.path.relpath(path, tmp_path), label) for path, label, *_ in annotations.videos("train")]
    assert train == [("train/jump/c.webm", 0), ("train/run/a.AVI", 1), ("train/run/b.mp4", 1)]
    assert [video[:2] for video in annotations.videos("val")] == [(str(tmp_path / "validation/run/e.mkv"), 1)]


def test_a_split_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    touch(tmp_path / "train/run/a.mp4", tmp_path / "val/run/a.mp4")
    with pytest.raises(ValueError, match=r"no folder for 'test'\. There are: train, val"):
        ClassFolders(str(tmp_path)).videos("test")
    with pytest.raises(ValueError, match="has neither a folder train, val or test nor class folders"):
        _ = ClassFolders(str(tmp_path / "train" / "run")).class_names


def test_class_folders_that_contradict_are_refused(tmp_path: Path) -> None:
    touch(tmp_path / "train/run/a.mp4", tmp_path / "val/walk/a.mp4")
    with pytest.raises(ValueError, match=r"classes \['walk'\], but the first split only \['run'\]"):
        ClassFolders(str(tmp_path)).videos("val")
    touch(tmp_path / "validation/run/a.mp4")
    with pytest.raises(ValueError, match="which is the 'val' split"):
        ClassFolders(str(tmp_path)).videos("val")


def test_class_folders_without_videos_are_refused(tmp_path: Path) -> None:
    touch(tmp_path / "train/run/a.txt")
    with pytest.raises(ValueError, match="has no video in its class folders"):
        ClassFolders(str(tmp_path)).videos("train")


@pytest.mark.parametrize("annotations", [SomethingSomethingV2(""), VideoList(""), ClassFolders("")])
def test_splits_have_three_names(annotations: SomethingSomethingV2 | VideoList | ClassFolders) -> None:
    with pytest.raises(ValueError, match="no split 'validation', only train, val, test"):
        annotations.videos("validation")


def test_labels_are_an_array() -> None:
    np.testing.assert_array_equal(Videos([Video("a", 2), Video("b", 1)]).labels, np.array([2, 1]))


def test_mistyped_names_are_met_with_the_nearest(tmp_path: Path) -> None:
    touch(tmp_path / "mine/train/wave/a.mp4", tmp_path / "mine/val/wawe/a.mp4")
    with pytest.raises(ValueError, match=r"mien does not exist \(did you mean mine\?\)"):
        _ = ClassFolders(str(tmp_path / "mien")).class_names
    with pytest.raises(ValueError, match=r"has classes \['wawe'\] \(did you mean wave\?\), but"):
        ClassFolders(str(tmp_path / "mine")).videos("val")
    (tmp_path / "train.txt").touch()
    with pytest.raises(ValueError, match=r"trian\.txt is missing \(did you mean train\.txt\?\)"):
        VideoList(str(tmp_path), train="trian.txt").videos("train")


def test_classes_that_are_numbers_are_in_the_order_of_numbers(tmp_path: Path) -> None:
    for name in (*map(str, range(12)), "none"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.mp4").touch()
    folders = ClassFolders(str(tmp_path))
    assert folders.class_names == (*map(str, range(12)), "none")
    assert [folders.class_names[video.label] for video in folders.videos("train")] == [*map(str, range(12)), "none"]
    (tmp_path / "videos.csv").write_text("path,label\n" + "".join(f"{i}.mp4,{i}\n" for i in (2, 10)) + "a.mp4,none\n")
    assert VideoTable(str(tmp_path)).class_names == ("2", "10", "none")


TABLES = {
    "cells": "path,label\na.mp4,run|jump\nb.mp4,jump | run\nc.mp4,\nd.mp4,sit\n",
    "columns": "path,jump,run,sit\na.mp4,1,1,0\nb.mp4,1,1,0\nc.mp4,0,0,0\nd.mp4,0,0,1\n",
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_gives_a_video_several_classes_in_a_cell_or_by_columns(tmp_path: Path, kind: str) -> None:
    (tmp_path / "videos.csv").write_text(TABLES[kind])
    table = VideoTable(root=str(tmp_path), labels="multi", val_share=0.5)
    assert table.class_names == ("jump", "run", "sit")
    assert table.label_sets is not None
    of_video = {
        Path(video.path).stem: table.label_sets[video.label].astype(int).tolist()
        for split in ("train", "val")
        for video in table.videos(split)
    }
    assert of_video == {"a": [1, 1, 0], "b": [1, 1, 0], "c": [0, 0, 0], "d": [0, 0, 1]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na.mp4,run|-1\nb.mp4,sit\n", r"line 2: 'run\|-1' says that no label is known \(-1\), and names"),
        ("path,run,age\na.mp4,1,34\n", "line 2: the column 'age' has '34', expected 0 or 1"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "videos.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        _ = VideoTable(root=str(tmp_path), labels="multi").class_names
