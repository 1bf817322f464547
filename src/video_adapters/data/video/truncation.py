"""Truncation of video files, as of half a download, of which decoders say nothing.

Formats tell in different ways how long they are: mp4 by the sizes of its boxes, Matroska and AVI by one in their first
bytes, most by a duration. What none of these tells (a cut transport stream) nobody can know.
"""

from typing import BinaryIO

import av

from video_adapters.data.video.containers import EBML, HEAD, open_container
from video_adapters.data.video.packets import Packets

_SEGMENT, _VOID = b"\x18\x53\x80\x67", b"\xec"  # element ids of Matroska, RFC 9559
_BOXES = {b"ftyp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide"}  # ISO 14496-12; what else may be mere rubbish


def cut_short(container: av.container.InputContainer, stream: av.VideoStream, packets: Packets) -> tuple[str, ...]:
    """Remarks on a file that ends early: bytes that are not there, else packets cut through, else missing seconds."""
    if (lacking := _stated_size(container) - container.size) > 0:
        return (f"is cut short: {lacking} bytes that it speaks of lie past its end",)
    if packets.num_corrupt:
        return (f"cut or damaged packets: {packets.num_corrupt}",)
    return _ends_early(container, stream, packets)


def _ends_early(container: av.container.InputContainer, stream: av.VideoStream, packets: Packets) -> tuple[str, ...]:
    """A remark where the packets end well before the stated duration: the pictures' own, or that of the whole file."""
    stated = stream.duration * stream.time_base if stream.duration else (container.duration or 0) / av.time_base
    end = stated if packets.end is None else packets.end * stream.time_base
    if not _well_before(end, stated) or (not stream.duration and not _well_before(_end_of_all(container), stated)):
        return ()
    return (f"ends {float(stated - end):.1f} s before its stated duration",)


def _well_before(end: float, stated: float) -> bool:
    return stated - end > max(1.0, 0.1 * stated)


def _end_of_all(container: av.container.InputContainer) -> float:
    """When the last packet of any stream ends, in seconds: sound may go on after the last picture."""
    with open_container(container.name) as whole:
        stamps = ((packet.pts, packet.duration or 0, packet.time_base) for packet in whole.demux())
        ends = [float((pts + duration) * base) for pts, duration, base in stamps if pts is not None]
    return max(ends, default=0.0) - min(0.0, *ends, 0.0)


def _stated_size(container: av.container.InputContainer) -> int:
    """How many bytes an mp4, Matroska or AVI file says it has; 0 where it does not say."""
    with open(container.name, "rb") as file:
        if "mp4" in container.format.name:
            return _mp4_size(file, container.size)
        head = file.read(HEAD)
    if head.startswith(b"RIFF"):
        return 8 + int.from_bytes(head[4:8], "little")
    return _matroska_size(head) if head.startswith(EBML) else 0


def _mp4_size(file: BinaryIO, length: int) -> int:
    """Where the last box ends, of those that begin before `length`."""
    offset = 0
    while offset + 8 <= length:
        file.seek(offset)
        head = file.read(16)
        size = int.from_bytes(head[8:] if head[:4] == b"\0\0\0\1" else head[:4], "big")
        if size < 8 or (head[4:8] not in _BOXES and offset + size > length):  # 0: up to the end
            return 0
        offset += size
    return offset


def _matroska_size(head: bytes) -> int:
    offset = len(EBML)
    size, offset = _variable_size(head, offset)
    offset += size
    while head[offset : offset + 1] == _VOID:
        size, offset = _variable_size(head, offset + 1)
        offset += size
    if head[offset : offset + len(_SEGMENT)] != _SEGMENT:
        return 0
    size, start = _variable_size(head, offset + len(_SEGMENT))
    unknown = size == (1 << 7 * (start - offset - len(_SEGMENT))) - 1  # a live recording: all bits are ones
    return 0 if unknown else start + size


def _variable_size(head: bytes, offset: int) -> tuple[int, int]:
    """An EBML size (RFC 8794, section 4), and the offset after it: leading zeros say how many bytes it has."""
    first = head[offset] if offset < len(head) else 0xFF
    length = 9 - first.bit_length()
    value = int.from_bytes(head[offset : offset + length], "big")
    return value & (1 << 7 * length) - 1, offset + length
