"""Files over HTTP, all from the one host that a user named: for playlists, whose entries others wrote."""

import io
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from video_adapters.commands.wording import printable

PORTS = {"http": 80, "https": 443}
PLAYLIST = b"#EXTM3U"
MOST_OF_PLAYLIST = 1 << 22  # bytes: a day of segments of 2 s, named in 90 characters each
MOST_WITHOUT_FRAME = 1 << 26  # bytes: more than a minute of 4K's keyframes, or the index of days of mp4


class Refused(ValueError):
    """A source that is not opened, nor tried again."""


class Patience:
    """Bounds what a source may take, in time and bytes, until it gives the next frame.

    Args:
        timeout: seconds.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.frame()

    def frame(self) -> None:
        """A frame came: all is counted from here."""
        self._deadline, self._bytes = time.monotonic() + self.timeout, 0

    def check(self, size: int = 0) -> None:
        """Takes so many bytes into account.

        Raises:
            TimeoutError: no frame for too long.
            OSError: too many bytes without any.
        """
        self._bytes += size
        if time.monotonic() > self._deadline:
            raise TimeoutError(f"no frame for {self.timeout:g} s")
        if self._bytes > MOST_WITHOUT_FRAME:
            raise OSError(f"{MOST_WITHOUT_FRAME >> 20} MB without a frame")


class OneHost:
    """Opens addresses of one host and port, for `av.open(io_open=...)`, through which FFmpeg opens everything that a
    playlist names: variants, segments, keys. Others are refused, redirects to others too, whatever the protocol.

    Redirects from http to https of the same host are followed (on their usual ports). Proxies of the environment are
    not used. Credentials of the address answer this host's own questions for them alone.

    Attributes:
        refusal: why an address was not opened; FFmpeg goes on with the next one, and does not say.
        is_file: what was opened first has an end.
        files: those that are open; of a source that FFmpeg gives up it does not close all.
    """

    def __init__(self, address: str, patience: Patience) -> None:
        self.refusal: Refused | None = None
        self.is_file: bool | None = None
        self.files: set[HttpFile] = set()
        self._patience = patience
        parts = urlsplit(address)
        self._allowed = {_origin(parts)}
        if self._allowed == {("http", parts.hostname, 80)}:
            self._allowed.add(("https", parts.hostname, 443))
        passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        if parts.username is not None:
            for scheme, host, port in self._allowed:
                user, word = unquote(parts.username), unquote(parts.password or "")
                passwords.add_password(None, f"{scheme}://{_bracketed(host)}:{port}", user, word)
                passwords.add_password(None, f"{scheme}://{_bracketed(host)}", user, word)
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(context=ssl.create_default_context()),
            urllib.request.HTTPDefaultErrorHandler(),
            _Errors(),
            _Redirects(self),
            urllib.request.HTTPBasicAuthHandler(passwords),
            urllib.request.HTTPDigestAuthHandler(passwords),
        ):
            self._opener.add_handler(handler)

    def __call__(self, address: str, flags: int = 0, options: Mapping[str, str] | None = None) -> "HttpFile":
        """What FFmpeg calls; `options` may hold `offset` and `end_offset`, of segments that share a file."""
        self.check(address)
        first, stop = (int((options or {}).get(name, 0)) for name in ("offset", "end_offset"))
        file = HttpFile(self, address, first, stop)
        self.files.add(file)
        if self.is_file is None:
            self.is_file = file.length is not None
        return file

    def close(self) -> None:
        """Closes what is open."""
        for file in list(self.files):
            file.close()

    def check(self, address: str) -> None:
        """Refuses, and remembers it, what is not of this host."""
        try:
            if _origin(urlsplit(address)) in self._allowed:
                return
        except ValueError:
            pass
        self.refusal = Refused(
            f"leads to {printable(shown(address))}, but from a playlist or a redirect nothing is opened that is not of "
            "the host named: name that address itself, if it is the right one"
        )
        raise self.refusal

    def response(self, address: str, first: int, stop: int) -> HTTPResponse:
        """The answer to a request for the bytes from `first` up to `stop`, 0: to the end. An OSError of one line."""
        self._patience.check()
        parts = urlsplit(address)
        plain = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
        headers = {"User-Agent": "video-adapters"}
        if first or stop:
            headers["Range"] = f"bytes={first}-{stop - 1 if stop else ''}"
        try:
            answer: Any = self._opener.open(
                urllib.request.Request(plain, headers=headers), None, self._patience.timeout
            )
        except urllib.error.HTTPError as error:
            error.close()
            help_ = ": http://USER:PASSWORD@HOST/..." if error.code == 401 else ""
            raise OSError(f"HTTP status {error.code} ({printable(str(error.reason))}){help_}") from None
        except Refused:
            raise
        except (HTTPException, OSError, ValueError) as error:  # urllib: a ValueError for a question it cannot answer
            raise OSError(_reason(error)) from None
        if first and answer.status != 206:
            answer.close()
            raise OSError("the server does not give parts of files")
        return answer

    def read(self, answer: HTTPResponse, size: int) -> bytes:
        """What is there of an answer, at most `size` bytes."""
        try:
            data = answer.read1(size)
        except (HTTPException, OSError, ValueError) as error:  # http.client: a ValueError for a chunk of no length
            raise OSError(_reason(error)) from None
        self._patience.check(len(data))
        return data


class HttpFile(io.RawIOBase):
    """A file over HTTP: read as it comes, and anew from elsewhere where the server gives parts of it.

    Attributes:
        length: bytes; None where it does not say.
    """

    def __init__(self, host: OneHost, address: str, first: int = 0, stop: int = 0) -> None:
        self._host, self._address = host, address
        self._answer = host.response(address, first, stop)
        length = self._answer.headers.get("Content-Length", "")
        self.length = int(length) if length.isdecimal() and len(length) < 19 else None
        ranges = self._answer.headers.get("Accept-Ranges") == "bytes" or self._answer.status == 206
        self._seekable = ranges and self.length is not None and not (first or stop)
        self._offset = self._read = 0
        self._moved = self._is_playlist = False

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._seekable

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Nothing is asked of the server before it is read."""
        assert self.length is not None
        target = offset + (0, self._offset, self.length)[whence]
        if target != self._offset:
            self._answer.close()
            self._offset, self._moved = target, True
        return target

    def tell(self) -> int:
        return self._offset

    def read(self, size: int = -1) -> bytes:
        if self.length is not None and self._offset >= self.length:
            return b""
        if self._moved:
            self._answer, self._moved = self._host.response(self._address, self._offset, 0), False
        data = self._host.read(self._answer, size)
        if not data and self.length is not None:
            raise OSError(f"cut after {self._offset} of {self.length} bytes")
        self._is_playlist |= not self._read and data.startswith(PLAYLIST)
        self._read += len(data)
        self._offset += len(data)
        if self._is_playlist and self._read > MOST_OF_PLAYLIST:
            raise OSError(f"a playlist of more than {MOST_OF_PLAYLIST >> 20} MB")
        return data

    def close(self) -> None:
        self._answer.close()
        self._host.files.discard(self)
        super().close()


