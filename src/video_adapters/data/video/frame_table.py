"""The frames of a video file in the order of showing, and the packets that have to be decoded for some of them."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from video_adapters.data.video.packets import MISSING, Packets


class FrameTable:
    """Which packet holds which frame, by the time stamps.

    Attributes:
        stamps: (num_frames,) int64, time stamps, rising.
    """

    def __init__(self, packets: Packets) -> None:
        shown = np.flatnonzero(packets.shown)
        self._packets = packets
        self._positions = shown[np.argsort(packets.pts[shown], kind="stable")]  # (num_frames,) places of the packets
        self.stamps = packets.pts[self._positions]

    def groups(self, wanted: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
        """Wanted frames by where decoding has to start for them: first packet, last packet + 1, and the frames."""
        positions = self._positions[wanted]
        starts = np.union1d(0, np.flatnonzero(self._packets.restarts))
        begins = starts[np.searchsorted(starts, positions, "right") - 1]
        order = np.argsort(begins, kind="stable")
        borders = np.flatnonzero(np.diff(begins[order], prepend=-1, append=-1))
        for first, last in pairwise(borders):
            group = order[first:last]
            yield int(begins[group[0]]), int(positions[group].max()) + 1, wanted[group]

    def needed(self, start: int, stop: int, wanted: np.ndarray) -> bytes:
        """For each of packets [start, stop) whether it holds a wanted frame."""
        needed = np.zeros(stop - start, bool)
        needed[self._positions[wanted] - start] = True
        return needed.tobytes()


def frame_table(packets: Packets, container: str) -> FrameTable | None:
    """The table, or None where time stamps do not tell the order: AVI has none (FFmpeg makes them up, wrongly with
    B-frames), raw streams have none, and a cut that begins amid a group of pictures has them for frames that no decoder
    can give."""
    times = packets.pts
    if container == "avi" or MISSING in times or len(np.unique(times)) < len(times):
        return None
    if len(times) and (not packets.key[0] or times.min() < times[0]):
        return None
    return FrameTable(packets)
