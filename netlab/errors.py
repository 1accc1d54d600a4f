"""Every exception of netlab, in one tree: `except NetlabError` catches all of them.

Bytes from a peer never raise out of a machine's `handle`; what stands here is raised to *callers*: by decoders
asked to decode, by the awaitable API, by a caller's own mistake.
"""

from __future__ import annotations


class NetlabError(Exception):
    """The root of every exception that netlab raises on purpose."""


class UnitError(NetlabError, ValueError):
    """A quantity such as `20ms` or `1%` is not of the form asked for; the message shows a right one."""


class BadLimit(NetlabError, ValueError):
    """A limit was set to what could not be kept to."""


class ProtocolError(NetlabError):
    """A rule of a protocol was broken. `rule` names it, such as `RFC 9293 §3.1`."""

    def __init__(self, message: str, *, rule: str) -> None:
        super().__init__(message)
        self.rule = rule


class LocalProtocolError(ProtocolError):
    """We asked for something illegal here: a mistake of the caller."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the rule. `code` is what to answer with."""

    def __init__(self, message: str, *, rule: str, code: str) -> None:
        super().__init__(message, rule=rule)
        self.code = code


class DecodeError(RemoteProtocolError):
    """Bytes do not decode. `field` names what is wrong and `offset` says where in the bytes it starts."""

    def __init__(self, message: str, *, rule: str, field: str, offset: int) -> None:
        super().__init__(message, rule=rule, code="malformed")
        self.field = field
        self.offset = offset


class MessageTooBig(LocalProtocolError):
    """A message does not fit a limit or the path. `code` is `too_big` or `too_big_for_path`."""

    def __init__(self, message: str, *, rule: str, code: str) -> None:
        super().__init__(message, rule=rule)
        self.code = code


class CaptureError(NetlabError):
    """A capture file or a live capture is not usable. `offset` is the byte in the file, where there is one."""

    def __init__(self, message: str, *, offset: int | None = None) -> None:
        super().__init__(message if offset is None else f"{message} (at byte {offset})")
        self.offset = offset


class CaptureTruncated(CaptureError):
    """A capture file ends within a record, as one does whose writer was stopped. What came before is whole."""


class Refused(NetlabError):
    """The hub refused an operation or a hello. `code` is one of `chat.limits.ERRORS`, such as `name_taken`."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class ConnectionEnded(NetlabError):
    """The connection is over. `clean` tells a close that was said from a cut."""

    def __init__(self, message: str, *, clean: bool) -> None:
        super().__init__(message)
        self.clean = clean


class DeadlineExpired(NetlabError):
    """What was awaited did not come in time. (Not the built-in TimeoutError, which the operating system raises too.)"""

    def __init__(self, awaited: str, after: int) -> None:
        """`after` is how long it was awaited, ns."""
        super().__init__(f"no {awaited} within {after / 1e9:g} s")
        self.awaited = awaited
        self.after = after
