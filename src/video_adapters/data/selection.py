"""Selection of the videos of a split: a number of them, a report of those that cannot be read, labels that fit."""

import logging
from collections.abc import Sequence

import numpy as np

from video_adapters.commands.wording import counted
from video_adapters.data import check_report
from video_adapters.data.annotations import Annotations, Videos
from video_adapters.data.annotations.prepared import settings_of
from video_adapters.data.clips.transform import before_crop

log = logging.getLogger(__name__)


def evenly(videos: Videos, most: int | None) -> Videos:
    """At most so many videos, spread over the list, which may be sorted by class; None takes all."""
    if most is None or len(videos) <= most:
        return videos
    return videos.select([int(i) for i in np.linspace(0, len(videos) - 1, most)])


def split_of_test(annotations: Annotations, given: str | None, validation: str) -> str:
    """The split that a test scores: the one given, or "test" where the data set has one, else that of validation."""
    return given or ("test" if annotations.has("test") else validation)


def readable(videos: Videos, split: str, report: str, root: str) -> Videos:
    """The videos of a split but those that a report lists as unreadable; a ValueError if it knows or leaves none."""
    findings = check_report.read(report)
    names = [check_report.in_report(video.path, root) for video in videos]
    statuses = [findings[name].status if name in findings else None for name in names]
    if not any(statuses):
        raise ValueError(
            f"the report {report} names none of the {len(videos)} videos of the split '{split}', such as {names[0]}; "
            f"was it made of {root}?"
        )
    if unknown := statuses.count(None):
        log.warning("%s: %d of %d videos are not in the report %s", split, unknown, len(videos), report)
    broken, missing = (statuses.count(status) for status in check_report.UNREADABLE)
    log.warning(
        "%s: %d of %d videos are left out by the report %s: %d broken, %d missing",
        split, broken + missing, len(videos), report, broken, missing,
    )  # fmt: skip
    if broken + missing == len(videos):
        raise ValueError(f"the report {report} leaves none of the {len(videos)} videos of '{split}'")
    return videos.select(i for i, status in enumerate(statuses) if status not in check_report.UNREADABLE)


def check_labels(
    videos: Videos,
    use: str,
    split: str,
    annotations: Annotations,
    root: str,
    num_classes: int,
    label_sets: np.ndarray | None = None,
) -> None:
    """A ValueError for videos of a split whose labels do not fit the number of classes, or teach nothing."""
    title, names = f"{type(annotations).__name__} in {root}", annotations.class_names
    if not len(videos):
        raise ValueError(
            f"the split '{split}' of {title} holds no video; of a class with one video none is set aside: "
            "add videos, or say which are for validation"
        )
    if use == "train" and num_classes == 1:
        raise ValueError(f"{title} has one class, '{(names or '0')[0]}': there is nothing to tell apart")
    if use == "train" and len(videos) == 1:
        log.warning("%s: it holds one video, %s, which a network learns by heart", split, videos[0].path)
    if names and len(names) != num_classes:
        raise ValueError(
            f"data.num_classes is {num_classes}, but {title} has {len(names)} classes, "
            f"from '{names[0]}' to '{names[-1]}'; set data.num_classes={len(names)}"
        )
    if unlabelled := int((videos.labels < 0).sum()):
        raise ValueError(
            f"the split '{split}' of {title} has {counted(unlabelled, 'video')} without a label (-1), "
            f"which can neither train nor be scored: choose another by data.{use}_split, or leave them out"
        )
    high = int(videos.labels.max()) if label_sets is None else label_sets.shape[1] - 1
    if high >= num_classes:
        raise ValueError(
            f"the split '{split}' of {title} has labels up to {high}, "
            f"but data.num_classes is {num_classes}: labels must lie between 0 and {num_classes - 1}"
        )


def name_empty_classes(
    videos: Videos, split: str, class_names: Sequence[str], label_sets: np.ndarray | None = None
) -> None:
    """Warns of classes that cannot be learned, since no training video shows them."""
    labels = np.unique(videos.labels)
    shown = labels if label_sets is None else np.flatnonzero(label_sets[labels].any(0))
    empty = sorted({*range(len(class_names))} - {*shown.tolist()})
    if empty:
        named = ", ".join(f"'{class_names[label]}'" for label in empty[:4])
        log.warning(
            "%s: %d of %d classes have no video there, and are not learned: %s%s",
            split, len(empty), len(class_names), named, ", ..." if len(empty) > 4 else "",
        )  # fmt: skip


def name_small_copy(root: str, image_size: int) -> None:
    """Warns of a prepared copy that was made for smaller frames (pixels)."""
    side, needed = (settings_of(root) or {}).get("short_side"), before_crop(image_size)
    if isinstance(side, int) and side < needed:
        log.warning(
            "%s is a copy of %d pixels at most on the short side, and data.image_size=%d is cut from %d: make one "
            "by python src/prepare.py transcode --short-side %d", root, side, image_size, needed, needed,
        )  # fmt: skip
