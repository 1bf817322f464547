"""Properties of a video, by decoding all of it."""

import hashlib
import os
from collections import Counter
from dataclasses import replace

from video_adapters.data.annotations import END, Video
from video_adapters.data.check_report import VideoCheck
from video_adapters.data.video.decode import VideoReader
from video_adapters.data.video.frame_folder import FrameFolder
from video_adapters.data.video.frame_source import DecodeError, resizing
from video_adapters.data.video.orientation import Orientation, orientation_of
from video_adapters.data.video.reader import Span

MIRRORED = ("stored mirrored, left and right, and read as players show it",)
MOST_REMARKS = 3  # a file whose every frame is corrupt says so but once


def probe_video(video: Video, strict: bool = False) -> VideoCheck:
    """Decodes a file or a folder of frames from end to end; `strict` takes what `open_video` then refuses for broken. A
    span that begins past the last frame is, too."""
    size, stamp = size_of(video.path), stamp_of(video.path)  # before it is read: what changes meanwhile has changed
    if not os.path.lexists(video.path):
        return VideoCheck(path=video.path, status="missing", reason="no such file")
    try:
        finding = (_folder if os.path.isdir(video.path) else _file)(video, strict)
    except DecodeError as error:
        return VideoCheck(path=video.path, status="broken", size=size, stamp=stamp, reason=error.reason)
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


def _file(annotated: Video, strict: bool) -> VideoCheck:
    path = annotated.path
    with VideoReader(path) as video:
        at_first, sizes, orientation = video.quality, Counter[tuple[int, int]](), Orientation()
        try:
            for frame in video.frames():
                orientation = orientation_of(frame)
                sizes[orientation.size(frame.width, frame.height)] += 1
        except DecodeError as error:
            raise DecodeError(path, "; ".join([*at_first, error.reason])) from error
        if strict and len(sizes) > 1:
            raise DecodeError(path, f"the frame size changes on the way: {sorted(sizes)}")
        (width, height), seconds = next(iter(sizes)), _seconds(video)
        Span(video, annotated.start, END, annotated.seconds)
        others = video.num_frames - sizes[width, height]
        remarks = (*resizing(others, (height, width)),) * bool(others) + MIRRORED * orientation.mirrored
        return VideoCheck(
            path=path,
            status=_status(at_first, video.quality, others, orientation),
            frames=video.num_frames,
            width=width,
            height=height,
            rotation=orientation.degrees,
            fps=video.num_frames / seconds if seconds else None,
            seconds=seconds,
            codec=video.codec,
            reason=_reason((*video.quality, *remarks)),
        )


def _folder(annotated: Video, strict: bool) -> VideoCheck:
    path = annotated.path
    with FrameFolder(path, strict) as video:
        Span(video, annotated.start, END, annotated.seconds)
        for _, picture in video.stream(range(video.num_frames)):
            height, width = picture.shape[:2]
        return VideoCheck(
            path=path, status=_status((), (), video.num_resized, Orientation()), frames=video.num_frames, width=width,
            height=height, rotation=0, codec="images", reason=_reason(video.quality),
        )  # fmt: skip


def _status(at_first: tuple[str, ...], quality: tuple[str, ...], num_resized: int, orientation: Orientation) -> str:
    """The worst that is to be said: what opening the file remarked on is its length, what decoding did is damage."""
    if at_first:
        return "truncated"
    if quality:
        return "corrupt"
    if num_resized:
        return "resized"
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
