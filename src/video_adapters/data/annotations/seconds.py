"""Times as label files write them, in seconds."""

import math
import re


def as_seconds(value: object) -> float:
    """Seconds: a number, or text with one (`12.5`, of spreadsheets also `12,5`), or minutes or hours before it
    (`1:03.5`, `1:59:07`).

    Raises:
        ValueError: it is none of these, not finite, or below 0.
    """
    text = "" if isinstance(value, bool) else str(value).strip()
    if re.fullmatch(r"(\d+:){0,2}(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d+)?", text, re.ASCII | re.IGNORECASE):
        *larger, last = text.replace(",", ".").split(":")
        total = float(last)
        for number, unit in zip(reversed(larger), (60, 3600), strict=False):
            total += float(number) * unit
        if math.isfinite(total):
            return total
    raise ValueError(f"{value!r} is no time: expected seconds from 0, such as 12.5, or 1:59:07.5")
