"""The limits of packets and of putting them together. Each is the default of a constructor argument."""

from __future__ import annotations

import msgspec

from netlab.units import KIB, MIB, Ns, S

MAX_PAYLOAD = 65_535
"""Payload of one packet, bytes: what its 16-bit length field can say."""

MAX_MESSAGE = 256 * KIB
"""A whole message, bytes. A chat needs no more."""

MAX_FRAGMENTS = 256
"""Fragments of one message."""

MIN_FRAGMENT = 512
"""Payload of a fragment that is not the last, bytes: against the tiny-fragment attack (RFC 1858)."""

DATAGRAM_PAYLOAD = 1200
"""UDP payload of one datagram, bytes: what QUIC assumes of any path (RFC 9000 §14); never IP-fragmented."""

REASSEMBLY_TIMEOUT: Ns = 5 * S
"""From a message's first fragment until its fragments are given up, ns. Fixed: later fragments do not extend it."""

REASSEMBLY_MEMORY_PER_PEER = 512 * KIB
REASSEMBLY_MESSAGES_PER_PEER = 16
REASSEMBLY_MEMORY_HIGH = 4 * MIB
"""Over this many bytes in all, unfinished messages are evicted, the oldest first, down to the low mark."""

REASSEMBLY_MEMORY_LOW = 3 * MIB
FINISHED_REMEMBERED: Ns = 2 * REASSEMBLY_TIMEOUT
"""How long the id of a finished or discarded message is remembered, so that late fragments do not open it again, ns."""
FINISHED_IDS = 16_384
"""How many such ids are remembered at most; past it the oldest is forgotten early."""


class ReassemblyLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of a `Reassembler`; every one can be set, the defaults are the constants above."""

    max_message: int = MAX_MESSAGE
    max_fragments: int = MAX_FRAGMENTS
    min_fragment: int = MIN_FRAGMENT
    timeout: Ns = REASSEMBLY_TIMEOUT
    memory_per_peer: int = REASSEMBLY_MEMORY_PER_PEER
    messages_per_peer: int = REASSEMBLY_MESSAGES_PER_PEER
    memory_high: int = REASSEMBLY_MEMORY_HIGH
    memory_low: int = REASSEMBLY_MEMORY_LOW
    finished_remembered: Ns = FINISHED_REMEMBERED
    finished_ids: int = FINISHED_IDS
