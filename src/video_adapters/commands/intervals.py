"""Shares as people read them: percent, with the interval that their number of videos leaves them."""

import math

Z = 1.959964  # 97.5 % of a standard normal lie below: both tails together leave 5 %


def wilson(share: float, videos: int) -> tuple[float, float]:
    """Ends of the 95% interval of an accuracy over so many videos, as fractions (Wilson 1927, the score interval).

    It tells how far another draw of videos of the same kind might have come out otherwise; another training is another
    matter. It never leaves 0 to 1 and holds for few videos too, where p +- 1.96 standard errors does not.
    """
    centre = share + Z**2 / (2 * videos)
    half = Z * math.sqrt(share * (1 - share) / videos + Z**2 / (4 * videos**2))
    scale = 1 + Z**2 / videos
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def percent(share: float) -> str:
    """A fraction as people read it: 0.9667 -> 96.7%."""
    return f"{share:.1%}"


def between(share: float, videos: float) -> str:
    """An accuracy with its 95 % interval, in short: 96.7% (94.7 to 98.0)."""
    if not videos >= 1:
        return percent(share)
    low, high = wilson(share, round(videos))
    return f"{percent(share)} ({100 * low:.1f} to {100 * high:.1f})"
