"""Server of the demo: one page and one recogniser, for the browser of this machine alone.

A page from elsewhere may send requests here too, so what comes is taken for foreign: the Host has to be this machine
(names that are rebound to it are others), an Origin has to be our own, the video's type is one that a foreign page may
not send without asking, and no answer allows other pages to read it.
"""

import errno
import json
import logging
import sys
import tempfile
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from video_adapters.commands.wording import counted
from video_adapters.data.video.frame_source import DecodeError
from video_adapters.model.finite_weights import NotFinite
from video_adapters.recognition.demo_answer import MOST_SECONDS, answer
from video_adapters.recognition.recognizer import Recognizer

log = logging.getLogger(__name__)
HOST = "127.0.0.1"
HERE = {HOST, "localhost", "[::1]"}  # Hosts by which a browser reaches this machine; a tunnel may change the port
MOST_BYTES = 2**31  # of a video
PART = 2**20  # bytes read at once
GONE = (ConnectionError, TimeoutError)  # what writing to a browser that has gone, or reading from it, raises
PAGE = Path(__file__).parent / "demo_page"
FILES = {
    "/": ("page.html", "text/html"),
    "/style.css": ("style.css", "text/css"),
    "/script.js": ("script.js", "text/javascript"),
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; media-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class DemoServer(ThreadingHTTPServer):
    """Serves a recogniser on a port of this machine; 0: any that is free.

    Raises:
        ValueError: the port is taken, or none.
    """

    daemon_threads = True

    def __init__(self, recognizer: Recognizer, title: str, port: int = 0) -> None:
        self.recognizer, self.title = recognizer, title
        self.alone = threading.Lock()  # one video is recognised at a time
        if not 0 <= port < 2**16:
            raise ValueError(f"--port is {port}, expected 1 to 65535, or 0 for any that is free")
        try:
            super().__init__((HOST, port), Handler)
        except OSError as error:
            why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be had ({error.strerror})"
            raise ValueError(f"--port {port} {why}: choose another, or 0 for any that is free") from error

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_address[1]}/"

    def about(self) -> dict[str, Any]:
        """What the page says of the model, and its limits."""
        own = self.recognizer
        several = "; a video may show several" if own.thresholds else ""
        size = own.transform.image_size
        return {
            "title": self.title,
            "model": f"{counted(len(own.class_names), 'class')}{several}. The model looks at "
            f"{counted(own.sampling.num_frames, 'frame')} of {size}x{size} pixels.",
            "thresholds": dict(zip(own.class_names, own.thresholds, strict=True)) if own.thresholds else None,
            "most_bytes": MOST_BYTES,
            "most_seconds": MOST_SECONDS,
        }

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that has gone is no error; anything else is told on the terminal."""
        if isinstance(sys.exc_info()[1], GONE):
            log.debug("a connection ended early", exc_info=True)
        else:
            log.exception("a request failed")


class Handler(BaseHTTPRequestHandler):
    """One request: the page's files, what is known of the model, or a video to be recognised."""

    server: DemoServer
    server_version, sys_version = "video-adapters", ""
    timeout = 60.0  # seconds without a byte

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if not self._is_from_here():
            return
        if path == "/about":
            self._reply(json.dumps(self.server.about()).encode(), "application/json")
        elif path in FILES:
            name, kind = FILES[path]
            self._reply((PAGE / name).read_bytes(), f"{kind}; charset=utf-8")
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")

    def do_POST(self) -> None:
        address = urlsplit(self.path)
        if not self._is_from_here():
            return
        if address.path != "/recognise":
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")
        elif self.headers.get("Content-Type") != "application/octet-stream":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected the bytes of a video")
        elif not (length := self.headers.get("Content-Length", "")).isdecimal():
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "expected the length of the video")
        elif int(length) > MOST_BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"has more than {MOST_BYTES / 2**30:g} GiB")
        else:
            self._recognise(int(length), parse_qs(address.query))

    def _recognise(self, length: int, query: dict[str, list[str]]) -> None:
        """Answers in lines of JSON as they are found; what the client names the video never reaches the disk."""
        with tempfile.TemporaryDirectory(prefix="video_adapters_demo") as folder:
            video = Path(folder) / "video"
            try:
                if not self._receive(video, length):
                    return
            except GONE:
                raise
            except OSError as error:  # such as a full disk
                self._refuse(HTTPStatus.INSUFFICIENT_STORAGE, f"cannot be kept here while it is read: {error.strerror}")
                return
            self._begin(HTTPStatus.OK, "application/x-ndjson")
            try:
                window, stride = (float(query[name][0]) for name in ("window", "stride"))
            except (KeyError, ValueError):
                self._send({"refused": "the window and the stride are to be numbers of seconds"})
                return
            if self.server.alone.locked():
                self._send({"waiting": True})
            with self.server.alone:
                self._answer(video, window, stride)

    def _answer(self, video: Path, window: float, stride: float) -> None:
        try:
            answer(self.server.recognizer, video, window, stride, self._send)
            self._send({"done": True})
        except DecodeError as error:
            self._send({"refused": error.reason})
        except (NotFinite, ValueError) as error:
            self._send({"refused": str(error)})
        except GONE:  # nobody waits for the rest
            raise
        except Exception:
            log.exception("a video could not be recognised")
            self._send({"refused": "something failed here, which is no fault of the video: the terminal says what"})

    def _receive(self, video: Path, length: int) -> bool:
        """Writes the body to a file, part by part; False where the client ends before it has sent all."""
        with video.open("wb") as file:
            while length:
                part = self.rfile.read(min(PART, length))
                if not part:
                    return False
                file.write(part)
                length -= len(part)
        return True

    def _is_from_here(self) -> bool:
        """Refuses requests that a page from elsewhere makes."""
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        if host.rpartition(":")[0] not in HERE and host not in HERE:
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST, f"this is {HOST} alone")
            return False
        if origin is not None and origin != f"http://{host}":
            self._refuse(HTTPStatus.FORBIDDEN, "requests of other pages are refused")
            return False
        return True

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self._reply(json.dumps({"refused": reason}).encode() + b"\n", "application/json", status)

    def _reply(self, content: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._begin(status, kind, len(content))
        self.wfile.write(content)

    def _begin(self, status: HTTPStatus, kind: str, length: int | None = None) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def _send(self, part: dict[str, Any]) -> None:
        self.wfile.write(json.dumps(part).encode() + b"\n")
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal is for what goes wrong."""
