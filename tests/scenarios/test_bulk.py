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


PAYLOAD = {"tcp": 1448 / 1500, "rudp": 1144 / 1220}
"""Share of a full packet's bytes on the link that are payload."""


@pytest.mark.parametrize("over", PAYLOAD)
@pytest.mark.parametrize("direction", ["there", "back"])
@pytest.mark.parametrize("cc", ["reno", "cubic", "bbr"])
def test_a_clean_link_is_filled(cc: str, direction: str, over: str) -> None:
    keys = f'lasts = "4s"\nover = "{over}"\ncc = "{cc}"\ndirection = "{direction}"\n'
    (flow,) = run(scenario(keys), seed=1).flows
    assert flow.what.startswith(f"bytes over {over} ({cc}")
    assert flow.sent == flow.delivered > 4_000_000
    assert (flow.lost, flow.doubled, flow.unknown) == (0, 0, 0)
    assert 0.88 * 10e6 * PAYLOAD[over] < flow.goodput_bit_s <= 10e6 * PAYLOAD[over]


@pytest.mark.parametrize("keys", ['profile = "rfc"', 'over = "rudp"'])
def test_so_many_bytes_are_sent(keys: str) -> None:
    (flow,) = run(scenario(f'size = "1MB"\nbegins = "1s"\n{keys}\n'), seed=1).flows
    assert (flow.sent, flow.delivered) == (10**6, 10**6)


@pytest.mark.parametrize("over", ["tcp", "rudp"])
def test_a_connection_that_cannot_be_made_is_told(over: str) -> None:
    (flow,) = run(scenario(f'size = "1MB"\nover = "{over}"\n', link="loss=100%"), seed=1).flows
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


def test_tcp_and_rudp_share_a_link_and_both_are_traced() -> None:
    """Both with CUBIC and the same round trip, and a queue that does not prefer large packets: neither starves."""
    text = FILE.replace("50packets", "60kB") + 'lasts = "20s"\n[[flows]]\nkind = "bulk"\nlasts = "20s"\nover = "rudp"\n'
    decisions: list[Decision] = []
    one, other = run(parse_scenario(text), seed=3, trace=decisions.append).flows
    assert 8.5e6 < one.goodput_bit_s + other.goodput_bit_s < 10e6
    assert min(one.goodput_bit_s, other.goodput_bit_s) > 2.5e6
    assert {decision.who.partition(":")[0] for decision in decisions if decision.cause == "loss"} == {
        "client1",
        "client2",
    }


def test_rudp_runs_on_real_sockets_too() -> None:
    keys = 'size = "200kB"\nover = "rudp"\n'
    (flow,) = run(scenario(keys, link="delay=2ms loss=1%"), seed=1, world="loopback").flows
    assert (flow.sent, flow.delivered, flow.unknown) == (200_000, 200_000, 0)


@pytest.mark.parametrize("over", ["tcp", "rudp"])
def test_a_trace_changes_nothing_and_tells_each_retransmission(over: str) -> None:
    lossy = scenario(f'size = "500kB"\nover = "{over}"\n', link="rate=10mbit delay=10ms loss=2%")
    decisions: list[Decision] = []
    traced, plain = run(lossy, seed=5, trace=decisions.append), run(lossy, seed=5)
    assert traced == plain
    sender = [decision for decision in decisions if decision.who.startswith("client1")]
    again = [decision for decision in sender if decision.cause == "retransmit"]
    assert len(again) == sender[-1].retransmissions > 0
    assert all(one.at <= other.at for one, other in itertools.pairwise(sender))
    causes = {"sent", "ack", "loss", "recovered"} | ({"state", "open", "sack"} if over == "tcp" else set())
    assert causes <= {decision.cause for decision in sender}


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
