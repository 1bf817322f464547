"""Chosen frames of a video file, exactly those that decoding it from start to end would give.

What the container says about its length (frame count, duration, average rate) is never used: it is wrong for cut
files, for variable frame rates and for half of what is found in the wild. The packets themselves are the frame table.
(Where their time stamps say nothing, as in AVI, the stated rate tells when frames are shown, but never which they are.)
"""

import os
from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from types import TracebackType

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from video_adapters.data.containers import open_container
from video_adapters.data.orientation import orientation_of
from video_adapters.data.truncation import cut_short

# A swscale thread pool per worker would only fight the other workers; older releases have no pool and no argument.
ONE_THREAD = {"threads": 1} if int(av.__version__.split(".")[0]) >= 17 else {}
_KEY_IS_RANDOM_ACCESS = {"vp8", "vp9", "mjpeg"}  # elsewhere a key packet may have followers that look behind it
_SKIPS_EXACTLY = {"h264", "hevc"}  # unreferenced frames may be left undecoded; AV1 returns wrong frames if so
_NAL_SLICES, _NAL_IDR = {1, 2, 3, 4, 5}, 5  # ITU-T H.264, table 7-1
_AVCC, _START_CODE = b"\x01", b"\x00\x00\x01"  # first byte of an avcC record; what separates NAL units in Annex B
_EBML, _VP9 = b"\x1a\x45\xdf\xa3", b"V_VP9"  # Matroska's and WebM's first bytes; how they name the codec
_HEAD = 4096  # bytes in which the tracks are described, unless something large precedes them


