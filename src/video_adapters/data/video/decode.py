"""Chosen frames of a video file, exactly those that decoding it from start to end would give.

What the container says about its length (frame count, duration, average rate) is never used: it is wrong for cut
files, for variable frame rates and for half of what is found in the wild. The packets themselves are the frame table.
(Where their time stamps say nothing, as in AVI, the stated rate tells when frames are shown, but never which they are.)
"""

import os
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from itertools import pairwise
from types import TracebackType

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from video_adapters.commands.plural import counted
from video_adapters.data.video.orientation import Orientation, orientation_of
from video_adapters.data.video.packets import MISSING, Packets, open_quickly
from video_adapters.data.video.picture import check_size, resized
from video_adapters.data.video.truncation import cut_short

# A swscale thread pool per worker would only fight the other workers; older releases have no pool and no argument.
ONE_THREAD = {"threads": 1} if int(av.__version__.split(".")[0]) >= 17 else {}
_SKIPS_EXACTLY = {"h264", "hevc"}  # unreferenced frames may be left undecoded; AV1 returns wrong frames if so


class DecodeError(ValueError):
    """A video that cannot be read, for whatever reason."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)  # both in args, so that the error survives the way out of a worker
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def resizing(count: int, size: tuple[int, int]) -> tuple[str]:
    """The remark that frames did not have the first one's height and width."""
    return (f"{counted(count, 'frame')} of another size than the first, resized to its {size[1]}x{size[0]}",)


