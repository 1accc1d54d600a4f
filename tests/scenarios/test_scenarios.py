"""Scenario files, and what runs of them give: the same for the same seed, in every process."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pexpect
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.network.recording import Recording
from netlab.packets import pcapng
from netlab.scenarios import BadScenario, CannotRun, Scenario, load, parse_scenario, ready, run
from netlab.scenarios.scenario import scenario_of

MINIMAL = 'about = "a"\nsource = "b"\n'
FLOW = '[[flows]]\nkind = "datagrams"\nrate = "1mbit"\n'
NAMES = sorted(ready())


def test_a_dozen_are_ready_and_each_says_where_its_figures_come_from() -> None:
    assert len(NAMES) >= 12
    for scenario in ready().values():
        assert scenario.about
        assert scenario.source


def test_what_a_file_may_leave_out() -> None:
    scenario = parse_scenario(MINIMAL + FLOW)
    (flow,) = scenario.flows
    assert (flow.bytes, flow.duration) == (1200, 10_000_000_000)
    assert scenario.directions[0] == scenario.directions[1]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("about =", "not TOML"),
        (FLOW, "about"),
        (MINIMAL, "flows"),
        (MINIMAL + "flows = []", "[[flows]]"),
        (MINIMAL + 'lnik = ""\n' + FLOW, "lnik"),
        (MINIMAL + 'link = "loss=1"\n' + FLOW, "loss=1%"),
        (MINIMAL + 'link = "loss=1%"\nback = "loss=1%"\n' + FLOW, "both directions"),
        (MINIMAL + '[[flows]]\nkind = "datagrams"\nrate = "10"\n', "rate: '10' is not a rate"),
        (MINIMAL + FLOW + 'size = "1B"\n', 'size = "1200B"'),
        (MINIMAL + FLOW + 'size = "1MB"\n', 'size = "1200B"'),
        (MINIMAL + FLOW + 'lasts = "10"\n', "10"),
        (MINIMAL + FLOW + 'lasts = "0s"\n', 'lasts = "10s"'),
        (MINIMAL + FLOW + 'lasts = "100000000s"\n', "more than a day"),
        (MINIMAL + FLOW + 'lasts = "86400s"\nsize = "100B"\n', "ten million"),
        (MINIMAL + FLOW + 'spacing = "odd"\n', "flows[0].spacing"),
        (MINIMAL + FLOW + "size = 1200\n", 'flows[0].size = 1200: expected `str`, got `int`: write size = "1200B"'),
        (MINIMAL + FLOW + "[[flows]]\nsize = 1200\n", 'write kind = "datagrams"'),
        (MINIMAL + '[[flows]]\nkind = "chat"\npeople = 0\n', "people = 5"),
        (MINIMAL + '[[flows]]\nkind = "chat"\nmessages = 0\n', "messages = 20"),
        (MINIMAL + '[[flows]]\nkind = "chat"\nsize = "3B"\n', 'size = "100B"'),
        (MINIMAL + '[[flows]]\nkind = "chat"\nover = "pigeon"\n', "pigeon"),
        (MINIMAL + '[[flows]]\nkind = "chta"\n', "chta"),
    ],
)
def test_a_file_that_cannot_be_is_refused_with_its_key(text: str, shown: str) -> None:
    with pytest.raises(BadScenario) as refusal:
        parse_scenario(text)
    assert shown in str(refusal.value)


WORDS = st.sampled_from(
    [
        "about",
        "source",
        "link",
        "there",
        "flows",
        "kind",
        "rate",
        "size",
        "lasts",
        "people",
        "over",
        "cc",
        "nan",
        "=",
        "=",
        "[[flows]]",
        "\n",
        "\n",
        '"chat"',
        '"datagrams"',
        '"bulk"',
        '"1mbit"',
        '"-1mbit"',
        '"loss=1%"',
        '"loss=nan%"',
        "5",
        "-5",
        "1e400",
        "[]",
        "{",
        "}",
        '""',
        '"10s"',
        '"9999999999999999s"',
        "true",
        "1979-05-27",
        ".",
        "\x00",
    ]
)


@given(st.lists(WORDS, max_size=25).map(" ".join), st.booleans())
def test_any_text_is_a_scenario_or_refused(text: str, complete: bool) -> None:
    with contextlib.suppress(BadScenario):
        assert parse_scenario(MINIMAL + FLOW + text if complete else text).flows


@given(data=st.data())
def test_any_value_of_any_key_is_taken_or_refused_with_the_key_named(data: st.DataObject) -> None:
    """Each key of each shipped scenario in turn has another value."""
    whole = msgspec.to_builtins(ready()[data.draw(st.sampled_from(NAMES))])
    where = data.draw(st.sampled_from([whole, *whole["flows"]]))
    key = data.draw(st.sampled_from(sorted(where)))
    quantities = st.sampled_from(["0s", "-1s", "nan", "1e99s", "10mbit", "0mbit", "100%", "1B", "99999999MB", "loss=7"])
    plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | quantities
    nested = st.lists(plain, max_size=2) | st.dictionaries(st.text(max_size=3), plain, max_size=2)
    where[key] = data.draw(plain | nested)
    refusal = ""
    try:
        scenario_of(whole)
    except BadScenario as refused:
        refusal = str(refused)
    assert refusal == "" or (key in refusal and "write " in refusal)


def test_scenarios_by_name_and_by_file(tmp_path: Path) -> None:
    assert load("perfect") == ready()["perfect"]
    file = tmp_path / "mine.toml"
    file.write_text(MINIMAL + FLOW)
    assert isinstance(load(str(file)), Scenario)
    file.write_text("no")
    for name, shown in (
        (str(file), "mine.toml: not TOML"),
        ("prefect", "ready ones are"),
        ("a/b.toml", "no such file"),
    ):
        with pytest.raises(BadScenario, match=shown):
            load(name)


def test_what_is_there_and_cannot_be_read_is_not_called_missing(tmp_path: Path) -> None:
    with pytest.raises(BadScenario, match=r": Is a directory$"):
        load(str(tmp_path))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_counted_adds_up(name: str) -> None:
    ran = run(load(name), seed=3)
    for flow in ran.flows:
        assert flow.sent == flow.delivered + flow.lost > 0
        assert flow.lost >= 0
        streamed = flow.what.startswith("bytes")  # without delays
        assert (flow.p50_ms is None) == (flow.delivered == 0 or streamed)
    for account in ran.links.values():
        assert account.held == 0
        assert account.arrived + account.duplicated == account.delivered + sum(account.dropped.values())


def test_what_the_ready_ones_show() -> None:
    by_name = {
        name: run(load(name), seed=1).flows for name in ("perfect", "bufferbloat", "bufferbloat-codel", "satellite")
    }
    assert all(flow.lost == flow.doubled == 0 for flow in by_name["perfect"])
    bloated, controlled = by_name["bufferbloat"][1], by_name["bufferbloat-codel"][1]
    assert bloated.p50_ms is not None
    assert controlled.p50_ms is not None
    assert bloated.p50_ms > 5000 > 500 > controlled.p50_ms
    assert by_name["satellite"][0].p50_ms == pytest.approx(481, abs=5)  # up to the server and down to the others


def test_a_capture_has_every_frame_and_changes_nothing() -> None:
    scenario = load("everything")
    recording = Recording()
    tapped = run(scenario, seed=5, tap=recording, points=("gateway>server",))
    assert msgspec.json.encode(tapped) == msgspec.json.encode(run(scenario, seed=5))
    account = tapped.links["gateway>server"]
    records = list(pcapng.read_records(recording.pcapng()))
    assert len(records) == account.delivered + sum(account.dropped.values())
    assert sum(record.comment is not None and record.comment.startswith("dropped") for record in records) == sum(
        account.dropped.values()
    )


def simulate(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "netlab", "simulate", *arguments], capture_output=True, env={**os.environ, **environment}
    )


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n == "everything" else pytest.mark.slow) for n in NAMES])
def test_one_seed_is_one_result_and_one_capture_in_every_process(name: str, tmp_path: Path) -> None:
    seen = set()
    for hashseed in ("1", "2"):
        file = tmp_path / f"{hashseed}.pcapng"
        done = simulate(name, "--seed", "7", "--json", "--capture", str(file), PYTHONHASHSEED=hashseed)
        assert done.returncode == 0, done.stderr
        seen.add((done.stdout, hashlib.sha256(file.read_bytes()).hexdigest()))
    assert len(seen) == 1


def test_the_command(tmp_path: Path) -> None:
    table = simulate("bursty-loss", "--seed", "1")
    assert b"lost on the way" in table.stdout
    assert b"seed 1" in table.stdout
    result = json.loads(simulate("perfect", "--json", "--link", "loss=50%", "--seed", "2").stdout)
    assert result["scenario"]["link"] == "loss=50%"
    assert result["links"]["gateway>server"]["dropped"]["loss"] > 100
    assert b"bufferbloat-codel" in simulate("--list").stdout
    assert set(json.loads(simulate("--list", "--json").stdout)) == set(NAMES)
    file = tmp_path / "a.pcapng"
    file.write_text("precious")
    refused = simulate("perfect", "--capture", str(file))
    assert (refused.returncode, file.read_text()) == (1, "precious")
    for arguments, status in ((("nothing-such",), 1), ((), 2), (("perfect", "--link", "loss=1"), 2)):
        done = simulate(*arguments)
        assert done.returncode == status
        assert done.stdout == b""
        assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(("arguments", "columns"), [(("tiny-mtu", "--seed", "1"), 80), (("--list",), 60)])
def test_what_is_told_fits_the_terminal_and_no_word_is_cut(arguments: tuple[str, ...], columns: int) -> None:
    command = ["-m", "netlab", "simulate", *arguments]
    wide = simulate(*arguments).stdout.decode()
    env = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    child = pexpect.spawn(sys.executable, command, dimensions=(200, columns), env=env, encoding="utf-8", timeout=60)
    told = child.read()
    assert max(map(len, told.splitlines())) <= columns
    assert told.split() == wide.split()


# Worlds

SHORT = """
about = "a chat and datagrams both ways, short"
source = "chosen for testing"
link = "loss=20% delay=20ms duplicate=10%"
[[flows]]
kind = "chat"
people = 2
messages = 5
[[flows]]
kind = "datagrams"
rate = "400kbit"
lasts = "1s"
[[flows]]
kind = "datagrams"
rate = "400kbit"
lasts = "1s"
direction = "back"
"""


@pytest.mark.slow
def test_the_same_file_runs_on_real_sockets_through_the_same_link() -> None:
    scenario = parse_scenario(SHORT)
    simulated, real = (run(scenario, seed=4, world=world) for world in ("simulation", "loopback"))
    assert [flow.what for flow in simulated.flows] == [flow.what for flow in real.flows]
    for flow in (*simulated.flows, *real.flows):
        assert flow.sent == flow.delivered + flow.lost > flow.lost > 0
        assert flow.p50_ms is not None
        assert flow.p50_ms >= 20
    # Datagrams of a rate are as many in real time.
    assert [flow.sent for flow in simulated.flows[1:]] == [flow.sent for flow in real.flows[1:]] == [42, 42]
    for name, account in real.links.items():
        assert account.held == 0
        assert account.dropped["loss"] > 0
        assert account.duplicated > 0
        assert name in simulated.links


def test_through_a_link_that_lets_nothing_pass_nobody_waits_for_ever() -> None:
    blocked = run(parse_scenario(SHORT.replace("loss=20%", "loss=100%")), seed=1)
    assert [flow.delivered for flow in blocked.flows] == [0, 0, 0]
    assert blocked.flows[0].unknown == 2
    assert blocked.flows[2].sent == 0  # nobody asked for it


def test_what_a_world_cannot_do_is_said() -> None:
    scenario = parse_scenario(SHORT)
    with pytest.raises(CannotRun, match="simulation, loopback"):
        run(scenario, seed=1, world="lopback")
    with pytest.raises(CannotRun, match="nobody can look at the link"):
        run(scenario, seed=1, world="loopback", tap=Recording())
