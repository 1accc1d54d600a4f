"""Traces: what senders decided, as JSON, one `protocols.trace.Decision` a line, as `netlab simulate --trace` writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from netlab.errors import CaptureError
from netlab.protocols.trace import Decision
from netlab.units import MIB

MAX_TRACE = 256 * MIB
"""Bytes of a file that is read as a trace."""

_CAPTURES = tuple(
    magic.to_bytes(4, order) for magic in (0x0A0D0D0A, 0xA1B2C3D4, 0xA1B23C4D) for order in ("big", "little")
)
"""How pcapng and pcap begin."""

_DECODER = msgspec.json.Decoder(Decision)


def read_trace(path: Path) -> list[Decision]:
    """The decisions of a trace, in order.

    Raises:
        CaptureError: the file can't be read, or a line is no decision; `offset` says where it begins.
    """
    try:
        if path.stat().st_size > MAX_TRACE:
            raise CaptureError(f"{path} is larger than {MAX_TRACE // MIB} MiB")
        data = path.read_bytes()
    except OSError as error:
        raise CaptureError(f"{path}: {error.strerror}") from None
    if data[:4] in _CAPTURES:
        raise CaptureError(f"{path} is a capture, and no trace of what a sender decided")
    decisions, at = [], 0
    for number, line in enumerate(data.splitlines(keepends=True), 1):
        if line.strip():
            try:
                decisions.append(_DECODER.decode(line))
            except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
                raise CaptureError(f"{path}, line {number} is no decision of a sender: {error}", offset=at) from None
        at += len(line)
    return decisions


def busiest(decisions: Sequence[Decision]) -> str | None:
    """The sender that sent the most, and of those alike the one that decided most; None of none."""
    sent: dict[str, tuple[int, int]] = {}
    for decision in decisions:
        most, count = sent.get(decision.who, (0, 0))
        sent[decision.who] = max(most, decision.snd_nxt or 0), count + 1
    return max(sent, key=lambda who: (sent[who], who), default=None)


def of_sender(decisions: Sequence[Decision], who: str | None = None) -> list[Decision]:
    """The decisions of one sender, by default of the busiest one, as long as it has something on its way: what comes
    later is the wait in TIME-WAIT.

    Raises:
        CaptureError: nobody is called so; the message says who there is.
    """
    wanted = busiest(decisions) if who is None else who
    chosen = _while_sending([decision for decision in decisions if decision.who == wanted])
    if not chosen:
        raise CaptureError(
            f"no sender {wanted!r} decided anything: {', '.join({d.who for d in decisions}) or 'none did'}"
        )
    return chosen


def _while_sending(mine: list[Decision]) -> list[Decision]:
    last = max((k for k, one in enumerate(mine) if one.flight_size), default=len(mine) - 1)
    return mine[: last + 2]