class _Errors(urllib.request.HTTPErrorProcessor):
    """Closes answers that something else follows: urllib leaves questions for a password open."""

    def http_response(self, request: Any, response: Any) -> Any:
        following = None
        try:
            following = super().http_response(request, response)
        finally:
            if following is not response:
                response.close()
        return following

    https_response = http_response


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows what stays at the host."""

    def __init__(self, host: OneHost) -> None:
        self._host = host

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        self._host.check(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def shown(address: str) -> str:
    """An address for messages and files: without user, password, query and what stands behind a `=`, where cameras take
    passwords, too."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "an address that cannot be read"
    if not parts.scheme or not host:
        return f"{parts.scheme}:..." if parts.scheme else "a file"
    path, equals, _ = parts.path.partition("=")
    query = "?..." if parts.query else ""
    return f"{parts.scheme}://{_bracketed(host)}{f':{port}' if port else ''}{path}{'=...' if equals else ''}{query}"


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or PORTS.get(parts.scheme)


def _bracketed(host: str | None) -> str:
    return f"[{host}]" if host and ":" in host else host or ""


def _reason(error: BaseException) -> str:
    """Why nothing came, in one line and without the address."""
    cause = getattr(error, "reason", error)
    if isinstance(cause, TimeoutError | socket.timeout):
        return "nothing came in time"
    if isinstance(cause, IncompleteRead):
        return "it was cut"
    if isinstance(cause, OSError):
        return cause.strerror or str(cause) or type(cause).__name__
    return f"no HTTP: {type(cause).__name__}"
