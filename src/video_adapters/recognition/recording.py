"""A stream with what is recognised in it written on its frames, in videos of a minute each."""

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import av
from PIL import Image

from video_adapters.data.video.remote import picture_of
from video_adapters.recognition.annotate import CLOCK, CRF, captioned

MINUTE = 60.0  # seconds of the stream in a file
WAITING = 8  # frames: those that come while so many wait are left out


class Recording:
    """Writes frames with a caption to `FOLDER/live_TIME.mp4`, in a thread of its own, so that nothing waits for it.

    A new file begins after a minute, and where the frames' size changes or their time goes back.

    Args:
        folder: where the files go, named by UTC.
        note: is told, once, why nothing can be written any more; the stream goes on.

    Attributes:
        caption: class and probability, to be written on the frames from now on.
        left_out: how many frames came too fast.
    """

    def __init__(self, folder: Path, note: Callable[[str], None]) -> None:
        self._folder, self._note = folder, note
        self.caption: tuple[str, float] | None = None
        self.left_out = 0
        self._frames: queue.Queue[tuple[float, Any] | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._write, name="recording of a stream", daemon=True)
        self._container: Any = None
        self._start = self._last = 0.0

    def __enter__(self) -> "Recording":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._frames.put(None)
        self._thread.join()
        if self.left_out:
            self._note(f"{self.left_out} frames are in no recording: they came faster than they could be written")

    def look(self, seconds: float, frame: Any) -> None:
        """The next frame of the stream, at a time in seconds."""
        try:
            self._frames.put_nowait((seconds, frame))
        except queue.Full:
            self.left_out += 1

    def _write(self) -> None:
        try:
            while (item := self._frames.get()) is not None:
                self._add(*item)
            self._end()
        except Exception as error:  # such as a full disk; the stream goes on, and has to find room in the queue
            self._note(f"nothing is recorded any more: {getattr(error, 'strerror', None) or error}")
            with suppress(Exception):
                self._end()  # what is there can be played
            while self._frames.get() is not None:
                pass

    def _add(self, seconds: float, frame: Any) -> None:
        try:
            picture = picture_of(frame) if isinstance(frame, av.VideoFrame) else frame
        except ValueError:
            return
        image = captioned(picture, *self.caption) if self.caption else captioned(picture, "...", 0.0)
        if self._container is not None and not (
            image.size == self._size and self._last < seconds < self._start + MINUTE
        ):
            self._end()
        if self._container is None:
            self._begin(seconds, image)
        self._last = seconds
        coded = av.VideoFrame.from_image(image)
        coded.pts, coded.time_base = round((seconds - self._start) / CLOCK), CLOCK
        self._container.mux(self._stream.encode(coded))

    def _begin(self, seconds: float, image: Image.Image) -> None:
        name = datetime.now(timezone.utc).strftime("live_%Y-%m-%dT%H-%M-%S.%f")[:-3] + "Z.mp4"
        self._container = av.open(str(self._folder / name), "w", format="mp4")
        self._stream: Any = self._container.add_stream("libx264", rate=30, options={"crf": CRF, "preset": "veryfast"})
        self._stream.pix_fmt, self._stream.codec_context.time_base = "yuv420p", CLOCK
        self._stream.width, self._stream.height = self._size = image.size
        self._start, self._last = seconds, -1.0

    def _end(self) -> None:
        if self._container is not None:
            self._container.mux(self._stream.encode(None))
            self._container.close()
            self._container = None
