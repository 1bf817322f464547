"""Exports of labelling tools, with what is odd about each."""

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from video_adapters.data.annotations import END, CreateML, Cvat, LabelStudio, Via
from video_adapters.data.annotations.named_videos import NamedVideos
from video_adapters.data.annotations.tool_export import ToolExport

from helpers.tool_exports import (
    annotation,
    box,
    cvat_task,
    cvat_xml,
    result,
    task,
    timeline,
    via_project,
)

Stretch = tuple[str, tuple[str, ...], float, float, bool]


def touched(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def stretches(annotations: ToolExport) -> list[Stretch]:
    """Name, classes and span of every video, whatever its split, in the order of names and time."""
    names, sets = annotations.class_names, annotations.label_sets
    rows = []
    for split in ("train", "val", "test"):
        for path, label, start, stop, seconds in annotations.videos(split) if annotations.has(split) else ():
            classes = (
                (names[label],) if sets is None else tuple(n for n, i in zip(names, sets[label], strict=True) if i)
            )
            rows.append((os.path.relpath(path, annotations.root), classes, start, stop, seconds))
    return sorted(rows)


def label_studio(root: Path, tasks: object, **more: Any) -> LabelStudio:
    (root / "export.json").write_text(json.dumps(tasks))
    return LabelStudio(str(root), **more)


def cvat(root: Path, text: str, **more: Any) -> Cvat:
    (root / "annotations.xml").write_text(text)
    return Cvat(str(root), **more)


def createml(root: Path, entries: object, **more: Any) -> CreateML:
    (root / "annotations.json").write_text(json.dumps(entries))
    return CreateML(str(root), **more)


def via(root: Path, videos: Sequence[str], *metadata: dict[str, Any], change: Any = None, **more: Any) -> Via:
    project = via_project(videos, {str(i): {"flg": 0, "xy": [], **one} for i, one in enumerate(metadata)})
    (change or (lambda _: None))(project)
    (root / "via_project.json").write_text(json.dumps(project))
    return Via(str(root), **more)


# Files by what the tool calls them


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("/data/upload/1/0f3b9c12-a_clip_1.mp4", "in/a clip (1).mp4"),
        ("/data/local-files/?d=in/a%20clip%20(1).mp4", "in/a clip (1).mp4"),
        ("https://bucket.s3.amazonaws.com/x/in/a%20clip%20%281%29.mp4?X-Amz-Signature=0", "in/a clip (1).mp4"),
        ("s3://bucket/in/a clip (1).mp4", "in/a clip (1).mp4"),
        ("/tasks/5/resolve/?fileuri=czM6Ly9iL2luL2ElMjBjbGlwJTIwKDEpLm1wNA==", "in/a clip (1).mp4"),
        ("C:\\Users\\ann\\in\\a clip (1).mp4", "in/a clip (1).mp4"),
        ("in/a%20clip%20(1).mp4", "in/a clip (1).mp4"),
        ("../../100%25.mp4", "100%25.mp4"),
        ("file:///mnt/100%2525.mp4", "100%25.mp4"),
        ("deadbeef-take.mp4", "deadbeef-take.mp4"),
        ("/elsewhere/c.mp4", "two/c.mp4"),
        ("gone/b.mp4", "b.mp4"),
    ],
)
def test_a_video_is_found_below_the_root(name: str, file: str, tmp_path: Path) -> None:
    touched(tmp_path, "in/a clip (1).mp4", "100%25.mp4", "deadbeef-take.mp4", "two/c.mp4", ".hidden/b.mp4")
    assert NamedVideos(str(tmp_path)).path(name, "export.json") == str(tmp_path / file)


