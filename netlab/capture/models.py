"""The two models as data: OSI's seven layers, the Internet's four, and where each protocol stands in both.

Both are vocabularies. The Internet's protocols were not designed to the OSI model, and a protocol is where the people
who specified it put it; what others put it at is said beside, with why. The five-layer stack of many textbooks (with a
physical layer below the link layer) is a mixture of the two, and is not in either source.

Source: RFC 1122 §1.1.3 (four layers); ISO/IEC 7498-1:1994, also ITU-T X.200 (seven).
"""

from __future__ import annotations

import msgspec


class ModelLayer(msgspec.Struct, frozen=True):
    """One layer of a model.

    Attributes:
        number: from the bottom, from 1. OSI numbers its layers; RFC 1122 does not (None).
        name: as the source spells it.
        does: what it is for, in one clause.
    """

    number: int | None
    name: str
    does: str

    def __str__(self) -> str:
        return self.name if self.number is None else f"{self.number} {self.name}"


OSI = (
    ModelLayer(1, "Physical", "moves bits over a medium"),
    ModelLayer(2, "Data Link", "moves frames between systems on one link"),
    ModelLayer(3, "Network", "moves packets from system to system over any number of links"),
    ModelLayer(4, "Transport", "moves data from end to end"),
    ModelLayer(5, "Session", "opens, orders and closes a dialogue"),
    ModelLayer(6, "Presentation", "agrees on how data is written"),
    ModelLayer(7, "Application", "is what the communicating programs say to each other"),
)
"""ISO/IEC 7498-1 clause 6, from the bottom."""

TCP_IP = (
    ModelLayer(None, "Link", "moves packets over the network that a host is directly connected to"),
    ModelLayer(None, "Internet", "carries datagrams from host to host, and promises nothing"),
    ModelLayer(None, "Transport", "carries data from end to end for applications"),
    ModelLayer(None, "Application", "is what the communicating programs say to each other"),
)
"""RFC 1122 §1.1.3, from the bottom. Of its top layer it says that it "essentially combines the functions of the top two
layers -- Presentation and Application -- of the OSI reference model"; it names nothing for OSI's session layer."""


class Placement(msgspec.Struct, frozen=True):
    """Where a protocol stands.

    Attributes:
        protocol: its name, as `Layer.protocol` has it.
        pdu: what one unit of it is called.
        osi: numbers of the OSI layers that it is put at; several where it spans or lies between them.
        tcp_ip: the name of its layer in RFC 1122.
        contested: why not everybody agrees, in a sentence; None where they do.
        source: where its specification says so.
    """

    protocol: str
    pdu: str
    osi: tuple[int, ...]
    tcp_ip: str
    contested: str | None
    source: str

    @property
    def osi_text(self) -> str:
        """Such as `2 Data Link`, or `2/3 Data Link/Network`; "" where none is known."""
        numbers = "/".join(str(number) for number in self.osi)
        return f"{numbers} {'/'.join(OSI[number - 1].name for number in self.osi)}".strip()


