"""A run twice, the second with the fates of a few packets changed: what differs is what was changed, and its echo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.network.link_config import Fate
from netlab.packets import pcapng
from netlab.scenarios import load, parse_scenario, ready
from netlab.scenarios.what_if import BadFate, Forced, read_fates, what_if
from netlab.units import MS

DATAGRAMS = parse_scenario("""
about = "datagrams one way: nothing answers to them"
source = "chosen for testing"
link = "delay=20ms jitter=5ms loss=10% rate=2mbit"
[[flows]]
kind = "datagrams"
rate = "1mbit"
lasts = "2s"
""")


CHAT = parse_scenario("""
about = "one who talks"
source = "chosen for testing"
link = "delay=20ms"
[[flows]]
kind = "chat"
people = 1
messages = 5
""")


@pytest.mark.parametrize(
    ("verb", "text", "direction", "fates"),
    [
        ("drop", "client>server:5,9", "gateway>server", (Fate(5, "drop"), Fate(9, "drop"))),
        ("drop", "there: 2-4", "gateway>server", (Fate(2, "drop"), Fate(3, "drop"), Fate(4, "drop"))),
        ("corrupt", "server > client:1", "server>gateway", (Fate(1, "corrupt"),)),
        ("duplicate", "back:1", "server>gateway", (Fate(1, "duplicate"),)),
        ("deliver", "server>gateway:1", "server>gateway", (Fate(1, "deliver"),)),
        ("delay", "gateway>server:5=200ms", "gateway>server", (Fate(5, "delay", 200 * MS),)),
    ],
)
def test_how_changes_are_written(verb, text: str, direction: str, fates: tuple[Fate, ...]) -> None:  # type: ignore[no-untyped-def]
    assert read_fates(verb, text) == Forced(direction, fates)


@pytest.mark.parametrize(
    ("verb", "text", "shown"),
    [
        ("drop", "5", "names no packets: write --drop 'client>server:5,9'"),
        ("drop", "ann>bob:5", "they are client>server (or gateway>server, or there) and server>client"),
        ("drop", "there:", "counted from 1"),
        ("drop", "there:0", "counted from 1"),
        ("drop", "there:5-2", "counted from 1"),
        ("drop", "there:1-999999999", "counted from 1"),
        ("drop", "there:٣", "counted from 1"),
        ("drop", "there:5=3ms", "has a ="),
        ("delay", "there:5", "says not how long: write --delay 'client>server:5,9=200ms'"),
        ("delay", "there:5=3", "'3' is not a duration"),
    ],
)
def test_what_is_written_wrong_is_refused_with_a_right_form(verb, text: str, shown: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadFate) as refused:
        read_fates(verb, text)
    assert shown in str(refused.value)


@given(verb=st.sampled_from(["drop", "delay"]), text=st.text("there:client>server,=-0123456789ms ", max_size=30))
def test_only_bad_fates_come_of_bad_texts(verb, text: str) -> None:  # type: ignore[no-untyped-def]
    try:
        forced = read_fates(verb, text)
    except BadFate:
        return
    assert forced.fates


@pytest.mark.parametrize("verb", ["drop", "deliver", "duplicate", "corrupt", "delay"])
def test_where_nothing_answers_only_the_packet_itself_differs(verb) -> None:  # type: ignore[no-untyped-def]
    plain = what_if(DATAGRAMS, seed=3, forced=[])
    assert plain.parts_at is None
    assert plain.differences == [f"Nothing differs: all {len(plain.rows)} packets have the fate that they had."]
    lost = [row.first.number for row in plain.rows if row.first is not None and not row.first.is_delivered]
    number = lost[3] if verb == "deliver" else next(n for n in range(20, 99) if n not in lost)
    written = f"there:{number}" + ("=7ms" if verb == "delay" else "")
    found = what_if(DATAGRAMS, seed=3, forced=[read_fates(verb, written)])
    differing = [row for row in found.rows if not row.is_same]
    assert found.parts_at == found.rows.index(differing[0])
    (row,) = [row for row in differing if row.step.number == number]
    assert row.first is not None
    assert row.second is not None
    match verb:
        case "drop":
            assert row.second.fate == "fate"
        case "deliver":
            assert not row.first.is_delivered
            assert row.second.is_delivered
        case "duplicate":
            assert row.second.copies == 1
        case "corrupt":
            assert row.second.damaged
        case "delay":
            assert row.second.left - row.first.left == 7 * MS
    # What else differs waited behind it in the queue for a longer or a shorter time.
    for other in differing:
        assert other is row or (verb in ("drop", "deliver", "duplicate") and other.step.at >= row.step.at)
    assert written.split("=")[0].split(":")[1] in found.differences[0]


def test_what_a_lost_hello_costs_and_brings() -> None:
    found = what_if(CHAT, seed=7, forced=[read_fates("drop", "client>server:1")])
    row = found.rows[0]
    assert (found.parts_at, row.second and row.second.fate) == (0, "fate")
    assert "client1 > server: hello" in row.step.packet
    hellos = [row.second.at for row in found.rows if row.second is not None and "hello" in row.second.packet]
    assert hellos == [0, 250 * MS, 290 * MS]  # lost; repeated until it is answered; again, with the cookie
    text = " ".join(found.differences)
    assert f"Lost only with the change: 1 packet: {row.step.packet} at 0.0 ms." in text
    assert f"Sent only with the change: 1 packet: {row.step.packet}" in text
    # The two timelines are whole: each has as many packets as its link says.
    for side, ran in (("first", found.first), ("second", found.second)):
        for direction, account in ran.links.items():
            steps = [step for row in found.rows if (step := getattr(row, side)) and step.direction == direction]
            assert sorted(step.number for step in steps) == list(range(1, account.arrived + 1))
            assert sum(step.is_delivered for step in steps) + sum(s.copies for s in steps) == account.delivered


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in ("mix", "tiny-mtu") else pytest.mark.slow) for n in sorted(ready())]
)
def test_a_change_that_changes_nothing_shows_no_difference(name: str) -> None:
    """The second run goes another way through the link's code, and still comes to the same, packet by packet."""
    found = what_if(load(name), seed=5, forced=[read_fates("deliver", "there:1")])
    assert found.parts_at is None
    assert found.first.flows == found.second.flows


