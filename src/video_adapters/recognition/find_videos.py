"""The videos that names mean, on the command line and in lists: files, folders, patterns."""

import glob
import os
import re
import sys
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

from video_adapters.commands.wording import did_you_mean
from video_adapters.data.annotations.files import VIDEO_SUFFIXES, listed
from video_adapters.data.video.picture import IMAGE_SUFFIXES


class Unread(NamedTuple):
    """What is no video, and why."""

    path: str
    reason: str


ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
"""How http:// and rtsp:// begin, and no drive's letter."""
CLOSED = "an address on a network, which is opened only where --live names it: predict.py CHECKPOINT ADDRESS --live"


def find_videos(names: Iterable[str]) -> Iterator[str | Unread]:
    """Videos in the order in which they are named; what names none is among them with the reason.

    A file is a video whatever its suffix. A folder stands for the videos in it and below, by their suffixes; one with
    images but no video file is itself a video, and so is each such folder below. Patterns (`*`, `?`, `[...]`, `**`)
    that the shell has left as they are are expanded.
    """
    for name in names:
        path = name if os.path.exists(name) else os.path.expanduser(name)
        if os.path.exists(path):
            yield from _at(path)
        elif ADDRESS.match(name):
            yield Unread(name, CLOSED)
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


def in_list(file: Path) -> Iterator[str | Unread]:
    """Videos that a text file names, a line each; `-` is the standard input.

    Lines are the names of files and folders as they are, without patterns, in any encoding that ASCII is part of.
    Relative ones are relative to the working folder, as `find` and `ls` print them; empty lines are no names.

    Raises:
        ValueError: the file cannot be read, or is no text.
    """
    try:
        with nullcontext(sys.stdin.buffer) if str(file) == "-" else file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if b"\0" in line:
                    raise ValueError(
                        f"--list {file} is no text (line {number}): expected the name of a video in each line"
                    )
                if name := os.fsdecode(line.removeprefix(BOM_UTF8).rstrip(b"\r\n")):
                    yield from _in_line(name, file)
    except OSError as error:
        raise ValueError(f"--list {file} cannot be read ({error.strerror}): expected a text file of names") from error


def _in_line(name: str, file: Path) -> Iterator[str | Unread]:
    if os.path.exists(name):
        yield from _at(name)
    elif ADDRESS.match(name):
        yield Unread(name, CLOSED)
    elif os.path.lexists(file.parent / name):
        yield Unread(name, f"names are relative to the working folder, and there is one beside {file}: work there")
    else:
        yield Unread(name, "there is no such file or folder")


def _at(path: str) -> Iterator[str | Unread]:
    """The videos at a path that exists."""
    if not os.path.isdir(path):
        yield path
        return
    empty = True
    for video in _below(path):
        empty = False
        yield video
    if empty:
        kinds = ", ".join(VIDEO_SUFFIXES + IMAGE_SUFFIXES)
        yield Unread(path, f"a folder without videos or images; known are {kinds}")


def _below(folder: str) -> Iterator[str | Unread]:
    """Videos in a folder and its subfolders, alphabetically; links are followed, but never in circles."""
    seen: set[str] = set()
    unlisted: list[OSError] = []
    for path, subfolders, files in os.walk(folder, onerror=unlisted.append, followlinks=True):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        if subfolders:  # the others are many, folders of frames, and lead nowhere
            real = os.path.realpath(path)
            if real in seen:
                subfolders.clear()
                continue
            seen.add(real)
        visible = sorted(name for name in files if not name.startswith("."))
        videos = [name for name in visible if name.lower().endswith(VIDEO_SUFFIXES)]
        if not videos and any(name.lower().endswith(IMAGE_SUFFIXES) for name in visible):
            yield path
        yield from (os.path.join(path, name) for name in videos)
    yield from (Unread(str(error.filename), f"cannot be listed: {error.strerror}") for error in unlisted)