def test_two_files_of_a_name_are_not_guessed_between(tmp_path: Path) -> None:
    touched(tmp_path, "one/a.mp4", "two/a.mp4")
    assert NamedVideos(str(tmp_path)).path("x/two/a.mp4", "e") == str(tmp_path / "two/a.mp4")
    with pytest.raises(
        ValueError, match=r"export\.json: 'x/a\.mp4' may be .*/one/a\.mp4 or .*/two/a\.mp4: give a data\.root"
    ):
        NamedVideos(str(tmp_path)).path("x/a.mp4", "export.json")


@pytest.mark.parametrize("name", ["a\0.mp4", "a" * 5000, "", "/", "../.."])
def test_what_no_file_can_be_called_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^e: .* is the name of no file"):
        NamedVideos(str(tmp_path)).path(name, "e")


def test_in_a_copy_every_video_is_an_mp4(tmp_path: Path) -> None:
    touched(tmp_path, "in/a.mp4", "prepared.json")
    assert NamedVideos(str(tmp_path)).path("/data/upload/1/0f3b9c12-a.mov", "e") == str(tmp_path / "in/a.mp4")


# What all tools share


def test_what_nobody_has_labelled_is_left_out_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    entries = [{"video": f"{i}.mp4", "label": "run", "start": 1, "end": 1 + (i > 0)} for i in range(4)]
    annotations = createml(touched(tmp_path), [*entries, {"video": "x.mp4", "label": ""}])
    with caplog.at_level(logging.WARNING):
        assert len(stretches(annotations)) == 3
    assert "left out: 1 stretch without length, 1 stretch labelled by nobody" in caplog.text
    with pytest.raises(ValueError, match=r"json holds no labelled video: 1 stretch labelled by nobody"):
        stretches(createml(tmp_path, [{"video": "x.mp4", "label": ""}]))


def test_stretches_of_one_file_are_on_one_side_of_the_split(tmp_path: Path) -> None:
    entries = [
        {"video": f"{i}.mp4", "label": "ab"[k % 2], "start": k, "end": k + 1} for i in range(10) for k in range(4)
    ]
    annotations = createml(tmp_path, entries)
    train, val = ({video.path for video in annotations.videos(split)} for split in ("train", "val"))
    assert (len(train), len(val), train & val) == (8, 2, set())
    assert annotations.groups("val") == tuple(video.path for video in annotations.videos("val"))
    assert createml(tmp_path, entries, whole_files=False).groups("val") is None
    with pytest.raises(ValueError, match=r"no video of the split 'val', only of: train; .*whole_files=false"):
        createml(tmp_path, entries[:4]).videos("val")
    assert len(createml(tmp_path, entries[:4], whole_files=False).videos("val")) == 2


def test_of_several_classes_a_share_of_each_is_set_aside_however_rare_their_sets_are(tmp_path: Path) -> None:
    entries = [
        {"video": f"{i}.mp4", "label": label} for i in range(45) for label in ("abcdefghij"[i % 10], "klmnopqrs"[i % 9])
    ]
    annotations = createml(tmp_path, entries, labels="multi")
    assert annotations.label_sets is not None
    assert len(annotations.label_sets) == 45  # a set for each video
    assert 4 <= len(annotations.videos("val")) <= 15


def test_a_video_that_trains_is_not_validated_and_gets_no_class_from_there(tmp_path: Path) -> None:
    (tmp_path / "v.json").write_text(json.dumps([{"video": "a.mp4", "label": "outside"}]))
    stretch = {"video": "a.mp4", "label": "run", "start": 1, "end": 2}
    annotations = createml(tmp_path, [stretch], val="v.json", labels="multi")
    assert stretches(annotations) == [("a.mp4", ("outside",), 0, END, False), ("a.mp4", ("run",), 1, 2, True)]
    with pytest.raises(ValueError, match=r"a\.mp4 is for training and for val too: leave it out of one"):
        stretches(createml(tmp_path, [{"video": "a.mp4", "label": "run"}], val="v.json"))


