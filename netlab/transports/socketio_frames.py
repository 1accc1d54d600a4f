"""What both ends of Engine.IO over WebSocket read: each message is one text."""

from __future__ import annotations

from websockets.frames import Frame, Opcode

from netlab.transports.websocket import Malformed, Messages


class TextMessages(Messages):
    """Whole messages, each a text of at least one character."""

    def take(self, event: Frame) -> bytes | None:
        """As `Messages.take`.

        Raises:
            Malformed: bytes, no UTF-8, nothing, or a pong to a ping that was never sent.
        """
        if event.opcode is Opcode.PONG and event.data:  # ours are empty: one flipped bit makes this of a text
            raise Malformed("a pong that answers no ping")
        if event.opcode is Opcode.BINARY:
            raise Malformed("a frame of bytes: netlab's messages are text")
        message = super().take(event)
        if message == b"":
            raise Malformed("a frame of text without a text")
        if message is not None:
            try:
                message.decode()
            except UnicodeDecodeError:
                raise Malformed("a frame of text that is not UTF-8") from None
        return message
