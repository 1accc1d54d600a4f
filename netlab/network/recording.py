"""Frames that taps have seen, as the bytes of a pcapng file. Who writes the file is above."""

from __future__ import annotations

from netlab.packets import pcapng
from netlab.units import Ns


class Recording:
    """A tap that keeps what it sees, each point as an interface of its own.

    Args:
        comment: of the whole file: the scenario and its seed.
        epoch: ns since 1970 where the virtual clock is 0.
    """

    def __init__(self, *, comment: str | None = None, epoch: Ns = 0) -> None:
        self.frames = 0
        self._epoch = epoch
        self._interfaces: dict[str, int] = {}
        self._blocks = [pcapng.section_header(application="netlab", comment=comment)]

    def seen(self, point: str, at: Ns, frame: bytes, comment: str | None, *, outbound: bool | None) -> None:
        """As `simulator.Tap`."""
        interface = self._interfaces.get(point)
        if interface is None:
            interface = self._interfaces[point] = len(self._interfaces)
            self._blocks.append(pcapng.interface(point))
        flags = None if outbound is None else pcapng.OUTBOUND if outbound else pcapng.INBOUND
        self._blocks.append(pcapng.enhanced_packet(interface, self._epoch + at, frame, comment=comment, flags=flags))
        self.frames += 1

    def take(self) -> bytes:
        """What has been recorded since this was called last; all of them together are the file."""
        taken = b"".join(self._blocks)
        self._blocks.clear()
        return taken

    def pcapng(self) -> bytes:
        """The whole file."""
        return b"".join(self._blocks)
