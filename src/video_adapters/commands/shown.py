"""Names of files and classes as they are shown: on terminals without control characters, in tables without formulas."""

import re

# C0, C1 and DEL steer terminals; the others turn the direction of text or break lines
_CONTROL = "\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069"
_FORMULA = "=+-@\t\r\n＝＋－＠"  # what spreadsheets take a cell for a formula by; ' marks text for them


def printable(text: str, keep: str = "") -> str:
    """Text as a terminal can show it, whatever bytes were in a file's name: control characters as `\\x1b`.

    Args:
        text: a name, or a message with names in it.
        keep: control characters that the text has on purpose.
    """
    shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return re.sub(f"[{_CONTROL}]", lambda match: match[0] if match[0] in keep else _escaped(match), shown)


def as_cell(text: str) -> str:
    """A name as a cell of a csv file; `of_cell` gives the name back. Ordinary names stay as they are."""
    escaped = re.sub(rf"[{_CONTROL}]|\\(?=[xu][0-9a-f])", _escaped, text)
    return f"'{escaped}" if text[:1] in ("'", *_FORMULA) and text else escaped


def of_cell(cell: str) -> str:
    """The name in a cell that `as_cell` made."""
    name = re.sub(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4}))", lambda match: chr(int(match[1] or match[2], 16)), cell)
    return name.removeprefix("'")


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
