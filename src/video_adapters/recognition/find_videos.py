"""The videos that names on the command line mean: files, folders, patterns."""

import glob
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from video_adapters.commands.wording import did_you_mean
from video_adapters.data.annotations.files import VIDEO_SUFFIXES, listed
from video_adapters.data.video.picture import IMAGE_SUFFIXES


class Unread(NamedTuple):
    """What is no video, and why."""

    path: str
    reason: str


def find_videos(names: Sequence[str]) -> list[str | Unread]:
    """Videos in the order in which they are named, each once; what names none is among them with the reason.

    A file is a video whatever its suffix. A folder stands for the videos in it and below, by their suffixes; one with
    images but no video file is itself a video, and so is each such folder below. Patterns (`*`, `?`, `[...]`, `**`)
    that the shell has left as they are are expanded.
    """
    by_path: dict[str, str | Unread] = {}
    for name in names:
        for video in _named(name):
            by_path.setdefault(video if isinstance(video, str) else video.path, video)
    return list(by_path.values())


def _named(name: str) -> Iterator[str | Unread]:
    path = name if os.path.exists(name) else os.path.expanduser(name)
    if os.path.exists(path):
        yield from _at(path)
    elif glob.has_magic(path):
        matches = sorted(glob.glob(path, recursive=True))
        for match in matches:
            yield from _at(match)
        if not matches:
            yield Unread(name, "no file or folder has such a name")
    elif os.path.islink(path):
        yield Unread(name, "a broken link")
    else:
        folder, last = os.path.split(path.rstrip(os.sep))
        yield Unread(name, f"there is no such file or folder{did_you_mean(last, listed(folder or '.'))}")


def _at(path: str) -> Iterator[str | Unread]:
    """The videos at a path that exists."""
    if not os.path.isdir(path):
        yield path
        return
    videos = list(_below(path))
    yield from videos
    if not videos:
        kinds = ", ".join(VIDEO_SUFFIXES + IMAGE_SUFFIXES)
        yield Unread(path, f"a folder without videos or images; known are {kinds}")


def _below(folder: str) -> Iterator[str | Unread]:
    """Videos in a folder and its subfolders, alphabetically; links are followed, but never in circles."""
    seen: set[str] = set()
    unlisted: list[OSError] = []
    for path, subfolders, files in os.walk(folder, onerror=unlisted.append, followlinks=True):
        real = os.path.realpath(path)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        visible = sorted(name for name in files if not name.startswith("."))
        videos = [name for name in visible if name.lower().endswith(VIDEO_SUFFIXES)]
        if not videos and any(name.lower().endswith(IMAGE_SUFFIXES) for name in visible):
            yield path
        yield from (os.path.join(path, name) for name in videos)
    yield from (Unread(str(error.filename), f"cannot be listed: {error.strerror}") for error in unlisted)
