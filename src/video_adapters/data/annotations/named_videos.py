"""Video files below a folder, by what a labelling tool calls them: paths and URLs of another machine."""

import base64
import os
import re
from collections.abc import Iterator
from functools import cached_property
from urllib.parse import parse_qs, unquote, urlsplit

from video_adapters.data.annotations.files import VIDEO_SUFFIXES
from video_adapters.data.annotations.prepared import MARKER, copied_name

LONGEST = 4096  # characters of a path, as of Linux
DEEPEST = 16  # folders of a path that are looked for below the root
UPLOADED = re.compile("[0-9a-f]{8}-(?=.)")  # what Label Studio puts before the name of an uploaded file


class NamedVideos:
    """The videos below a folder.

    Args:
        root: the folder.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._copied = os.path.isfile(os.path.join(root, MARKER))

    def path(self, name: str, where: str) -> str:
        """The file that a tool calls `name`: as much of the path as there is below the root, else the one file of that
        name in any folder there, else the path itself. One that is nowhere gets its place right below the root.

        Raises:
            ValueError: several files have the name, or nothing can have it; it begins with `where`.
        """
        if len(name) > LONGEST or "\0" in name:
            raise ValueError(f"{where}: {name[:80]!a} is the name of no file")
        spellings = list(_spellings(name))
        for spelling in spellings:
            parts = _parts(spelling)
            for first in range(len(parts)):
                if (path := self._there(os.path.join(self._root, *parts[first:]))) is not None:
                    return path
        base_names = [parts[-1] for parts in map(_parts, spellings) if parts]
        base_names += [UPLOADED.sub("", base, count=1) for base in base_names if UPLOADED.match(base)]
        for base in base_names:
            if paths := self._by_name.get(self._key(base)):
                return _only(paths, name, where)
        if not base_names:
            raise ValueError(f"{where}: {name!a} is the name of no file")
        if os.path.isabs(spellings[-1]) and os.path.exists(spellings[-1]):
            return spellings[-1]
        return os.path.join(self._root, base_names[-1])

    def _there(self, path: str) -> str | None:
        paths = (path, copied_name(path)) if self._copied else (path,)
        return next((one for one in paths if os.path.exists(one)), None)

    def _key(self, base: str) -> str:
        return _as_uploaded(copied_name(base) if self._copied else base)

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        """Every video below the root by its name, as Label Studio writes it."""
        paths: dict[str, list[str]] = {}
        for folder, folders, names in os.walk(self._root):
            folders[:] = sorted(one for one in folders if not one.startswith("."))
            for name in sorted(names):
                if name.lower().endswith(VIDEO_SUFFIXES):
                    paths.setdefault(_as_uploaded(name), []).append(os.path.join(folder, name))
        return paths


def _only(paths: list[str], name: str, where: str) -> str:
    if len(paths) > 1:
        raise ValueError(
            f"{where}: {name!a} may be {paths[0]} or {paths[1]}: give a data.root with one of them, or rename one"
        )
    return paths[0]


def _spellings(name: str) -> Iterator[str]:
    """A path as it stands there and as it was meant: of a URL its path, percent signs decoded."""
    url = urlsplit(name) if re.match("[a-z][a-z0-9+.-]+://|/", name, re.IGNORECASE) else None
    if url is None:
        yield name
        yield unquote(name)
        return
    query = parse_qs(url.query)
    if "d" in query:  # Label Studio's local files: /data/local-files/?d=folder/name.mp4
        yield query["d"][0]
    elif "fileuri" in query:  # and those of its cloud storages
        yield unquote(_decoded(query["fileuri"][0]))
    else:
        yield name if not url.scheme else url.path
        yield unquote(url.path)


def _decoded(text: str) -> str:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except ValueError:
        return text


def _parts(path: str) -> list[str]:
    """The last folders of a path and its name, without what would lead elsewhere."""
    return [part for part in re.split(r"[\\/]+", path) if part not in ("", ".", "..")][-DEEPEST:]


def _as_uploaded(name: str) -> str:
    """A file's name as Label Studio keeps it: blanks become underscores, and only word characters, - and . stay."""
    return re.sub(r"[^-\w.]", "", name.strip().replace(" ", "_"))
