"""Reading what publishers distribute: text, json and folders, with errors that show what is there."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from video_adapters.commands.wording import brief, did_you_mean
from video_adapters.data.annotations.videos import UNLABELLED, Video, Videos

VIDEO_SUFFIXES = (
    ".mp4", ".webm", ".avi", ".mkv", ".mov", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".ts", ".mts", ".m2ts",
    ".ogv", ".vob", ".asf",
)  # fmt: skip


def consistent(videos: Iterable[Video], file: str) -> Videos:
    """The videos of a file, which must not give the same frames two labels."""
    labels: dict[Video, int] = {}  # by the video without its label

    def checked() -> Iterator[Video]:
        for video in videos:
            first = labels.setdefault(video._replace(label=UNLABELLED), video.label)
            if first != video.label:
                raise ValueError(f"{file}: {video.path} has label {first}, and label {video.label} too")
            yield video

    return Videos(checked())


def load_json(file: str) -> Any:
    with open(file, "rb") as opened:
        return as_json(opened.read(), file)


def as_json(content: str | bytes, file: str) -> Any:
    """What a file's content says; a ValueError that names the file where it is not JSON."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} is not JSON: {error}") from error


def parsed(entries: Any, parse: Callable[[Any], Any], file: str) -> Iterator[Any]:
    """Entries of a file, parsed; one of another form is an error that shows it."""
    if not isinstance(entries, Iterable):
        raise ValueError(f"{file} holds {brief(repr(entries))}, expected a list")
    for entry in entries:
        try:
            yield parse(entry)
        except (KeyError, TypeError, AttributeError, OverflowError, ValueError) as error:
            if isinstance(error, ValueError) and file in str(error):  # it says already what is wrong where
                raise
            raise ValueError(f"{file}: entry {brief(str(entry))} has not the official form: {error!r}") from error


def subfolders(folder: str) -> list[str]:
    return sorted(
        name for name in listed(folder) if not name.startswith(".") and os.path.isdir(os.path.join(folder, name))
    )


def sorted_classes(names: Iterable[str]) -> tuple[str, ...]:
    """Names of classes in alphabetical order, those that are whole numbers before the others and as numbers."""

    def key(name: str) -> tuple[bool, int, str]:
        number = name.isascii() and name.isdigit()
        return not number, int(name) if number else 0, name

    return tuple(sorted(names, key=key))


def listed(folder: str) -> list[str]:
    """Names in a folder; none if there is no such folder."""
    return os.listdir(folder) if os.path.isdir(folder) else []


def content(folder: str) -> str:
    """A sentence for error messages: what is in a folder."""
    if not os.path.isdir(folder):
        parent, name = os.path.split(folder.rstrip(os.sep))
        return f"{folder} does not exist{did_you_mean(name, listed(parent or '.'))}."
    names = sorted(os.listdir(folder))
    return f"There are: {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}." if names else f"{folder} is empty."


def missing(file: str) -> str:
    """The end of a sentence on a file that is not there: what is, in its place."""
    folder, name = os.path.split(file)
    return f"{file} is missing{did_you_mean(name, listed(folder))}. {content(folder)}"


def first_file(root: str, folders: Sequence[str], names: Sequence[str]) -> str | None:
    """The first of the names that is a file in `root` or one of its folders."""
    paths = (os.path.join(root, folder, name) for folder in ("", *folders) for name in names)
    return next((path for path in paths if os.path.isfile(path)), None)


def needed_file(root: str, folders: Sequence[str], names: Sequence[str], remedy: str) -> str:
    """The same, which must be there: else a ValueError names what is, and the remedy."""
    if (file := first_file(root, folders, names)) is None:
        places = f"neither in {root} nor in its folders {', '.join(folders)}"
        raise ValueError(f"{' or '.join(names)} is {places}; {remedy}. {content(root)}")
    return file


def needed_folder(
    root: str, folders: Iterable[str], holds: Callable[[str], object], lacking: str, remedy: str = ""
) -> str:
    """The first of the folders, relative to `root`, that holds what it should; else a ValueError as there."""
    paths = [os.path.join(root, folder) for folder in folders]
    for path in paths:
        if holds(path):
            return path
    raise ValueError(f"{lacking} is in {', '.join(paths)}{'; ' if remedy else ''}{remedy}. {content(root)}")
