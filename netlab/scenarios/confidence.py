"""How sure a mean of a few runs is: Student's t."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

CONFIDENCE = 0.95


def half_width(values: Sequence[float], confidence: float = CONFIDENCE) -> float | None:
    """Half the width of the confidence interval around the mean of independent runs; None for fewer than two.

    Source: Student, "The probable error of a mean", Biometrika 6, 1908.

    >>> round(half_width([1, 2, 3, 4, 5]), 3)
    1.963
    """
    if len(values) < 2:
        return None
    return t_quantile(confidence, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))


def t_quantile(confidence: float, freedom: int) -> float:
    """The t that a variate of Student's distribution stays within, on both sides of 0, with this probability.

    >>> round(t_quantile(0.95, 9), 3)
    2.262
    """
    low, high = 0.0, 1.0
    while within(high, freedom) < confidence:
        high *= 2
    while high - low > 1e-10 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if within(middle, freedom) < confidence else (low, middle)
    return high


def within(t: float, freedom: int) -> float:
    """The probability that a variate of Student's distribution is between -t and t.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4: finite sums, so exact.
    """
    angle = math.atan(t / math.sqrt(freedom))
    cosine = math.cos(angle)
    odd = freedom % 2
    term = total = (cosine if freedom > 1 else 0.0) if odd else 1.0
    for k in range(3 if odd else 2, freedom - 1, 2):
        term *= (k - 1) / k * cosine**2
        total += term
    if odd:
        return 2 / math.pi * (angle + math.sin(angle) * total)
    return math.sin(angle) * total
