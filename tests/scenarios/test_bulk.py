"""The bulk flow: TCP's goodput in a scenario, what it decided, and what a file may not say."""

from __future__ import annotations

import gc
import itertools
import tracemalloc
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from netlab.cli.simulate import command
from netlab.protocols.trace import Decision
from netlab.scenarios import BadScenario, CannotRun, Scenario, parse_scenario, run

FILE = 'about = "a"\nsource = "b"\nlink = "rate=10mbit delay=10ms queue=50packets"\n[[flows]]\nkind = "bulk"\n'


def scenario(rest: str, link: str = "rate=10mbit delay=10ms queue=50packets") -> Scenario:
    return msgspec.structs.replace(parse_scenario(FILE + rest), link=link)


@pytest.mark.parametrize("direction", ["there", "back"])
@pytest.mark.parametrize("cc", ["reno", "cubic", "bbr"])
def test_a_clean_link_is_filled(cc: str, direction: str) -> None:
    ran = run(scenario(f'lasts = "4s"\ncc = "{cc}"\ndirection = "{direction}"\n'), seed=1)
    (flow,) = ran.flows
    assert flow.sent == flow.delivered > 4_000_000
    assert (flow.lost, flow.doubled, flow.unknown) == (0, 0, 0)
    # of each 1500 bytes on the link 1448 are payload
    assert 0.88 * 10e6 * 1448 / 1500 < flow.goodput_bit_s <= 10e6 * 1448 / 1500


def test_so_many_bytes_are_sent() -> None:
    (flow,) = run(scenario('size = "1MB"\nprofile = "rfc"\nbegins = "1s"\n'), seed=1).flows
    assert (flow.sent, flow.delivered) == (10**6, 10**6)


def test_a_connection_that_cannot_be_made_is_told() -> None:
    (flow,) = run(scenario('size = "1MB"\n', link="loss=100%"), seed=1).flows
    assert (flow.sent, flow.delivered, flow.unknown) == (0, 0, 1)


def test_a_chat_over_tcp_loses_nothing_at_ten_per_cent_loss() -> None:
    text = FILE.replace('kind = "bulk"', 'kind = "chat"\nover = "tcp"')
    chat = msgspec.structs.replace(parse_scenario(text), link="loss=10% delay=20ms")
    for seed in range(3):
        (flow,) = run(chat, seed=seed).flows
        assert (flow.sent, flow.delivered, flow.doubled, flow.unknown) == (180, 180, 0, 0)


def test_two_flows_share_a_link() -> None:
    text = FILE + 'lasts = "20s"\ncc = "reno"\n' + '[[flows]]\nkind = "bulk"\nlasts = "20s"\ncc = "reno"\n'
    one, other = run(parse_scenario(text), seed=3).flows
    assert 8.5e6 < one.goodput_bit_s + other.goodput_bit_s < 10e6
    assert min(one.goodput_bit_s, other.goodput_bit_s) > 2.5e6


def test_a_trace_changes_nothing_and_tells_each_retransmission() -> None:
    lossy = scenario('size = "500kB"\n', link="rate=10mbit delay=10ms loss=2%")
    decisions: list[Decision] = []
    traced, plain = run(lossy, seed=5, trace=decisions.append), run(lossy, seed=5)
    assert traced == plain
    sender = [decision for decision in decisions if decision.who.startswith("client1")]
    again = [decision for decision in sender if decision.cause == "retransmit"]
    assert len(again) == sender[-1].retransmissions > 0
    assert all(one.at <= other.at for one, other in itertools.pairwise(sender))
    assert {"state", "open", "sent", "ack", "sack", "loss", "recovered"} <= {decision.cause for decision in sender}


def test_the_command_writes_decisions_as_lines_of_json(tmp_path: Path) -> None:
    file, trace = tmp_path / "bulk.toml", tmp_path / "trace.jsonl"
    file.write_text(FILE + 'size = "100kB"\n')
    arguments = [str(file), "--seed", "1", "--trace", str(trace)]
    done = CliRunner().invoke(command, arguments, standalone_mode=False)
    assert done.exception is None
    lines = [msgspec.json.decode(line, type=Decision) for line in trace.read_bytes().splitlines()]
    assert f"{trace}: {len(lines)} decisions" in done.output
    assert lines[0].why == "active OPEN: CLOSED -> SYN-SENT"
    assert "already" in str(CliRunner().invoke(command, arguments, standalone_mode=False).exception)


@pytest.mark.parametrize(
    ("rest", "shown"),
    [
        ('cc = "vegas"\n', "no congestion control 'vegas'"),
        ('size = "10"\n', "size"),
        ('size = "100000MB"\n', 'size = "10MB"'),
        ('lasts = "0s"\n', 'lasts = "10s"'),
        ('begins = "100000s"\n', 'begins = "5s"'),
        ('profile = "bsd"\n', "profile"),
    ],
)
def test_what_a_file_may_not_say(rest: str, shown: str) -> None:
    with pytest.raises(BadScenario, match=shown):
        parse_scenario(FILE + rest)


def test_only_a_simulation_has_our_tcp() -> None:
    with pytest.raises(CannotRun, match="kernel's"):
        run(scenario('size = "1kB"\n'), seed=1, world="loopback")


@pytest.mark.slow
def test_memory_does_not_grow_with_simulated_time() -> None:
    def most(lasts: str) -> int:
        gc.collect()
        tracemalloc.start()
        run(scenario(f'lasts = "{lasts}"\ncc = "reno"\n'), seed=1)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    most("2s")  # what is made once for all runs
    assert most("6s") < 1.2 * most("3s")
