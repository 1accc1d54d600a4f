"""A guess is recorded before, held beside the result after, and scored."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from netlab.course.predict import BadGuess, guesses, predict

QUESTIONS = (f"question {number}" for number in itertools.count())


@pytest.mark.parametrize(
    ("guess", "result", "points"),
    [
        (3.0, 3.0, 3),
        (3.0, 3.2, 3),
        (3.0, 2.75, 3),
        (3.0, 4.2, 2),
        (4.2, 3.0, 2),
        (3.0, 8.0, 1),
        (3.0, 10.0, 0),
        (0, 0, 3),
        (0, 5, 0),
        (5, 0, 0),
        (-1, 5, 0),
        (-4, -4.1, 3),
    ],
)
def test_points_by_the_ratio_of_guess_and_result(guess: float, result: float, points: int) -> None:
    assert predict(next(QUESTIONS), guess).score(result).points == points


def test_guess_and_result_stand_one_below_the_other() -> None:
    assert repr(predict("goodput at 1 % loss", 9.5, unit="Mbit/s").compare(2.96)).splitlines() == [
        "goodput at 1 % loss",
        "  your guess  9.5 Mbit/s",
        "  the run     2.96 Mbit/s",
        "  far: 3.2 times the result",
    ]


def test_who_guesses_again_after_the_result_is_told_so() -> None:
    question = next(QUESTIONS)
    predict(question, 1)
    honest = predict(question, 2)  # thought better of it, before
    assert not honest.changed_afterwards
    honest.compare(5)
    assert not predict(question, 2).changed_afterwards  # the cell was run again
    predict(question, 2).compare(5)
    late = predict(question, 5)
    assert "guessed again after the result was shown" in str(late.compare(5))
    assert [guess for guess in guesses() if guess.question == question] == [late]


@pytest.mark.parametrize("value", [..., "3", None, True, float("nan"), float("inf")])
def test_what_is_no_number_is_refused_with_what_to_write(value: Any) -> None:
    with pytest.raises(BadGuess, match=r"put a number|no number"):
        predict(next(QUESTIONS), value)


@pytest.mark.parametrize("axis", ["x", "y"])
def test_the_guess_is_drawn_at_its_value(axis: Any) -> None:
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    ax.plot([0, 10], [0, 10])
    predict(next(QUESTIONS), 4).draw(ax, axis=axis)
    drawn = ax.lines[-1]
    assert set(drawn.get_ydata() if axis == "y" else drawn.get_xdata()) == {4}
    assert ax.texts[-1].get_text() == "your guess: 4"


@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize(
    "way", [([0, 10], [0, 10]), ([0, 10], [10, 0]), ([0, 5, 10], [5, 0, 5]), ([0, 10], [4.2, 4.2])]
)
def test_the_name_of_the_guess_covers_no_line_and_no_other_words(
    axis: Any, way: tuple[list[float], list[float]]
) -> None:
    from matplotlib.figure import Figure
    from matplotlib.path import Path

    figure = Figure(figsize=(9, 6))
    ax = figure.subplots()
    along, up = way if axis == "y" else way[::-1]
    (line,) = ax.plot(along, up, label="what happened")
    ax.set(xlim=(0, 10), ylim=(0, 10))
    other = ax.text(0.99, 0.99, "other words", transform=ax.transAxes, ha="right", va="top")
    predict(next(QUESTIONS), 4).draw(ax, axis=axis)
    figure.draw_without_rendering()
    box = ax.texts[-1].get_window_extent()
    assert not Path(ax.transData.transform(line.get_xydata())).intersects_bbox(box, filled=False)
    assert not box.overlaps(other.get_window_extent())
