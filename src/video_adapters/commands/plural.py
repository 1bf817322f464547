"""Numbers with their nouns, as messages have them."""


def counted(number: int, noun: str) -> str:
    """1, "run" -> "1 run"; 2, "run" -> "2 runs"; a noun of several words ends in the one that changes.

    (English has more plurals than these; the project's nouns are regular.)
    """
    if number == 1:
        return f"{number} {noun}"
    return f"{number} {noun}{'es' if noun.endswith(('s', 'x', 'ch', 'sh')) else 's'}"
