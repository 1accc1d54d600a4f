"""Questions that probe what students believe: a bank of multiple-choice items, and how an answer is met.

The items stand in `quiz.toml`. Each wrong choice is something that students say, and is answered with the reason why it
is not so. Who asks before and after a notebook sees what changed.

    quiz = load(notebook="05")
    quiz[0].shuffled(seed=7)            # the same order of choices for everybody with this seed
    answer(quiz[0], 2)                  # Answer(right=False, because="...")
"""

from __future__ import annotations

import random
import tomllib
from functools import cache
from pathlib import Path

import msgspec

from netlab.errors import NetlabError

BANK = Path(__file__).with_name("quiz.toml")


class NoSuchItem(NetlabError):
    """There is no item of that name, or no choice of that number."""


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One choice, and what to say to who takes it."""

    text: str
    because: str
    right: bool = False


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One question with four choices, one of them right.

    Attributes:
        misconception: what the item probes for, as a student would say it.
        source: where the right answer stands.
    """

    id: str
    notebook: str
    misconception: str
    question: str
    source: str
    choices: tuple[Choice, ...]

    def __post_init__(self) -> None:
        if len(self.choices) != 4 or sum(choice.right for choice in self.choices) != 1:
            raise ValueError(f"{self.id}: an item has four choices, one of them right")

    def shuffled(self, seed: int | str = 0) -> Item:
        """The same item with its choices in the order that the seed and its name give."""
        order = random.Random(f"{seed}/{self.id}").sample(self.choices, len(self.choices))
        return msgspec.structs.replace(self, choices=tuple(order))


class Answer(msgspec.Struct, frozen=True):
    """How an answer is met."""

    item: str
    right: bool
    because: str


class _Bank(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    items: tuple[Item, ...]


@cache
def bank() -> tuple[Item, ...]:
    """All items, in the order of the course."""
    return msgspec.convert(tomllib.loads(BANK.read_text(encoding="utf-8")), _Bank).items


def load(*, notebook: str) -> tuple[Item, ...]:
    """The items of one notebook, `"01"` to `"12"`.

    Raises:
        NoSuchItem: no item belongs to it.
    """
    items = tuple(item for item in bank() if item.notebook == notebook)
    if not items:
        raise NoSuchItem(f"no item belongs to notebook {notebook!r}: they are 01 to 12")
    return items


def answer(item: Item, choice: int) -> Answer:
    """Take the choice of that number, from 1, in the item's order.

    Raises:
        NoSuchItem: there is no such choice.
    """
    if not 1 <= choice <= len(item.choices):
        raise NoSuchItem(f"{item.id} has no choice {choice}: they are 1 to {len(item.choices)}")
    taken = item.choices[choice - 1]
    return Answer(item.id, taken.right, taken.because)
