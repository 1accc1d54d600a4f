"""What udp guarantees, over as many seeds as one likes: `simulated_chat`'s chat of five, checked.

    python -m tests.network.many_seeds --seeds 10000 [--first 0]

prints how many seeds held, how long that took, and how many texts were lost, doubled and of unknown end in all. The
first seed that breaks a guarantee ends it, is named, and repeats exactly.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

import msgspec
from rich.console import Console
from rich.progress import track

from tests.network.simulated_chat import MESSAGES, PEOPLE, Chatted, chat_of_five


class BrokenGuarantee(Exception):
    """What udp guarantees did not hold."""


class Totals(msgspec.Struct):
    """Of all seeds: texts that a listener did not get, or got again, and those whose end the speaker does not know."""

    seeds: int = 0
    lost: int = 0
    doubled: int = 0
    unknown: int = 0

    def __str__(self) -> str:
        return f"{self.lost} lost, {self.doubled} doubled, {self.unknown} unknown"


def check(chatted: Chatted) -> Totals:
    """What was lost, doubled and of unknown end in one chat.

    Raises:
        BrokenGuarantee: something is not as udp promises.
    """

    def hold(condition: bool, what: str) -> None:
        if not condition:
            raise BrokenGuarantee(f"seed {chatted.seed}: {what}")

    said = [text for texts in chatted.sent.values() for text in texts]
    hold(len(said) == len(set(said)) == MESSAGES * len(PEOPLE), f"{len(said)} texts were said")
    hold(chatted.sent["failed"] == [], "a text failed")
    hold(chatted.left_behind == 0, f"the hub still had {chatted.left_behind} connections at the end")
    totals = Totals(1, unknown=len(chatted.sent["unknown"]))
    for name, heard in chatted.heard.items():
        # Membership survives loss: hello, join and leave are repeated until they are acknowledged.
        hold(heard.members == sorted(PEOPLE), f"{name} saw as members {heard.members}")
        hold(heard.after_leaving == [], f"{name} had left, and was in {heard.after_leaving}")
        # Exact or nothing.
        hold(heard.wrong == 0, f"{name} heard {heard.wrong} damaged texts")
        hold(set(heard.texts) <= set(said), f"{name} heard what nobody said")
        # What is lost is counted: a number that did not come is one that is known to be missing.
        seen = {number for number in heard.numbers if heard.joined_at < number <= heard.last}
        not_seen = heard.last - heard.joined_at - len(seen)
        hold(not_seen == heard.missing, f"{name} did not hear {not_seen} and counted {heard.missing}")
        # What comes twice is shown twice and counted.
        again = sum(heard.numbers.values()) - len(heard.numbers)
        hold(again >= heard.duplicates > 0, f"{name} counted {heard.duplicates} duplicates of {again}")
        totals.lost += len(set(said) - set(heard.texts))
        totals.doubled += sum(heard.texts.values()) - len(heard.texts)
    hold(Counter(chatted.sent["ok"]).most_common(1)[0][1] == 1, "a text was confirmed twice")
    return totals


def many_seeds(seeds: range) -> Totals:
    """All of them.

    Raises:
        BrokenGuarantee: one of them is not as udp promises.
    """
    totals = Totals()
    for seed in track(seeds, "seeds", console=Console(stderr=True)):
        one = check(chat_of_five(seed))
        totals = Totals(*(getattr(totals, key) + getattr(one, key) for key in Totals.__struct_fields__))
    return totals


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    arguments = parser.parse_args()
    began = time.perf_counter()
    try:
        totals = many_seeds(range(arguments.first, arguments.first + arguments.seeds))
    except BrokenGuarantee as broken:
        sys.stdout.write(f"broken: {broken}\n")
        return 1
    took = time.perf_counter() - began
    sys.stdout.write(f"{totals.seeds} seeds from {arguments.first} held in {took:.0f} s: {totals}\n")
    return int(not (totals.lost and totals.doubled and totals.unknown))  # else nothing was put to the test


if __name__ == "__main__":
    sys.exit(main())
