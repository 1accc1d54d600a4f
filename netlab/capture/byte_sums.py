"""What one packet spends its bytes on."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from netlab.capture.layers import Layer


class Sums(msgspec.Struct, frozen=True):
    """What one packet spends its bytes on; the sum of all four is its length.

    Attributes:
        headers: bytes of headers, from the link up to netlab's, by protocol in the order they stand.
        envelope: bytes of chat events that are not what somebody said: names, numbers, JSON's own signs.
        text: bytes of what somebody said: the arguments of messages, as JSON writes them.
        other: bytes of anything else: fragments of messages, padding, other programs' data.
    """

    headers: dict[str, int]
    envelope: int
    text: int
    other: int

    @property
    def header(self) -> int:
        """Bytes of all headers."""
        return sum(self.headers.values())


def sums(layers: Sequence[Layer], data: bytes) -> Sums:
    """What the bytes of a packet are spent on."""
    headers: dict[str, int] = {}
    envelope = text = other = 0
    for layer in layers:
        if layer.protocol == "chat event":
            said = len(said_in(data[layer.start : layer.end]))
            envelope, text = envelope + layer.payload_len - said, text + said
        elif layer.payload_start == layer.start:
            other += layer.payload_len
        else:
            headers[layer.protocol] = headers.get(layer.protocol, 0) + layer.header_len
    return Sums(headers, envelope, text, other)


class _Said(msgspec.Struct):
    args: msgspec.Raw = msgspec.Raw(b"")


def said_in(event: bytes) -> bytes:
    """What somebody said in a chat event: its arguments as they stand there, without the brackets around them."""
    try:
        args = bytes(msgspec.json.decode(event, type=_Said).args)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return b""
    return args[1:-1] if args[:1] == b"[" else args
