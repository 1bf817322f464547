"""XML from strangers, element by element, without document types and entities."""

from collections.abc import Callable
from typing import Any
from xml.parsers import expat


def parse_xml(
    file: str,
    start: Callable[[str, dict[str, str]], Any],
    end: Callable[[str], Any] | None = None,
    characters: Callable[[str], Any] | None = None,
) -> None:
    """Calls back for each start and end of an element of a file, and each piece of text.

    Raises:
        ValueError: it is no XML, or declares a document type or entities: a few lines of those grow without end.
    """
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = _refuse
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, characters
    try:
        with open(file, "rb") as opened:
            parser.ParseFile(opened)
    except expat.ExpatError as error:
        hint = "; it is a zip: unpack it, and give the XML in it" if _is_zip(file) else ""
        raise ValueError(f"{file} is no XML: {error}{hint}") from error


def _refuse(*_: Any) -> None:
    raise ValueError("it declares a document type or entities, which no labelling tool writes")


def _is_zip(file: str) -> bool:
    with open(file, "rb") as opened:
        return opened.read(4) == b"PK\x03\x04"
