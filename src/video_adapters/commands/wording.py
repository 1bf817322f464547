"""Wording of messages: numbers with nouns, the nearest known name, names as terminals and tables can show them."""

import difflib
import re
from collections.abc import Iterable

# C0, C1 and DEL steer terminals; the others turn the direction of text or break lines
_CONTROL = "\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069"
_FORMULA = "=+-@\t\r\n＝＋－＠"  # what spreadsheets take a cell for a formula by; ' marks text for them


def counted(number: int, noun: str) -> str:
    """1, "run" -> "1 run"; 2, "run" -> "2 runs"; a noun of several words ends in the one that changes.

    (English has more plurals than these; the project's nouns are regular.)
    """
    if number == 1:
        return f"{number} {noun}"
    return f"{number} {noun}{'es' if noun.endswith(('s', 'x', 'ch', 'sh')) else 's'}"


def in_time(seconds: float) -> str:
    """Roughly: 40 s, 3 min, 5.2 h."""
    if seconds >= 2 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A word in brackets, to stand behind a name that is none, on what was probably meant; empty if nothing is near."""
    by_lower = {one.lower(): one for one in names}
    near = difflib.get_close_matches(name.lower(), by_lower, 1, cutoff=0.75)
    return f" (did you mean {by_lower[near[0]]}?)" if near else ""


def brief(text: str, most: int = 500) -> str:
    """The beginning of a text that may be of any length."""
    return text if len(text) <= most else f"{text[:most]} ..."


def printable(text: str, keep: str = "") -> str:
    """Text as a terminal can show it, whatever bytes were in a file's name: control characters as `\\x1b`, but those to
    `keep`, which the text has on purpose."""
    shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return re.sub(f"[{_CONTROL}]", lambda match: match[0] if match[0] in keep else _escaped(match), shown)


def as_cell(text: str) -> str:
    """A name as a cell of a csv file; `of_cell` gives the name back. Ordinary names stay as they are."""
    escaped = re.sub(rf"[{_CONTROL}]|\\(?=[xu][0-9a-f])", _escaped, text)
    return f"'{escaped}" if text.startswith(("'", *_FORMULA)) else escaped


def of_cell(cell: str) -> str:
    """The name in a cell that `as_cell` made."""
    name = re.sub(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4}))", lambda match: chr(int(match[1] or match[2], 16)), cell)
    return name.removeprefix("'")


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
