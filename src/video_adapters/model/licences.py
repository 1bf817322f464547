"""Licences of encoders' weights: the free ones, and the words for others."""

FREE = {"apache-2.0", "mit", "bsd-3-clause", "cc-by-4.0"}
"""Those that allow any use, by the hub's names for them."""


def terms(licence: str) -> str:
    """A sentence about a licence that is not free; "" for a free one, and where none is known."""
    if not licence or licence in FREE:
        return ""
    return f"the encoder's weights are under {licence}, not a free licence: its terms bind who uses this model, too"
