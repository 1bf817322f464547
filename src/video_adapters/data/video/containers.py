"""Containers that hold what they show: others are lists of files, which FFmpeg would open by their names."""

import os

import av

SELF_CONTAINED = (
    "mov", "matroska", "webm", "avi", "mpegts", "mpeg", "mpegvideo", "asf", "flv", "live_flv", "ogg", "mxf", "nut",
    "rm", "dv", "wtv", "ivf", "obu", "av1", "h264", "hevc", "vvc", "m4v", "mjpeg", "gif", "apng", "yuv4mpegpipe",
    "png_pipe", "jpeg_pipe", "webp_pipe", "bmp_pipe", "wav", "mp3", "flac", "aac",
)  # fmt: skip
"""FFmpeg's names of them; those of sound alone are known so that it can be said."""

OPTIONS = {"format_whitelist": ",".join(SELF_CONTAINED), "protocol_whitelist": "file"}
"""For `av.open`: FFmpeg looks at a file's first bytes, and ends before it does what any other container says."""

LISTS = {
    b"#EXTM3U": "a playlist (HLS)", b"ffconcat": "a list of files (ffconcat)",
    b"v=0": "a description of a stream (SDP)",
}  # fmt: skip
EBML, _VP9 = b"\x1a\x45\xdf\xa3", b"V_VP9"  # Matroska's and WebM's first bytes; how they name the codec
HEAD = 4096  # bytes in which the tracks are described, unless something large precedes them


def open_container(path: str, **options: str) -> av.container.InputContainer:
    """Opens a file that holds its pictures itself, by an absolute path, since FFmpeg takes "concat:a" for a protocol.

    Raises:
        ValueError: it is a list of other files, or no container of moving pictures.
    """
    try:
        # metadata need not be UTF-8
        return av.open(path, metadata_errors="ignore", options=OPTIONS | options)
    except (av.error.ArgumentError, av.error.InvalidDataError) as error:
        raise _explained(path, error) from error


def open_quickly(path: str) -> av.container.InputContainer:
    """Opens a video file of any name, decoding no frame where that can be avoided."""
    name = os.path.abspath(path)
    return open_container(name, **_probing(name))


def _probing(path: str) -> dict[str, str]:
    """Options that keep FFmpeg from decoding the first frame on opening, where the header tells all that is needed.

    In VP9's files that frame is a tenth of the whole work. Elsewhere it counts: h264 learns from it to reorder frames.
    """
    if not os.path.isfile(path):
        return {}
    with open(path, "rb") as file:
        head = file.read(HEAD)
    return {"codec_whitelist": "none"} if head.startswith(EBML) and _VP9 in head else {}


def _explained(path: str, error: Exception) -> ValueError:
    with open(path, "rb") as file:
        head = file.read(HEAD).removeprefix(b"\xef\xbb\xbf").lstrip()
    kinds = [kind for start, kind in LISTS.items() if head.startswith(start)]
    if head.startswith(b"<") and b"<MPD" in head:
        kinds.append("a playlist (DASH)")
    if kinds:
        return ValueError(f"is {kinds[0]}, no video: what it names is not opened")
    if isinstance(error, av.error.ArgumentError):
        return ValueError(
            "is no video, or in a container that is not read here; mp4, mkv, webm, avi, mov, ts and more are"
        )
    return ValueError("is no video, or so damaged that nothing tells what it holds")
