"""The bench: a run is a function of its script, the past stays as it was, and what is shown is what happened."""

from __future__ import annotations

import subprocess
import sys
import time
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.capture.files import parse
from netlab.scenarios.bench import BadScript, Script, Timeline, capture, packet, read_script, timeline
from netlab.scenarios.bench.script import LANES, LONGEST_RUN, MOST_TEXTS
from netlab.scenarios.bench.timeline import Lane, Packet
from netlab.units import MS, S

BAD_LINK = {"loss": "30%", "delay": "40ms", "jitter": "5ms", "duplicate": "5%", "corrupt": "5%", "rate": "1mbit"}
TEXTS = [{"at": 0, "text": "hi"}, {"at": S, "text": "x" * 3000}, {"at": 2 * S, "text": "<script>alert(1)</script>"}]


def script(**changes: Any) -> Script:
    return read_script({"seed": 1, "link": BAD_LINK, "texts": TEXTS, "until": 6 * S} | changes)


def lane(run: Timeline, over: str) -> Lane:
    return next(lane for lane in run.lanes if lane.over == over)


def before(lane: Lane, at: int) -> list[Any]:
    """All that had happened in a lane by then, but for what only later shows."""
    packets = [
        (p.id, p.sent, [came for came in p.came if came < at], p.says, p.carries, p.again, p.bytes)
        for p in lane.packets
        if p.sent < at
    ]
    heard = [one for one in lane.heard if one.at < at]
    said = [(one.at, one.text) for one in lane.said if one.at < at]
    return [packets, heard, said, [state for state in lane.states if state.at < at]]


# What is shown is what happened


def test_at_30_percent_loss_udp_loses_and_the_others_deliver() -> None:
    run = timeline(read_script({"seed": 1, "link": {"loss": "30%", "delay": "40ms"}, "texts": TEXTS, "until": 20 * S}))
    for over in ("tcp", "rudp", "ws"):
        assert [one.text for one in lane(run, over).heard] == [text["text"] for text in TEXTS], over
        assert [one.outcome for one in lane(run, over).said] == ["ok"] * 3
        assert lane(run, over).summary.again > 0, over
    udp = lane(run, "udp")
    assert len(udp.heard) < 3
    assert {one.outcome for one in udp.said} == {"ok", "unknown"}
    assert udp.summary.again == 0


def test_a_perfect_link_loses_nothing_and_says_nothing_twice() -> None:
    run = timeline(script(link={"delay": "10ms"}))
    for one in run.lanes:
        assert [heard.text for heard in one.heard] == [text["text"] for text in TEXTS], one.over
        assert all(p.fate == "delivered" and len(p.came) == 1 and not p.again for p in one.packets), one.over
        assert one.broken == ""
        assert one.began < 0 <= min(p.sent for p in one.packets if p.carries)


@pytest.mark.parametrize("over", LANES)
def test_what_carries_a_text_is_told(over: str) -> None:
    """The long one takes several packets, and each of them carries a part."""
    packets = lane(timeline(script(link={"delay": "10ms"})), over).packets
    carried = [p.carries for p in packets if p.carries is not None]
    assert carried[0] == "hi"
    assert carried.count("x" * 3000) >= 3
    assert all(p.source == "client" for p in packets if p.carries)


def test_what_a_packet_says() -> None:
    """Also in a masked frame of WebSocket, and in a segment that is the middle of something."""
    run = timeline(script(link={"delay": "10ms"}))
    for one in run.lanes:
        says = [p.says for p in one.packets if p.carries == "hi"]
        assert [text.partition("emit ")[2] for text in says] == ["say to lobby: 'hi'"], one.over
    upgrade = next(p.says for p in lane(run, "ws").packets if "len 0" not in p.says)
    assert "GET /" in upgrade
    first, *others = [p for p in lane(run, "tcp").packets if p.carries == "x" * 3000]
    assert first.says.endswith(", goes on")
    assert all(f", from {first.id.rpartition(':')[2]}" in p.says for p in others)


