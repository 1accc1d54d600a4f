"""Exercise 03: which socket of a host gets what comes.

`who_gets_it(sockets, arrival)` returns the name of one socket, or None where the host has none for it.

TCP names a connection by both ends (RFC 9293 §3.4.1: a connection is a pair of sockets); only a SYN that belongs to
none goes to a socket that listens. UDP gives a datagram to the socket that is connected to its sender, else to one that
is not connected at all.

Source: RFC 9293 §3.3.1, §3.4.1; RFC 768; for connected UDP sockets, udp(7).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from hypothesis import strategies as st

from netlab.course.check.engine import Exercise
from netlab.course.check.verdict import Complaint


class Socket(msgspec.Struct, frozen=True):
    """A socket of this host.

    Attributes:
        peer: address and port of the other end; None: it listens (TCP), or takes from everybody (UDP).
    """

    name: str
    protocol: Literal["tcp", "udp"]
    port: int
    peer: tuple[str, int] | None = None


class Arrival(msgspec.Struct, frozen=True):
    """A segment or a datagram that came. `syn`: it wants to open a connection."""

    protocol: Literal["tcp", "udp"]
    source: tuple[str, int]
    port: int
    syn: bool = False


class Host(msgspec.Struct, frozen=True):
    """One case."""

    sockets: tuple[Socket, ...]
    arrival: Arrival


def right(sockets: Sequence[Socket], arrival: Arrival) -> str | None:
    """Who gets it."""
    mine = [one for one in sockets if one.protocol == arrival.protocol and one.port == arrival.port]
    for one in mine:
        if one.peer == arrival.source:
            return one.name
    if arrival.protocol == "udp" or arrival.syn:
        return next((one.name for one in mine if one.peer is None), None)
    return None


def _judge(who_gets: Any, case: Host) -> Complaint | None:
    got = who_gets(list(case.sockets), case.arrival)
    expected = right(case.sockets, case.arrival)
    if got == expected:
        return None
    arrival = case.arrival
    taken = next((one for one in case.sockets if one.name == got), None)
    if taken is None and got is not None:
        sentence = "no socket has that name: return a socket's name, or None"
    elif taken is not None and taken.protocol != arrival.protocol:
        sentence = "TCP and UDP have ports of their own: the same number is another port"
    elif taken is not None and taken.port != arrival.port:
        sentence = "it went to another port"
    elif taken is not None and taken.peer not in (None, arrival.source):
        sentence = "that socket talks with another peer: both ends name it, address and port"
    elif taken is not None and arrival.protocol == "tcp" and expected is None:
        sentence = "a segment that opens nothing and belongs to no connection goes to nobody: a listener takes SYNs"
    elif expected is not None and taken is not None:
        sentence = "a socket that names this sender goes before one that takes from everybody, wherever it stands"
    elif got is None:
        sentence = "somebody waits for it: a new peer is what a listener, or an unconnected UDP socket, is for"
    else:
        sentence = "it went to the wrong socket"
    return Complaint(
        sentence,
        given="; ".join([*map(_socket_in_words, case.sockets), _arrival_in_words(arrival)]),
        expected=str(expected),
        got=repr(got),
        hint="a port is not a process, nor a connection: what came is matched against both ends (RFC 9293 §3.4.1)",
    )


def _socket_in_words(one: Socket) -> str:
    peer = "from anyone" if one.peer is None else f"with {one.peer[0]}:{one.peer[1]}"
    return f"{one.name}: {one.protocol} {one.port} {peer}"


def _arrival_in_words(arrival: Arrival) -> str:
    kind = "datagram" if arrival.protocol == "udp" else "SYN" if arrival.syn else "segment"
    return f"a {arrival.protocol} {kind} from {arrival.source[0]}:{arrival.source[1]} to {arrival.port} came"


_PEERS = st.tuples(st.sampled_from(["10.0.0.7", "10.0.0.8"]), st.sampled_from([5000, 5001]))
_PROTOCOLS: st.SearchStrategy[Literal["tcp", "udp"]] = st.sampled_from(["tcp", "udp"])
_PORTS = st.sampled_from([80, 9000])


@st.composite
def _hosts(draw: st.DrawFn) -> Host:
    ends = draw(
        st.lists(st.tuples(_PROTOCOLS, _PORTS, st.one_of(st.none(), _PEERS)), min_size=1, max_size=5, unique=True)
    )
    sockets = tuple(Socket("ABCDE"[k], protocol, port, peer) for k, (protocol, port, peer) in enumerate(ends))
    protocol = draw(_PROTOCOLS)
    return Host(sockets, Arrival(protocol, draw(_PEERS), draw(_PORTS), protocol == "tcp" and draw(st.booleans())))


exercise: Exercise[Host] = Exercise(
    name="demultiplex",
    notebook="03",
    write="who_gets_it(sockets, arrival), which returns the name of the socket that gets it, or None",
    cases=_hosts(),
    judge=_judge,
)
