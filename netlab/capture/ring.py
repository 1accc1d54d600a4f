"""The kernel's packets of one interface, through a ring that it fills and we read: AF_PACKET with TPACKET_V3.

Why a ring and not `recv`: what a socket may hold unread is bounded by net.core.rmem_max (212,992 bytes on many
systems, and SO_RCVBUFFORCE is refused in a user namespace), which a burst of one full message overruns. A ring has the
size that is asked for, costs no system call a packet, and its packets carry the kernel's own time in nanoseconds.

Source: packet(7); Documentation/networking/packet_mmap.rst and include/uapi/linux/if_packet.h of Linux.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

from netlab.capture.limits import RING_BLOCK, RING_RETIRE, RING_SIZES
from netlab.network.namespace import StepFailed
from netlab.packets.capture_record import MAX_CAPTURED
from netlab.units import MS, Ns, S

_SOL_PACKET = 263
_PACKET_RX_RING, _PACKET_STATISTICS, _PACKET_VERSION, _PACKET_IGNORE_OUTGOING = 5, 6, 10, 23
_TPACKET_V3 = 2
_ETH_P_ALL = 0x0003
_PACKET_OUTGOING = 4
_TP_STATUS_KERNEL, _TP_STATUS_USER = 0, 1
_FRAME = 2048  # TPACKET_V3 packs packets of any length into a block: this only has to divide it

_REQUEST = struct.Struct("=7I")  # tpacket_req3: block size, blocks, frame size, frames, retire ms, private, features
_BLOCK = struct.Struct("=4I")  # tpacket_block_desc from its byte 8: status, packets, first packet, length
_BLOCK_AT = 8
_STATUS = struct.Struct("=I")
_PACKET = struct.Struct("=6I2H")  # tpacket3_hdr: next, s, ns, captured, length, status, mac, net
_PACKET_TYPE_AT = 48 + 10  # tpacket3_hdr takes 48 bytes, then sockaddr_ll with its sll_pkttype
_STATISTICS = struct.Struct("=3I")  # tpacket_stats_v3: packets, drops, times the ring was full


class Seen(NamedTuple):
    """One packet as the kernel handed it over. `data` is at most MAX_CAPTURED bytes of its `length`."""

    time: Ns
    length: int
    data: bytes


class Ring:
    """Every packet that comes in on an interface; `fileno` is readable when a block is ready.

    What leaves is not taken: on `lo` it comes in again at once, and would be seen twice (libpcap does the same).

    Attributes:
        size: bytes that the kernel granted.
        taken: packets read from the ring so far, those that were left out included.
        kernel_seen: packets that the kernel has put in the ring, as of the last `count`.
        kernel_drops: packets that found it full, as of the last `count`.
    """

    def __init__(self, interface: str) -> None:
        """Open the ring; nothing is lost from here on.

        Raises:
            StepFailed: AF_PACKET is refused, or no ring of any size was granted.
        """
        self.taken = self.kernel_seen = self.kernel_drops = 0
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # protocol 0: nothing until bind
        except (OSError, AttributeError) as error:
            raise StepFailed("AF_PACKET", getattr(error, "errno", None) or errno.EAFNOSUPPORT) from None
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(_SOL_PACKET, _PACKET_VERSION, _TPACKET_V3)
            with contextlib.suppress(OSError):  # Linux 4.20; `read` leaves them out where it is not known
                self._socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
            self.size = self._grant()
            self._ring = mmap.mmap(self._socket.fileno(), self.size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
            self._socket.bind((interface, _ETH_P_ALL))
        except OSError as error:
            self._socket.close()
            raise StepFailed("packet ring", error.errno or 0) from None
        self._block = 0  # the next one to look at

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self) -> Iterator[Seen]:
        """The packets of the next block that is ready; nothing where none is."""
        at = self._block * RING_BLOCK
        status, packets, first, _length = _BLOCK.unpack_from(self._ring, at + _BLOCK_AT)
        if not status & _TP_STATUS_USER:
            return
        offset = at + first
        for _ in range(packets):
            following, s, ns, captured, length, _status, mac, _net = _PACKET.unpack_from(self._ring, offset)
            self.taken += 1
            if self._ring[offset + _PACKET_TYPE_AT] != _PACKET_OUTGOING:
                start = offset + mac
                yield Seen(s * S + ns, length, self._ring[start : start + min(captured, MAX_CAPTURED)])
            offset += following
        _STATUS.pack_into(self._ring, at + _BLOCK_AT, _TP_STATUS_KERNEL)
        self._block = (self._block + 1) % (self.size // RING_BLOCK)

    def count(self) -> None:
        """Ask the kernel for its counters (it sets them to zero when asked; here they add up)."""
        seen, dropped, _full = _STATISTICS.unpack(
            self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size)
        )
        self.kernel_drops += dropped
        self.kernel_seen += seen - dropped

    def close(self) -> None:
        self._ring.close()
        self._socket.close()

    def _grant(self) -> int:
        for size in RING_SIZES:
            request = _REQUEST.pack(RING_BLOCK, size // RING_BLOCK, _FRAME, size // _FRAME, RING_RETIRE // MS, 0, 0)
            try:
                self._socket.setsockopt(_SOL_PACKET, _PACKET_RX_RING, request)
            except OSError as error:
                if error.errno != errno.ENOMEM or size == RING_SIZES[-1]:
                    raise
            else:
                return size
        raise AssertionError("the last size returned or raised")