def test_lost_again_and_heard_late() -> None:
    run = timeline(script(link={"delay": "10ms"}, fates=[{"over": "tcp", "packet": "client>server:7", "do": "drop"}]))
    tcp = lane(run, "tcp")
    lost = next(p for p in tcp.packets if p.id == "client>server:7")
    assert (lost.carries, lost.fate, lost.by_hand, lost.came) == ("hi", "dropped by hand", "drop", ())
    again = [p for p in tcp.packets if p.again]
    assert again[0].carries == "hi"
    assert tcp.heard[0].at == again[0].came[0] > lost.sent + 200 * MS
    assert "again" in " ".join(state.why for state in tcp.states)


@pytest.mark.parametrize(
    ("do", "by", "fate", "times"),
    [
        ("drop", "", "dropped by hand", 0),
        ("delay", "70ms", "delivered", 1),
        ("duplicate", "", "delivered", 2),
        ("corrupt", "", "corrupted", 1),
    ],
)
def test_by_hand(do: str, by: str, fate: str, times: int) -> None:
    calm = {"delay": "10ms"}
    without = lane(timeline(script(link=calm)), "udp")
    name = next(p.id for p in without.packets if p.carries == "hi")
    udp = lane(
        timeline(script(link=calm, fates=[{"over": "udp", "packet": name, "do": do} | ({"by": by} if by else {})])),
        "udp",
    )
    was, now = (next(p for p in one.packets if p.id == name) for one in (without, udp))
    assert (now.fate, len(now.came), now.by_hand) == (fate, times, do)
    if do == "delay":
        assert now.came[0] - was.came[0] == 70 * MS
    heard = [one.text for one in udp.heard].count("hi")
    assert heard == {"drop": 0, "corrupt": 0, "delay": 1, "duplicate": heard}[do]


def test_deliver_takes_back_a_loss() -> None:
    udp = lane(timeline(script()), "udp")
    lost = next(p for p in udp.packets if p.fate == "lost" and p.carries)
    saved = lane(timeline(script(fates=[{"over": "udp", "packet": lost.id, "do": "deliver"}])), "udp")
    assert next(p for p in saved.packets if p.id == lost.id).fate == "delivered"


def test_the_end_comes_while_something_is_on_its_way() -> None:
    run = timeline(script(link={"delay": "500ms"}, texts=[{"at": 0, "text": "hi"}], until=100 * MS))
    for one in run.lanes:
        said = [p for p in one.packets if p.carries]
        assert [(p.fate, p.came) for p in said] == [("on its way", ())], one.over
        assert one.said[0].outcome is None
        assert one.heard == []


def test_who_does_not_come_in_is_told() -> None:
    everything = [{"over": "tcp", "packet": f"client>server:{n}", "do": "drop"} for n in range(1, 40)]
    tcp = lane(timeline(script(fates=everything)), "tcp")
    assert "does not answer" in tcp.broken
    assert tcp.said == tcp.heard == []
    assert all(p.sent <= 0 for p in tcp.packets)


def test_without_the_library_of_websocket_the_others_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "netlab.transports.websocket", None)
    run = timeline(script())
    assert "is not installed here" in lane(run, "ws").broken
    assert lane(run, "ws").packets == []
    assert all(one.heard for one in run.lanes if one.over != "ws")


# A run is a function of its script


def test_no_clock_of_this_machine_is_in_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also not in the head of WebSocket's upgrade, which says what day it is."""
    at = capture(script(), "ws")
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert capture(script(), "ws") == at
    assert b"Date: Tue, 14 Nov 2023 22:13:20 GMT" in at


