"""Bytes <-> objects, one format a file; cutting messages into packets and putting them together again. All pure.

Read `packet` first: netlab's own header. Then `split` and `reassembly`, then the headers below it, from the bottom up:
`ethernet`, `ipv4`, `ipv6`, `udp`, `tcp`, with `checksum`; and what captures hold above TCP: `http1`, `websocket`,
`engineio`, `socketio`. `pcapng` and `pcap` are how packets are kept in files.
"""

from netlab.packets.packet import Packet, PacketType, decode, decode_all, encode
from netlab.packets.reassembly import Arrived, Dropped, Reassembler, TimerFired, Whole
from netlab.packets.split import split

__all__ = [
    "Arrived",
    "Dropped",
    "Packet",
    "PacketType",
    "Reassembler",
    "TimerFired",
    "Whole",
    "decode",
    "decode_all",
    "encode",
    "split",
]
