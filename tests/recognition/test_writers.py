"""What writes predictions: files that are whole after every video."""

import json
import os
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from video_adapters.recognition.find_videos import Unread
from video_adapters.recognition.prediction import Prediction
from video_adapters.recognition.results import Outcome, Recognized
from video_adapters.recognition.writers import JsonWriter

OUTCOMES: list[Outcome] = [
    Recognized(os.fsdecode(b"caf\xe9.mp4"), Prediction(("a", "b"), np.array([0.25, 0.75], np.float32))),
    Unread("b.mp4", "no video"),
    Recognized("c.mp4", Prediction(("a", "b"), np.array([1, 0], np.float32), ("odd",)), not_annotated="full"),
]
OBJECTS = [
    {"video": OUTCOMES[0].path, "remarks": [], "top": [{"class": "b", "probability": 0.75}]},
    {"video": "b.mp4", "unread": "no video"},
    {
        "video": "c.mp4", "remarks": ["odd"], "not_annotated": "full", "top": [{"class": "a", "probability": 1.0}]
    },
]  # fmt: skip


def test_a_list_is_whole_after_every_video(tmp_path: Path) -> None:
    (tmp_path / "o.json").write_text("an earlier one that is longer" * 100)
    with closing(JsonWriter(tmp_path / "o.json", top=1)) as writer:
        assert json.loads((tmp_path / "o.json").read_text()) == []
        for number, outcome in enumerate(OUTCOMES, 1):
            writer.add(outcome)
            assert json.loads((tmp_path / "o.json").read_text()) == OBJECTS[:number]
    assert json.loads((tmp_path / "o.json").read_text()) == OBJECTS


@pytest.mark.parametrize("name", ["o.jsonl", "o.NDJSON"])
def test_json_lines_are_an_object_each(tmp_path: Path, name: str) -> None:
    with closing(JsonWriter(tmp_path / name, top=1)) as writer:
        assert (tmp_path / name).read_text() == ""
        for number, outcome in enumerate(OUTCOMES, 1):
            writer.add(outcome)
            assert [json.loads(line) for line in (tmp_path / name).read_text().splitlines()] == OBJECTS[:number]


def test_a_list_may_go_into_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    with closing(JsonWriter(tmp_path / "pipe", top=1)) as writer:
        for outcome in OUTCOMES:
            writer.add(outcome)
    reader.join(10)
    assert json.loads(read[0]) == OBJECTS
