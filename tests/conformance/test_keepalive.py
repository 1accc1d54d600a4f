"""Found by the suite: over udp, who only listened was given up after 30 s, and one lost ping could end a session.

A client used to ping after 15 s in which it heard nothing. In a busy room that never happens, so that the server heard
nothing of a listener and forgot it (`lost`), while the listener heard everything.
"""

from __future__ import annotations

from collections.abc import Sequence

from netlab.chat.messages import Hello, encode_json
from netlab.packets.packet import Packet, PacketType, decode_first, encode
from netlab.protocols.connection import Failed, TimerFired
from netlab.protocols.connection import Transmit as ClientTransmit
from netlab.protocols.datagram_client import CookieArrived, DatagramArrived, DatagramClient, SayHello
from netlab.protocols.datagram_server import DatagramArrived as AtServer
from netlab.protocols.datagram_server import DatagramServer, FlowEnded, FlowOpened, Say, Transmit
from netlab.units import MS, Ns, S

STEP: Ns = 100 * MS


class Pair:
    """A client and a server, joined by a wire that loses what `lost` says."""

    def __init__(self) -> None:
        self.server = DatagramServer(entropy=bytes, new_conn=lambda: 1, max_flows=9)
        self.client = DatagramClient(hello_id=7, message_id=1)
        self.ended: list[FlowEnded | Failed] = []
        self.opened = False
        self.pings: list[Ns] = []
        self.now: Ns = 0
        self.pongs_lost = 0
        self.up(self.client.handle(SayHello(encode_json(Hello(name="ann"))), 0))
        assert self.opened
        self.say()

    def up(self, outputs: Sequence[object]) -> None:
        for output in outputs:
            if isinstance(output, ClientTransmit):
                if decode_first(output.data)[0].type is PacketType.PING:
                    self.pings.append(self.now)
                self.down(self.server.handle(AtServer("ann", output.data), self.now))
            elif isinstance(output, CookieArrived):
                self.up(self.client.handle(SayHello(encode_json(Hello(name="ann", cookie=output.cookie))), self.now))
            elif isinstance(output, Failed):
                self.ended.append(output)

    def down(self, outputs: Sequence[object]) -> None:
        for output in outputs:
            if isinstance(output, Transmit):
                if self.pongs_lost and decode_first(output.data)[0].type is PacketType.PONG:
                    self.pongs_lost -= 1
                    continue
                self.up(self.client.handle(DatagramArrived(output.data), self.now))
            elif isinstance(output, FlowOpened):
                self.opened = True
            elif isinstance(output, FlowEnded):
                self.ended.append(output)

    def say(self) -> None:
        self.down(self.server.handle(Say(1, [encode(Packet(b"news", 1))]), self.now))

    def run(self, duration: Ns, *, talk: bool) -> None:
        until = self.now + duration
        while self.now < until:
            self.now += STEP
            if talk:
                self.say()
            self.down(self.server.handle(TimerFired(), self.now))
            self.up(self.client.handle(TimerFired(), self.now))


def test_who_only_listens_to_a_busy_room_stays() -> None:
    pair = Pair()
    pair.run(100 * S, talk=True)
    assert pair.ended == []
    assert pair.pings == [15 * S, 30 * S, 45 * S, 60 * S, 75 * S, 90 * S]


def test_a_ping_is_repeated_until_its_answer_comes() -> None:
    pair = Pair()
    pair.pongs_lost = 3
    pair.run(40 * S, talk=False)
    assert pair.ended == []
    assert pair.pings == [15 * S, 16 * S, 17 * S, 18 * S, 33 * S]