@pytest.mark.slow
def test_the_same_in_every_process() -> None:
    code = (
        "import sys, hashlib, msgspec; from netlab.scenarios.bench import *; s = read_script(sys.argv[1]); "
        "print(hashlib.sha256(msgspec.json.encode(timeline(s)) + b''.join(capture(s, o) for o in ('udp', 'ws')))"
        ".hexdigest())"
    )
    text = msgspec.json.encode(script()).decode()
    told = [
        subprocess.run(
            [sys.executable, "-c", code, text], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout.strip()
        for seed in ("0", "77")
    ]
    here = msgspec.json.encode(timeline(script())) + b"".join(capture(script(), over) for over in ("udp", "ws"))
    assert told == [sha256(here).hexdigest()] * 2


_LINKS = st.fixed_dictionaries(
    {"delay": st.sampled_from(["0ms", "5ms", "40ms", "200ms"])},
    optional={
        "loss": st.sampled_from(["0%", "10%", "40%"]),
        "jitter": st.sampled_from(["0ms", "20ms"]),
        "duplicate": st.sampled_from(["0%", "20%"]),
        "corrupt": st.sampled_from(["0%", "10%"]),
        "reorder": st.sampled_from(["0%", "25%"]),
        "rate": st.sampled_from(["64kbit", "1mbit"]),
    },
)
_AT = st.integers(0, 3 * S)
_TEXTS = st.lists(st.builds(dict, at=_AT, text=st.sampled_from(["hi", "x" * 2000])), max_size=4)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(link=_LINKS, texts=_TEXTS, at=_AT, new=_LINKS, until=st.integers(3 * S, 5 * S), text=st.text(max_size=5))
def test_what_comes_later_leaves_the_past_alone(
    link: dict[str, str], texts: list[Any], at: int, new: dict[str, str], until: int, text: str
) -> None:
    """A slider moved, a text typed, a run that goes on for longer: up to then all lanes are as they were."""
    try:
        one = script(link=link, texts=texts, until=3 * S)
        other = script(
            link=link, texts=[*texts, {"at": at, "text": text}], changes=[{"at": at, "link": new}], until=until
        )
    except BadScript:  # reorder without a delay
        return
    for first, second in zip(timeline(one).lanes, timeline(other).lanes, strict=True):
        assert before(first, at) == before(second, at), first.over


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(link=_LINKS, texts=_TEXTS, data=st.data())
def test_a_fate_forced_moves_nothing_before_it_and_no_other_draw(
    link: dict[str, str], texts: list[Any], data: st.DataObject
) -> None:
    try:
        one = script(link=link, texts=texts, until=4 * S)
    except BadScript:
        return
    udp = lane(timeline(one), "udp")
    chosen: Packet = data.draw(st.sampled_from([p for p in udp.packets if p.sent >= 0] or udp.packets))
    do = data.draw(st.sampled_from(["drop", "duplicate", "corrupt", "deliver"]))
    forced = timeline(
        script(link=link, texts=texts, until=4 * S, fates=[{"over": "udp", "packet": chosen.id, "do": do}])
    )
    there = lane(forced, "udp")
    if chosen.sent >= 0:
        assert before(udp, chosen.sent) == before(there, chosen.sent)
    assert [one for one in forced.lanes if one.over != "udp"] == [
        one for one in timeline(script(link=link, texts=texts, until=4 * S)).lanes if one.over != "udp"
    ]
    if do != "duplicate" and "rate" not in link and chosen.carries:  # what ann says over udp waits for nobody
        again = {p.id: p for p in there.packets}
        for p in udp.packets:
            if p.source == "client" and p.id != chosen.id:
                assert (again[p.id].sent, again[p.id].came) == (p.sent, p.came)


# Taken apart, and as a file


def test_a_packet_taken_apart() -> None:
    tcp = lane(timeline(script()), "tcp")
    said = next(p for p in tcp.packets if p.carries == "hi")
    told = packet(script(), "tcp", said.id)
    assert [layer["protocol"] for layer in told["layers"]][:3] == ["Ethernet", "IPv4", "TCP"]
    assert len(bytes.fromhex(told["bytes"])) == said.bytes == told["length"]
    assert b'"hi"' in bytes.fromhex(told["bytes"])


def test_a_damaged_packet_is_shown_as_it_came() -> None:
    udp = next(p for p in lane(timeline(script()), "udp").packets if p.carries == "hi")
    fates = [{"over": "udp", "packet": udp.id, "do": "corrupt"}]
    damaged, sound = packet(script(fates=fates), "udp", udp.id), packet(script(), "udp", udp.id)
    assert damaged["bytes"] != sound["bytes"]
    assert damaged["comment"].startswith("damaged")


@pytest.mark.parametrize("over", LANES)
def test_the_capture_has_every_packet_as_often_as_it_was_seen(over: str) -> None:
    packets = lane(timeline(script()), over).packets
    seen = parse(capture(script(), over))
    points = [interface.name for interface in seen.interfaces]
    assert sorted(points) == ["client", "client>server", "server", "server>client"]
    sent = [p for p in seen if p.record.comment is None and p.summary.interface == "client"]
    mine = [p for p in packets if p.source == "client"]
    came = [came for p in packets if p.source == "server" for came in p.came]
    assert len(sent) == len(mine) + len(came)


@pytest.mark.parametrize("over", LANES)
def test_ws_masks_and_keys_come_from_the_seed(over: str) -> None:
    assert capture(script(), over) == capture(script(), over)
    assert capture(script(), over) != capture(script(seed=2), over)


# What can't be run

BAD: list[tuple[Any, str]] = [
    (b"{", "no script: "),
    (b"[" * 100_000, "no script: "),
    (b'{"seed": 1.5}', "no script: "),
    ({"sede": 1}, "no script: .*sede"),
    ({"seed": -1}, "seed: -1 .* write such as 7"),
    ({"until": 0}, "until: .* write such as 10000000000"),
    ({"until": LONGEST_RUN + 1}, "until: "),
    ({"link": {"loss": "30"}}, "link: .*1%"),
    ({"link": {"los": "30%"}}, "link: 'los' is not an option"),
    ({"link": {"loss": "3 %"}}, "has a space"),
    ({"link": {"loss_trace": "/etc/passwd"}}, "no file can be read"),
    ({"link": {"delay": "2s"}}, "at most 1s"),
    ({"link": {"rate": "1kbit"}}, "at least rate=16kbit"),
    ({"changes": [{"at": 0, "link": {"delay": "2s"}}]}, "at most 1s"),
    ({"texts": [{"at": -1, "text": ""}]}, "texts: at -1"),
    ({"texts": [{"at": 0, "text": ""}] * (MOST_TEXTS + 1)}, "texts: 201 are more than 200"),
    ({"texts": [{"at": 0, "text": "x" * 20_000}]}, "texts: at most"),
    ({"fates": [{"over": "sctp", "packet": "client>server:1", "do": "drop"}]}, "no script: "),
    ({"fates": [{"over": "udp", "packet": "client>server", "do": "drop"}]}, "no packet: write such as"),
    ({"fates": [{"over": "udp", "packet": "client>server:0", "do": "drop"}]}, "counted from 1"),
    ({"fates": [{"over": "udp", "packet": "client>server:1", "do": "delay"}]}, '"by" goes with delay'),
    ({"fates": [{"over": "udp", "packet": "client>server:1", "do": "drop"}] * 2}, "has two: give it one"),
]


@pytest.mark.parametrize(("said", "complaint"), BAD)
def test_a_script_that_cannot_be_run(said: Any, complaint: str) -> None:
    with pytest.raises(BadScript, match=complaint) as raised:
        read_script(said)
    assert "\n" not in str(raised.value)


def test_what_is_asked_of_no_lane_or_packet() -> None:
    with pytest.raises(BadScript, match="over: 'sctp' is no lane"):
        capture(script(), "sctp")
    with pytest.raises(BadScript, match="is none of this run's"):
        packet(script(), "udp", "client>server:999")


def test_a_script_as_it_was_understood() -> None:
    understood = script(changes=[{"at": 2, "link": {"loss": "1%"}}, {"at": 1, "link": {"rate": ""}}])
    assert [change.at for change in understood.changes] == [1, 2]
    assert understood.changes[1].link == BAD_LINK | {"rate": "", "loss": "1%"}
    assert read_script(msgspec.json.encode(understood)) == understood
