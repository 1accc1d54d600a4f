"""Each ARQ by scripts that read like a packet trace, stepped by hand."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from netlab.protocols.arq import (
    TRANSITIONS,
    Ack,
    Arq,
    Arrived,
    Data,
    Deliver,
    Dropped,
    Event,
    Failed,
    GoBackN,
    Output,
    SelectiveRepeat,
    Send,
    State,
    StopAndWait,
    TimerFired,
    Transmit,
    diagram,
)
from netlab.units import MS

Line = tuple[int, Event, list[Output], int | None]


def packet(number: int) -> bytes:
    return f"packet {number}".encode()


def send(number: int) -> Send:
    return Send(packet(number))


def data(number: int) -> Transmit:
    return Transmit(Data(number, packet(number)))


def comes(number: int) -> Arrived:
    return Arrived(Data(number, packet(number)))


def acked(number: int) -> Arrived:
    return Arrived(Ack(number))


def deliver(number: int) -> Deliver:
    return Deliver(packet(number))


def ack(number: int) -> Transmit:
    return Transmit(Ack(number))


OLD = [Dropped("old_ack")]
#    t/ms  input         outputs                         deadline/ms
STOP_AND_WAIT: list[Line] = [
    (0, send(0), [data(0)], 1000),  # RFC 6298 (5.1): start the timer; §2.1: 1 s
    (10, send(1), [], 1000),  # one at a time
    (999, TimerFired(), [], 1000),  # early: ignored
    (1000, TimerFired(), [data(0)], 3000),  # (5.5): the RTO doubles to 2 s
    (1100, acked(0), OLD, 3000),  # says only what is known
    (1200, acked(1), [data(1)], 3200),  # no sample, of a packet sent twice (Karn): still 2 s
    (1300, acked(1), OLD, 3200),  # the first Data 0 arrived too
    (1400, acked(2), [], None),  # (5.2): all acknowledged, the timer is off
    (1400, TimerFired(), [], None),
    (1500, send(2), [data(2)], 2500),  # a sample of 200 ms: 200 + 4 * 100 = 600 ms, rounded up to a second (§2.4)
    (1600, acked(3), [], None),
]
STOP_AND_WAIT_RECEIVER: list[Line] = [
    (0, comes(0), [deliver(0), ack(1)], None),
    (10, comes(0), [Dropped("duplicate"), ack(1)], None),  # the acknowledgement was lost: said again
    (20, comes(1), [deliver(1), ack(2)], None),
    (30, comes(0), [Dropped("duplicate"), ack(2)], None),
]
GO_BACK_3: list[Line] = [
    (0, send(0), [data(0)], 1000),
    (10, send(1), [data(1)], 1000),  # (5.1): the timer runs already
    (20, send(2), [data(2)], 1000),
    (30, send(3), [], 1000),  # the window is full
    (100, acked(1), [data(3)], 1100),  # a sample of 100 ms; (5.3): restarted
    (110, acked(1), OLD, 1100),  # packet 1 is missing
    (120, acked(1), OLD, 1100),
    (1100, TimerFired(), [data(1), data(2), data(3)], 3100),  # everything from the missing one on
    (1200, acked(3), [], 3200),  # cumulative: the acknowledgement of 1 may be lost
    (1210, send(4), [data(4)], 3200),
    (1300, acked(2), OLD, 3200),
    (1310, acked(7), OLD, 3200),  # of what was never sent
    (1320, acked(5), [], None),
]
GO_BACK_N_RECEIVER: list[Line] = [
    (0, comes(0), [deliver(0), ack(1)], None),
    (10, comes(2), [Dropped("out_of_order"), ack(1)], None),  # not kept
    (20, comes(3), [Dropped("out_of_order"), ack(1)], None),
    (30, comes(1), [deliver(1), ack(2)], None),
    (40, comes(1), [Dropped("duplicate"), ack(2)], None),
    (50, comes(2), [deliver(2), ack(3)], None),
]
SELECTIVE_REPEAT_3: list[Line] = [
    (0, send(0), [data(0)], 1000),
    (10, send(1), [data(1)], 1000),
    (20, send(2), [data(2)], 1000),
    (30, send(3), [], 1000),
    (110, acked(1), [], 1000),  # beyond the first: the window does not move
    (120, acked(2), [], 1000),
    (130, acked(1), OLD, 1000),
    (1000, TimerFired(), [data(0)], 3000),  # that one and no other
    (1100, acked(0), [data(3)], 2100),  # the window moves by three
    (1200, acked(3), [], None),
]
SELECTIVE_REPEAT_RECEIVER: list[Line] = [
    (0, comes(1), [ack(1)], None),  # kept
    (10, comes(2), [ack(2)], None),
    (20, comes(2), [Dropped("duplicate"), ack(2)], None),
    (30, comes(0), [deliver(0), deliver(1), deliver(2), ack(0)], None),
    (40, comes(0), [Dropped("duplicate"), ack(0)], None),  # of the window before: or the sender never moves on
    (50, comes(3), [deliver(3), ack(3)], None),
]
EACH_ITS_OWN_TIMER: list[Line] = [
    (0, send(0), [data(0)], 1000),
    (400, send(1), [data(1)], 1000),
    (1000, TimerFired(), [data(0)], 1400),  # packet 1 was sent 400 ms later
    (1300, acked(0), [], 1400),
    (1400, TimerFired(), [data(1)], 3400),  # and doubles its own timer
    (3400, TimerFired(), [data(1)], 7400),
    (3500, acked(1), [], None),
]


@pytest.mark.parametrize(
    ("arq", "script"),
    [
        (StopAndWait(), STOP_AND_WAIT),
        (StopAndWait(), STOP_AND_WAIT_RECEIVER),
        (GoBackN(window=3), GO_BACK_3),
        (GoBackN(window=3), GO_BACK_N_RECEIVER),
        (SelectiveRepeat(window=3), SELECTIVE_REPEAT_3),
        (SelectiveRepeat(window=3), SELECTIVE_REPEAT_RECEIVER),
        (SelectiveRepeat(window=3), EACH_ITS_OWN_TIMER),
    ],
)
def test_a_script_runs_as_written(arq: Arq, script: list[Line]) -> None:
    done: list[str] = []
    for at, event, outputs, deadline in script:
        out = arq.handle(event, at * MS)
        done.append(f"{at:5} ms  {event}  ->  {out}  deadline {arq.deadline}")
        assert out == outputs, "\n".join(done)
        assert arq.deadline == (None if deadline is None else deadline * MS), "\n".join(done)


@pytest.mark.parametrize("make", [StopAndWait, GoBackN, SelectiveRepeat])
def test_a_sender_gives_up_and_says_so_once(make: type[Arq]) -> None:
    arq = make(max_retransmissions=3)
    outputs = arq.handle(send(0), 0)
    at = 0
    while arq.deadline is not None:
        at = arq.deadline
        outputs += arq.handle(TimerFired(), at)
    assert outputs == [data(0)] * 4 + [Failed("no acknowledgement of packet 0, sent 4 times")]
    assert at == 15_000 * MS  # 1 + 2 + 4 + 8 s
    for event in (send(1), acked(1), TimerFired()):
        assert arq.handle(event, at) == []
    assert arq.handle(comes(0), at)[0] == deliver(0)  # what the other end sends still arrives


@pytest.mark.parametrize(
    ("make", "numbers", "window"),
    [(StopAndWait, 2, 2), (GoBackN, 8, 8), (SelectiveRepeat, 8, 5), (GoBackN, 2**33, 4), (SelectiveRepeat, 8, 0)],
)
def test_a_window_that_the_numbers_do_not_tell_apart_is_refused(make: type[Arq], numbers: int, window: int) -> None:
    with pytest.raises(ValueError, match="takes a window of 1 to"):
        make(numbers=numbers, window=window)


DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "arq.md"


def test_the_documents_example_is_what_happens_and_its_diagram_is_that_of_the_table() -> None:
    assert doctest.testfile(str(DOCUMENT), module_relative=False).failed == 0
    assert f"```mermaid\n{diagram()}```" in DOCUMENT.read_text(encoding="utf-8")


def test_every_state_can_be_reached_and_all_but_the_last_be_left() -> None:
    assert set(TRANSITIONS.values()) == set(State)
    assert {old for old, _ in TRANSITIONS} == set(State) - {State.FAILED}