def test_another_export_may_be_for_validation_and_one_for_the_test(tmp_path: Path) -> None:
    for name, video in (("v.json", "v.mp4"), ("t.json", "t.mp4")):
        (tmp_path / name).write_text(json.dumps([{"video": video, "label": "sit"}]))
    annotations = createml(tmp_path, [{"video": "a.mp4", "label": "run"}], val="v.json", test="t.json")
    assert annotations.class_names == ("run", "sit")
    assert [os.path.basename(annotations.videos(split)[0].path) for split in ("train", "val", "test")] == [
        "a.mp4", "v.mp4", "t.mp4",
    ]  # fmt: skip


def test_an_export_that_is_not_there_is_named_with_its_key(tmp_path: Path) -> None:
    annotations = createml(tmp_path, [{"video": "a.mp4", "label": "run"}], val="annotation.json")
    with pytest.raises(
        ValueError, match=r"data\.annotations\.val: the export .* is missing \(did you mean annotations"
    ):
        annotations.videos("train")


def test_several_classes_at_once_need_multi(tmp_path: Path) -> None:
    entries = [
        {"video": "a.mp4", "label": "run", "start": 0, "end": 10},
        {"video": "a.mp4", "label": "shout", "start": 2, "end": 4},
        {"video": "a.mp4", "label": "jump", "start": 8, "end": 13},
        {"video": "b.mp4", "label": "run"},
        {"video": "b.mp4", "label": "shout"},
    ]
    multi = createml(tmp_path, entries, labels="multi", whole_files=False)
    assert stretches(multi) == [
        ("a.mp4", ("jump",), 8, 13, True),  # it is run for 2 of 5 seconds
        ("a.mp4", ("run",), 0, 10, True),
        ("a.mp4", ("run", "shout"), 2, 4, True),
        ("b.mp4", ("run", "shout"), 0, END, False),
    ]
    with pytest.raises(
        ValueError, match=r"a\.mp4 from 2\.0 to 4\.0 s is labelled 'run' and 'shout': data\.labels=multi"
    ):
        stretches(createml(tmp_path, entries))
    with pytest.raises(ValueError, match=r"b\.mp4 is labelled 'run' and 'shout': data\.labels=multi trains"):
        stretches(createml(tmp_path, entries[3:]))


def test_a_class_of_the_whole_file_holds_in_its_stretches(tmp_path: Path) -> None:
    entries = [{"video": "a.mp4", "label": "outside"}, {"video": "a.mp4", "label": "run", "start": 1, "end": 2}]
    assert stretches(createml(tmp_path, entries, labels="multi")) == [
        ("a.mp4", ("outside",), 0, END, False),
        ("a.mp4", ("outside", "run"), 1, 2, True),
    ]


# Label Studio


def test_label_studio_choices_are_of_whole_videos(tmp_path: Path) -> None:
    tasks = [
        task(i, f"{i}.mp4", annotation([result({"choices": [name]})])) for i, name in enumerate(["run", "sit", "run"])
    ]
    assert stretches(label_studio(tmp_path, tasks)) == [
        (f"{i}.mp4", (name,), 0, END, False) for i, name in enumerate(["run", "sit", "run"])
    ]


def test_of_several_annotations_the_ground_truth_counts_or_else_the_last(tmp_path: Path) -> None:
    first, second = (annotation([result({"choices": [name]})], i) for i, name in ((2, "run"), (1, "sit")))
    skipped = annotation([result({"choices": ["fly"]})], 9, was_cancelled=True)
    truth = annotation([result({"choices": ["jump"]})], 0, ground_truth=True)
    tasks = [task(1, "a.mp4", first, second, skipped), task(2, "b.mp4", first, truth), task(3, "c.mp4", skipped)]
    assert [row[:2] for row in stretches(label_studio(tmp_path, tasks))] == [("a.mp4", ("run",)), ("b.mp4", ("jump",))]


