"""Parts of a data set: validation videos where it comes without any, and shares of the training videos."""

from collections.abc import Sequence

import numpy as np


def held_out(labels: np.ndarray, share: float, groups: Sequence[str] | None = None, seed: int = 0) -> np.ndarray:
    """Which videos are set aside for validation: labels (N,) -> (N,) bool, a function of its arguments alone.

    Without groups, `share` of each class, at least one of two or more. With groups (the people, the scenes), whole
    groups until about `share` of all videos is reached, none of which would leave a class without training videos: near
    duplicates then never stand on both sides.

    Raises:
        ValueError: for a share that is none, or groups that cannot be divided so.
    """
    if not 0 < share < 1:
        raise ValueError(f"data.annotations.val_share is {share}, expected a share above 0 and below 1, such as 0.2")
    generator = np.random.default_rng([7, seed])
    if groups is None:
        return _of_each_class(labels, share, generator)
    return _of_groups(labels, share, np.asarray(groups, dtype=object), generator)


def held_out_files(labels: np.ndarray, share: float, files: Sequence[str]) -> np.ndarray:
    """The same where some videos may be spans of one file, which then stay together: `share` of the files of each
    class, a file counting for the rarest class in it. No class is left without training videos."""
    _, first, file_of = np.unique(np.asarray(files, dtype=object), return_index=True, return_inverse=True)
    if len(first) == len(labels):
        return held_out(labels, share)
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    order = np.lexsort((counts[classes], file_of))  # file by file, each one's rarest class first
    rarest = order[np.unique(file_of[order], return_index=True)[1]]
    chosen = held_out(labels[rarest], share)[file_of]
    for label in np.setdiff1d(labels[chosen], labels[~chosen]):
        chosen[file_of == file_of[np.flatnonzero(labels == label)[0]]] = False
    return chosen


def set_aside(
    splits: np.ndarray, labels: np.ndarray, share: float, groups: Sequence[str] | None, files: Sequence[str] | None
) -> np.ndarray:
    """The split of each video, (N,), some of "train" being "val" where none was: by group, or else by file if given."""
    training = np.flatnonzero(splits == "train").tolist()
    if "val" in splits or not training:
        return splits
    if groups is None and files is not None:
        aside = held_out_files(labels[training], share, [files[i] for i in training])
    else:
        aside = held_out(labels[training], share, None if groups is None else [groups[i] for i in training])
    splits = splits.copy()
    splits[np.array(training)[aside]] = "val"
    return splits


def stratified(labels: np.ndarray, share: float) -> list[int]:
    """A share of each class, at least one of it, in the order of the list: labels (N,) -> indices.

    A function of its arguments alone; what a smaller share takes, a larger one takes too.
    """
    chosen: list[int] = []
    for label in np.unique(labels):
        members = np.random.default_rng([8, int(label)]).permutation(np.flatnonzero(labels == label))
        chosen += members[: max(1, round(share * len(members)))].tolist()
    return sorted(chosen)


def _of_each_class(labels: np.ndarray, share: float, generator: np.random.Generator) -> np.ndarray:
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        count = min(max(1, round(share * len(members))), len(members) - 1)
        chosen[members[:count]] = True
    return chosen


def _of_groups(labels: np.ndarray, share: float, groups: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    chosen = np.zeros(len(labels), bool)
    for group in generator.permutation(np.unique(groups.astype(str))):
        members = groups.astype(str) == group
        grown = chosen | members
        if grown.sum() > round(share * len(labels)) and chosen.any():
            continue
        if set(labels[grown]) <= set(labels[~grown]):
            chosen = grown
    if not chosen.any():
        raise ValueError(
            f"no group of the {len(set(groups))} can be set aside for validation without taking all videos of some "
            "class; give the split in a column, or leave the group out"
        )
    return chosen
