"""Chosen frames of a video file, exactly those that decoding it from start to end would give.

What the container says about its length (frame count, duration, average rate) is never used: it is wrong for cut
files, for variable frame rates and for half of what is found in the wild. The packets themselves are the frame table.
(Where their time stamps say nothing, as in AVI, the stated rate tells when frames are shown, but never which they are.)
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from video_adapters.data.video.containers import open_quickly
from video_adapters.data.video.frame_source import DecodeError, FrameSource, resizing
from video_adapters.data.video.frame_table import FrameTable, frame_table
from video_adapters.data.video.orientation import Orientation, orientation_of
from video_adapters.data.video.packets import MISSING, Packets
from video_adapters.data.video.picture import check_size
from video_adapters.data.video.truncation import cut_short

# A swscale thread pool per worker would only fight the other workers; older releases have no pool and no argument.
ONE_THREAD = {"threads": 1} if int(av.__version__.split(".")[0]) >= 17 else {}
_SKIPS_EXACTLY = {"h264", "hevc"}  # unreferenced frames may be left undecoded; AV1 returns wrong frames if so


class VideoReader(FrameSource):
    """An open video file; of its video streams the first one counts.

    Attributes:
        num_frames: how many frames sequential decoding would give.
        codec: FFmpeg's name of it: h264, vp9, ...

    Raises:
        DecodeError: the file is missing, unreadable, not a video, or broken.
    """

    def __init__(self, path: str, strict: bool = False) -> None:
        super().__init__(path, strict)
        with _as_decode_error(path), ExitStack() as stack:
            if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
                raise DecodeError(path, "is no file")  # but a pipe, say, which would be waited for without end
            container = stack.enter_context(open_quickly(path))
            self._stream = _video_stream(container, path)
            self._context = self._stream.codec_context
            self.codec = str(self._context.name)
            self._packets = Packets(container, self._stream)
            stack.callback(self._packets.close)
            self._table = frame_table(self._packets, container.format.name)
            self._stamps = self._decoded_stamps() if self._table is None else self._table.stamps
            self.num_frames = len(self._stamps)
            if not self.num_frames:
                raise DecodeError(path, "holds no frame")
            self._stated = self._context.width, self._context.height
            check_size(*self._stated)
            self._remarks: tuple[str, ...] = cut_short(container, self._stream, self._packets)
            self._stack = stack.pop_all()
        self._reformatter = VideoReformatter()
        self._orientation = Orientation()  # of the last picture

    def close(self) -> None:
        self._stack.close()

    @property
    def quality(self) -> tuple[str, ...]:
        return (*self._remarks, *(resizing(self.num_resized, self._first_size) if self.num_resized else ()))

    @cached_property
    def times(self) -> np.ndarray:
        ticks = self._stamps
        if MISSING not in ticks and (np.diff(ticks) > 0).all():
            base = self._stream.time_base
            return (ticks - ticks[0]) * base.numerator / base.denominator
        rate = self._stream.average_rate or self._stream.guessed_rate
        if not rate:
            raise DecodeError(self.path, "says neither when its frames are shown nor how many a second")
        return np.arange(self.num_frames) / float(rate)

    def read(self, indices: Sequence[int]) -> np.ndarray:
        wanted = self._rising(indices)
        with _as_decode_error(self.path):
            frames = dict(self._in_output_order(wanted)) if self._table is None else self._by_time(self._table, wanted)
            if lost := [index for index in wanted.tolist() if index not in frames]:
                raise self._lost(lost)
            if (sizes := {frame.shape[:2] for frame in frames.values()}) != {self._expected_size}:
                frames = {index: self._fitted(frame, self._first_size, sizes) for index, frame in frames.items()}
            return np.stack([frames[index] for index in indices])

    def stream(self, indices: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
        wanted = self._rising(indices)
        due = iter(wanted)
        size: tuple[int, int] | None = None
        table = self._table
        with _as_decode_error(self.path):
            for index, picture in self._in_output_order(wanted) if table is None else self._one_by_one(table, wanted):
                if index != (expected := next(due)):
                    raise self._lost([int(expected)])
                if size is None:
                    size = self._expected_size if picture.shape[:2] == self._expected_size else self._first_size
                yield index, self._fitted(picture, size, {size, picture.shape[:2]})
            if (lost := next(due, None)) is not None:
                raise self._lost([int(lost)])

    def frames(self) -> Iterator[av.VideoFrame]:
        """Every frame as the decoder gives it, neither converted nor upright; a DecodeError if not all come out."""
        count = 0
        with _as_decode_error(self.path):
            for count, frame in enumerate(self._decode(0, len(self._packets)), 1):
                self._inspect(frame, count - 1)
                yield frame
            if count != self.num_frames:
                raise DecodeError(self.path, f"{count} of {self.num_frames} frames come out of the decoder")

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

    def _lost(self, indices: Sequence[int]) -> DecodeError:
        return DecodeError(self.path, f"frames {list(indices)} of {self.num_frames} do not come out of the decoder")

    def _decoded_stamps(self) -> np.ndarray:
        """The time stamp of each frame that comes out when all is decoded."""
        frames = self._decode(0, len(self._packets))
        return np.fromiter((MISSING if frame.pts is None else frame.pts for frame in frames), np.int64)

    def _in_output_order(self, wanted: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Frames by their place in the output; for files whose time stamps say nothing."""
        due = set(wanted.tolist())
        for index, frame in enumerate(self._decode(0, len(self._packets))):
            if index in due:
                yield index, self._picture(frame, index)
                due.remove(index)
            if not due:
                break

    def _by_time(self, table: FrameTable, wanted: np.ndarray) -> dict[int, np.ndarray]:
        """Frames by their time stamps: group by group, and if one stays out, once more from end to end."""
        frames: dict[int, np.ndarray] = {}
        try:
            for start, stop, group in table.groups(wanted):
                frames |= dict(self._pick(table, start, stop, group))
        except _BROKEN:
            pass  # what is not there by now is looked for below, where an error counts
        if rest := [index for index in wanted.tolist() if index not in frames]:
            frames |= dict(self._pick(table, 0, len(self._packets), np.array(rest), skip=False))
        return frames

    def _one_by_one(self, table: FrameTable, wanted: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Frames by their time stamps, rising; from where one stays out, the group once more from the file's start."""
        for start, stop, group in table.groups(wanted):
            done = 0
            try:
                for index, picture in self._pick(table, start, stop, group):
                    if index != group[done]:
                        break
                    done += 1
                    yield index, picture
            except _BROKEN:
                pass  # as in `_by_time`
            if done < len(group):
                yield from self._pick(table, 0, len(self._packets), group[done:], skip=False)

    def _pick(
        self, table: FrameTable, start: int, stop: int, wanted: np.ndarray, skip: bool = True
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Decodes packets [start, stop) until the wanted frames are there."""
        needed = table.needed(start, stop, wanted) if skip and self.codec in _SKIPS_EXACTLY else None
        due = dict(zip(table.stamps[wanted].tolist(), wanted.tolist(), strict=True))
        for frame in self._decode(start, stop, needed):
            if (index := due.pop(frame.pts, None)) is not None:
                yield index, self._picture(frame, index)
            if not due:
                break

    def _decode(self, start: int, stop: int, needed: bytes | None = None) -> Iterator[av.VideoFrame]:
        """What comes out of packets [start, stop); with `needed`, frames that no other needs may be left out."""
        self._context.flush_buffers()
        self._context.skip_frame = "DEFAULT"
        for number, packet in enumerate(self._packets.between(start, stop)):
            if needed is not None:
                self._context.skip_frame = "DEFAULT" if needed[number] else "NONREF"
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
