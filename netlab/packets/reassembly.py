"""Putting messages together again, from fragments in any order: exact bytes or nothing.

Read `split` first. What can go wrong, and what is done: an exact duplicate costs nothing; a fragment that differs from
what came before at its place, or says another count, discards the whole message (as RFC 5722 §4 has it for any
overlap); what does not come in time is given up as a whole; memory is bounded for each peer and in all
(`ReassemblyLimits`); the id of a message that is finished, either way, is remembered so that late fragments do not open
it again.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeAlias

import msgspec

from netlab.packets.limits import ReassemblyLimits
from netlab.packets.packet import Packet
from netlab.units import Ns

NEVER: Ns = 2**63
FRAGMENT_OVERHEAD = 96
"""Bytes charged for each stored fragment beside its payload: what the interpreter spends on keeping it."""

MESSAGE_OVERHEAD = 320
PLACE_OVERHEAD = 8
"""Bytes charged for each unfinished message, and for each of its fragments' places: a peer that opens messages of 256
fragments with an empty last one makes us keep 2 KiB each."""


class Arrived(msgspec.Struct, frozen=True):
    """A packet came from `peer`: whatever tells senders apart, such as an address with a session token."""

    peer: Hashable
    packet: Packet


class TimerFired(msgspec.Struct, frozen=True):
    """The deadline may have passed; early, late or spurious is harmless."""


class Whole(msgspec.Struct, frozen=True):
    """A message is complete, byte for byte as it was split."""

    peer: Hashable
    message_id: int
    message: bytes


class Dropped(msgspec.Struct, frozen=True):
    """A packet, or a whole unfinished message, was given up. `reason` is the name of a counter."""

    peer: Hashable
    message_id: int
    reason: str


Event: TypeAlias = Arrived | TimerFired
Output: TypeAlias = Whole | Dropped

_Key: TypeAlias = tuple[Hashable, int]


class _Quota:
    """What one peer holds: its unfinished messages, the oldest first, and their memory."""

    __slots__ = ("keys", "memory")

    def __init__(self) -> None:
        self.keys: dict[_Key, None] = {}
        self.memory = 0


class _Unfinished:
    """The fragments of one message that have come so far."""

    __slots__ = ("charged", "count", "expires", "fragments", "missing", "quota", "size")

    def __init__(self, count: int, expires: Ns, quota: _Quota) -> None:
        self.count = count
        self.expires = expires
        self.quota = quota
        self.fragments: list[bytes | None] = [None] * count
        self.missing = count
        self.size = 0  # payload bytes
        self.charged = MESSAGE_OVERHEAD + PLACE_OVERHEAD * count  # with the fragments', as counted against the quotas


class Reassembler:
    """Fragments in, whole messages out. No clock: `now` comes with every event, `deadline` says when to come back.

    Args:
        limits: every bound; the defaults are the constants of `packets.limits`.

    A message of one packet is a message of one fragment: it comes out at once, and only once for each id while that is
    remembered. (A transport that promises nothing hands such packets on without asking here.)
    """

    def __init__(self, limits: ReassemblyLimits | None = None) -> None:
        self.limits = limits or ReassemblyLimits()
        self.memory = 0
        """Bytes held for unfinished messages, with the overhead of each message and fragment."""
        self._unfinished: dict[_Key, _Unfinished] = {}  # in order of the first fragment, so of expiry
        self._quotas: dict[Hashable, _Quota] = {}
        self._first_expires: Ns = NEVER  # never later than the first message's; earlier costs one look
        self._finished: dict[_Key, Ns] = {}  # in order of finishing; the value is when to forget it

    @property
    def deadline(self) -> Ns | None:
        """When the oldest unfinished message runs out, absolute ns."""
        return next(iter(self._unfinished.values())).expires if self._unfinished else None

    def handle(self, event: Event, now: Ns) -> list[Output]:
        """What `event` completes or gives up. Bytes from a peer never raise."""
        outputs: list[Output] = []
        if now >= self._first_expires:
            self._expire(now, outputs)
        if isinstance(event, Arrived):
            self._arrive(event.peer, event.packet, now, outputs)
        return outputs

    def forget(self, peer: Hashable) -> None:
        """Give up everything unfinished from a peer that has gone."""
        quota = self._quotas.get(peer)
        for key in list(quota.keys) if quota is not None else ():
            self._remove(key)

    def _arrive(self, peer: Hashable, packet: Packet, now: Ns, outputs: list[Output]) -> None:
        key = (peer, packet.message_id)
        message = self._unfinished.get(key) or self._open(key, packet, now, outputs)
        if message is None:
            return
        payload, index = packet.payload, packet.index
        if packet.count != message.count:
            self._discard(key, "conflicting_fragment", now, outputs)
            return
        there = message.fragments[index]
        if there is not None:
            if there == payload:
                outputs.append(Dropped(*key, "duplicate_fragment"))
            else:
                self._discard(key, "conflicting_fragment", now, outputs)
            return
        size = len(payload)
        if size < self.limits.min_fragment and index < message.count - 1:
            self._discard(key, "tiny_fragment", now, outputs)
            return
        message.size += size
        if message.size > self.limits.max_message:
            self._discard(key, "oversized_message", now, outputs)
            return
        message.fragments[index] = payload
        message.missing -= 1
        if message.missing == 0:
            self._remove(key)
            self._remember(key, now)
            outputs.append(Whole(*key, b"".join(message.fragments)))  # type: ignore[arg-type]  # none is missing
            return
        charge = size + FRAGMENT_OVERHEAD
        message.charged += charge
        message.quota.memory += charge
        self.memory += charge
        if message.quota.memory > self.limits.memory_per_peer:
            self._evict_from(message.quota, now, outputs)
        if self.memory > self.limits.memory_high:
            while self.memory > self.limits.memory_low:
                self._discard(next(iter(self._unfinished)), "evicted", now, outputs)

    def _open(self, key: _Key, packet: Packet, now: Ns, outputs: list[Output]) -> _Unfinished | None:
        """Begin a message with this packet, unless its id is finished or a limit forbids it."""
        peer = key[0]
        while self._finished:
            old, forget_at = next(iter(self._finished.items()))
            if forget_at > now:
                break
            del self._finished[old]
        if key in self._finished:
            outputs.append(Dropped(*key, "late_fragment"))
            return None
        if packet.count > self.limits.max_fragments:
            outputs.append(Dropped(*key, "too_many_fragments"))
            return None
        quota = self._quotas.get(peer)
        if quota is not None and len(quota.keys) >= self.limits.messages_per_peer:
            self._discard(next(iter(quota.keys)), "peer_messages", now, outputs)
        quota = self._quotas.setdefault(peer, _Quota())
        quota.keys[key] = None
        self._first_expires = min(self._first_expires, now + self.limits.timeout)
        message = self._unfinished[key] = _Unfinished(packet.count, now + self.limits.timeout, quota)
        quota.memory += message.charged
        self.memory += message.charged
        return message

    def _evict_from(self, quota: _Quota, now: Ns, outputs: list[Output]) -> None:
        """A peer over its own quota loses its own oldest messages, never another's."""
        while quota.memory > self.limits.memory_per_peer:
            self._discard(next(iter(quota.keys)), "peer_memory", now, outputs)

    def _expire(self, now: Ns, outputs: list[Output]) -> None:
        while self._unfinished:
            key, oldest = next(iter(self._unfinished.items()))
            if oldest.expires > now:
                break
            self._discard(key, "reassembly_timeout", now, outputs)
        self._first_expires = oldest.expires if self._unfinished else NEVER

    def _discard(self, key: _Key, reason: str, now: Ns, outputs: list[Output]) -> None:
        self._remove(key)
        self._remember(key, now)
        outputs.append(Dropped(*key, reason))

    def _remove(self, key: _Key) -> None:
        message = self._unfinished.pop(key)
        self.memory -= message.charged
        message.quota.memory -= message.charged
        del message.quota.keys[key]
        if not message.quota.keys:
            del self._quotas[key[0]]

    def _remember(self, key: _Key, now: Ns) -> None:
        self._finished[key] = now + self.limits.finished_remembered
        if len(self._finished) > self.limits.finished_ids:
            del self._finished[next(iter(self._finished))]
