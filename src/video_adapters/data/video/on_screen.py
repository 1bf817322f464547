"""Frames of a video that are on screen in a stretch of time."""

import numpy as np

SLACK = 1e-6  # seconds; far below any frame's, far above the rounding of its time


def on_screen(times: np.ndarray, start: float, end: float) -> range:
    """The frames that are seen from `start` up to `end`, at least one, by when each is shown: (num_frames,), rising.

    A frame is on screen until the next one comes. All are in seconds, the first of `times` is 0, and so is the least
    `start`.
    """
    first = int(np.searchsorted(times, start + SLACK, "right")) - 1
    return range(first, max(first + 1, int(np.searchsorted(times, end - SLACK, "left"))))


def end_of(times: np.ndarray, alone: float) -> float:
    """When the last frame goes: it stays as long as frames do in the median; where it is the only one, `alone`."""
    return float(times[-1]) + (float(np.median(np.diff(times))) if len(times) > 1 else alone)
