"""Live sources: cameras, network streams and pipes, which nothing opens but what a user names on the command line.

Files, lists and annotations go through `containers`, which opens nothing but local files. FFmpeg's own network code
opens `rtsp` and `udp` alone; what comes by `http`, `https` and `tcp` is read here, so that its host, its time and its
bytes are bounded.
"""

import io
import os
import select
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlsplit

import av
import numpy as np

from video_adapters.commands.wording import printable
from video_adapters.data.video.containers import SELF_CONTAINED
from video_adapters.data.video.decode import ONE_THREAD
from video_adapters.data.video.one_host import OneHost, Patience, Refused, shown
from video_adapters.data.video.orientation import orientation_of
from video_adapters.data.video.picture import MOST_PIXELS, check_size

SCHEMES = ("rtsp", "rtsps", "http", "https", "tcp", "udp")
STDIN, CAMERA = "-", "camera:"
MOST_ASPECT = 32  # of a frame: resized to a short side of 224 it is 7168 pixels long
CAMERAS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}
UNSTAMPED = ("mpjpeg", "mjpeg", "h264", "hevc", "vvc", "m4v", "mpegvideo", "obu")
"""Formats without time stamps: FFmpeg makes them up by a rate that nobody stated."""


class Lost(Exception):
    """A source that gave no frame, or gives none any more; it may be tried again."""


class NotThere(Lost):
    """A source that gives no video; one that gave some before may do so again."""


def is_live(name: str) -> bool:
    """Whether a name means a camera, an address or a pipe, and not a file or folder."""
    return name == STDIN or name.startswith((CAMERA, "/dev/video")) or "://" in name


def shown_source(name: str) -> str:
    """A source's name for messages and files, without credentials."""
    if name == STDIN:
        return "standard input"
    return printable(shown(name) if "://" in name else name)


class LiveSource:
    """An open live source.

    Args:
        name: `-`, `/dev/video0`, `camera:NAME` or an address of `SCHEMES`.
        timeout: seconds without a frame, on opening or after, until it is taken for lost.

    Attributes:
        ends: where it ends, it is over, and its frames come in bursts or all at once, to be shown by their stamps:
            recordings, pipes, and HLS, whose playlists say so.
        num_corrupt: packets and frames that were left out as damaged.

    Raises:
        Refused: it is none that can be opened here.
        Lost: it cannot be reached, or gives no frame.
        NotThere: there is no such camera, or no video in it.
    """

    def __init__(self, name: str, timeout: float) -> None:
        self.num_corrupt = 0
        self._is_recording = False  # which is not tried again; not known yet
        self._patience = Patience(timeout)
        self._host: OneHost | None = None
        with self._as_lost(), ExitStack() as stack:
            self._container = stack.enter_context(self._opened(name, timeout, stack))
            self._stream = _video_stream(self._container)
            self._check_host()
            self._stack = stack.pop_all()
        kind = self._container.format.name
        is_file = self._host is not None and self._host.is_file
        self._is_recording = is_file and (kind != "hls" or bool(self._container.duration))
        self.ends = self._is_recording or kind == "hls" or name == STDIN
        self._stamped = kind not in UNSTAMPED

    def __enter__(self) -> "LiveSource":
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def frames(self) -> Iterator[tuple[float | None, av.VideoFrame]]:
        """Frames with their stamps in seconds, None where there is none; ends where the source does.

        Raises:
            Refused: a playlist leads elsewhere.
            Lost: it was cut, or stalls.
        """
        with self._as_lost():
            for packet in self._container.demux(self._stream):
                self._check_host()
                self._patience.check()  # packets may come and hold no frame
                for frame in self._decoded(packet):
                    stamp = frame.pts if self._stamped else None
                    yield None if stamp is None else float(stamp * frame.time_base), frame
                    self._patience.frame()  # what is done with it takes time, too
            self._check_host()

    def _decoded(self, packet: av.Packet) -> list[av.VideoFrame]:
        try:
            frames = packet.decode()
        except (av.error.FFmpegError, ValueError):  # the next keyframe may be sound
            self.num_corrupt += 1
            return []
        sound = [frame for frame in frames if isinstance(frame, av.VideoFrame) and not frame.is_corrupt]
        self.num_corrupt += len(frames) - len(sound)
        return sound

    def _opened(self, name: str, timeout: float, stack: ExitStack) -> av.container.InputContainer:
        options = {
            "format_whitelist": ",".join((*SELF_CONTAINED, "mpjpeg", "hls")), "protocol_whitelist": "",
            "max_pixels": str(MOST_PIXELS), "http_persistent": "0", "http_multiple": "0",
        }  # fmt: skip
        settings: dict[str, Any] = {"timeout": (timeout, timeout), "metadata_errors": "ignore", "options": options}
        scheme = urlsplit(name).scheme
        if name == STDIN:
            return av.open(Guarded(_from_stdin(timeout), self._patience), **settings)
        if name.startswith((CAMERA, "/dev/video")):
            return av.open(*_camera(name), **settings | {"options": {"max_pixels": str(MOST_PIXELS)}})
        if scheme in ("http", "https"):
            self._host = OneHost(name, self._patience)
            stack.callback(self._host.close)
            options["protocol_whitelist"] = "http,https,tcp,tls"
            return av.open(name, io_open=self._host, **settings)
        if scheme == "tcp":
            receive = stack.enter_context(_connection(name, timeout)).recv
            return av.open(Guarded(receive, self._patience), **settings)
        if scheme in ("rtsp", "rtsps"):
            options |= {"format_whitelist": "rtsp", "rtsp_transport": "tcp"}  # so that the SDP names no other hosts
            options["protocol_whitelist"] = "tcp,tls,rtp"
            return av.open(name, **settings)
        if scheme == "udp":
            options["protocol_whitelist"] = "udp"
            return av.open(name, **settings)
        raise Refused(f"{shown_source(name)}: the protocol '{scheme}' is not read, only: {', '.join(SCHEMES)}")

    def _check_host(self) -> None:
        if self._host is not None and self._host.refusal is not None:
            raise self._host.refusal

    @contextmanager
    def _as_lost(self) -> Iterator[None]:
        """Turns what FFmpeg, sockets and our own bounds raise into one error, of whose text no address is part."""
        try:
            yield
        except (Refused, Lost):
            raise
        except (av.error.FFmpegError, OSError, EOFError, ValueError, IndexError, MemoryError) as error:
            self._check_host()
            lost = Lost(_reason(error))
            if self._is_recording:
                raise Refused(f"the recording was cut: {lost}") from None
            raise lost from None


