"""Predictions as tasks of Label Studio, and what a person who accepts them exports."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from video_adapters.data.annotations import END, LabelStudio
from video_adapters.recognition.find_videos import Unread
from video_adapters.recognition.label_studio_tasks import Interface, LabelStudioWriter, interface_of
from video_adapters.recognition.predict import Request
from video_adapters.recognition.prediction import Prediction
from video_adapters.recognition.results import Recognized
from video_adapters.recognition.timeline import Timeline, Window

NAMES = ("clap", "wave", 'a <b> & "c"')
CONFIG = """<View><Header value="What?"/><Video name="v" value="$clip" frameRate="10"/>
<Choices name="what" toName="v"><Choice value="clap"/><Choice value="Wave" alias="wave"/></Choices></View>"""


def written(path: Path, outcomes: list[Any], windows: bool = False, interface: Interface | None = None) -> list[Any]:
    writer = LabelStudioWriter(path, interface or Interface(), "run/best.ckpt", path.parent, windows)
    for outcome in outcomes:
        writer.add(outcome)
    writer.close()
    tasks: list[Any] = json.loads(path.read_text())
    return tasks


def prediction(folder: Path, name: str, *chances: float, thresholds: tuple[float, ...] = ()) -> Recognized:
    return Recognized(str(folder / name), Prediction(NAMES, np.array(chances, np.float32), (), thresholds))


def timeline(folder: Path, name: str, rows: list[list[float]], thresholds: tuple[float, ...] = ()) -> Recognized:
    windows = tuple(Window(float(i), float(i + 1), range(1)) for i in range(len(rows)))
    return Recognized(str(folder / name), Timeline(NAMES, windows, np.array(rows, np.float32), (), thresholds))


def accepted(tasks: list[Any], file: Path) -> None:
    """Writes what Label Studio exports when a person submits the predictions as they are."""
    for number, task in enumerate(tasks):
        task |= {"id": number, "annotations": [{"id": 1, "result": task["predictions"][0]["result"]}]}
    file.write_text(json.dumps(tasks))


def read_back(root: Path, **more: Any) -> list[tuple[str, tuple[str, ...], float, float]]:
    annotations = LabelStudio(str(root), "accepted.json", labels="multi", whole_files=False, **more)
    names, sets, rows = annotations.class_names, annotations.label_sets, []
    for split in ("train", "val"):
        for path, label, start, stop, _ in annotations.videos(split) if annotations.has(split) else ():
            classes = tuple(n for n, inside in zip(names, sets[label], strict=True) if inside)
            rows.append((Path(path).name, classes, start, stop))
    return sorted(rows)


def test_the_unsure_come_first_and_what_is_accepted_is_read_back(tmp_path: Path) -> None:
    outcomes = [
        prediction(tmp_path, "sure.mp4", 0.9, 0.1, 0),
        Unread(str(tmp_path / "broken.mp4"), "is no video"),
        prediction(tmp_path, "ü n sure.mp4", 0.3, 0.4, 0.3),
        prediction(tmp_path, "odd.mp4", 0, 0.4, 0.6),
    ]
    tasks = written(tmp_path / "tasks.json", outcomes)
    assert [task["predictions"][0]["score"] for task in tasks] == [0.4, 0.6, 0.9]
    assert tasks[0] == {
        "data": {"video": "/data/local-files/?d=%C3%BC%20n%20sure.mp4"},
        "predictions": [{"model_version": "run/best.ckpt", "score": 0.4, "result": [{
            "id": "label1", "from_name": "action", "to_name": "video", "type": "choices",
            "value": {"choices": ["wave"]}, "score": 0.4,
        }]}],
    }  # fmt: skip
    accepted(tasks, tmp_path / "accepted.json")
    for task in tasks:
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / task["data"]["video"].removeprefix("/data/local-files/?d=")).touch()
    assert [row[1:] for row in read_back(tmp_path)] == [((name,), 0, END) for name in (NAMES[2], "clap", "wave")]


def test_windows_become_stretches_in_frames_of_the_interface(tmp_path: Path) -> None:
    rows = [[0.9, 0.1, 0], [0.7, 0.3, 0], [0.2, 0.8, 0], [0.4, 0.6, 0]]
    tasks = written(tmp_path / "t.json", [timeline(tmp_path, "long.mp4", rows)], windows=True)
    (only,) = tasks[0]["predictions"]
    assert only["score"] == pytest.approx(0.75)
    assert [(one["value"]["ranges"], one["score"]) for one in only["result"]] == [
        ([{"start": 1, "end": 48}], 0.8),
        ([{"start": 49, "end": 96}], 0.7),
    ]
    accepted(tasks, tmp_path / "accepted.json")
    assert read_back(tmp_path, frame_rate=24) == [("long.mp4", ("clap",), 0, 2), ("long.mp4", ("wave",), 2, 4)]


def test_of_several_classes_those_over_their_threshold_are_named(tmp_path: Path) -> None:
    limits = (0.5, 0.2, 0.9)
    outcomes = [
        prediction(tmp_path, "none.mp4", 0.1, 0.1, 0.1, thresholds=limits),
        prediction(tmp_path, "two.mp4", 0.6, 0.8, 0.2, thresholds=limits),
        prediction(tmp_path, "doubtful.mp4", 0.99, 0.21, 0, thresholds=limits),
    ]
    tasks = written(tmp_path / "t.json", outcomes)
    assert [Path(task["data"]["video"]).name for task in tasks] == ["?d=doubtful.mp4", "?d=two.mp4", "?d=none.mp4"]
    assert [task["predictions"][0]["score"] for task in tasks] == [0.0125, 0.2, 0.5]
    assert [[one["value"]["choices"] for one in task["predictions"][0]["result"]] for task in tasks] == [
        [["clap", "wave"]], [["wave", "clap"]], [],
    ]  # fmt: skip
    rows = [[0.6, 0, 0], [0.6, 0.3, 0], [0, 0.3, 0]]
    (task,) = written(tmp_path / "t.json", [timeline(tmp_path, "a.mp4", rows, limits)], windows=True)
    assert [
        (one["value"]["timelinelabels"], one["value"]["ranges"][0]) for one in task["predictions"][0]["result"]
    ] == [
        (["clap"], {"start": 1, "end": 48}),
        (["wave"], {"start": 25, "end": 72}),
    ]


@pytest.mark.parametrize("windows", [False, True])
def test_an_interface_of_our_own_says_what_it_was_written_for(windows: bool, tmp_path: Path) -> None:
    outcome = timeline(tmp_path, "a.mp4", [[1, 0, 0]]) if windows else prediction(tmp_path, "a.mp4", 1, 0, 0)
    written(tmp_path / "t.json", [outcome], windows)
    assert interface_of(tmp_path / "t_interface.xml", windows) == Interface(classes=NAMES)


def test_a_projects_own_interface_gives_the_names(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "c.xml").write_text(CONFIG)
    interface = interface_of(tmp_path / "c.xml", windows=False)
    assert interface == Interface("what", "v", "clip", 10, ("clap", "wave"))
    with caplog.at_level(logging.WARNING):
        (task,) = written(tmp_path / "t.json", [prediction(tmp_path, "a.mp4", 1, 0, 0)], interface=interface)
    assert "does not offer the class 'a <b> & \"c\"'" in caplog.text
    assert [*task["data"]] == ["clip"]
    assert [task["predictions"][0]["result"][0][name] for name in ("from_name", "to_name")] == ["what", "v"]
    assert not (tmp_path / "t_interface.xml").exists()


@pytest.mark.parametrize(
    ("text", "windows", "message"),
    [
        (CONFIG, True, r"has 1 <Video> and 0 <TimelineLabels>, expected one of each: stretches \(--window\)"),
        (CONFIG.replace("Video", "Image"), False, "has 0 <Video> and 1 <Choices>"),
        (CONFIG.replace('"10"', '"$fps"'), False, r"frameRate is '\$fps', expected a number"),
        (CONFIG.replace('"10"', '"nan"'), False, "frameRate is 'nan', expected frames a second"),
        ("<View>", False, "is no XML"),
        ("<!DOCTYPE a><View/>", False, "declares a document type"),
    ],
)
def test_an_interface_that_does_not_fit_is_refused(text: str, windows: bool, message: str, tmp_path: Path) -> None:
    (tmp_path / "c.xml").write_text(text)
    with pytest.raises(ValueError, match=message):
        interface_of(tmp_path / "c.xml", windows)


def test_options_that_go_together_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--label-studio-config .* was given without --label-studio FILE"):
        Request(checkpoint=tmp_path, videos=["a"], label_studio_config=tmp_path / "c.xml")
    with pytest.raises(ValueError, match=r"--label-studio-config: the labelling interface .*c\.xml is missing"):
        Request(checkpoint=tmp_path, videos=["a"], label_studio=tmp_path / "t", label_studio_config=tmp_path / "c.xml")
    with pytest.raises(ValueError, match=r"--json and --label-studio both name"):
        Request(checkpoint=tmp_path, videos=["a"], label_studio=tmp_path / "t", json=tmp_path / "t")
