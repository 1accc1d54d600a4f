"""How fast an ARQ can be: what a window and a loss rate leave of a link.

A round trip R is the time from a packet's first bit to its acknowledgement: the packet on the line, the way there, the
acknowledgement on the line, the way back. T is the retransmission timeout. A lost packet is noticed by its timer alone,
and each further loss of the same packet doubles T.

These are models: independent losses, a timer that is exact, and less than about one loss in three windows. With more,
go-back-N in truth falls behind: it loses again what it sends again, its timer doubles and, by Karn's rule, stays so.
Taught in notebook 07, which holds them beside the simulation.
"""

from __future__ import annotations

import msgspec

from netlab.units import MS, Ns, S


class ArqPath(msgspec.Struct, frozen=True, kw_only=True):
    """What an ARQ has to cross.

    Attributes:
        payload: bytes of data in a packet.
        packet_time, ack_time: a whole packet and a whole acknowledgement on the line, headers and all, ns.
        delay: the way there and back, ns.
        loss, ack_loss: of data packets and of acknowledgements, probabilities.
        min_rto: what the timer is at least, ns.
    """

    payload: int
    packet_time: Ns
    ack_time: Ns
    delay: Ns
    loss: float = 0.0
    ack_loss: float = 0.0
    min_rto: Ns = 0

    @property
    def round_trip(self) -> Ns:
        """R."""
        return self.packet_time + self.delay + self.ack_time

    @property
    def timeout(self) -> Ns:
        """T, once the estimator has settled on R: RTTVAR is near 0, and G a millisecond (RFC 6298 §2.3)."""
        return max(self.min_rto, self.round_trip + MS)

    @property
    def failure(self) -> float:
        """That a packet or its own acknowledgement is lost."""
        return 1 - (1 - self.loss) * (1 - self.ack_loss)


def window_bound(path: ArqPath, window: int) -> float:
    """Without any loss: a window each round trip, or as fast as the line goes; bits a second.

    With a window of 1 and short acknowledgements that is the share 1 / (1 + 2a) of the line, where a is the way there
    over the packet time.

    >>> path = ArqPath(payload=1000, packet_time=1_000_000, ack_time=0, delay=8_000_000)
    >>> [round(window_bound(path, window) / 8e6, 3) for window in (1, 3, 9, 100)]
    [0.111, 0.333, 1.0, 1.0]
    """
    return path.payload * 8 * S / max(path.packet_time, path.round_trip / window)


def stop_and_wait(path: ArqPath) -> float:
    """R for each packet, and its timeouts: T, 2T, 4T, ... ; bits a second."""
    return path.payload * 8 * S / (path.round_trip + path.failure * path.timeout * _doubled(path.failure))


def go_back_n(path: ArqPath, window: int) -> float:
    """A packet each so often as the window lets; each loss costs from the sending of the packet to its sending again,
    R + T, for all that is sent meanwhile is thrown away; bits a second. Acknowledgements that are lost cost nothing:
    the next says the same."""
    spacing = max(path.packet_time, path.round_trip / window)
    stall = path.round_trip + path.timeout * _doubled(path.loss)
    return path.payload * 8 * S / (spacing + path.loss * stall)


def selective_repeat(path: ArqPath, window: int) -> float:
    """A packet each so often as the window lets, up to one that is lost, 1/p packets further; the window waits for it,
    R and its timeouts, and meanwhile the rest of the window arrives; bits a second."""
    p = path.failure
    spacing = max(path.packet_time / (1 - p), path.round_trip / window)
    stall = path.round_trip + path.timeout * _doubled(p)
    return path.payload * 8 * S * (1 - p + p * window) / ((1 - p) * spacing + p * max(stall, window * spacing))


def _doubled(loss: float) -> float:
    """How many T a packet that was lost waits for its acknowledgement: 1 + 2 loss + 4 loss**2 + ... (without end where
    half of the packets are lost: then the largest RTO bounds it, which this leaves out)."""
    return 1 / (1 - 2 * loss) if loss < 0.5 else float("inf")
