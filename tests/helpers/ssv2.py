"""A miniature of Something-Something v2 as its archive unpacks: VP9 webm files and the official json files."""

import json
from pathlib import Path

import numpy as np

from helpers.videos import numbered_frames, write_video

TEMPLATES = ("Moving [something] up", "Moving [something] down", "Pushing [something] from left to right")
OLD_PREFIX = "something-something-v2-"
_ENCODED: dict[tuple[int, str], bytes] = {}  # of a video: VP9 takes its time


def write_ssv2(root: Path, num_train: int, num_val: int, prefix: str = "") -> Path:
    """Writes a miniature with as many videos; `prefix` gives the json files their older names."""
    videos, labels = root / "20bn-something-something-v2", root / "labels"
    videos.mkdir(parents=True)
    labels.mkdir()
    classes = {template.replace("[", "").replace("]", ""): str(i) for i, template in enumerate(TEMPLATES)}
    (labels / f"{prefix}labels.json").write_text(json.dumps(classes))
    first = 1000
    for split, count in (("train", num_train), ("validation", num_val)):
        entries = [_entry(videos, first + i, TEMPLATES[i % len(TEMPLATES)]) for i in range(count)]
        (labels / f"{prefix}{split}.json").write_text(json.dumps(entries))
        first += count
    (labels / f"{prefix}test.json").write_text(json.dumps([{"id": "1420"}]))
    return root


def _entry(videos: Path, number: int, template: str) -> dict[str, object]:
    """A video that moves with its class, and its line in the json file."""
    path = videos / f"{number}.webm"
    if (number, template) not in _ENCODED:
        frames = numbered_frames(10 + number % 5, height=40, width=56)
        shift = TEMPLATES.index(template) - 1
        frames = np.stack([np.roll(frame, shift * 2 * i, axis=0) for i, frame in enumerate(frames)])
        write_video(path, frames, "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "crf": "20"})
        _ENCODED[number, template] = path.read_bytes()
    path.write_bytes(_ENCODED[number, template])
    label = template.replace("[something]", "a cup")
    return {"id": str(number), "label": label, "template": template, "placeholders": ["a cup"]}