class DecodeError(ValueError):
    """A video that cannot be read, for whatever reason."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)  # both in args, so that the error survives the way out of a worker
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class VideoReader:
    """An open video file; to be used in a `with`, and never kept across a fork.

    Args:
        path: any file that FFmpeg reads; the first video stream counts.

    Attributes:
        num_frames: how many frames sequential decoding would give.
        quality: what is odd about a video that was read all the same; complete after `read`.

    Raises:
        DecodeError: the file is missing, unreadable, not a video, or broken.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        with _as_decode_error(path), ExitStack() as stack:
            name = os.path.abspath(path)
            if os.path.exists(name) and not os.path.isfile(name) and not os.path.isdir(name):
                raise DecodeError(path, "is no file")  # but a pipe, say, which would be waited for without end
            container = stack.enter_context(open_container(name, **_probing(name)))
            self._stream = _video_stream(container, path)
            self._context = self._stream.codec_context
            self._packets = [packet for packet in container.demux(self._stream) if packet.size]
            self._shown = _display_order(self._packets, self._context.name, container.format.name)
            self._stamps = (
                self._decoded_stamps() if self._shown is None else [self._packets[i].pts for i in self._shown]
            )
            self.num_frames = len(self._stamps)
            if not self.num_frames:
                raise DecodeError(path, "holds no frame")
            self.quality: tuple[str, ...] = cut_short(container, self._stream, self._packets)
            self._stack = stack.pop_all()
        self._reformatter = VideoReformatter()

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @cached_property
    def times(self) -> np.ndarray:
        """When each frame is shown: (num_frames,) float64, seconds since the first one, rising.

        Raises:
            DecodeError: there are neither time stamps that rise nor a frame rate.
        """
        if None not in self._stamps:
            ticks = np.array(self._stamps, np.int64)
            if (np.diff(ticks) > 0).all():
                base = self._stream.time_base
                return (ticks - ticks[0]) * base.numerator / base.denominator
        rate = self._stream.average_rate or self._stream.guessed_rate
        if not rate:
            raise DecodeError(self.path, "says neither when its frames are shown nor how many a second")
        return np.arange(self.num_frames) / float(rate)

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """The frames at `indices`, in that order, upright -> (len(indices), H, W, 3) RGB.

        Raises:
            DecodeError: one of the frames cannot be had.
            ValueError: an index is not in [0, num_frames).
        """
        wanted = self._rising(indices)
        with _as_decode_error(self.path):
            frames = dict(self._in_output_order(wanted)) if self._shown is None else self._by_time(wanted, self._shown)
            if lost := [index for index in wanted if index not in frames]:
                raise self._lost(lost)
            if len(sizes := {frame.shape[:2] for frame in frames.values()}) > 1:
                raise DecodeError(self.path, f"the frame size changes on the way: {sorted(sizes)}")
            return np.stack([frames[index] for index in indices])

    def stream(self, indices: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
        """The frames at `indices` with their indices, rising, one by one: for more of them than memory holds.

        Yields: index and upright picture, (H, W, 3) RGB, the same as from `read`.

        Raises:
            DecodeError: one of the frames cannot be had, or has another size than the first.
            ValueError: an index is not in [0, num_frames).
        """
        wanted = self._rising(indices)
        due = iter(wanted)
        size: tuple[int, ...] | None = None
        with _as_decode_error(self.path):
            pictures = self._in_output_order(wanted) if self._shown is None else self._one_by_one(wanted, self._shown)
            for index, picture in pictures:
                if index != (expected := next(due)):
                    raise self._lost([expected])
                if picture.shape != (size := size or picture.shape):
                    raise DecodeError(
                        self.path, f"the frame size changes on the way: {sorted([size[:2], picture.shape[:2]])}"
                    )
                yield index, picture
            if lost := list(due):
                raise self._lost(lost)

    def frames(self) -> Iterator[av.VideoFrame]:
        """Every frame from start to end as the decoder gives it, neither converted nor made upright.

        Raises:
            DecodeError: not all of them come out.
        """
        count = 0
        with _as_decode_error(self.path):
            for count, frame in enumerate(self._decode(0, len(self._packets)), 1):
                self._note(frame, count - 1)
                yield frame
            if count != self.num_frames:
                raise DecodeError(self.path, f"{count} of {self.num_frames} frames come out of the decoder")

    @property
    def codec(self) -> str:
        """FFmpeg's name of it: h264, vp9, ..."""
        return str(self._context.name)

    def _rising(self, indices: Iterable[int]) -> list[int]:
        """The indices, each once, in order."""
        wanted = sorted(set(indices))
        if not wanted or wanted[0] < 0 or wanted[-1] >= self.num_frames:
            raise ValueError(f"{self.path}: frames {wanted} asked for, there are 0 to {self.num_frames - 1}")
        return wanted

    def _lost(self, indices: Sequence[int]) -> DecodeError:
        return DecodeError(self.path, f"frames {list(indices)} of {self.num_frames} do not come out of the decoder")

    def _decoded_stamps(self) -> list[int | None]:
        """The time stamp of each frame that comes out when all is decoded."""
        return [frame.pts for frame in self._decode(0, len(self._packets))]

    def _in_output_order(self, wanted: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
        """Frames by their place in the output; for files whose time stamps say nothing."""
        due = set(wanted)
        for index, frame in enumerate(self._decode(0, len(self._packets))):
            if index in due:
                yield index, self._picture(frame, index)
            if index == wanted[-1]:
                break

    def _by_time(self, wanted: Sequence[int], shown: Sequence[int]) -> dict[int, np.ndarray]:
        """Frames by their time stamps: group by group, and if one stays out, once more from end to end."""
        frames: dict[int, np.ndarray] = {}
        positions = {shown[index]: index for index in wanted}
        try:
            for start, group in self._groups(sorted(positions)):
                frames |= dict(self._pick(start, group[-1] + 1, {position: positions[position] for position in group}))
        except _BROKEN:
            pass  # what is not found by now is looked for below, where an error counts
        if rest := {position: index for position, index in positions.items() if index not in frames}:
            frames |= dict(self._pick(0, len(self._packets), rest, skip=False))
        return frames

    def _one_by_one(self, wanted: Sequence[int], shown: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
        """Frames by their time stamps, rising; from where one stays out, the group once more from the file's start."""
        positions = {shown[index]: index for index in wanted}
        for start, group in self._groups(sorted(positions)):
            due = sorted(positions[position] for position in group)
            try:
                for index, picture in self._pick(start, group[-1] + 1, {shown[index]: index for index in due}):
                    if index != due[0]:
                        break
                    del due[0]
                    yield index, picture
            except _BROKEN:
                pass  # as in `_by_time`
            if due:
                yield from self._pick(0, len(self._packets), {shown[index]: index for index in due}, skip=False)

    def _groups(self, positions: Sequence[int]) -> list[tuple[int, list[int]]]:
        """Wanted packets by the packet where decoding has to start for them."""
        starts = [place for place in range(positions[-1] + 1) if place == 0 or self._is_random_access(place)]
        groups: dict[int, list[int]] = {}
        for position in positions:
            groups.setdefault(starts[bisect_right(starts, position) - 1], []).append(position)
        return list(groups.items())

    def _is_random_access(self, position: int) -> bool:
        """Whether nothing from this packet on refers to anything before it."""
        packet = self._packets[position]
        if not packet.is_keyframe:
            return False
        if self._context.name == "h264":
            return _is_idr(bytes(packet), self._context.extradata or b"")
        return self._context.name in _KEY_IS_RANDOM_ACCESS

    def _pick(
        self, start: int, stop: int, wanted: Mapping[int, int], skip: bool = True
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Decodes packets [start, stop) until the frames of `wanted`, {packet: index}, are there."""
        due = {self._packets[position].pts: index for position, index in wanted.items()}
        for frame in self._decode(start, stop, wanted if skip and self._context.name in _SKIPS_EXACTLY else None):
            if frame.pts in due:
                index = due.pop(frame.pts)
                yield index, self._picture(frame, index)
            if not due:
                break

    def _decode(self, start: int, stop: int, needed: Container[int] | None = None) -> Iterator[av.VideoFrame]:
        """What comes out of packets [start, stop); with `needed`, frames that no other needs may be left out."""
        self._context.flush_buffers()
        self._context.skip_frame = "DEFAULT"
        for position in range(start, stop):
            if needed is not None:
                self._context.skip_frame = "DEFAULT" if position in needed else "NONREF"
            yield from self._context.decode(self._packets[position])
        yield from self._context.decode(None)

    def _picture(self, frame: av.VideoFrame, index: int) -> np.ndarray:
        """A decoded frame -> (H, W, 3), upright."""
        self._note(frame, index)
        rgb = self._reformatter.reformat(frame, format="rgb24", **ONE_THREAD)
        plane = rgb.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(rgb.height, plane.line_size)
        return orientation_of(frame).upright(rows[:, : 3 * rgb.width].reshape(rgb.height, rgb.width, 3))

    def _note(self, frame: av.VideoFrame, index: int) -> None:
        """Damage that the decoder hides."""
        if frame.is_corrupt:
            self.quality += (f"corrupt frame {index}",)


_BROKEN = (av.error.FFmpegError, OSError, IndexError, ValueError)


@contextmanager
def _as_decode_error(path: str) -> Iterator[None]:
    """Turns the several ways in which PyAV fails into one."""
    try:
        yield
    except DecodeError:
        raise
    except _BROKEN as error:
        raise DecodeError(path, getattr(error, "strerror", None) or str(error) or type(error).__name__) from error


def _probing(path: str) -> dict[str, str]:
    """Options that keep FFmpeg from decoding the first frame on opening, where the header tells all that is needed.

    In VP9's files that frame is a tenth of the whole work. Elsewhere it counts: h264 learns from it to reorder frames.
    """
    if not os.path.isfile(path):
        return {}
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    return {"codec_whitelist": "none"} if head.startswith(_EBML) and _VP9 in head else {}


def _video_stream(container: av.container.InputContainer, path: str) -> av.VideoStream:
    if not container.streams.video:
        raise DecodeError(path, "has no video stream")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise DecodeError(path, "its codec is unknown")
    stream.thread_type = "NONE"  # the loader's workers are the parallelism; frame threads deadlock on an early exit
    stream.codec_context.thread_count = 1
    return stream


def _display_order(packets: Sequence[av.Packet], codec: str, container: str) -> list[int] | None:
    """Places of the packets that hold a frame to be shown, in the order of showing.

    None where time stamps do not tell: AVI has none (FFmpeg makes them up, wrongly with B-frames), raw streams have
    none, and a cut that begins amid a group of pictures has them for frames that no decoder can give.
    """
    times = [packet.pts for packet in packets]
    if container == "avi" or None in times or len(set(times)) < len(times):
        return None
    if packets and (not packets[0].is_keyframe or min(times) < times[0]):
        return None
    shown = [place for place, packet in enumerate(packets) if not packet.is_discard and not _is_hidden(packet, codec)]
    return sorted(shown, key=times.__getitem__)


def _is_hidden(packet: av.Packet, codec: str) -> bool:
    """VP8 stores frames that are only referred to as packets of their own (RFC 6386, 9.1: the show_frame bit)."""
    return codec == "vp8" and not memoryview(packet)[0] & 0x10


def _is_idr(packet: bytes, extradata: bytes) -> bool:
    """Whether an h264 packet is IDR: what follows other key frames may look past them."""
    kinds = _nal_kinds(packet, (extradata[4] & 3) + 1 if extradata[:1] == _AVCC and len(extradata) > 4 else 0)
    return next((kind == _NAL_IDR for kind in kinds if kind in _NAL_SLICES), False)


def _nal_kinds(packet: bytes, length_size: int) -> Iterator[int]:
    """Types of the NAL units of an h264 packet; each has a length of so many bytes before it, or (0) a start code."""
    if length_size:
        place = length_size
        while place < len(packet):
            yield packet[place] & 31
            place += int.from_bytes(packet[place - length_size : place], "big") + length_size
        return
    place = packet.find(_START_CODE)
    while 0 <= place < len(packet) - len(_START_CODE):
        yield packet[place + len(_START_CODE)] & 31
        place = packet.find(_START_CODE, place + len(_START_CODE))