_PLACEMENTS = (
    Placement("Ethernet", "frame", (2,), "Link", None, "IEEE 802.3; RFC 894"),
    Placement(
        "Loopback",
        "frame",
        (2,),
        "Link",
        "No link is crossed: the kernel hands the packet back to itself, and any link header is made up.",
        "RFC 1122 §3.2.1.3 (g)",
    ),
    Placement(
        "Linux cooked",
        "frame",
        (2,),
        "Link",
        "Capturing on all interfaces at once, Linux puts a header of its own making in the place of each link's.",
        "pcap-linktype(7), LINKTYPE_LINUX_SLL",
    ),
    Placement("VLAN tag", "frame", (2,), "Link", None, "IEEE 802.1Q"),
    Placement("LLC", "frame", (2,), "Link", None, "IEEE 802.2"),
    Placement("padding", "bytes", (2,), "Link", None, "RFC 894"),
    Placement(
        "ARP",
        "packet",
        (2, 3),
        "Link",
        "It finds a link address for a network address and rides directly on the link, without IP: RFC 1122 treats it "
        "in its chapter on the link layer, OSI has no such place and it is put at 2, 3 or between.",
        "RFC 826; RFC 1122 §2.3.2",
    ),
    Placement("IPv4", "packet", (3,), "Internet", None, "RFC 791; RFC 1122 §3"),
    Placement("IPv6", "packet", (3,), "Internet", None, "RFC 8200"),
    Placement("IPv6 hop-by-hop options", "header", (3,), "Internet", None, "RFC 8200 §4.3"),
    Placement("IPv6 routing header", "header", (3,), "Internet", None, "RFC 8200 §4.4"),
    Placement("IPv6 fragment header", "header", (3,), "Internet", None, "RFC 8200 §4.5"),
    Placement("IPv6 destination options", "header", (3,), "Internet", None, "RFC 8200 §4.6"),
    Placement("fragment", "fragment", (3,), "Internet", None, "RFC 791 §3.2; RFC 8200 §4.5"),
    Placement(
        "ICMP",
        "message",
        (3,),
        "Internet",
        "It is carried in IP as if it were above it, yet RFC 792 calls it an integral part of IP.",
        "RFC 792; RFC 1122 §3.2.2",
    ),
    Placement(
        "ICMPv6",
        "message",
        (3,),
        "Internet",
        "It is carried in IPv6 as if it were above it, yet RFC 4443 calls it an integral part of IPv6.",
        "RFC 4443 §2",
    ),
    Placement("ICMPv6 option", "option", (3,), "Internet", None, "RFC 4861 §4.6"),
    Placement(
        "IGMP",
        "message",
        (3,),
        "Internet",
        "It is carried in IP as if it were above it, yet RFC 1112 calls it an integral part of IP.",
        "RFC 1112, appendix I; RFC 1122 §3.2.3",
    ),
    Placement("TCP", "segment", (4,), "Transport", None, "RFC 9293; RFC 1122 §4.2"),
    Placement("UDP", "datagram", (4,), "Transport", None, "RFC 768; RFC 1122 §4.1"),
    Placement(
        "TLS",
        "record",
        (5, 6),
        "Application",
        "It runs above a transport and below what it protects; OSI's layers 5 and 6 are each a part of what it does, "
        "and neither was meant for it.",
        "RFC 8446 §1",
    ),
    Placement(
        "QUIC",
        "packet",
        (4,),
        "Transport",
        "It is a transport, with streams, acknowledgements and congestion control, that uses UDP as its substrate; who "
        "counts by what carries what puts it above UDP.",
        "RFC 9000 §1",
    ),
    Placement(
        "netlab packet",
        "packet",
        (7,),
        "Application",
        "To TCP and UDP it is application data. What it does for the chat (sessions, cutting and putting together, a "
        "checksum) OSI has at 4 and 5, so some would put it there.",
        "netlab/packets/packet.py",
    ),
    Placement(
        "rudp segment",
        "segment",
        (4,),
        "Transport",
        "It does what a transport does, with acknowledgements, retransmission and congestion control, and uses UDP as "
        "its substrate, as QUIC does; to UDP it is application data.",
        "netlab/packets/segment.py",
    ),
    Placement(
        "chat event",
        "message",
        (7,),
        "Application",
        "Being written as UTF-8 JSON is what OSI calls presentation (6); the Internet leaves it to the application.",
        "RFC 8259; netlab/chat",
    ),
    Placement("DNS", "message", (7,), "Application", None, "RFC 1035; RFC 1123 §6.1"),
    Placement("HTTP", "message", (7,), "Application", None, "RFC 9110"),
    Placement(
        "WebSocket",
        "frame",
        (7,),
        "Application",
        "It is a protocol of its own over TCP that uses HTTP only for its handshake; as a channel for other protocols "
        "it is also put at 5.",
        "RFC 6455 §1.7",
    ),
    Placement(
        "Engine.IO",
        "packet",
        (7,),
        "Application",
        "To WebSocket and HTTP it is what they carry. What it does for Socket.IO (one connection over two carriers, "
        "pings, an id that outlives a request) is what OSI calls a session, so it is also put at 5.",
        "the Engine.IO protocol, revision 4",
    ),
    Placement(
        "Socket.IO",
        "packet",
        (7,),
        "Application",
        "It is events over Engine.IO over HTTP polling or WebSocket, and no WebSocket implementation; its sessions "
        "make some put it at 5.",
        "the Socket.IO protocol, version 5",
    ),
    Placement("data", "data", (7,), "Application", None, "RFC 1122 §1.1.3"),
)

PLACEMENTS = {placement.protocol: placement for placement in _PLACEMENTS}
"""By the protocol's name. `data` is what a transport carries when nobody here knows what it is."""
