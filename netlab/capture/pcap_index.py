"""Where the records of a pcap file stand, all at once."""

from __future__ import annotations

import numpy as np

from netlab.capture import chain
from netlab.capture.located import Records
from netlab.capture.octets import Octets
from netlab.errors import CaptureError
from netlab.packets import pcap
from netlab.packets.capture_record import MAX_CAPTURED, CaptureBytes
from netlab.units import S

_WINDOW = 4096
"""Bytes at the beginning of a stretch in which a record is looked for."""

_TOGETHER = 64
"""Stretches that are looked at together, so that little memory is taken."""

_NEAR = 10**7
"""Seconds that a record may be from the file's first to be guessed: a third of a year."""

_LONGEST = 2**20
"""Bytes that a packet may have had for its record to be guessed."""


def index_pcap(
    data: CaptureBytes, header: pcap.FileHeader, stretch: int = chain.STRETCH
) -> tuple[Records, CaptureError | None]:
    """Every record, and what ends the file early, if something does."""
    size = len(data)
    octets = Octets(data, header.order)

    def step(at: chain.Places) -> chain.Places:
        captured = octets.u32(np.minimum(at + 8, size - 4))
        behind = at + pcap.RECORD_HEADER_LEN + captured
        return np.where((captured <= MAX_CAPTURED) & (behind <= size), behind, -1)

    def plain(at: int) -> int:
        try:
            found = next(pcap.locate(data, header, at))
        except (CaptureError, StopIteration):
            return -1
        return found.start + found.captured

    begin = pcap.FILE_HEADER_LEN
    guesses = _guesses(octets, header, chain.stretches(begin, size, stretch), min(_WINDOW, stretch))
    at, end = chain.follow(begin, size, guesses, step, plain)
    if len(at) and at[-1] + pcap.RECORD_HEADER_LEN > size:
        at, end = at[:-1], int(at[-1])
    seconds, fraction, captured, original = octets.words(at, 4)
    start = at + pcap.RECORD_HEADER_LEN
    sound = chain.until((captured <= original) & (start + captured <= size))
    if sound < len(at):
        end = int(at[sound])
    records = Records(
        at=at,
        start=start,
        captured=captured.astype(np.int32),
        original=original,
        time_ns=seconds * S + fraction * header.unit,
        interface=np.zeros(len(at), np.int32),
    ).until(sound)
    if end == size:
        return records, None
    try:
        next(pcap.locate(data, header, end))
    except CaptureError as error:
        return records, error
    raise AssertionError("a record that is whole was not followed")


def _guesses(octets: Octets, header: pcap.FileHeader, stretches: chain.Places, window: int) -> chain.Places:
    """For each stretch the first place where a record seems to begin, if there is one close by."""
    room = octets.size - pcap.RECORD_HEADER_LEN
    stretches = stretches[stretches + window <= room]
    if not len(stretches):
        return stretches

    first = int(octets.u32(np.array([pcap.FILE_HEADER_LEN]))[0])
    lowest, highest = max(0, first - _NEAR), min(2**32 - 1, first + _NEAR)

    def seems(at: chain.Places) -> chain.Places:
        """Those of the places where a header seems to stand."""
        at = at[at <= room]
        seconds, captured, original = octets.u32(at), octets.u32(at + 8), octets.u32(at + 12)
        near = (seconds >= lowest) & (seconds <= highest) & (octets.u32(at + 4) * header.unit < S)
        return at[near & (captured <= original) & (original <= _LONGEST)]

    parts = []
    for first_lane in range(0, len(stretches), _TOGETHER):
        some = stretches[first_lane : first_lane + _TOGETHER]
        seconds, original = octets.u32_windows(some, window), octets.u32_windows(some + 12, window)
        # a row of zeros would be a record without a packet at the beginning of time, at every byte
        likely = (seconds >= lowest) & (seconds <= highest) & (original > 0) & (original <= _LONGEST)
        lane, place = np.nonzero(likely)
        parts.append(seems(some[lane] + place))
    found = np.concatenate(parts)
    behind = found + pcap.RECORD_HEADER_LEN + octets.u32(found + 8)
    return chain.first_of_each(stretches, found[np.isin(behind, seems(behind)) | (behind == octets.size)])
