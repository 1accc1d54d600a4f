"""What is on its way, segment by segment, and what the peer said of it: RFC 6675's scoreboard.

`pipe` is "a sender's estimate of the number of bytes outstanding in the network" (§2). It is kept up to date with each
change instead of being counted again by SetPipe (): for a segment that is not SACKed its size, unless it is lost (a);
and its size for its retransmission (b).

Taught in notebook 08.
"""

from __future__ import annotations

from bisect import bisect_left
from operator import attrgetter

from netlab.protocols.delivery_rate import Stamp
from netlab.units import Ns

DUP_THRESH = 3
"""RFC 6675 §2: "The number of duplicate acknowledgments required to trigger a retransmission"."""


class Sent:
    """A segment that was sent, or what is left of it to be acknowledged.

    Attributes:
        seq, end: its first number, and the one behind its last.
        flags: FIN and PSH among them, as they were sent.
        sent_at: when it was sent last, ns.
        stamp: for the delivery rate, of that time.
        times: how often it was sent.
        sacked: the peer said that it has it.
        lost: it is taken for lost, as it was first sent.
        again: its retransmission is on its way.
    """

    __slots__ = ("again", "end", "flags", "lost", "payload", "sacked", "sent_at", "seq", "stamp", "times")

    def __init__(self, seq: int, end: int, payload: bytes, flags: int, sent_at: Ns, stamp: Stamp) -> None:
        self.seq = seq
        self.end = end
        self.payload = payload
        self.flags = flags
        self.sent_at = sent_at
        self.stamp = stamp
        self.times = 1
        self.sacked = self.lost = self.again = False

    @property
    def size(self) -> int:
        """Numbers that it covers: its bytes, and one for a FIN."""
        return self.end - self.seq

    @property
    def in_pipe(self) -> int:
        """What it adds to `pipe`."""
        if self.sacked:
            return 0
        return (self.end - self.seq) * ((not self.lost) + self.again)


_by_end = attrgetter("end")