def test_a_packet_has_one_fate_and_has_to_come() -> None:
    with pytest.raises(BadFate, match="packet 5 of gateway>server has two fates"):
        what_if(DATAGRAMS, seed=1, forced=[read_fates("drop", "there:5"), read_fates("corrupt", "there:4-6")])
    with pytest.raises(BadFate, match="no packet 100000: only"):
        what_if(DATAGRAMS, seed=1, forced=[read_fates("drop", "there:100000")])


def what_if_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "netlab", "what-if", *arguments], capture_output=True, text=True)


def test_the_command(tmp_path: Path) -> None:
    file = tmp_path / "changed.pcapng"
    done = what_if_command("perfect", "--seed", "7", "--drop", "client>server:5,9", "--capture", str(file))
    assert done.returncode == 0, done.stderr
    assert "here they part" in done.stdout
    assert done.stdout.count("lost (fate)") == 2
    assert "Lost only with the change: 2 packets" in done.stdout
    comments = [record.comment for record in pcapng.read_records(file.read_bytes()) if record.comment]
    assert comments == ["dropped: lost because it was asked for (fate)"] * 2
    sentences = what_if_command("perfect", "--seed", "7", "--drop", "client>server:5,9", "--text").stdout
    assert "here they part" not in sentences
    assert "Lost only with the change: 2 packets" in sentences
    data = json.loads(what_if_command("perfect", "--seed", "7", "--drop", "client>server:5,9", "--json").stdout)
    row = data["rows"][data["parts_at"]]
    assert (row["first"]["fate"], row["second"]["fate"]) == ("delivered", "fate")
    for arguments, shown in (
        (("perfect",), "--drop 'client>server:5'"),
        (("perfect", "--drop", "x:1"), "they are client>server"),
        (("perfect", "--seed", "1", "--drop", "there:99999"), "no packet 99999"),
        (("no-such", "--drop", "there:1"), "ready ones are"),
    ):
        refused = what_if_command(*arguments)
        assert refused.returncode in (1, 2)
        assert refused.stdout == ""
        assert refused.stderr.count("\n") == 1
        assert shown in refused.stderr


def test_one_seed_is_one_comparison_in_every_process() -> None:
    command = [sys.executable, "-m", "netlab", "what-if", "everything", "--seed", "7", "--drop", "there:9", "--json"]
    outputs = {
        subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONHASHSEED": seed}, check=True).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
