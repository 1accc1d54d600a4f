"""A token bucket: so many a second on average, so many at once. The hub polices with it, and clients pace themselves so
that it has no need to."""

from __future__ import annotations

from netlab.units import Ns, S


class Bucket:
    """Tokens drip in at `rate` a second, up to `burst`; taking more than are there is refused.

    Args:
        rate: tokens a second, > 0.
        burst: tokens that fit, >= 1; the bucket starts full.
    """

    __slots__ = ("burst", "level", "rate", "updated")

    def __init__(self, rate: float, burst: float, now: Ns) -> None:
        self.rate = rate
        self.burst = burst
        self.level = float(burst)
        self.updated = now

    def until(self, tokens: int, now: Ns) -> Ns:
        """The ns until the tokens are there; 0 where they are."""
        self.level = min(self.burst, self.level + (now - self.updated) * self.rate / S)
        self.updated = now
        return 0 if self.level >= tokens else int((tokens - self.level) * S / self.rate) + 1

    def take(self, tokens: int, now: Ns) -> Ns:
        """Take the tokens and return 0; or, where they are not there, take none and return the ns until they are."""
        wait = self.until(tokens, now)
        if not wait:
            self.level -= tokens
        return wait

    def spend(self, tokens: int, now: Ns) -> None:
        """Take tokens of which it is known that they are there."""
        self.until(0, now)
        self.level -= tokens


class Allowance:
    """What may be sent now so that a hub's bucket has tokens for it, however the network presses it together.

    The hub takes a token when something comes, and nobody here knows when that is: a stall of some seconds lets what
    was sent evenly come at once. So the tokens of what is under way are held, and spent only when the hub's word shows
    that it has come; from then on they drip in again. This bucket is never fuller than the hub's.

    Args:
        rate: tokens a second, at most the hub's.
        burst: tokens that fit, at most the hub's.
    """

    __slots__ = ("_bucket", "_held")

    def __init__(self, rate: float, burst: float, now: Ns) -> None:
        self._bucket = Bucket(rate, burst, now)
        self._held = 0

    def until(self, tokens: int, now: Ns) -> Ns | None:
        """The ns until so many may be sent, 0 where they may; None where first something under way must have come."""
        if self._held and self._held + tokens > self._bucket.burst:
            return None
        return self._bucket.until(self._held + tokens, now)

    def hold(self, tokens: int) -> None:
        """So many are sent."""
        self._held += tokens

    def spend(self, tokens: int, now: Ns) -> None:
        """So many that were held have come, or never will."""
        self._held -= tokens
        self._bucket.spend(tokens, now)
