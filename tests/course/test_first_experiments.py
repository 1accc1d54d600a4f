"""The experiments of notebooks 01 to 06 show what the notebooks say of them."""

from __future__ import annotations

import asyncio
import sys

import matplotlib
import pytest

matplotlib.use("agg")

from netlab.capture.live import Unavailable
from netlab.capture.recorded import recorded
from netlab.course.experiments import (
    connection,
    datagrams,
    kernel,
    one_message,
    three_places,
    three_sends,
    who_gets,
)
from netlab.course.experiments.shown import shown


def test_hi_over_udp_is_one_packet_of_44_bytes_and_over_tcp_nine() -> None:
    by_udp, by_tcp = one_message.say(over="udp"), one_message.say(over="tcp")
    assert (by_udp.packets, by_udp.length) == (1, 44)
    assert (by_tcp.packets, by_tcp.length) == (9, 68)
    assert "44 bytes in all" in str(one_message.layers(by_udp.packet))
    assert str(one_message.strip(by_udp.packet)).endswith("68 69")
    assert "destination port" in str(one_message.fields(by_udp.packet, "UDP"))


def test_the_same_seed_says_the_same() -> None:
    assert str(three_places.look(seed=3)) == str(three_places.look(seed=3))
    assert str(connection.half_closed()) == str(connection.half_closed())


def test_three_places_see_what_the_link_did() -> None:
    seen = three_places.look(seed=3)
    assert {place: len(those) for place, those in seen.lists.items()} == {"client": 8, "client>server": 9, "server": 8}
    assert "dropped" in str(seen)
    assert "never seen" in str(seen)
    kind = three_places.look("delay=20ms", seed=3)
    assert {len(those) for those in kind.lists.values()} == {8}
    assert "at the server: datagrams 4, 1, 2, 5, 5" in shown(three_places.lists(seen), three_places.words(seen)).said


def test_loopback_shows_checksums_that_are_not_filled_in() -> None:
    rows = dict(three_places.oddities(recorded("chat-tcp")).rows)
    assert rows["with one that is not filled in yet"] == rows["packets in the capture"]
    assert rows["bytes of the longest"] > 1514
    over_a_link = dict(three_places.oddities(three_places.look().capture).rows)
    assert over_a_link["with one that is not filled in yet"] == 0


def test_one_datagram_on_loopback_is_two_records_and_one_identification() -> None:
    rows = three_places.seen_going_and_coming().rows
    assert [row[2] for row in rows] == [1, 1, 2, 2]
    assert rows[0][4] == rows[1][4] != rows[2][4] == rows[3][4]
    assert {row[3] for row in rows} == {"hi"}


def test_many_connections_share_one_port_and_each_gets_its_own() -> None:
    served = who_gets.serve(3)
    assert (len(served.sockets), served.ports) == (4, 1)
    assert [one.got for one in served.sockets] == ["", "I am client 1", "I am client 2", "I am client 3"]
    assert len({one.remote for one in served.sockets}) == 4
    assert shown(who_gets.diagram(served), who_gets.words(served)).png.startswith(b"\x89PNG")


def test_an_unbound_socket_gets_a_port_when_it_sends() -> None:
    for _, _, after, seen in who_gets.source_ports().rows:
        assert after == seen != 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows tells unconnected sockets too")
def test_only_a_connected_socket_hears_of_a_closed_port() -> None:
    assert [row[2] for row in who_gets.to_a_closed_port().rows] == [
        "nothing, for half a second",
        "ConnectionRefusedError",
    ]


@pytest.mark.parametrize("size", [1, 4, 100])
def test_reads_need_not_end_where_sends_do(size: int) -> None:
    cuts = three_sends.stream(recv=size)
    assert b"".join(cuts.recvs) == b"onetwothree"
    assert max(map(len, cuts.recvs)) == min(size, 11)
    assert cuts.segments == ((3, True), (8, True))  # the second holds two sends, and one PSH
    assert cuts.spans.sends == ((0, 3), (3, 6), (6, 11))
    assert cuts.spans.segments[-1][1] == cuts.spans.recvs[-1][1] == 11


def test_the_kernel_joins_sends_as_well() -> None:
    rows = three_sends.over_the_kernel().rows
    assert "".join(str(row[1])[2:-1] for row in rows[:-1]) == "onetwothree"
    assert len(rows) < 4  # less than a recv a send, besides the last, which tells of the end


def test_a_kind_path_loses_nothing_and_another_does() -> None:
    kind, unkind = datagrams.send("delay=20ms"), datagrams.send("delay=20ms loss=10% duplicate=8% reorder=15%")
    assert kind.numbers == tuple(range(kind.sent))
    assert (kind.lost, kind.doubled, kind.late) == (0, 0, 0)
    assert unkind.lost > 0
    assert unkind.doubled > 0
    assert unkind.late > 0
    assert str(kind) != str(unkind)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows raises where a datagram is longer than the buffer")
def test_a_datagram_is_whole_or_cut_and_an_empty_one_is_one() -> None:
    assert [row[2] for row in datagrams.empty_and_too_long().rows] == [
        *("b''", "b'he'", "b'bye'"),
        *("b'he'", "b'llo'", "b''"),
    ]


def test_the_largest_datagram_over_ipv4() -> None:
    fits, too_long = datagrams.largest().rows
    assert fits == (65_507, "sent 65,507")
    assert str(too_long[1]).startswith("refused")


def test_the_one_who_closes_first_waits() -> None:
    life = connection.orderly()
    names = {who: [state for _, state in those] for who, those in life.states.items()}
    assert names["client"][-2:] == ["TIME-WAIT", "CLOSED"]
    assert "TIME-WAIT" not in names["server"]
    assert life.entered("client", "CLOSED") - life.entered("client", "TIME-WAIT") == 60_000
    flags = [row[1] for row in life.numbers.rows]
    assert flags[:3] == ["SYN", "SYN, ACK", "ACK"]
    assert all(row[4] == row[3] + 1 for row in life.numbers.rows if "SYN" in str(row[1]) or "FIN" in str(row[1]))


def test_who_has_closed_still_receives() -> None:
    life = connection.half_closed()
    assert life.entered("client", "FIN-WAIT-1") == 100
    assert life.last("client", "got") == 410
    said = shown(connection.states_over_time(life), connection.words(life)).said
    assert "CLOSE-WAIT from 110 ms" in said


def test_both_may_open_and_close_at_once() -> None:
    life = connection.opened_by_both()
    for those in life.states.values():
        names = [state for _, state in those]
        assert names[:3] == ["SYN-SENT", "SYN-RECEIVED", "ESTABLISHED"]
        assert names[3:] == ["FIN-WAIT-1", "CLOSING", "TIME-WAIT", "CLOSED"]
    assert life.walk("client").path[0] == "SYN-SENT"


def test_a_reset_loses_what_was_not_read() -> None:
    life = connection.reset()
    assert not any(said.startswith("got") for _, said in life.noted["server"])
    assert life.noted["client"][-1][1] == "failed: reset"
    assert connection.refused().noted["client"][-1][1] == "failed: refused"


def test_where_nothing_can_be_captured_a_recorded_capture_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from netlab.capture import obstacles

    async def refuse(*_: object, **__: object) -> None:
        raise Unavailable(obstacles.explain(obstacles.look(), {}))

    monkeypatch.setattr(kernel, "capture_command_async", refuse)
    capture = asyncio.run(kernel.captured(["-c", ""], instead="chat-udp"))
    assert len(capture) == len(recorded("chat-udp"))
    assert "recorded earlier" in capsys.readouterr().out
