"""One end of a veth pair, as packets: read from a ring that the kernel fills, sent by a socket. AF_PACKET, TPACKET_V2.

Why a ring and not `recv`: what a socket may hold unread is bounded by net.core.rmem_max, about 90 full packets on many
systems, and a sender's burst is longer. Why not TPACKET_V3, as the live capture has it: it hands packets over in
blocks, after milliseconds; here each packet is to be seen at once.

Source: packet(7); Documentation/networking/packet_mmap.rst and include/uapi/linux/if_packet.h of Linux.
"""

from __future__ import annotations

import mmap
import socket
import struct

from netlab.network.namespace import StepFailed

_SOL_PACKET = 263
_PACKET_RX_RING, _PACKET_STATISTICS, _PACKET_VERSION = 5, 6, 10
_PACKET_QDISC_BYPASS, _PACKET_IGNORE_OUTGOING = 20, 23
_TPACKET_V2 = 1
_ETH_P_ALL = 0x0003
_KERNEL, _USER = 0, 1

_SLOT = 2048  # bytes: a frame of 1514 and its header
_SLOTS = 4096
_BLOCK = 64 * 1024
_REQUEST = struct.Struct("=4I")  # tpacket_req: block size, blocks, frame size, frames
_HEADER = struct.Struct("=3I2H")  # tpacket2_hdr: status, length, captured, mac, net
_STATUS = struct.Struct("=I")
_STATISTICS = struct.Struct("=2I")  # tpacket_stats: packets, drops


class PacketRing:
    """What comes in on an interface, and a way out of it.

    Attributes:
        unsent: frames that the interface had no room for.
    """

    def __init__(self, interface: str) -> None:
        """Open it.

        Raises:
            StepFailed: the kernel refused.
        """
        self.unsent = 0
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        except OSError as error:
            raise StepFailed("AF_PACKET", error.errno or 0) from None
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(_SOL_PACKET, _PACKET_VERSION, _TPACKET_V2)
            self._socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
            self._socket.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
            size = _SLOT * _SLOTS
            self._socket.setsockopt(_SOL_PACKET, _PACKET_RX_RING, _REQUEST.pack(_BLOCK, size // _BLOCK, _SLOT, _SLOTS))
            self._ring = mmap.mmap(self._socket.fileno(), size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
            self._socket.bind((interface, _ETH_P_ALL))
        except OSError as error:
            self._socket.close()
            raise StepFailed(f"AF_PACKET ring on {interface}", error.errno or 0) from None
        self._at = 0
        self._send = self._socket.send

    def fileno(self) -> int:
        return self._socket.fileno()

    def take(self) -> bytes | None:
        """The next frame; None where there is none."""
        at, ring = self._at, self._ring
        status, _length, captured, mac, _net = _HEADER.unpack_from(ring, at)
        if not status & _USER:
            return None
        start = at + mac
        frame = ring[start : start + captured]
        _STATUS.pack_into(ring, at, _KERNEL)
        at += _SLOT
        self._at = at if at < _SLOT * _SLOTS else 0
        return frame

    def send(self, frame: bytes) -> None:
        """Send one frame at once, or count it as unsent."""
        try:
            self._send(frame)
        except OSError:
            self.unsent += 1

    def close(self) -> None:
        """Give it back."""
        self._ring.close()
        self._socket.close()

    def drops(self) -> int:
        """Frames that found the ring full since this was last asked."""
        return int(_STATISTICS.unpack(self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size))[1])
