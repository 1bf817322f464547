"""The command line's words as Hydra's grammar takes them."""

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import OverrideParseException
from omegaconf import ListConfig

KEY = re.compile(r"[+~]*[\w./@:-]+=")
SYNTAX = re.compile(r"""[\[\]{}$]|^['"]""")  # of lists, dictionaries, interpolations and quotes
RECIPE_KEY = re.compile(r"(?!hydra\.)\w+(\.\w+)+=")


def for_hydra(words: Sequence[str], opened: bool = False) -> list[str]:
    """The words of a command line, as they were meant.

    The shell leaves `~` as it is in KEY=~/videos. `views.resize=` means the test's views, where that group goes. Names
    of files may hold what Hydra's grammar has no place for, such as signs beyond ASCII, `=` or brackets: these are
    quoted.

    Args:
        words: KEY=VALUE, and options, which stay as they are but for the `~`.
        opened: the keys are those of another config than Hydra's, which is asked for them later: that of a run that
            goes on, or of a checkpoint.
    """
    opened = opened or any(re.match("resume=(?!null$).", word) for word in words)
    return [_word(word, opened) for word in words]


def quoted(value: str) -> str:
    """A value in quotes of Hydra's grammar."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def key_of(override: str) -> str:
    """The key that an override changes."""
    return override.split("=", 1)[0].lstrip("+~")


def _word(word: str, opened: bool) -> str:
    word = re.sub(r"(?<=[=,])~(?=/|,|$)", lambda _: os.path.expanduser("~"), word)
    key = KEY.match(word)
    if key is None or word.startswith("-"):
        return word
    word = re.sub(r"^([+~]*)views\.", r"\1data.test_views.", _readable(word, key.group()))
    return f"++{word}" if opened and RECIPE_KEY.match(word) else word


def _readable(word: str, key: str) -> str:
    """The word, its value in quotes where Hydra's grammar takes it so alone."""
    value = word[len(key) :]
    if SYNTAX.search(value) or _parses(word):
        return word
    in_quotes = f"{key}{quoted(value)}"
    return in_quotes if _parses(in_quotes) else word


def _parses(word: str) -> bool:
    try:
        OverridesParser.create().parse_overrides([word])
    except OverrideParseException:
        return False
    return True


PLAIN = re.compile(r"[A-Za-z_/][\w/.-]*", re.ASCII)
"""Text that Hydra's grammar takes without quotes, and not for a number."""


def hydra_quote(value: Any) -> str:
    """A value in the grammar of Hydra's command line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        plain = PLAIN.fullmatch(value) and value.lower() not in ("null", "true", "false", "nan", "inf")
        return value if plain else quoted(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{name}:{hydra_quote(v)}" for name, v in value.items()) + "}"
    if isinstance(value, list | tuple | ListConfig):
        return "[" + ",".join(map(hydra_quote, value)) + "]"
    return str(value)
