"""What ARQs send one another: data packets and acknowledgements, with one small header.

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +---------------+---------------+-------------------------------+
    | kind: 1 or 2  | reserved: 0   |        payload length         |
    +---------------+---------------+-------------------------------+
    |                            number                             |
    +---------------------------------------------------------------+
    |  payload of a data packet ...

Kind 1 is a data packet, whose number counts packets; kind 2 an acknowledgement: each protocol says what its number
means. Damage is for whoever carries this to notice: UDP has a checksum.
"""

from __future__ import annotations

import struct
from typing import TypeAlias

import msgspec

from netlab.errors import DecodeError, LocalProtocolError

HEADER_LEN = 8
MAX_PAYLOAD = 0xFFFF
NUMBERS = 2**32
"""How many numbers the field has."""

DATA, ACK = 1, 2

_RULE = "netlab's ARQ header"
_HEADER = struct.Struct("!BBHI")


class Data(msgspec.Struct, frozen=True, gc=False):
    """A data packet; `number` from 0 to 2**32 - 1, at most `MAX_PAYLOAD` bytes of payload."""

    number: int
    payload: bytes = b""


class Ack(msgspec.Struct, frozen=True, gc=False):
    """An acknowledgement."""

    number: int


Pdu: TypeAlias = Data | Ack


def encode(pdu: Pdu) -> bytes:
    """The bytes of a PDU; `decode(encode(pdu)) == pdu`.

    Raises:
        LocalProtocolError: the number or the payload does not fit.

    >>> encode(Data(7, b"hi")).hex(" ", -4)
    '01000002 00000007 6869'
    """
    kind, payload = (DATA, pdu.payload) if isinstance(pdu, Data) else (ACK, b"")
    try:
        return _HEADER.pack(kind, 0, len(payload), pdu.number) + payload
    except struct.error as error:
        message = f"number {pdu.number} or {len(payload)} B of payload do not fit: {error}"
        raise LocalProtocolError(message, rule=_RULE) from None


def decode(data: bytes) -> Pdu:
    """The PDU that `data` is.

    Raises:
        DecodeError: truncated, too long, or of no known kind; `field` and `offset` say where.
    """
    if len(data) < HEADER_LEN:
        raise _wrong("header", len(data), f"{len(data)} B where a header takes {HEADER_LEN} B")
    kind, _, length, number = _HEADER.unpack_from(data)
    if kind not in (DATA, ACK):
        raise _wrong("kind", 0, f"kind {kind} is neither data (1) nor acknowledgement (2)")
    if length != len(data) - HEADER_LEN or (kind == ACK and length):
        raise _wrong("payload length", 2, f"payload length {length} B, {len(data) - HEADER_LEN} B are there")
    return Data(number, data[HEADER_LEN:]) if kind == DATA else Ack(number)


def _wrong(field: str, offset: int, message: str) -> DecodeError:
    return DecodeError(message, rule=_RULE, field=field, offset=offset)
