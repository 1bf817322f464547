"""The nearest known names to a mistyped one."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A word in brackets, to stand behind a name that is none, on what was probably meant; empty if nothing is near."""
    by_lower = {one.lower(): one for one in names}
    near = difflib.get_close_matches(name.lower(), by_lower, 1, cutoff=0.75)
    return f" (did you mean {by_lower[near[0]]}?)" if near else ""