class Guarded(io.RawIOBase):
    """Bytes as they come, within a source's patience.

    Args:
        receive: at most so many bytes, b"" at the end.
    """

    def __init__(self, receive: Callable[[int], bytes], patience: Patience) -> None:
        self._receive, self._patience = receive, patience

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1) -> bytes:
        data = self._receive(size)
        self._patience.check(len(data))
        return data


def _camera(name: str) -> tuple[str, str, str]:
    """File, mode and format of a camera, for av.open."""
    kind = CAMERAS.get(sys.platform)
    device = name.removeprefix(CAMERA)
    if kind is None:
        raise Refused(f"{name}: cameras are read on {', '.join(CAMERAS)}, not on {sys.platform}")
    if kind == "v4l2" and not os.path.exists(device):
        raise NotThere(f"{printable(name)}: there is no such camera; `ls /dev/video*` shows those there are")
    return (f"video={device}" if kind == "dshow" else device), "r", kind


def _connection(name: str, timeout: float) -> socket.socket:
    parts = urlsplit(name)
    if not parts.hostname or not parts.port:
        raise Refused(f"{shown_source(name)}: expected tcp://HOST:PORT")
    return socket.create_connection((parts.hostname, parts.port), timeout)


def _from_stdin(timeout: float) -> Callable[[int], bytes]:
    number = sys.stdin.fileno()

    def receive(size: int) -> bytes:
        if os.name == "posix" and not select.select([number], [], [], timeout)[0]:
            raise TimeoutError("nothing came in time")
        return os.read(number, size)

    return receive


def _video_stream(container: av.container.InputContainer) -> av.VideoStream:
    pictures = av.stream.Disposition.attached_pic  # the cover of a song
    streams = [stream for stream in container.streams.video if not stream.disposition & pictures]
    if not streams:
        raise NotThere("has no video, only other streams" if len(container.streams) else "has no video")
    if streams[0].codec_context is None:
        raise NotThere("its codec is unknown")
    for stream in container.streams:
        if stream is not streams[0]:  # of the variants of a playlist one is fetched
            stream.discard = "all"
    streams[0].codec_context.options = {"max_pixels": str(MOST_PIXELS)}
    streams[0].thread_type = "SLICE"  # frame threads would hold frames back
    return streams[0]


def _reason(error: BaseException) -> str:
    if isinstance(error, av.error.ArgumentError):
        return "is in no format that is read here"
    if isinstance(error, av.error.ExitError):
        return "nothing came in time"
    if isinstance(error, MemoryError):
        return "does not fit into memory"
    return printable(getattr(error, "strerror", None) or str(error) or type(error).__name__)


def picture_of(frame: av.VideoFrame) -> np.ndarray:
    """A decoded frame -> (H, W, 3) RGB, upright; a ValueError for one that is no picture to look at."""
    check_size(frame.width, frame.height)
    if max(frame.width, frame.height) > MOST_ASPECT * min(frame.width, frame.height):
        raise ValueError(f"is {frame.width}x{frame.height} pixels large, more than {MOST_ASPECT} times as long as wide")
    return orientation_of(frame).upright(frame.to_ndarray(format="rgb24", **ONE_THREAD))
