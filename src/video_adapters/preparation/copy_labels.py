"""Label files of a data set that its copy needs beside the videos."""

import os
import shutil
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from video_adapters.commands.atomic import PART, replacing
from video_adapters.commands.lock import LOCK
from video_adapters.data.annotations import Annotations
from video_adapters.data.annotations.files import VIDEO_SUFFIXES
from video_adapters.data.annotations.prepared import MARKER
from video_adapters.data.check_report import in_report, is_below
from video_adapters.data.video.picture import IMAGE_SUFFIXES
from video_adapters.preparation.encode_video import Copy

LABEL_SUFFIXES = (".json", ".csv", ".tsv", ".txt", ".list", ".lst", ".xml")  # copied however large
MOST_BYTES = 64 * 2**20  # of any other file; half a million lines of 100 bytes are 50 MB
LEFT_OUT = "left_out.csv"
OWN = (MARKER, LEFT_OUT, LOCK)  # what a copy has of itself


def copy_labels(root: str, to: Path, copies: Sequence[Copy]) -> None:
    """Copies what may be a list or labels: every small file of the root that is neither a video nor an image.

    Links that lead out of the root are left out: what they name is not of the data set, and may be nobody else's.
    """
    for file in _label_files(root, {in_report(copy.source, root) for copy in copies}):
        target = to / in_report(file, root)
        make_inside(target.parent, to)
        with replacing(target) as part:
            shutil.copyfile(file, part)


def make_inside(folder: Path, to: Path) -> None:
    """Makes a folder of a copy; a ValueError where a link leads out of the copy."""
    there = next(one for one in (folder, *folder.parents) if one.exists()).resolve()
    if there != to.resolve() and to.resolve() not in there.parents:
        raise ValueError(f"{folder} leads out of {to}, to {there}: remove that link")
    folder.mkdir(parents=True, exist_ok=True)


def check_copied_labels(copied: Annotations, splits: Sequence[str], copies: Sequence[Copy]) -> None:
    """Reads the lists of a copy as training will, with empty files for the videos that are still to come; a ValueError
    where something that is read beside them is not in the copy.
    """
    with _stand_ins(copies):
        try:
            _ = copied.class_names  # which some data sets have in a file of their own
            for split in splits:
                copied.videos(split)
        except (ValueError, OSError) as error:
            raise ValueError(
                f"training would read what this copy lacks: {error} (of data.root it has the files that are in no "
                f"hidden folder, are no links out of it, and are up to {MOST_BYTES // 2**20} MiB large or named "
                f"*{', *'.join(LABEL_SUFFIXES)})"
            ) from error


@contextmanager
def _stand_ins(copies: Sequence[Copy]) -> Iterator[None]:
    """Empty files where no copy is yet; those that an earlier process left behind when it was killed go as well."""
    made = []
    try:
        for copy in copies:
            with suppress(OSError):  # what cannot be written now will be left out
                if not os.path.lexists(copy.target) or os.lstat(copy.target).st_size == 0:
                    made.append(copy.target)
                    open(copy.target, "ab").close()
        yield
    finally:
        for target in made:
            with suppress(OSError):
                os.unlink(target)


def _label_files(root: str, videos: Container[str]) -> Iterator[str]:
    """Files below the root, outside of those of its folders that are videos."""
    for folder, folders, names in os.walk(root):
        inside = [name for name in folders if not name.startswith(".")]
        folders[:] = [name for name in inside if in_report(os.path.join(folder, name), root) not in videos]
        for path in (os.path.join(folder, name) for name in names if name not in OWN):
            inside_root = is_below(os.path.realpath(path), os.path.realpath(root))
            if inside_root and _may_label(path) and in_report(path, root) not in videos:
                yield path


def _may_label(path: str) -> bool:
    name = path.lower()
    if name.endswith((*VIDEO_SUFFIXES, *IMAGE_SUFFIXES, PART)) or not os.path.isfile(path):
        return False
    return os.access(path, os.R_OK) and (name.endswith(LABEL_SUFFIXES) or os.path.getsize(path) <= MOST_BYTES)
