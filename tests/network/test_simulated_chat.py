"""The chat over udp, unchanged, on the virtual clock: LIMITS.md's guarantees for udp, over many seeds; and one seed is
one capture, byte for byte, in every process. `many_seeds` runs as many as one likes.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from netlab.network.recording import Recording
from netlab.packets import pcapng
from tests.network.many_seeds import BrokenGuarantee, check, many_seeds
from tests.network.simulated_chat import EPOCH, PEOPLE, chat_of_five

FEW = 10
MANY = 100


def test_what_udp_guarantees_holds() -> None:
    totals = many_seeds(range(FEW))
    assert totals.seeds == FEW
    assert min(totals.lost, totals.doubled, totals.unknown) > 0


@pytest.mark.slow
def test_what_udp_guarantees_holds_over_many_seeds() -> None:
    command = [sys.executable, "-m", "tests.network.many_seeds", "--seeds", str(MANY), "--first", str(FEW)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"{MANY} seeds from {FEW}")
    print(done.stdout)  # noqa: T201  # what -s and -rP show


def test_the_check_notices_what_it_is_for() -> None:
    for spoil, shown in (
        (lambda chatted: chatted.sent["failed"].append("text"), "said"),
        (lambda chatted: chatted.heard["ann"].members.pop(), "ann saw as members"),
        (lambda chatted: setattr(chatted.heard["bob"], "wrong", 1), "bob heard 1 damaged"),
        (lambda chatted: chatted.heard["cem"].texts.update(["made up"]), "cem heard what nobody said"),
        (lambda chatted: setattr(chatted.heard["dan"], "missing", 0), "dan"),
        (lambda chatted: setattr(chatted.heard["eve"], "duplicates", 10**6), "eve counted"),
        (lambda chatted: setattr(chatted, "left_behind", 1), "the hub still had 1"),
    ):
        chatted = chat_of_five(2)
        check(chatted)
        spoil(chatted)
        with pytest.raises(BrokenGuarantee, match=shown):
            check(chatted)


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
