"""The bank of questions: whole, without tells, and every answer is met."""

from __future__ import annotations

import re
from collections import Counter
from statistics import mean

import pytest

from netlab.course import quiz

NOTEBOOKS = [f"{number:02}" for number in range(1, 13)]


def test_every_notebook_has_items_and_there_are_about_forty() -> None:
    by_notebook = Counter(item.notebook for item in quiz.bank())
    assert sorted(by_notebook) == NOTEBOOKS
    assert min(by_notebook.values()) >= 2
    assert 38 <= len(quiz.bank()) <= 48


def test_nothing_is_there_twice() -> None:
    for values in (
        [item.id for item in quiz.bank()],
        [item.question for item in quiz.bank()],
        [item.misconception for item in quiz.bank()],
        [choice.because for item in quiz.bank() for choice in item.choices],
    ):
        assert [value for value, times in Counter(values).items() if times > 1] == []


def test_the_right_choice_is_not_the_longest_everywhere() -> None:
    """A student who takes the longest choice each time must not pass."""
    longest = mean(max(item.choices, key=lambda choice: len(choice.text)).right for item in quiz.bank())
    assert longest < 0.4


def test_the_order_of_choices_is_the_seeds_and_puts_the_right_one_everywhere() -> None:
    places = Counter(
        [choice.right for choice in item.shuffled(seed).choices].index(True)
        for item in quiz.bank()
        for seed in range(9)
    )
    assert sorted(places) == [0, 1, 2, 3]
    assert max(places.values()) < 2 * min(places.values())
    item = quiz.bank()[0]
    assert item.shuffled(3) == item.shuffled(3)
    assert len({item.shuffled(seed).choices for seed in range(20)}) > 5


@pytest.mark.parametrize("item", quiz.bank(), ids=lambda item: item.id)
def test_each_choice_is_answered_and_each_source_is_named(item: quiz.Item) -> None:
    shuffled = item.shuffled("a class")
    answers = [quiz.answer(shuffled, number) for number in range(1, 5)]
    assert [given.right for given in answers].count(True) == 1
    assert all(given.because.endswith(".") for given in answers)
    assert re.match(r"RFC \d+|netlab docs: |udp\(7\)|Socket\.IO documentation: ", item.source)


@pytest.mark.parametrize("choice", [0, 5, -1])
def test_a_choice_that_is_none_is_refused(choice: int) -> None:
    with pytest.raises(quiz.NoSuchItem, match="they are 1 to 4"):
        quiz.answer(quiz.bank()[0], choice)


def test_a_notebook_that_is_none_is_refused() -> None:
    with pytest.raises(quiz.NoSuchItem, match="13"):
        quiz.load(notebook="13")
