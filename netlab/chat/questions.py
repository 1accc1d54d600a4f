"""Emits that want answers: who was asked, who has answered, and when to stop waiting."""

from __future__ import annotations

import heapq
from typing import Any

from netlab.chat import messages as m
from netlab.chat.limits import ENVELOPE, ChatLimits
from netlab.chat.operations import Refusal, checked_size
from netlab.units import Ns

ANSWER_ENVELOPE = 32
"""What surrounds one answer among the others in JSON, bytes: a sid and its punctuation."""


class _Question:
    __slots__ = ("answers", "asker", "bytes", "expires", "op", "waiting")

    def __init__(self, asker: str, op: int, waiting: set[str], expires: Ns) -> None:
        self.asker = asker
        self.op = op
        self.waiting = waiting
        self.expires = expires
        self.answers: dict[str, list[Any]] = {}
        self.bytes = 0

    def finished(self) -> tuple[str, m.Answers]:
        return self.asker, m.Answers(self.op, self.answers, len(self.waiting))


class Questions:
    """The open questions of a hub, by number."""

    def __init__(self, limits: ChatLimits) -> None:
        self._limits = limits
        self._open: dict[int, _Question] = {}
        self._expiry: list[tuple[Ns, int]] = []

    @property
    def deadline(self) -> Ns | None:
        """When the next question expires (or did, answered: then there is nothing to do), absolute ns."""
        return self._expiry[0][0] if self._expiry else None

    def ask(self, number: int, asker: str, op: int, asked: set[str], within: Ns, now: Ns) -> None:
        """Open a question to the sids `asked`; its number, the same on every server, goes out with the message."""
        expires = now + min(max(within, 0), self._limits.answer_within) if asked else now
        self._open[number] = _Question(asker, op, asked, expires)
        heapq.heappush(self._expiry, (expires, number))

    def awaits(self, ask: int, sid: str) -> bool:
        """Whether this answer would be taken."""
        return ask in self._open and sid in self._open[ask].waiting

    def answer(self, ask: int, sid: str, args: list[Any]) -> tuple[str, m.Answers] | None:
        """Take one answer; the asker and all answers once everybody has answered.

        Raises:
            Refusal: `unexpected_answer`, `malformed`, `too_big` or `too_deep`; who answered stays among the missing.
        """
        question = self._open.get(ask)
        if question is None or sid not in question.waiting:
            raise Refusal("unexpected_answer", "nobody asked, or not any more")
        size = checked_size(args, self._limits) + ANSWER_ENVELOPE
        if size > ENVELOPE or question.bytes + size > self._limits.message:
            raise Refusal("too_big", f"{size} B are over what one answer, or all of them, may have")
        question.bytes += size
        question.waiting.remove(sid)
        question.answers[sid] = args
        if question.waiting:
            return None
        del self._open[ask]
        return question.finished()

    def expired(self, now: Ns) -> list[tuple[str, m.Answers]]:
        """Those whose time is over, with what was answered until now."""
        finished = []
        while self._expiry and self._expiry[0][0] <= now:
            question = self._open.pop(heapq.heappop(self._expiry)[1], None)
            if question is not None:
                finished.append(question.finished())
        return finished
