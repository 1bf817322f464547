"""Columns of a table that say which part of a file a row is about, in frames or in seconds."""

import logging
import re
from collections.abc import Container, Sequence

from video_adapters.data.annotations.seconds import as_seconds
from video_adapters.data.annotations.videos import END

SPAN_COLUMNS = ("start", "stop", "start_s", "stop_s")
SECONDS = re.compile("(start|stop|end)[ _-](s|secs?|seconds)")

log = logging.getLogger(__name__)


def span_column(name: str) -> str | None:
    """start_s or stop_s for a column whose name says that it holds seconds; None for others."""
    match = SECONDS.fullmatch(name.lower())
    return None if match is None else "start_s" if match[1] == "start" else "stop_s"


def check_span_columns(header: Sequence[str], read: Container[str], file: str) -> None:
    """Refuses frames beside seconds; warns of columns that look like the ends of spans and are not `read`."""
    spans = [name for name in header if name in SPAN_COLUMNS]
    if len(set(spans)) < len(spans) or len({name.endswith("_s") for name in spans}) > 1:
        raise ValueError(
            f"{file} has the columns {', '.join(spans)}: give start and stop (frames), or start_s and stop_s (seconds)"
        )
    if others := [name for name in header if name not in read and re.match("start|stop|begin|end", name.lower())]:
        log.warning(
            "%s: no span is read of %s: a span's columns are start and stop (frames), or start_s and stop_s (seconds)",
            file, ", ".join(others),
        )  # fmt: skip


def span_of(row: dict[str, str], where: str) -> tuple[float, float, bool]:
    """Start and stop of a row, and whether they are seconds."""
    seconds = "start_s" in row or "stop_s" in row
    read, suffix, unit = (as_seconds, "_s", "seconds") if seconds else (int, "", "frame numbers")
    start_text, stop_text = (row.get(f"{name}{suffix}", "").strip() for name in ("start", "stop"))
    try:
        start, stop = read(start_text or 0), read(stop_text) if stop_text else END
    except ValueError as error:
        raise ValueError(f"{where}: start and stop must be {unit}: {error}") from error
    if start < 0 or (stop != END and stop <= start):
        raise ValueError(f"{where}: there are no {'seconds' if seconds else 'frames'} from {start} up to {stop}")
    return start, stop, seconds
