"""The end of a link for a protocol stack of one's own: frames in, frames out, and a hardware address. AF_PACKET.

    with LinkEnd("eth0") as end:
        end.attach(loop, lambda frames: ...)     # what has come, as a list
        end.write(frame)

For a host that the testbed has left bare: its kernel has no address there, so it neither answers what comes nor sends
anything. Whoever has the end answers ARP (RFC 826) too. It needs CAP_NET_RAW, which programs in a testbed have.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from types import TracebackType

from netlab.network.packet_ring import PacketRing

BATCH = 64
"""Frames that are read at once at most, so that a loop's other work has its turn."""

_SIOCGIFHWADDR, _SIOCGIFMTU = 0x8927, 0x8921
_IFREQ_ADDRESS = struct.Struct("16sH6s16x")  # netdevice(7): ifr_hwaddr is a sockaddr
_IFREQ_NUMBER = struct.Struct("16si20x")


class LinkEnd:
    """One network interface, as frames from their Ethernet header on, without their frame check sequence.

    Attributes:
        address: the hardware address, 6 bytes.
        mtu: bytes of the largest IP packet that fits into a frame.
    """

    def __init__(self, interface: str = "eth0") -> None:
        """Open it.

        Raises:
            StepFailed: the kernel refused: there is no such interface, or CAP_NET_RAW is missing.
        """
        import fcntl  # POSIX only: this module is read on other systems too

        self._ring = PacketRing(interface)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            name = interface.encode()
            self.address: bytes = _IFREQ_ADDRESS.unpack(
                fcntl.ioctl(control, _SIOCGIFHWADDR, _IFREQ_ADDRESS.pack(name, 0, b""))
            )[2]
            self.mtu: int = _IFREQ_NUMBER.unpack(fcntl.ioctl(control, _SIOCGIFMTU, _IFREQ_NUMBER.pack(name, 0)))[1]
        self._missed = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    def fileno(self) -> int:
        """Readable while frames wait."""
        return self._ring.fileno()

    def read(self, most: int = BATCH) -> list[bytes]:
        """The frames that have come, the oldest first; does not wait. Those that this host sent are not among them."""
        frames: list[bytes] = []
        take = self._ring.take
        while len(frames) < most and (frame := take()) is not None:
            frames.append(frame)
        return frames

    def write(self, frame: bytes) -> None:
        """Send a frame at once; where the interface has no room it is lost, as on any network, and counted."""
        self._ring.send(frame)

    @property
    def missed(self) -> int:
        """Frames so far that came faster than they were read, or found no room to be sent."""
        self._missed += self._ring.drops()
        return self._missed + self._ring.unsent

    def attach(self, loop: asyncio.AbstractEventLoop, came: Callable[[list[bytes]], None]) -> None:
        """From now on, `came` is called with the frames that have come, on this loop."""
        self._loop = loop
        loop.add_reader(self.fileno(), lambda: came(self.read()))

    def close(self) -> None:
        """Give it back."""
        if self._loop is not None:
            self._loop.remove_reader(self.fileno())
            self._loop = None
        self._ring.close()

    def __enter__(self) -> LinkEnd:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
