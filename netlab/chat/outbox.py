"""What the hub hands out while it handles one event, and what it counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from netlab.chat import messages as m
from netlab.chat.hub_events import Close, Dropped, Output, Send
from netlab.chat.sessions import Session
from netlab.packets.packet import MessageIds


class Outbox:
    """Outputs in the making. Each message gets the hub's next id: 32 bits, rising by one from a random start."""

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self.counters: Counter[str] = Counter()
        self._outputs: list[Output] = []
        self.next_message_id = MessageIds(int.from_bytes(entropy(4), "big")).next
        """Gives the number of the next message."""

    def take(self) -> list[Output]:
        """All that was added since the last time."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def add(self, output: Output) -> None:
        """Hand this out."""
        self._outputs.append(output)

    def send(self, conn: int, message: m.HubMessage) -> None:
        """Say this to one connection, after all that was said to it before."""
        self.add(Send((conn,), self.next_message_id(), m.encode_json(message)))

    def tell(self, session: Session, data: bytes, *, loose: bool = True) -> None:
        """Say this to a session, if it has a connection."""
        if session.conn is not None:
            self.add(Send((session.conn,), self.next_message_id(), data, None, loose))

    def finish(self, session: Session, result: m.Result) -> None:
        """Answer an operation, and remember the answer for when it is asked again."""
        data = m.encode_json(result)
        session.remember(result.op, data)
        self.tell(session, data)

    def again(self, session: Session, op: int) -> None:
        """Answer an operation once more."""
        result = session.results[op]
        if not isinstance(result, bytes):
            result = session.results[op] = m.encode_json(result)
        self.tell(session, result)

    def fail(self, session: Session, op: int, code: str, detail: str) -> None:
        """An operation was surely not done."""
        self.counters[code] += 1
        self.finish(session, m.Result(op, "failed", code=code, detail=detail))

    def refuse(self, conn: int, code: str, detail: str = "") -> None:
        """Close a connection that the hub has forgotten, or never knew."""
        self.counters[code] += 1
        self.add(Close(conn, m.Goodbye(code, detail)))

    def drop(self, conn: int, reason: str) -> None:
        """Something that came is not taken."""
        self.counters[reason] += 1
        self.add(Dropped(conn, reason))