class Scoreboard:
    """Segments from HighACK to HighData, in order.

    Attributes:
        pipe: bytes that are taken to be on their way.
        lost_bytes: of segments marked lost whose retransmission has not been sent.
        sacked_bytes: of segments the peer has beyond HighACK.
        rescue: RescueRxt of RFC 6675 §2, or None.
    """

    __slots__ = ("_credit", "_highest_sacked", "_next_lost", "lost_bytes", "pipe", "rescue", "sacked_bytes", "segments")

    def __init__(self) -> None:
        self.segments: list[Sent] = []
        self.pipe = 0
        self.lost_bytes = 0
        self.sacked_bytes = 0
        self.rescue: int | None = None
        self._highest_sacked = 0
        self._next_lost = 0  # no segment that ends before has to be sent again: HighRxt
        self._credit = 0

    def add(self, sent: Sent) -> None:
        """Sent for the first time."""
        self.segments.append(sent)
        self.pipe += sent.end - sent.seq

    def sent_again(self, sent: Sent) -> None:
        """A retransmission of it goes out."""
        size = sent.end - sent.seq
        if sent.lost and not sent.again:
            self.lost_bytes -= size
        if not sent.again:
            self.pipe += size
        sent.again = True
        sent.times += 1

    def not_let_in(self, sent: Sent) -> None:
        """Its last retransmission met a shut window, which is no congestion."""
        if sent.again:
            sent.again = False
            self.pipe -= sent.end - sent.seq
            if sent.lost:
                self.lost_bytes += sent.end - sent.seq

    # ---- what the peer acknowledges ----

    def acknowledge(self, ack: int) -> list[Sent]:
        """Everything before `ack` has arrived: take it out. Of a segment that it cuts, the first part comes back as one
        of its own."""
        segments = self.segments
        count = 0
        for sent in segments:
            if sent.end > ack:
                break
            self._forget(sent)
            count += 1
        done = segments[:count]
        del segments[:count]
        if segments and segments[0].seq < ack:
            done.append(self._cut(segments[0], ack))
        return done

    def _cut(self, sent: Sent, at: int) -> Sent:
        self._forget(sent)
        first = Sent(sent.seq, at, sent.payload[: at - sent.seq], sent.flags, sent.sent_at, sent.stamp)
        first.times, first.sacked = sent.times, sent.sacked
        sent.payload, sent.seq = sent.payload[at - sent.seq :], at
        size = sent.end - at
        self.pipe += sent.in_pipe
        if sent.sacked:
            self.sacked_bytes += size
        elif sent.lost and not sent.again:
            self.lost_bytes += size
        return first

    def _forget(self, sent: Sent) -> None:
        size = sent.end - sent.seq
        if sent.sacked:
            self.sacked_bytes -= size
        else:
            self.pipe -= size * ((not sent.lost) + sent.again)
            if sent.lost and not sent.again:
                self.lost_bytes -= size

    def sack(self, blocks: list[tuple[int, int]]) -> list[Sent]:
        """RFC 6675 §4, Update (): mark what the blocks cover; segments that were not marked before come back."""
        news: list[Sent] = []
        segments = self.segments
        for left, right in blocks:
            at = bisect_left(segments, left + 1, key=_by_end)
            while at < len(segments) and segments[at].end <= right:
                sent = segments[at]
                if not sent.sacked and sent.seq >= left:
                    self._forget(sent)
                    sent.sacked = True
                    self.sacked_bytes += sent.end - sent.seq
                    self._highest_sacked = max(self._highest_sacked, sent.end)
                    news.append(sent)
                at += 1
        return news

    # ---- what is lost ----

    def find_losses(self, mss: int) -> int:
        """Mark every segment of which IsLost () holds; the bytes newly marked come back.

        RFC 6675 §4: "returns true when either DupThresh discontiguous SACKed sequences have arrived above 'SeqNum' or
        more than (DupThresh - 1) * SMSS bytes with sequence numbers greater than 'SeqNum' have been SACKed."
        """
        if not self.sacked_bytes:
            return 0
        segments = self.segments
        at = bisect_left(segments, self._highest_sacked, key=_by_end)
        above = sequences = 0
        after_gap = True
        while at >= 0:  # down from the highest, until enough is SACKed above
            sent = segments[at]
            if sent.sacked:
                sequences += after_gap
                after_gap = False
                above += sent.end - sent.seq
            else:
                after_gap = True
            at -= 1
            if sequences >= DUP_THRESH or above > (DUP_THRESH - 1) * mss:
                break
        marked = 0
        while at >= 0 and not segments[at].lost:  # all below were marked when the first of them was
            if not segments[at].sacked:
                marked += self.mark_lost(segments[at])
            at -= 1
        return marked

    def mark_lost(self, sent: Sent) -> int:
        """Take a segment for lost; its size, or 0 where it was taken so before."""
        if sent.lost or sent.sacked:
            return 0
        size = sent.end - sent.seq
        sent.lost = True
        self.pipe -= size
        if not sent.again:
            self.lost_bytes += size
        self._next_lost = min(self._next_lost, sent.seq)
        return size

    def mark_all_lost(self) -> int:
        """A timeout: nothing is on its way any more. The bytes newly marked come back.

        RFC 2018 §5: "the data sender SHOULD turn off all of the SACKed bits, since the timeout might indicate that the
        data receiver has reneged". Here, as in Linux, they are turned off where it shows that it has: where the first
        segment was SACKed and yet not acknowledged.
        """
        segments = self.segments
        reneged = bool(segments) and segments[0].sacked
        self.pipe = self.lost_bytes = self.sacked_bytes = self._credit = 0
        self.rescue = None
        marked = 0
        for sent in segments:
            if sent.sacked and not reneged:
                self.sacked_bytes += sent.size
                continue
            if not sent.lost or sent.again:
                marked += sent.size
            sent.sacked, sent.lost, sent.again = False, True, False
            self.lost_bytes += sent.size
        self._next_lost = segments[0].seq if segments else 0
        return marked

    def none_lost(self) -> None:
        """The losses were none: what is marked is on its way after all."""
        for sent in self.segments:
            if sent.lost and not sent.sacked:
                self.pipe += sent.size
                if not sent.again:
                    self.lost_bytes -= sent.size
            sent.lost = False

    # ---- what to send again: RFC 6675 §4, NextSeg () ----

    def is_consistent(self) -> bool:
        """Whether the running totals are what a count gives; for tests."""
        lost = sum(sent.size for sent in self.segments if sent.lost and not sent.again and not sent.sacked)
        sacked = sum(sent.size for sent in self.segments if sent.sacked)
        pipe = sum(sent.in_pipe for sent in self.segments) - self._credit
        return (self.pipe, self.lost_bytes, self.sacked_bytes) == (pipe, lost, sacked)

    def next_lost(self) -> Sent | None:
        """Rule (1): the first that is lost, and was not sent again since."""
        if not self.lost_bytes:
            return None
        segments = self.segments
        at = bisect_left(segments, self._next_lost + 1, key=_by_end)
        while at < len(segments):
            sent = segments[at]
            if sent.lost and not sent.again and not sent.sacked:
                self._next_lost = sent.seq
                return sent
            at += 1
        return None

    def next_doubtful(self) -> Sent | None:
        """Rule (3): the first below the highest SACKed that is neither SACKed nor lost, and was not sent again."""
        for sent in self.segments:
            if sent.end > self._highest_sacked:
                return None
            if not (sent.sacked or sent.lost or sent.again):
                return sent
        return None

    def last_outstanding(self) -> Sent | None:
        """Rule (4): "the highest outstanding unSACKed sequence number"."""
        for sent in reversed(self.segments):
            if not sent.sacked:
                return sent
        return None

    # ---- without SACK ----

    def credit(self, mss: int) -> None:
        """A duplicate acknowledgement says that one segment, nobody knows which, has left the network: what inflating
        cwnd by one SMSS comes to (RFC 5681 §3.2 (4))."""
        amount = min(mss, self.pipe)
        self.pipe -= amount
        self._credit += amount

    def spend_credit(self, amount: int) -> None:
        """So many acknowledged bytes are those that duplicates told of: what deflating cwnd comes to (RFC 6582
        §3.2)."""
        amount = max(0, min(amount, self._credit))
        self.pipe += amount
        self._credit -= amount
