"""The chat over udp, unchanged, on the virtual clock: LIMITS.md's guarantees for udp, over many seeds; and one seed is
one capture, byte for byte, in every process.

`NETLAB_SEEDS=10000` (or any number) with `--slow` runs so many.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from netlab.network.recording import Recording
from netlab.packets import pcapng
from tests.network.simulated_chat import EPOCH, PEOPLE, Chatted, chat_of_five

FEW = 10
MANY = int(os.environ.get("NETLAB_SEEDS", "100"))


def check(chatted: Chatted) -> tuple[int, int, int]:
    """Assert what udp guarantees; return how many texts were lost, doubled and reordered or late."""
    said = [text for texts in chatted.sent.values() for text in texts]
    assert len(said) == len(set(said)) == 50 * len(PEOPLE)
    assert chatted.sent["failed"] == []
    assert chatted.left_behind == 0
    lost = doubled = 0
    for name, heard in chatted.heard.items():
        # Membership survives loss: hello, join and leave are repeated until they are acknowledged.
        assert heard.members == sorted(PEOPLE), name
        assert heard.after_leaving == [], name
        # Exact or nothing.
        assert heard.wrong == 0, name
        assert set(heard.texts) <= set(said), name
        # What is lost is counted: a number that did not come is one that is known to be missing.
        seen = {number for number in heard.numbers if heard.joined_at < number <= heard.last}
        assert heard.last - heard.joined_at - len(seen) == heard.missing, name
        # What comes twice is shown twice and counted.
        assert sum(heard.numbers.values()) - len(heard.numbers) >= heard.duplicates > 0, name
        lost += len(set(said) - set(heard.texts))
        doubled += sum(heard.texts.values()) - len(heard.texts)
    # `ok` is what the hub confirmed, so the hub had it; and nothing is confirmed twice.
    assert Counter(chatted.sent["ok"]).most_common(1)[0][1] == 1
    return lost, doubled, len(chatted.sent["unknown"])


def run_seeds(seeds: range) -> None:
    began = time.perf_counter()
    totals = [check(chat_of_five(seed)) for seed in seeds]
    lost, doubled, unknown = (sum(column) for column in zip(*totals, strict=True))
    took = time.perf_counter() - began
    print(  # noqa: T201  # what -s and -rP show
        f"{len(seeds)} seeds from {seeds[0]} in {took:.1f} s: {lost} lost, {doubled} doubled, {unknown} unknown"
    )
    assert min(lost, doubled, unknown) > 0


def test_what_udp_guarantees_holds() -> None:
    run_seeds(range(FEW))


@pytest.mark.slow
@pytest.mark.timeout(24 * 3600)
def test_what_udp_guarantees_holds_over_many_seeds() -> None:
    run_seeds(range(FEW, FEW + MANY))


def test_over_a_perfect_link_nothing_is_lost_or_doubled() -> None:
    chatted = chat_of_five(1, link="delay=20ms")
    for heard in chatted.heard.values():
        assert (heard.missing, heard.duplicates, heard.wrong) == (0, 0, 0)
        assert set(heard.texts.values()) == {1}
        assert len(heard.texts) == 250
    assert len(chatted.sent["ok"]) == 250


def test_losses_are_as_many_as_the_link_loses() -> None:
    """One datagram up, one down: a text of one packet arrives with probability (1-p)^2."""
    heard = said = 0
    for seed in range(4):
        chatted = chat_of_five(seed, link="loss=30% delay=20ms")
        short = [text for texts in chatted.sent.values() for text in texts if len(text) < 200]
        said += len(short) * len(PEOPLE)
        heard += sum(text in person.texts for person in chatted.heard.values() for text in short)
    expected = 0.7**2
    # Five hear what one says: its way up is one event for all five.
    up = 0.7
    variance = (said / 5) * (25 * up * 0.7**2 * (1 - up) + 5 * up * 0.7 * 0.3)
    assert abs(heard - said * expected) < 4 * variance**0.5


def test_one_seed_is_one_capture_in_every_process(tmp_path: Path) -> None:
    files = []
    for hashseed in ("1", "2"):
        file = tmp_path / f"{hashseed}.pcapng"
        command = [sys.executable, "-m", "tests.network.simulated_chat", "7", str(file)]
        done = subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": hashseed}, capture_output=True, check=True)
        files.append((hashlib.sha256(file.read_bytes()).hexdigest(), done.stdout))
    assert files[0] == files[1]
    recording = Recording(epoch=EPOCH)
    here = chat_of_five(7, capture=recording)
    assert here.sha256 == files[0][0]
    assert chat_of_five(8, capture=Recording(epoch=EPOCH)).sha256 != here.sha256
    comments = Counter(record.comment for record in pcapng.read_records(recording.pcapng()))
    assert comments["dropped: lost on the way (loss)"] > 10


def test_a_tap_changes_nothing() -> None:
    tapped, plain = chat_of_five(3, capture=Recording()), chat_of_five(3)
    assert (tapped.sent, tapped.heard, tapped.seconds) == (plain.sent, plain.heard, plain.seconds)
