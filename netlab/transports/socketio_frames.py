"""What both ends of Engine.IO over WebSocket read: frames that hold texts."""

from __future__ import annotations

from websockets.frames import Frame, Opcode


class Malformed(Exception):
    """The peer's frames are not what Engine.IO's packets travel in."""


class TextMessages:
    """What the frames of a peer hold: whole texts, or nothing but a sign of life."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    @property
    def unfinished(self) -> bool:
        """A message has begun and goes on in another frame (RFC 6455 section 5.4)."""
        return bool(self._pieces)

    def take(self, event: Frame) -> bytes | None:
        """The text that this frame completes; None for a control frame and the beginning of a message.

        Raises:
            Malformed: bytes, no UTF-8, nothing, or a pong to a ping that was never sent.
        """
        if event.opcode is Opcode.PONG and event.data:  # ours are empty: one flipped bit makes this of a text
            raise Malformed("a pong that answers no ping")
        if event.opcode is Opcode.PING or event.opcode is Opcode.PONG:
            return None
        if event.opcode is Opcode.BINARY:
            raise Malformed("a frame of bytes: netlab's messages are text")
        self._pieces.append(bytes(event.data))
        if not event.fin:
            return None
        message = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        try:
            message.decode()
        except UnicodeDecodeError:
            raise Malformed("a frame of text that is not UTF-8") from None
        if not message:
            raise Malformed("a frame of text without a text")
        return message
