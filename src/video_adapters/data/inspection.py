"""What a video is like, by decoding all of it."""

import hashlib
import os
from dataclasses import replace

from video_adapters.data.annotations import Video
from video_adapters.data.decode import DecodeError, VideoReader
from video_adapters.data.frame_folder import FrameFolder
from video_adapters.data.orientation import Orientation, orientation_of
from video_adapters.data.report import Finding

MIRRORED = ("stored mirrored, left and right, and read as players show it",)
MOST_REMARKS = 3  # a file whose every frame is corrupt says so but once


def inspect(video: Video) -> Finding:
    """Decodes a video from end to end. Its span is broken when it begins past the last frame."""
    size, stamp = size_of(video.path), stamp_of(video.path)  # before it is read: what changes meanwhile has changed
    if not os.path.lexists(video.path):
        return Finding(path=video.path, status="missing", reason="no such file")
    try:
        finding = _folder(video.path) if os.path.isdir(video.path) else _file(video.path)
        if video.start >= (finding.frames or 0):
            raise DecodeError(video.path, f"has {finding.frames} frames, its annotation begins at {video.start}")
    except DecodeError as error:
        return Finding(path=video.path, status="broken", size=size, stamp=stamp, reason=error.reason)
    return replace(finding, size=size, stamp=stamp)


def size_of(path: str) -> int | None:
    """Bytes of a file, or entries of a folder; None where there is nothing to be read."""
    try:
        return len(os.listdir(path)) if os.path.isdir(path) else os.path.getsize(path)
    except OSError:
        return None


def stamp_of(path: str) -> str:
    """What tells, beside the size, that a file has changed: when it was written, in ns; of a folder a digest of the
    entries' names, sizes and times. "" where there is nothing to be read."""
    try:
        if not os.path.isdir(path):
            return str(os.stat(path).st_mtime_ns)
        stats = sorted((entry.name, entry.stat()) for entry in os.scandir(path))
    except OSError:
        return ""
    entries = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
    return hashlib.sha256(repr(entries).encode()).hexdigest()[:16]


def _file(path: str) -> Finding:
    with VideoReader(path) as video:
        at_first, sizes, orientation = video.quality, set(), Orientation()
        try:
            for frame in video.frames():
                orientation = orientation_of(frame)
                sizes.add(orientation.size(frame.width, frame.height))
        except DecodeError as error:
            raise DecodeError(path, "; ".join([*at_first, error.reason])) from error
        if len(sizes) > 1:
            raise DecodeError(path, f"the frame size changes on the way: {sorted(sizes)}")
        (width, height), seconds = sizes.pop(), _seconds(video)
        return Finding(
            path=path,
            status=_status(at_first, video.quality, orientation),
            frames=video.num_frames,
            width=width,
            height=height,
            rotation=orientation.degrees,
            fps=video.num_frames / seconds if seconds else None,
            seconds=seconds,
            codec=video.codec,
            reason=_reason((*video.quality, *MIRRORED * orientation.mirrored)),
        )


def _folder(path: str) -> Finding:
    with FrameFolder(path) as video:
        shape = {picture.shape for _, picture in video.stream(range(video.num_frames))}.pop()
        return Finding(
            path=path, status="ok", frames=video.num_frames, width=shape[1], height=shape[0], rotation=0,
            codec="images",
        )  # fmt: skip


def _status(at_first: tuple[str, ...], quality: tuple[str, ...], orientation: Orientation) -> str:
    """The worst that is to be said: what opening the file remarked on is its length, what decoding did is damage."""
    if at_first:
        return "truncated"
    if quality:
        return "corrupt"
    if orientation.mirrored:
        return "mirrored"
    return "rotated" if orientation.turns else "ok"


def _reason(quality: tuple[str, ...]) -> str:
    more = len(quality) - MOST_REMARKS
    return "; ".join([*quality[:MOST_REMARKS], *([f"and {more} more"] if more > 0 else [])])


def _seconds(video: VideoReader) -> float | None:
    """From the first frame to the end of the last, which is taken to last as long as the others do on average."""
    try:
        times = video.times
    except DecodeError:
        return None
    return float(times[-1]) * len(times) / (len(times) - 1) if len(times) > 1 else None
