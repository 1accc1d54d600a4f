"""Notebook 01: one short message, over UDP or TCP, and the layers that it is wrapped in."""

from __future__ import annotations

from typing import Literal

import msgspec

from netlab.capture.files import Capture, CapturedPacket
from netlab.course.experiments.tables import Table
from netlab.course.experiments.two_hosts import CLIENT, Program, TwoHosts
from netlab.units import MS

UDP_PORT, TCP_PORT = 9001, 9000


class OneMessage(msgspec.Struct, frozen=True):
    """What was sent to get one message across.

    Attributes:
        capture: everything that passed the client.
        packet: the one that carries the message.
    """

    text: str
    over: str
    capture: Capture
    packet: CapturedPacket

    @property
    def length(self) -> int:
        """Bytes of that packet, its Ethernet header included."""
        return len(self.packet.record.data)

    @property
    def packets(self) -> int:
        """How many packets it took, in both directions."""
        return len(self.capture)


def say(text: str = "hi", *, over: Literal["udp", "tcp"] = "udp", seed: int = 1) -> OneMessage:
    """Send one message from one simulated host to another."""
    hosts = TwoHosts("delay=10ms", seed=seed)
    data = text.encode()
    if over == "udp":
        hosts.server.bind(UDP_PORT, _ignore)
        hosts.at(0, lambda: hosts.client.bind(0, _ignore).sendto(data, hosts.server.address, UDP_PORT))
    else:
        speaker, listener = Program(hosts, CLIENT), Program(hosts, "server")
        hosts.server.tcp.listen(TCP_PORT, listener.take)
        listener.at_end = (listener.close,)
        hosts.at(0, speaker.connect, hosts.server, TCP_PORT)
        hosts.at(50 * MS, speaker.send, data)
        hosts.at(50 * MS, speaker.close)
    hosts.run()
    capture = hosts.capture.where(interface=CLIENT)
    packet = next(one for one in capture if one.summary.payload_len == len(data))
    return OneMessage(text, over, capture, packet)


def _ignore(payload: bytes, address: int, port: int) -> None:
    """Nobody answers."""


def layers(packet: CapturedPacket) -> Table:
    """The layers of one packet, from the outside in, with their places in both models."""
    rows = [
        (layer.protocol, layer.pdu, layer.header_len, layer.payload_len, layer.tcp_ip, layer.osi)
        for layer in packet.layers
    ]
    headings = ("protocol", "one unit is a", "header B", "payload B", "TCP/IP", "OSI")
    return Table(headings, rows, f"{len(packet.record.data)} bytes in all")


def strip(packet: CapturedPacket) -> Table:
    """What each layer is handed when the one below has taken its header off: the same bytes, from a later one on."""
    data = packet.record.data
    rows = []
    for layer in packet.layers:
        rest = data[layer.start :]
        begins = rest[:10].hex(" ") + (" ..." if len(rest) > 10 else "")
        rows.append((layer.protocol, layer.start, len(rest), begins))
    return Table(("handed to", "from byte", "bytes", "they begin with"), rows)


def fields(packet: CapturedPacket, protocol: str) -> Table:
    """The header of one layer, field by field."""
    layer = next(one for one in packet.layers if one.protocol == protocol)
    rows = [(one.name, f"{one.start} to {one.end - 1}", one.shown) for one in layer.fields]
    return Table(("field", "bytes", "value"), rows)


def costs(*ways: OneMessage) -> Table:
    """What the same message cost, each way that it was sent."""
    rows = [
        (way.over.upper(), way.packets, way.length, sum(one.summary.length for one in way.capture), len(way.text))
        for way in ways
    ]
    return Table(("over", "packets", "B of the one with the text", "B in all", "B of text"), rows)