def test_a_timeline_counts_frames_from_one_and_its_own(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tasks = [task(1, "a.mp4", annotation([timeline("run", 1, 24), timeline("sit", 49, 49)]))]
    with caplog.at_level(logging.WARNING):
        assert stretches(label_studio(tmp_path, tasks)) == [
            ("a.mp4", ("run",), 0, 24, False),
            ("a.mp4", ("sit",), 48, 49, False),
        ]
    assert "counts them by the frameRate of <Video>, 24 where none is set" in caplog.text
    assert stretches(label_studio(tmp_path, tasks, frame_rate=24)) == [
        ("a.mp4", ("run",), 0, 1, True),
        ("a.mp4", ("sit",), 2, pytest.approx(49 / 24), True),
    ]
    with pytest.raises(ValueError, match=r"frame_rate is 0, expected frames a second"):
        LabelStudio(str(tmp_path), frame_rate=0)


def test_labels_of_a_videos_sound_are_in_seconds(tmp_path: Path) -> None:
    value = {"start": 0.5, "end": 2.25, "channel": 0, "labels": ["Speech"]}
    tasks = [task(1, "a.mp4", annotation([result(value, "labels", "labels")]))]
    assert stretches(label_studio(tmp_path, tasks)) == [("a.mp4", ("Speech",), 0.5, 2.25, True)]


def test_rectangles_and_texts_are_not_read_and_that_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    value = {"framesCount": 30, "duration": 1.0, "sequence": [{"frame": 1, "x": 1, "enabled": True}], "labels": ["Man"]}
    results = [
        result({"choices": ["run"]}),
        result(value, "box", "videorectangle"),
        result({"text": ["?"]}, "note", "textarea"),
    ]
    with caplog.at_level(logging.WARNING):
        assert stretches(label_studio(tmp_path, [task(1, "a.mp4", annotation(results))])) == [
            ("a.mp4", ("run",), 0, END, False)
        ]
    assert "are not read: 1 rectangle, 1 other" in caplog.text


def test_between_controls_nobody_guesses(tmp_path: Path) -> None:
    tasks = [task(1, "a.mp4", annotation([result({"choices": ["run"]}), result({"choices": ["blurred"]}, "quality")]))]
    with pytest.raises(
        ValueError, match=r"values of action, quality: data\.annotations\.control=NAME .*multi takes all"
    ):
        stretches(label_studio(tmp_path, tasks))
    assert stretches(label_studio(tmp_path, tasks, control="action")) == [("a.mp4", ("run",), 0, END, False)]
    assert stretches(label_studio(tmp_path, tasks, labels="multi")) == [("a.mp4", ("blurred", "run"), 0, END, False)]
    with pytest.raises(
        ValueError, match=r"no labels of the control 'acton' \(did you mean action\?\), but of: action, quality"
    ):
        stretches(label_studio(tmp_path, tasks, control="acton"))


def test_choices_of_several_are_label_sets(tmp_path: Path) -> None:
    tasks = [task(1, "a.mp4", annotation([result({"choices": ["run", "shout"]})]))]
    assert stretches(label_studio(tmp_path, tasks, labels="multi")) == [("a.mp4", ("run", "shout"), 0, END, False)]
    with pytest.raises(ValueError, match=r"data\.labels=multi"):
        stretches(label_studio(tmp_path, tasks))


def test_a_tasks_data_may_say_its_split_and_its_video_under_any_key(tmp_path: Path) -> None:
    done = annotation([result({"choices": ["run"]})])
    tasks = [task(1, "a.mp4", done, split="Validation"), task(2, "b.mp4", done)]
    tasks[1]["data"] = {"title": "b", "clip": "https://h/b.mp4?token=1"}
    annotations = label_studio(tmp_path, tasks)
    assert [os.path.basename(annotations.videos(split)[0].path) for split in ("val", "train")] == ["a.mp4", "b.mp4"]
    tasks[1]["data"] = {"video": "b.mp4", "split": "holdout"}
    with pytest.raises(ValueError, match=r"a task's split is 'holdout', expected one of: train, training, val"):
        stretches(label_studio(tmp_path, tasks))
    tasks[1]["data"] = {"title": "b"}
    with pytest.raises(ValueError, match=r"a task names no video, but title: expected `video` in its data"):
        stretches(label_studio(tmp_path, tasks))


def test_json_min_has_an_entry_per_annotation(tmp_path: Path) -> None:
    entry = {
        "video": "/data/upload/1/0f3b9c12-a.mp4",
        "id": 1,
        "annotator": 1,
        "lead_time": 2.5,
        "updated_at": "2026-03-01",
    }
    later = {**entry, "updated_at": "2026-03-02", "action": "sit"}
    wide = {"video": "b.mp4", "id": 2, "action": {"choices": ["run"]}, "updated_at": "2026-03-01"}
    assert [row[:2] for row in stretches(label_studio(tmp_path, [later, {**entry, "action": "run"}, wide]))] == [
        ("0f3b9c12-a.mp4".removeprefix("0f3b9c12-"), ("sit",)), ("b.mp4", ("run",)),
    ]  # fmt: skip
    marked = {**entry, "timeline": [{"ranges": [{"start": 3, "end": 5}], "timelinelabels": ["run"]}]}
    assert stretches(label_studio(tmp_path, [marked])) == [("a.mp4", ("run",), 2, 5, False)]
    with pytest.raises(ValueError, match=r"has values of action, title: data\.annotations\.control=NAME"):
        stretches(label_studio(tmp_path, [{**later, "title": "A walk"}]))
    assert stretches(label_studio(tmp_path, [{**later, "title": "A walk"}], control="action"))[0][1] == ("sit",)


def test_the_csv_has_json_in_its_cells(tmp_path: Path) -> None:
    (tmp_path / "export.csv").write_text(
        "video,id,tl,updated_at\n"
        'b.mp4,1,"[{""ranges"": [{""start"": 1, ""end"": 9}], ""timelinelabels"": [""run""]}]",x\n'
        "c.mp4,2,,x\n"
    )
    assert stretches(LabelStudio(str(tmp_path), "export.csv")) == [("b.mp4", ("run",), 0, 9, False)]
    (tmp_path / "export.tsv").write_text('video\tid\taction\nb.mp4\t1\t"{""choices"": [""run"", ""shout""]}"\n')
    multi = LabelStudio(str(tmp_path), "export.tsv", labels="multi")
    assert stretches(multi) == [("b.mp4", ("run", "shout"), 0, END, False)]


# CVAT


def test_a_track_is_its_label_where_it_is_not_outside(tmp_path: Path) -> None:
    track = f'<track id="0" label="run">{box(3)}{box(9, keyframe=0)}{box(12, outside=1)}{box(20)}</track>'
    alone = f'<track id="1" label="sit">{box(14)}{box(15, outside=1)}</track>'
    text = cvat_xml(cvat_task(1, "a.mp4"), track + alone)
    assert stretches(cvat(tmp_path, text)) == [
        ("a.mp4", ("run",), 3, 12, False),
        ("a.mp4", ("run",), 20, 30, False),  # to the last frame of the task
        ("a.mp4", ("sit",), 14, 15, False),
    ]


def test_an_attribute_may_hold_the_class_and_change_on_the_way(tmp_path: Path) -> None:
    def shape(frame: int, value: str) -> str:
        return box(frame, inner=f'<attribute name="age">9</attribute><attribute name="act">{value}</attribute>')

    track = f'<track id="0" label="person">{shape(0, "run")}{shape(4, "run")}{shape(8, "sit")}{box(12, 1)}</track>'
    text = cvat_xml(cvat_task(1, "a.mp4"), track)
    assert stretches(cvat(tmp_path, text, attribute="act")) == [
        ("a.mp4", ("run",), 0, 8, False),
        ("a.mp4", ("sit",), 8, 12, False),
    ]
    assert stretches(cvat(tmp_path, text)) == [("a.mp4", ("person",), 0, 12, False)]


def test_tags_of_frames_that_follow_each_other_are_a_stretch(tmp_path: Path) -> None:
    images = "".join(
        f'<image id="{i}" name="frame_{i:06d}" width="64" height="48"><tag label="run" source="manual"></tag></image>'
        for i in (0, 5, 10, 40, 45)
    )
    filtered = cvat_task(1, "a.mp4", 45, "<frame_filter>step=5</frame_filter>")
    assert stretches(cvat(tmp_path, cvat_xml(filtered, images))) == [
        ("a.mp4", ("run",), 0, 15, False),
        ("a.mp4", ("run",), 40, 50, False),
    ]
    with pytest.raises(ValueError, match=r"is of a task of images, such as 'img\.jpg': expected one of a video"):
        stretches(cvat(tmp_path, cvat_xml(filtered, images.replace("frame_000040", "img.jpg"))))


def test_a_project_has_tasks_whose_subsets_are_splits(tmp_path: Path) -> None:
    tasks = cvat_task(4, "a.mp4", more="<subset>Train</subset>") + cvat_task(
        7, "b.mp4", more="<subset>Validation</subset>"
    )
    tracks = "".join(f'<track id="{i}" label="run" task_id="{i}">{box(2)}</track>' for i in (7, 4))
    annotations = cvat(tmp_path, cvat_xml(f"<project><id>1</id><tasks>{tasks}</tasks></project>", tracks))
    assert [os.path.basename(annotations.videos(split)[0].path) for split in ("train", "val")] == ["a.mp4", "b.mp4"]
    with pytest.raises(ValueError, match=r"annotations\.xml: its <meta> has 2 tasks, none of the number 5"):
        stretches(cvat(tmp_path, cvat_xml(f"<tasks>{tasks}</tasks>", tracks.replace('"4"', '"5"'))))


def test_a_job_or_an_older_task_names_its_video_elsewhere(tmp_path: Path) -> None:
    track = f'<track id="0" label="run">{box(2)}</track>'
    job = cvat_task(1, "a.mp4").replace("task>", "job>")
    assert stretches(cvat(tmp_path, cvat_xml(job, track))) == [("a.mp4", ("run",), 2, 30, False)]
    older = cvat_task(1, "").replace("<source></source>", "") + "<source>b.mp4</source>"
    assert stretches(cvat(tmp_path, cvat_xml(older, track)))[0][0] == "b.mp4"


# Create ML


@pytest.mark.parametrize("name", ["annotations.csv", "annotations.txt"])
def test_create_ml_tables_have_blanks_behind_their_commas(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(
        "video, label, start, end\nlunge23.mov, Lunge, 0, 3.1\nVarious.mov, Lunge, 8:3.2, 8:4.5\n"
        "Various.mov, Squat, 1:59:7, 1:59:8\n"
    )
    assert stretches(CreateML(str(tmp_path), name)) == [
        ("Various.mov", ("Lunge",), pytest.approx(483.2), pytest.approx(484.5), True),
        ("Various.mov", ("Squat",), 7147, 7148, True),
        ("lunge23.mov", ("Lunge",), 0, pytest.approx(3.1), True),
    ]


def test_tables_are_read_whole_and_in_their_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("video,label,start,end\na.mp4,jump,3\n")
    for tool in (CreateML, LabelStudio):
        with pytest.raises(ValueError, match="a line has more or fewer columns than the header"):
            stretches(tool(str(tmp_path), "a.csv"))
    path.write_bytes("video,label\na.mp4,déjà vu\n".encode("cp1252"))
    with pytest.raises(ValueError, match=r"data\.annotations\.encoding=cp1252 reads 'déjà vu' there"):
        stretches(CreateML(str(tmp_path), "a.csv"))
    for tool in (CreateML, LabelStudio):
        assert stretches(tool(str(tmp_path), "a.csv", encoding="cp1252"))[0][1] == ("déjà vu",)


def test_create_mls_other_annotations_are_refused_in_words(tmp_path: Path) -> None:
    boxes = [
        {"image": "a.jpg", "annotations": [{"label": "cat", "coordinates": {"x": 1, "y": 1, "width": 1, "height": 1}}]}
    ]
    with pytest.raises(ValueError, match=r"json labels images, such as .*: expected videos, each with a label"):
        stretches(createml(tmp_path, boxes))
    with pytest.raises(ValueError, match=r"json holds one JSON object, expected a list of them"):
        stretches(createml(tmp_path, boxes[0]))
    with pytest.raises(ValueError, match=r"has not the official form: KeyError\('label'\)"):
        stretches(createml(tmp_path, [{"video": "a.mov"}]))


# VIA


def test_via_options_are_classes_and_free_text_too(tmp_path: Path) -> None:
    one = {"vid": "1", "z": [0.5, 2.25], "av": {"1": "0"}}
    other = {"vid": "2", "z": [1, 2], "av": {"1": "a text"}}
    region = {"vid": "1", "z": [0.7], "xy": [2, 1, 1, 5, 5], "av": {"1": "1"}}
    assert stretches(via(tmp_path, ["a.mp4", "b.mp4", "c.mp4"], one, other, region)) == [
        ("a.mp4", ("clap",), 0.5, 2.25, True),
        ("b.mp4", ("a text",), 1, 2, True),
    ]


def test_via_has_whole_videos_checkboxes_urls_and_images(tmp_path: Path) -> None:
    def change(project: dict[str, Any]) -> None:
        project["attribute"]["1"] |= {"anchor_id": "FILE1_Z0_XY0", "type": 2}
        project["file"]["1"] |= {"loc": 2, "src": "https://host/in/a.mp4", "fname": "x"}
        project["file"]["2"] |= {"loc": 3, "src": "in/b.mp4"}
        project["config"]["file"]["loc_prefix"]["3"] = "/home/ann/"
        project["file"]["3"]["type"] = 2

    both = [{"vid": str(i), "z": [], "av": {"1": "0,1"}} for i in (1, 2, 3)]
    assert stretches(via(tmp_path, ["", "", "c.jpg"], *both, change=change, labels="multi")) == [
        (name, ("clap", "wave"), 0, END, False) for name in ("a.mp4", "b.mp4")
    ]


def test_between_attributes_of_via_nobody_guesses(tmp_path: Path) -> None:
    def change(project: dict[str, Any]) -> None:
        project["attribute"]["2"] = {**project["attribute"]["1"], "aname": "mood", "options": {"0": "sad"}}

    one = {"vid": "1", "z": [0, 2], "av": {"1": "0", "2": "0"}}
    with pytest.raises(ValueError, match=r"labels videos with action, mood: data\.annotations\.attribute=NAME"):
        stretches(via(tmp_path, ["a.mp4"], one, change=change))
    assert stretches(via(tmp_path, ["a.mp4"], one, change=change, attribute="mood"))[0][1] == ("sad",)
    assert stretches(via(tmp_path, ["a.mp4"], one, change=change, labels="multi"))[0][1] == ("clap", "sad")
    with pytest.raises(ValueError, match=r"no attribute 'mod' of videos \(did you mean mood\?\), but: action, mood"):
        stretches(via(tmp_path, ["a.mp4"], one, change=change, attribute="mod"))


def test_via_2_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "via_project.json").write_text('{"_via_settings": {}, "_via_img_metadata": {}}')
    with pytest.raises(ValueError, match=r"is a project of VIA 2, which labels images"):
        stretches(Via(str(tmp_path)))
    (tmp_path / "via_project.json").write_text('{"a.jpg123": {"filename": "a.jpg", "regions": []}}')
    with pytest.raises(ValueError, match=r"is no project of VIA 3, whose JSON has attribute, file, view, metadata"):
        stretches(Via(str(tmp_path)))
