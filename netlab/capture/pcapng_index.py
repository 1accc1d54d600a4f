"""Where the records of a pcapng file stand, all at once.

Section headers and descriptions of interfaces are few: `packets.pcapng` reads them one by one. The blocks between two
changes of byte order are followed together, and of those that are packets all headers are read at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netlab.capture import chain
from netlab.capture.located import NO_TIME, Records
from netlab.capture.octets import Octets
from netlab.errors import CaptureError
from netlab.packets import pcapng
from netlab.packets.capture_record import MAX_CAPTURED, CaptureBytes, Located
from netlab.units import S

_WINDOW = 4096
"""Bytes at the beginning of a stretch in which a packet block is looked for."""

_MOST_TURNS = 32
"""Changes of byte order within a file, after which a loop reads the rest: each costs as much as many packets."""

_LATEST = 2**63 - 1
"""ns since 1970 that a column holds."""

_HEAD = 7
"""32-bit words that begin a block and hold all that is read of it: type, length, and what stands before a packet."""

_SMALLEST = {pcapng.ENHANCED_PACKET: 32, pcapng.OLD_PACKET: 32, pcapng.SIMPLE_PACKET: 16}  # bytes of the whole block


class PcapngIndex:
    """The records of a file, and what its blocks say of them all.

    Attributes:
        records: every whole one.
        interfaces: of all sections.
        orders: where each byte order begins to hold.
        error: what ends the file early, or None.
    """

    def __init__(self, data: CaptureBytes, stretch: int = chain.STRETCH) -> None:
        self._data = data
        self._stretch = stretch
        self._blocks = pcapng.Blocks(data)
        self.interfaces = self._blocks.interfaces
        self.orders: list[tuple[int, pcapng.Layouts]] = []
        self.error: CaptureError | None = None
        parts: list[Records] = []
        try:
            while self._blocks.at < len(data):
                if len(self.orders) > _MOST_TURNS:
                    parts.append(self._one_by_one())
                    break
                at = self._blocks.at
                self._blocks.step()  # a section header, or what is wrong
                self.orders.append((at, self._blocks.layouts))
                parts.append(self._together())
                if self.error is not None:
                    break
        except CaptureError as error:
            self.error = error
        self.records = Records.joined(parts)

    def _one_by_one(self) -> Records:
        found: list[Located] = []
        try:
            for one in self._blocks.locate():
                if self.orders[-1][1] is not self._blocks.layouts:
                    self.orders.append((one.at, self._blocks.layouts))
                found.append(one)
        except CaptureError as error:
            self.error = error
        return Records.of(found)

    def _together(self) -> Records:
        """Every record up to the next change of byte order, or to what is wrong."""
        blocks, octets = self._blocks, Octets(self._data, self._blocks.layouts.order)
        begin, size = blocks.at, len(self._data)
        guesses = _guesses(octets, chain.stretches(begin, size, self._stretch), min(_WINDOW, self._stretch))
        at, end = chain.follow(begin, size, guesses, lambda places: _step(octets, places), self._plain)
        words = octets.words(at, _HEAD)
        whole = chain.until(_are_blocks(octets, at, words))
        if whole < len(at):
            at, end, words = at[:whole], int(at[whole]), [word[:whole] for word in words]
        kinds = words[0]

        # what holds for the packets behind each section header and each description of an interface
        holds_from, sections, described = [begin], [blocks.section], [len(blocks.interfaces)]
        for place in at[np.isin(kinds, (pcapng.SECTION_HEADER, pcapng.INTERFACE))].tolist():
            blocks.at = place
            try:
                blocks.step()
            except CaptureError as error:
                self.error, end = error, place
                break
            holds_from.append(place)
            sections.append(blocks.section)
            described.append(len(blocks.interfaces))
        blocks.at = end

        chosen = np.isin(kinds, tuple(_SMALLEST)) & (at < end)
        at, words = at[chosen], [word[chosen] for word in words]
        which = np.searchsorted(holds_from, at, side="right") - 1
        section, interfaces = np.array(sections)[which], np.array(described)[which]
        records, sound = self._packets(octets, at, words, section, interfaces)
        if sound == len(at):
            return records
        # what is wrong with the first that is not sound is for the loop to say
        blocks.at, blocks.section = int(at[sound]), int(section[sound])
        del blocks.interfaces[int(interfaces[sound]) :], blocks.clocks[int(interfaces[sound]) :]
        try:
            next(blocks.locate())
        except CaptureError as error:
            self.error = error
            return records
        raise AssertionError("a packet that is sound was not taken")

    def _packets(
        self,
        octets: Octets,
        at: chain.Places,
        words: list[NDArray[np.int64]],
        section: NDArray[np.int64],
        described: NDArray[np.int64],
    ) -> tuple[Records, int]:
        """The packets' records up to the first that cannot be, and how many these are."""
        kinds, length = words[0], words[1]
        simple, old = kinds == pcapng.SIMPLE_PACKET, kinds == pcapng.OLD_PACKET
        number = np.where(simple, 0, words[2])
        number[old] = octets.u16(at[old] + 8)
        interface = section + number
        smallest = np.array([_SMALLEST.get(kind, 0) for kind in range(8)])[kinds]
        sound = chain.until((length >= smallest) & (interface < described))
        at, simple, interface = at[:sound], simple[:sound], interface[:sound]
        _, length, first, high, low, captured, original = (word[:sound] for word in words)
        original = np.where(simple, first, original)

        time_ns, in_range = self._times(
            high.astype(np.uint64) << np.uint64(32) | low.astype(np.uint64), interface, simple
        )
        snaplens = np.array([one.snaplen for one in self.interfaces], np.int64)
        by_snaplen = np.where(snaplens[interface] > 0, snaplens[interface], original)
        captured = np.where(simple, np.minimum(original, by_snaplen), captured)
        start = at + np.where(simple, 12, 28)
        fits = start + captured + -captured % 4 <= at + length - 4
        sound = chain.until((captured <= MAX_CAPTURED) & (captured <= original) & fits & in_range)
        found = Records(at, start, captured.astype(np.int32), original, time_ns, interface.astype(np.int32))
        return found.until(sound), sound

    def _times(
        self, ticks: NDArray[np.uint64], interface: NDArray[np.int64], simple: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Each packet's time, and whether it is one that 64 bits of ns hold. As `packets.pcapng` does it for one."""
        clocks = self._blocks.clocks
        plain = np.array([S % one.per_second == 0 and abs(one.offset) <= _LATEST for one in clocks], bool)
        unit = np.array([S // one.per_second if good else 1 for one, good in zip(clocks, plain, strict=True)], np.int64)
        offset = np.array([one.offset if good else 0 for one, good in zip(clocks, plain, strict=True)], np.int64)

        in_range = ticks <= (_LATEST // unit).astype(np.uint64)[interface]
        time_ns = np.where(in_range, ticks, 0).astype(np.int64) * unit[interface]
        in_range &= time_ns <= (_LATEST - np.maximum(offset, 0))[interface]
        time_ns = np.where(in_range, time_ns, 0) + offset[interface]
        for row in np.flatnonzero(~plain[interface]).tolist():  # units that are no whole ns
            clock = clocks[interface[row]]
            exact = int(ticks[row]) * S // clock.per_second + clock.offset
            in_range[row] = abs(exact) <= _LATEST
            time_ns[row] = exact if in_range[row] else 0
        return np.where(simple, NO_TIME, time_ns), in_range | simple

    def _plain(self, at: int) -> int:
        try:
            kind, end = self._blocks.whole_block(at)
        except CaptureError:
            return -1
        return -1 if kind == pcapng.SECTION_HEADER and self._turns(at) else end

    def _turns(self, at: int) -> bool:
        """Whether the section header here is in another byte order, or in none."""
        return self._blocks.layouts.word.unpack_from(self._data, at + 8) != (pcapng.BYTE_ORDER,)


def _step(octets: Octets, at: chain.Places) -> chain.Places:
    length = octets.u32(np.minimum(at + 4, octets.size - 4))
    behind = at + length
    return np.where((length >= pcapng.EMPTY_BLOCK_LEN) & (behind <= octets.size), behind, -1)


def _are_blocks(octets: Octets, at: chain.Places, words: list[NDArray[np.int64]]) -> NDArray[np.bool_]:
    """Whether whole blocks stand there, and none that begins a section in another byte order. `words` begin them."""
    kind, length, order = words[:3]
    sound: NDArray[np.bool_] = (length >= pcapng.EMPTY_BLOCK_LEN) & (length & 3 == 0) & (length <= pcapng.MAX_BLOCK)
    sound &= at + length <= octets.size
    sound &= octets.u32(np.where(sound, at + length - 4, 0)) == length
    sound &= (kind != pcapng.SECTION_HEADER) | (order == pcapng.BYTE_ORDER)
    return sound


def _guesses(octets: Octets, stretches: chain.Places, window: int) -> chain.Places:
    """For each stretch the first place where a packet's block seems to begin, if there is one close by."""
    stretches = stretches & ~3  # every block's length is a multiple of 4, and so is where it begins
    stretches = stretches[stretches + window + pcapng.EMPTY_BLOCK_LEN <= octets.size]
    lane, place = np.nonzero(octets.u32_windows(stretches, window, every=4) == pcapng.ENHANCED_PACKET)
    found = stretches[lane] + 4 * place
    return chain.first_of_each(stretches, found[_are_blocks(octets, found, octets.words(found, 3))])
