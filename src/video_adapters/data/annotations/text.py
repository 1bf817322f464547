"""Text of label files, in whatever encoding a spreadsheet saved it."""

import csv
import io
import os
import re
from collections.abc import Iterator

from video_adapters.data.annotations.files import missing

UNDECODED = re.compile("[\udc80-\udcff]")


def read_text(file: str, encoding: str | None = None) -> str:
    """The text of a file: in `encoding`, or else UTF-16 where its first two bytes show that, and UTF-8 where not.

    Bytes that are no UTF-8 stay in the text as `os.fsdecode` puts them there, since a file's name may have any.

    Raises:
        ValueError: there is no such encoding, the file is in another one, or no text.
    """
    with open(file, "rb") as opened:
        data = opened.read()
    try:
        text = data.decode(encoding) if encoding else data.decode(_encoding(data), "surrogateescape")
    except LookupError as error:
        raise ValueError(
            f"data.annotations.encoding={encoding} is no encoding that Python knows; expected utf-8, utf-16, cp1252 or "
            "their like"
        ) from error
    except UnicodeError as error:
        raise ValueError(f"{file} is not in {encoding or 'UTF-16'}: {error}; set data.annotations.encoding") from error
    if "\0" in text:
        raise ValueError(
            f"{file} is no text: it holds zero bytes; if it is UTF-16, set data.annotations.encoding=utf-16"
        )
    return text.removeprefix("\ufeff")


def is_json(text: str) -> bool:
    """Whether a text begins as a JSON list or object, and not as a table does."""
    return text.lstrip().startswith(("[", "{"))


def table_rows(text: str, file: str, skipinitialspace: bool = False) -> list[dict[str, str]]:
    """The rows of a table with a header, by its names; divided by tabs where there are any in the header, or commas.

    Raises:
        ValueError: a line has more or fewer columns than the header.
    """
    delimiter = "\t" if "\t" in text.split("\n", 1)[0] else ","
    try:
        rows = list(
            csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=skipinitialspace)
        )
    except csv.Error as error:
        raise ValueError(f"{file} cannot be read as a table: {error}") from error
    if any(None in row or None in row.values() for row in rows):
        raise ValueError(f"{file} cannot be read as a table: a line has more or fewer columns than the header")
    return [{name.strip(): value for name, value in row.items()} for row in rows]


def lines(file: str, encoding: str | None = None, key: str | None = None) -> Iterator[tuple[int, str]]:
    """The lines of a text file that are not empty, with their numbers from 1; any bytes may be in a file's name.
    Where it is missing, a ValueError names the config's `key` that names it, if one does.
    """
    if not os.path.isfile(file):
        raise ValueError(f"{key}: the list {missing(file)}" if key else f"the list {missing(file)}")
    for number, line in enumerate(re.split("\r\n|\n|\r", read_text(file, encoding)), 1):
        if line.strip():
            yield number, line.strip()


def decoded(name: str, where: str) -> str:
    """A name that must be text, such as a class's; a ValueError shows others as cp1252, which spreadsheets save."""
    if UNDECODED.search(name):
        raise ValueError(
            f"{where}: it is not UTF-8; data.annotations.encoding=cp1252 reads '{_as_cp1252(name)}' there, and if that "
            "is wrong, name the encoding that it was saved in"
        )
    return name


def located(root: str, name: str, where: str) -> str:
    """The path of a file below a folder, whose name's bytes may be any; a ValueError where they are the file's only if
    read as cp1252.
    """
    path = os.path.join(root, name)
    if UNDECODED.search(name) and not os.path.lexists(path) and os.path.lexists(os.path.join(root, _as_cp1252(name))):
        decoded(name, where)
    return path


def _encoding(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if b"\0" in data[:2]:  # UTF-16 without a mark: the first character is a Latin one
        return "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    return "utf-8"


def _as_cp1252(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("cp1252", "replace")
