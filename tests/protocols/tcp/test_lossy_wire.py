"""Whatever the network does to segments, what is delivered is what was sent; or the connection fails, by time."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.protocols.tcp import LINUX, RFC, Close, Closed, Failed, PauseReading, Read, Send, State, TcpConfig
from netlab.units import MS, S

from .wire import Wire

SMALL = msgspec.structs.replace(LINUX, mss=200, receive_buffer=3000)
"""So that windows, and not only losses, hold the senders back."""

configs = st.builds(
    lambda base, sack, timestamps, scaling, nagle: msgspec.structs.replace(
        base, sack=sack, timestamps=timestamps, window_scaling=scaling, nagle=nagle
    ),
    st.sampled_from([RFC, LINUX, SMALL]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)


def transfer(wire: Wire, there: bytes, back: bytes, piece: int = 5000) -> None:
    """Both ends send, and close."""
    wire.establish()
    for end, data in ((wire.a, there), (wire.b, back)):
        for at in range(0, len(data), piece):
            wire.do(end, Send(data[at : at + piece]))
        wire.do(end, Close())
    wire.run()


@settings(max_examples=60, deadline=None)
@given(
    config=configs,
    seed=st.integers(0, 2**16),
    sizes=st.tuples(st.integers(0, 40_000), st.integers(0, 40_000)),
    loss=st.sampled_from([0, 0.02, 0.1, 0.2]),
    duplication=st.sampled_from([0, 0.1]),
    reordering=st.sampled_from([0, 0.2]),
    damage=st.sampled_from([0, 0.02]),
    iss=st.tuples(*[st.sampled_from([0, 2**31 - 500, 2**32 - 10_000, 2**32 - 1])] * 2),
)
def test_streams_are_exact_in_both_directions(
    config: TcpConfig,
    seed: int,
    sizes: tuple[int, int],
    loss: float,
    duplication: float,
    reordering: float,
    damage: float,
    iss: tuple[int, int],
) -> None:
    wire = Wire(
        seed=seed,
        loss=loss,
        duplication=duplication,
        reordering=reordering,
        damage=damage,
        config=msgspec.structs.replace(config, user_timeout=None, syn_timeout=None),
        iss=iss,
    )
    there, back = (bytes(i * 7 % 251 for i in range(size)) for size in sizes)
    transfer(wire, there, back)
    assert (bytes(wire.b.received), bytes(wire.a.received)) == (there, back)
    for end in (wire.a, wire.b):
        assert isinstance(end.connection.over, Closed)
        assert end.connection.state is State.CLOSED
        assert end.connection.deadline is None


@pytest.mark.parametrize("sack", [True, False])
def test_the_fin_of_a_full_segment_needs_no_room_in_the_window(sack: bool) -> None:
    """After a timeout the window is one segment, and a FIN has a number but is no data."""
    wire = Wire(dark=(90 * MS, 3 * S), config=msgspec.structs.replace(LINUX, sack=sack))
    wire.establish()
    assert wire.now == 60 * MS
    size = 11 * wire.a.connection.tcb.sender.mss  # ten go at once, and the last, with the FIN, into the dark
    wire.do(wire.a, Send(bytes(size)))
    wire.do(wire.a, Close())
    wire.run(until=10 * S)
    assert len(wire.b.received) == size
    assert wire.b.connection.state is State.CLOSE_WAIT


@pytest.mark.parametrize("sack", [True, False])
def test_five_seconds_in_the_dark_are_survived(sack: bool) -> None:
    wire = Wire(dark=(1 * S, 6 * S), config=msgspec.structs.replace(LINUX, sack=sack, user_timeout=30 * S))
    wire.establish()
    for at in range(0, 5000, 50):
        wire.run(until=at * MS)
        wire.do(wire.a, Send(bytes(1000)))
    wire.run(until=20 * S)
    assert len(wire.b.received) == 100_000
    assert wire.a.connection.over is None


def test_in_the_dark_for_ever_the_error_names_what_is_unacknowledged() -> None:
    wire = Wire(dark=(1 * S, 3600 * S), config=msgspec.structs.replace(LINUX, user_timeout=30 * S))
    wire.establish()
    wire.do(wire.a, Send(b"x" * 777))
    wire.run(until=1 * S)
    wire.do(wire.a, Send(b"y" * 223))
    wire.run(while_=lambda: wire.a.connection.over is None)
    over = wire.a.connection.over
    assert isinstance(over, Failed)
    assert over.code == "timed_out"
    assert over.detail.startswith("no acknowledgement within 30s of 223 B from byte 777 of the stream on")
    assert 31 * S <= wire.now <= 35 * S


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**16), reads=st.lists(st.integers(1, 3000), min_size=1, max_size=30))
def test_a_reader_that_pauses_closes_the_window_and_loses_nothing(seed: int, reads: list[int]) -> None:
    wire = Wire(seed=seed, loss=0.05, config=msgspec.structs.replace(SMALL, user_timeout=None))
    wire.establish()
    wire.do(wire.b, PauseReading())
    data = bytes(i % 251 for i in range(30_000))
    wire.do(wire.a, Send(data))
    for size in reads:
        wire.run(until=wire.now + 5 * S)
        assert wire.b.connection.waiting <= SMALL.receive_buffer
        wire.do(wire.b, Read(size))
    for _ in range(20):
        wire.run(until=wire.now + 130 * S)
        wire.do(wire.b, Read(10**6))
    assert bytes(wire.b.received) == data
    assert wire.a.connection.unacknowledged == 0
