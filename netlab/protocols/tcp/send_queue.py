"""What the user sent and no segment carries yet."""

from __future__ import annotations

from collections import deque


class SendQueue:
    """Bytes in, pieces of any size out, in order.

    Attributes:
        size: bytes in it.
    """

    __slots__ = ("_chunks", "_taken", "size")

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._taken = 0  # of the first chunk
        self.size = 0

    def put(self, data: bytes) -> None:
        """At the end."""
        if data:
            self._chunks.append(data)
            self.size += len(data)

    def take(self, size: int) -> bytes:
        """The first `size` bytes, at most all."""
        self.size -= size
        chunk, at = self._chunks[0], self._taken
        if len(chunk) - at > size:
            self._taken = at + size
            return chunk[at : at + size]
        pieces = [chunk[at:]] if at else [chunk]
        size -= len(chunk) - at
        self._chunks.popleft()
        self._taken = 0
        while size:
            chunk = self._chunks[0]
            pieces.append(chunk[:size])
            if len(chunk) > size:
                self._taken = size
                break
            size -= len(chunk)
            self._chunks.popleft()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def clear(self) -> None:
        """Forget all."""
        self._chunks.clear()
        self._taken = self.size = 0
