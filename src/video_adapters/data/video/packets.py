"""The packets of a video stream: a table of all, and their content, held while it is little, else read when wanted."""

from array import array
from collections.abc import Iterator
from itertools import islice

import av
import numpy as np

from video_adapters.data.video.containers import open_quickly

HELD = 32 << 20  # bytes of packets kept per open file: a minute of 1080p as phones record it, any clip of Kinetics
MISSING = np.iinfo(np.int64).min  # in place of a time stamp; FFmpeg's own sign for it
SHOWN, KEY, RESTART = 1, 2, 4  # bits

_KEY_IS_RANDOM_ACCESS = {"vp8", "vp9", "mjpeg"}  # elsewhere a key packet may have followers that look behind it
_NAL_SLICES, _NAL_IDR = {1, 2, 3, 4, 5}, 5  # ITU-T H.264, table 7-1
_AVCC, _START_CODE = b"\x01", b"\x00\x00\x01"  # first byte of an avcC record; what separates NAL units in Annex B


class Packets:
    """What a freshly opened stream holds, in the order of the file. All of it is gone through once.

    A file's packets together may be as large as the file; of a large one nothing is kept but the table, 9 bytes to a
    packet, and what has to be decoded is read a second time.

    Attributes:
        pts: (num_packets,) int64, time stamps; MISSING where there are none.
        shown, key: (num_packets,) bool, whether a packet holds a frame to be shown, and whether it is a key packet.
        restarts: (num_packets,) bool, whether nothing from this packet on refers to anything before it.
        num_corrupt: how many are marked as damaged.
        end: last time stamp, counted from the first or 0; None without any.
    """

    def __init__(self, container: av.container.InputContainer, stream: av.VideoStream) -> None:
        self._path = container.name
        self._held: list[av.Packet] | None = []
        self._again: Iterator[av.Packet] = iter(())  # of the second reading; `_next` counts what it has given
        self._next = 0
        stamps, flags, size, codec = array("q"), array("B"), 0, stream.codec_context.name
        self.num_corrupt, first, last = 0, 0, MISSING
        for packet in _with_content(container, stream):
            pts = packet.pts
            stamps.append(MISSING if pts is None else pts)
            flags.append(_flags_of(packet, codec, stream.codec_context))
            self.num_corrupt += packet.is_corrupt
            time = packet.dts if pts is None else pts
            if time is not None:
                first, last = min(first, time), max(last, time)
            size += packet.size
            if self._held is not None:
                self._held.append(packet)
                if size > HELD:
                    self._held = None
        self.pts = np.array(stamps, np.int64)
        self.end = None if last == MISSING else last - first
        bits = np.array(flags, np.uint8)
        self.shown, self.key, self.restarts = (bits & bit > 0 for bit in (SHOWN, KEY, RESTART))

    def __len__(self) -> int:
        return len(self.pts)

    def between(self, start: int, stop: int) -> Iterator[av.Packet]:
        """Packets [start, stop). Those of a large file come quickest in rising order: going back starts at its begin.

        Raises:
            ValueError: the file is not what it was when it was opened.
        """
        if self._held is not None:
            yield from islice(self._held, start, stop)
            return
        if start < self._next or not self._next:
            self._again, self._next = _read_again(self._path), 0
        while self._next < stop:
            packet = next(self._again, None)
            number, self._next = self._next, self._next + 1
            if packet is None or (MISSING if packet.pts is None else packet.pts) != self.pts[number]:
                raise ValueError("the file changed while it was read")
            if number >= start:
                yield packet

    def close(self) -> None:
        self._held, self._again = [], iter(())


def _read_again(path: str) -> Iterator[av.Packet]:
    with open_quickly(path) as container:
        yield from _with_content(container, container.streams.video[0])


def _with_content(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.Packet]:
    return (packet for packet in container.demux(stream) if packet.size)


def _flags_of(packet: av.Packet, codec: str, context: av.VideoCodecContext) -> int:
    """SHOWN, KEY and RESTART as bits."""
    flags = 0 if packet.is_discard or (codec == "vp8" and not _is_shown(packet)) else SHOWN
    if not packet.is_keyframe:
        return flags
    restarts = _is_idr(packet, context.extradata or b"") if codec == "h264" else codec in _KEY_IS_RANDOM_ACCESS
    return flags | KEY | RESTART * restarts


def _is_shown(packet: av.Packet) -> bool:
    """VP8 stores frames that are only referred to as packets of their own (RFC 6386, 9.1: the show_frame bit)."""
    return bool(memoryview(packet)[0] & 0x10)


def _is_idr(packet: av.Packet, extradata: bytes) -> bool:
    """Whether an h264 packet is IDR: what follows other key frames may look past them."""
    content = bytes(packet)
    kinds = _nal_kinds(content, (extradata[4] & 3) + 1 if extradata[:1] == _AVCC and len(extradata) > 4 else 0)
    return next((kind == _NAL_IDR for kind in kinds if kind in _NAL_SLICES), False)


def _nal_kinds(packet: bytes, length_size: int) -> Iterator[int]:
    """Types of the NAL units of an h264 packet; each has a length of so many bytes before it, or (0) a start code."""
    if length_size:
        position = length_size
        while position < len(packet):
            yield packet[position] & 31
            position += int.from_bytes(packet[position - length_size : position], "big") + length_size
        return
    position = packet.find(_START_CODE)
    while 0 <= position < len(packet) - len(_START_CODE):
        yield packet[position + len(_START_CODE)] & 31
        position = packet.find(_START_CODE, position + len(_START_CODE))
