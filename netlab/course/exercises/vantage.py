"""Exercise 02: how many packets were sent, if the capture shows each of them twice?

`count(records)` is given the records of a capture on a loopback interface, each `(time in µs, frame)`, in order. Each
packet was seen on its way out and again on its way in, a few µs later, equal to the last byte; the capture may have
begun or ended between the two. Return how many packets were sent. What TCP sends again, and what a program says
twice, is a packet of its own: IP gave it another identification.

Source: RFC 791 §3.1: the identification is the sender's, for each datagram; RFC 6864 says how far that goes.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import strategies as st

from netlab.course.check.engine import Exercise
from netlab.course.check.verdict import Complaint, Frame
from netlab.packets import ethernet, ipv4, udp
from netlab.packets.ethernet import EthernetFrame, EtherType
from netlab.packets.ipv4 import Ipv4Packet
from netlab.packets.udp import UdpDatagram
from netlab.units import US

HERE = IPv4Address("127.0.0.1")


class Seen(msgspec.Struct, frozen=True):
    """Packets, and how they were seen.

    Attributes:
        packets: for each, its text, its identification, when it was sent, and how long it took to come in; µs.
        missed_first, missed_last: the capture began after the first record, or ended before the last.
    """

    packets: tuple[tuple[str, int, int, int], ...]
    missed_first: bool = False
    missed_last: bool = False

    @property
    def records(self) -> list[tuple[int, bytes]]:
        seen = []
        for text, identification, at, took in self.packets:
            datagram = udp.encode(UdpDatagram(49152, 9001, text.encode()), HERE, HERE)
            packet = ipv4.encode(Ipv4Packet(HERE, HERE, udp.PROTOCOL, datagram, identification=identification))
            frame = ethernet.encode(EthernetFrame(bytes(6), bytes(6), EtherType.IPV4, packet))
            seen += [(at, frame), (at + took, frame)]
        seen.sort(key=lambda record: record[0])
        return seen[1 if self.missed_first else 0 : len(seen) - (1 if self.missed_last else 0)]


def _judge(count: Any, case: Seen) -> Complaint | None:
    records = case.records
    expected = len({frame for _, frame in records})
    got = count(list(records))
    if got == expected:
        return None
    texts = [text for text, *_ in case.packets]
    if not isinstance(got, int):
        sentence = "count has to return a number"
    elif got == _runs(records):
        sentence = "the second sight of a packet need not be the next record: others may pass in between"
    elif got == len(records):
        sentence = "each packet stands there twice: it was seen going out and coming in, and sent once"
    elif got < expected and len(set(texts)) < len(texts):
        sentence = "two packets with the same text are two packets: look at IP's identification, not at what was said"
    elif len(records) % 2 or case.missed_first:
        sentence = "the capture began or ended between the two sights of a packet: one record is a packet too"
    else:
        sentence = "that is not the number of packets that were sent"
    return Complaint(
        sentence,
        given="; ".join(
            f"{at} µs: {frame[42:].decode()!r} (id {int.from_bytes(frame[18:20], 'big')})" for at, frame in records
        ),
        expected=f"{expected} packets",
        got=repr(got),
        hint="a capture is what was seen at one place, not what was sent",
        frames=tuple(Frame("lo", at * US, frame) for at, frame in records),
    )


def _runs(records: list[tuple[int, bytes]]) -> int:
    """Records that are not equal to the one before."""
    frames = [b"", *(frame for _, frame in records)]
    return sum(one != other for one, other in pairwise(frames))


@st.composite
def _seen(draw: st.DrawFn) -> Seen:
    at, identification, packets = 0, draw(st.integers(1, 9)), []
    for _ in range(draw(st.integers(1, 4))):
        packets.append((draw(st.sampled_from(["hi", "ok"])), identification, at, draw(st.integers(2, 9))))
        at += draw(st.sampled_from([100_000, 1]))
        identification += 1
    first, last = draw(st.booleans()), draw(st.booleans())
    return Seen(tuple(packets), first, last and not (first and len(packets) == 1))


exercise: Exercise[Seen] = Exercise(
    name="vantage",
    notebook="02",
    write="count(records), which returns how many packets were sent",
    cases=_seen(),
    judge=_judge,
)