class VideoReader:
    """An open video file; to be used in a `with`, and never kept across a fork.

    Args:
        path: any file that FFmpeg reads; the first video stream counts.
        strict: refuses frames of changing size; else they are resized to the first one's.

    Attributes:
        num_frames: how many frames sequential decoding would give.
        num_resized: how many of those read had another size than the first.

    Raises:
        DecodeError: the file is missing, unreadable, not a video, or broken.
    """

    def __init__(self, path: str, strict: bool = False) -> None:
        self.path = path
        self.strict = strict
        self.num_resized = 0
        with _as_decode_error(path), ExitStack() as stack:
            if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
                raise DecodeError(path, "is no file")  # but a pipe, say, which would be waited for without end
            container = stack.enter_context(open_quickly(path))
            self._stream = _video_stream(container, path)
            self._context = self._stream.codec_context
            self._packets = Packets(container, self._stream)
            stack.callback(self._packets.close)
            self._shown = _display_order(self._packets, container.format.name)
            self._stamps = self._decoded_stamps() if self._shown is None else self._packets.pts[self._shown]
            self.num_frames = len(self._stamps)
            if not self.num_frames:
                raise DecodeError(path, "holds no frame")
            self._stated = self._context.width, self._context.height
            check_size(*self._stated)
            self._remarks: tuple[str, ...] = cut_short(container, self._stream, self._packets)
            self._stack = stack.pop_all()
        self._reformatter = VideoReformatter()
        self._orientation = Orientation()  # of the last picture

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def quality(self) -> tuple[str, ...]:
        """What is odd about a video that was read all the same; complete after `read`."""
        return (*self._remarks, *(resizing(self.num_resized, self._first_size) if self.num_resized else ()))

    @cached_property
    def times(self) -> np.ndarray:
        """When each frame is shown: (num_frames,) float64, seconds since the first one, rising.

        Raises:
            DecodeError: there are neither time stamps that rise nor a frame rate.
        """
        ticks = self._stamps
        if MISSING not in ticks and (np.diff(ticks) > 0).all():
            base = self._stream.time_base
            return (ticks - ticks[0]) * base.numerator / base.denominator
        rate = self._stream.average_rate or self._stream.guessed_rate
        if not rate:
            raise DecodeError(self.path, "says neither when its frames are shown nor how many a second")
        return np.arange(self.num_frames) / float(rate)

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """The frames at `indices`, in that order, upright -> (len(indices), H, W, 3) RGB.

        Raises:
            DecodeError: one of the frames cannot be had; strict: or has another size than the first.
            ValueError: an index is not in [0, num_frames).
        """
        wanted = self._rising(indices)
        with _as_decode_error(self.path):
            frames = dict(self._in_output_order(wanted)) if self._shown is None else self._by_time(wanted)
            if lost := [index for index in wanted.tolist() if index not in frames]:
                raise self._lost(lost)
            if (sizes := {frame.shape[:2] for frame in frames.values()}) != {self._expected_size}:
                frames = {index: self._fitted(frame, self._first_size, sizes) for index, frame in frames.items()}
            return np.stack([frames[index] for index in indices])

    def stream(self, indices: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
        """The frames at `indices` with their indices, rising, one by one: for more of them than memory holds.

        Yields: index and upright picture, (H, W, 3) RGB, the same as from `read`.

        Raises:
            DecodeError: one of the frames cannot be had; strict: or has another size than the first.
            ValueError: an index is not in [0, num_frames).
        """
        wanted = self._rising(indices)
        due = iter(wanted)
        size: tuple[int, int] | None = None
        with _as_decode_error(self.path):
            for index, picture in self._in_output_order(wanted) if self._shown is None else self._one_by_one(wanted):
                if index != (expected := next(due)):
                    raise self._lost([int(expected)])
                if size is None:
                    size = self._expected_size if picture.shape[:2] == self._expected_size else self._first_size
                yield index, self._fitted(picture, size, {size, picture.shape[:2]})
            if (lost := next(due, None)) is not None:
                raise self._lost([int(lost)])

    def frames(self) -> Iterator[av.VideoFrame]:
        """Every frame from start to end as the decoder gives it, neither converted nor made upright.

        Raises:
            DecodeError: not all of them come out.
        """
        count = 0
        with _as_decode_error(self.path):
            for count, frame in enumerate(self._decode(0, len(self._packets)), 1):
                self._inspect(frame, count - 1)
                yield frame
            if count != self.num_frames:
                raise DecodeError(self.path, f"{count} of {self.num_frames} frames come out of the decoder")

    @property
    def codec(self) -> str:
        """FFmpeg's name of it: h264, vp9, ..."""
        return str(self._context.name)

    @property
    def _expected_size(self) -> tuple[int, int]:
        """Height and width of the first frame, upright, by the header.

        Raw and transport streams have none: if their size changes early on, it may be a later frame's.
        """
        width, height = self._orientation.size(*self._stated)
        return height, width

    @cached_property
    def _first_size(self) -> tuple[int, int]:
        """Height and width of the first frame, upright."""
        with open_quickly(self.path) as container:
            frame = next(container.decode(_video_stream(container, self.path)), None)
            if frame is None:
                raise self._lost([0])
            width, height = orientation_of(frame).size(frame.width, frame.height)
        return height, width

    def _fitted(self, picture: np.ndarray, size: tuple[int, int], sizes: Iterable[tuple[int, ...]]) -> np.ndarray:
        """The picture in the size of the first."""
        if picture.shape[:2] == size:
            return picture
        if self.strict:
            raise DecodeError(self.path, f"the frame size changes on the way: {sorted({size, *sizes})}")
        self.num_resized += 1
        return resized(picture, *size)

    def _rising(self, indices: Iterable[int]) -> np.ndarray:
        """The indices, each once, in order, (n,) int64."""
        wanted = np.unique(np.fromiter(indices, np.int64))
        if not len(wanted) or wanted[0] < 0 or wanted[-1] >= self.num_frames:
            raise ValueError(f"{self.path}: frames {wanted.tolist()} asked for, there are 0 to {self.num_frames - 1}")
        return wanted

    def _lost(self, indices: Sequence[int]) -> DecodeError:
        return DecodeError(self.path, f"frames {list(indices)} of {self.num_frames} do not come out of the decoder")

    def _decoded_stamps(self) -> np.ndarray:
        """The time stamp of each frame that comes out when all is decoded."""
        frames = self._decode(0, len(self._packets))
        return np.fromiter((MISSING if frame.pts is None else frame.pts for frame in frames), np.int64)

    def _in_output_order(self, wanted: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Frames by their place in the output; for files whose time stamps say nothing."""
        due = iter(wanted.tolist())
        index = next(due)
        for place, frame in enumerate(self._decode(0, len(self._packets))):
            if place == index:
                yield index, self._picture(frame, index)
                if (index := next(due, -1)) < 0:
                    break

    def _by_time(self, wanted: np.ndarray) -> dict[int, np.ndarray]:
        """Frames by their time stamps: group by group, and if one stays out, once more from end to end."""
        frames: dict[int, np.ndarray] = {}
        try:
            for start, stop, group in self._groups(wanted):
                frames |= dict(self._pick(start, stop, group))
        except _BROKEN:
            pass  # what is not found by now is looked for below, where an error counts
        if rest := [index for index in wanted.tolist() if index not in frames]:
            frames |= dict(self._pick(0, len(self._packets), np.array(rest), skip=False))
        return frames

    def _one_by_one(self, wanted: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Frames by their time stamps, rising; from where one stays out, the group once more from the file's start."""
        for start, stop, group in self._groups(wanted):
            done = 0
            try:
                for index, picture in self._pick(start, stop, group):
                    if index != group[done]:
                        break
                    done += 1
                    yield index, picture
            except _BROKEN:
                pass  # as in `_by_time`
            if done < len(group):
                yield from self._pick(0, len(self._packets), group[done:], skip=False)

    def _groups(self, wanted: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
        """Wanted frames by where decoding has to start for them: first packet, last packet + 1, and the frames."""
        assert self._shown is not None
        positions = self._shown[wanted]
        starts = np.union1d(0, np.flatnonzero(self._packets.restarts))
        begins = starts[np.searchsorted(starts, positions, "right") - 1]
        order = np.argsort(begins, kind="stable")
        borders = np.flatnonzero(np.diff(begins[order], prepend=-1, append=-1))
        for first, last in pairwise(borders):
            group = order[first:last]
            yield int(begins[group[0]]), int(positions[group].max()) + 1, wanted[group]

    def _pick(self, start: int, stop: int, wanted: np.ndarray, skip: bool = True) -> Iterator[tuple[int, np.ndarray]]:
        """Decodes packets [start, stop) until the wanted frames are there."""
        stamps, due, left = self._stamps[wanted], bytearray(b"\1") * len(wanted), len(wanted)
        for frame in self._decode(start, stop, self._needed(start, stop, wanted) if skip else None):
            place = len(stamps) if frame.pts is None else bisect_left(stamps, frame.pts)
            if place < len(stamps) and stamps[place] == frame.pts and due[place]:
                due[place], left, index = 0, left - 1, int(wanted[place])
                yield index, self._picture(frame, index)
            if not left:
                break

    def _needed(self, start: int, stop: int, wanted: np.ndarray) -> bytes | None:
        """For each of packets [start, stop) whether it holds a wanted frame; None where all have to be decoded."""
        if self._shown is None or self._context.name not in _SKIPS_EXACTLY:
            return None
        needed = np.zeros(stop - start, bool)
        needed[self._shown[wanted] - start] = True
        return needed.tobytes()

    def _decode(self, start: int, stop: int, needed: bytes | None = None) -> Iterator[av.VideoFrame]:
        """What comes out of packets [start, stop); with `needed`, frames that no other needs may be left out."""
        self._context.flush_buffers()
        self._context.skip_frame = "DEFAULT"
        for place, packet in enumerate(self._packets.between(start, stop)):
            if needed is not None:
                self._context.skip_frame = "DEFAULT" if needed[place] else "NONREF"
            yield from self._context.decode(packet)
        yield from self._context.decode(None)

    def _picture(self, frame: av.VideoFrame, index: int) -> np.ndarray:
        """A decoded frame -> (H, W, 3), upright."""
        self._inspect(frame, index)
        rgb = self._reformatter.reformat(frame, format="rgb24", **ONE_THREAD)
        plane = rgb.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(rgb.height, plane.line_size)
        self._orientation = orientation_of(frame)
        return self._orientation.upright(rows[:, : 3 * rgb.width].reshape(rgb.height, rgb.width, 3))

    def _inspect(self, frame: av.VideoFrame, index: int) -> None:
        """Refuses a frame that has grown too large; remarks on damage that the decoder hides."""
        check_size(frame.width, frame.height)
        if frame.is_corrupt:
            self._remarks += (f"corrupt frame {index}",)


_BROKEN = (av.error.FFmpegError, OSError, IndexError, ValueError)


@contextmanager
def _as_decode_error(path: str) -> Iterator[None]:
    """Turns the several ways in which PyAV fails into one."""
    try:
        yield
    except DecodeError:
        raise
    except MemoryError as error:
        raise DecodeError(path, "does not fit into memory") from error
    except _BROKEN as error:
        raise DecodeError(path, getattr(error, "strerror", None) or str(error) or type(error).__name__) from error


def _video_stream(container: av.container.InputContainer, path: str) -> av.VideoStream:
    if not container.streams.video:
        raise DecodeError(path, "has no video stream")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise DecodeError(path, "its codec is unknown")
    stream.thread_type = "NONE"  # the loader's workers are the parallelism; frame threads deadlock on an early exit
    stream.codec_context.thread_count = 1
    return stream


def _display_order(packets: Packets, container: str) -> np.ndarray | None:
    """Places of the packets that hold a frame to be shown, in the order of showing.

    None where time stamps do not tell: AVI has none (FFmpeg makes them up, wrongly with B-frames), raw streams have
    none, and a cut that begins amid a group of pictures has them for frames that no decoder can give.
    """
    times = packets.pts
    if container == "avi" or MISSING in times or len(np.unique(times)) < len(times):
        return None
    if len(times) and (not packets.key[0] or times.min() < times[0]):
        return None
    shown = np.flatnonzero(packets.shown)
    return shown[np.argsort(times[shown], kind="stable")]
