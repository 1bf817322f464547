"""Packets' roles, read from the compressed stream: whether one is shown, is a key packet, is a place to start from."""

from collections.abc import Iterator

import av

SHOWN, KEY, RESTART = 1, 2, 4  # bits

_KEY_IS_RANDOM_ACCESS = {"vp8", "vp9", "mjpeg"}  # elsewhere a key packet may have followers that look behind it
_NAL_SLICES, _NAL_IDR = {1, 2, 3, 4, 5}, 5  # ITU-T H.264, table 7-1
_AVCC, _START_CODE = b"\x01", b"\x00\x00\x01"  # first byte of an avcC record; what separates NAL units in Annex B


def flags_of(packet: av.Packet, codec: str, context: av.VideoCodecContext) -> int:
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
