"""Copies that `python src/prepare.py transcode` makes: the same folders, every video an mp4."""

import json
import os
from pathlib import Path
from typing import Any

from video_adapters.commands.atomic import write_text
from video_adapters.data.annotations.files import VIDEO_SUFFIXES, load_json
from video_adapters.data.annotations.videos import Videos

MARKER = "prepared.json"  # makes a folder such a copy, and says how it was made


def copied_name(path: str) -> str:
    """What a video file is called in a copy: its suffix, where it is one of a video, becomes .mp4."""
    stem, suffix = os.path.splitext(path)
    return f"{stem if suffix.lower() in VIDEO_SUFFIXES else path}.mp4"


def in_copy(root: str, videos: Videos) -> Videos:
    """The videos under their names in the copy, where `root` is one; label files still have the original names."""
    if not os.path.isfile(os.path.join(root, MARKER)):
        return videos
    return Videos(video._replace(path=copied_name(video.path)) for video in videos)


def settings_of(root: str) -> dict[str, Any] | None:
    """How a copy was made; None where the folder is none."""
    file = os.path.join(root, MARKER)
    return load_json(file) if os.path.isfile(file) else None


def mark(root: str, settings: dict[str, Any]) -> None:
    """Makes a folder a copy."""
    write_text(Path(root, MARKER), json.dumps(settings, indent=1))
