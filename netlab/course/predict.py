"""A guess before the run: recorded, then held beside what came out, on the same axes, and scored.

    guess = predict("goodput at 1 % loss", 3.0, unit="Mbit/s")
    run = ...                                   # only now
    guess.draw(run.draw())                      # the guess, on the result's axes
    guess.compare(run.goodput)                  # guess, result, and how near

The first guess counts: whoever guesses again after the result was shown is told so. Who guesses learns more from the
result, right or wrong, than who only looks; so no mark hangs on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from netlab.errors import NetlabError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOUR = "#CC79A7"
"""Okabe and Ito's reddish purple, and dotted: no other line of the course's figures is."""

INK = "#7A3560"
"""The same hue, dark enough to be read."""


class BadGuess(NetlabError, ValueError):
    """A guess that could not be held beside a result."""


class Score(msgspec.Struct, frozen=True):
    """How near a guess came.

    Attributes:
        points: 3 within a tenth of the result, 2 within a factor of 1.5, 1 within a factor of 3, else 0.
        in_words: for people.
    """

    points: int
    in_words: str


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A guess beside its result. As the last line of a cell it shows itself as a small table."""

    question: str
    guess: float
    result: float
    unit: str
    score: Score
    changed_afterwards: bool

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        note = " (guessed again after the result was shown)" if self.changed_afterwards else ""
        return "\n".join(
            [
                self.question,
                f"  your guess  {_number(self.guess)}{unit}",
                f"  the run     {_number(self.result)}{unit}",
                f"  {self.score.in_words}{note}",
            ]
        )

    __repr__ = __str__


class Guess:
    """What somebody expects of a number, before they see it."""

    def __init__(self, question: str, value: float, unit: str) -> None:
        """Use `predict`."""
        self.question = question
        self.value = value
        self.unit = unit
        self.result: float | None = None
        self.changed_afterwards = False

    def __repr__(self) -> str:
        return f"your guess of the {self.question}: {_number(self.value)} {self.unit}".rstrip()

    def score(self, result: float) -> Score:
        """How near the guess is to a result.

        >>> Guess("goodput", 3.0, "Mbit/s").score(3.2)
        Score(points=3, in_words='near: 0.94 times the result')
        """
        if result == self.value:
            return Score(3, "exactly it")
        if result == 0 or (self.value / result) <= 0:
            return Score(0, f"the result is {_number(result)}")
        ratio = self.value / result
        off = max(ratio, 1 / ratio)
        points, word = next((points, word) for bound, points, word in _STEPS if off <= bound)
        return Score(points, f"{word}: {ratio:.2g} times the result")

    def compare(self, result: float) -> Comparison:
        """Hold the guess beside the result, and keep the result."""
        self.result = result
        return Comparison(
            question=self.question,
            guess=self.value,
            result=result,
            unit=self.unit,
            score=self.score(result),
            changed_afterwards=self.changed_afterwards,
        )

    def draw(self, ax: Axes, *, axis: Literal["x", "y"] = "y") -> Axes:
        """A dotted line at the guess, across the figure of the result, with its name beside it."""
        from matplotlib.patheffects import withStroke

        from netlab.course.line_name import put_where_least_is_covered

        halo = [withStroke(linewidth=4, foreground="white")]
        line, across = (ax.axhline, ax.get_yaxis_transform()) if axis == "y" else (ax.axvline, ax.get_xaxis_transform())
        line(self.value, color=COLOUR, linestyle=":", linewidth=2.5, path_effects=halo, zorder=6)
        name = ax.text(
            0,
            0,
            f"your guess: {_number(self.value)}",
            transform=across,
            rotation=0 if axis == "y" else 90,
            color=INK,
            fontweight="bold",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5},
            zorder=6,
        )
        put_where_least_is_covered(name, ax, self.value, axis)
        return ax


_STEPS = ((1.1, 3, "near"), (1.5, 2, "not far"), (3.0, 1, "the right order of magnitude"), (float("inf"), 0, "far"))

_GUESSES: dict[str, Guess] = {}


def predict(question: str, value: float, *, unit: str = "") -> Guess:
    """Record a guess. Whoever guesses the same question again gets the new guess, marked if the result was known.

    Args:
        question: what is guessed, in words that fit behind "the": `goodput at 1 % loss`.
        value: the guess, in `unit`.

    Raises:
        BadGuess: it is no finite number, such as the `...` that stood in the cell.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadGuess(f"{question}: put a number where {value!r} stands, such as predict({question!r}, 3.0)")
    if value != value or value in (float("inf"), float("-inf")):
        raise BadGuess(f"{question}: {value} is no number that a run could give")
    guess = Guess(question, float(value), unit)
    before = _GUESSES.get(question)
    if before is not None and before.value != guess.value:
        guess.changed_afterwards = before.result is not None or before.changed_afterwards
    _GUESSES[question] = guess
    return guess


def guesses() -> tuple[Guess, ...]:
    """All guesses so far, in their order."""
    return tuple(_GUESSES.values())


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) and abs(value) < 1e15 else f"{value:.4g}"
