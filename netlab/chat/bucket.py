"""A token bucket: so many a second on average, so many at once. The hub polices with it, clients pace themselves by
it."""

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
