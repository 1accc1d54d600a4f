"""The dissector for Wireshark: its tables are written here, from the description of the headers; `dissector.lua` holds
what is done with them.

What Wireshark shows is thereby what `netlab layers` shows, by the same names: `netlab.message_id == 7` in the filter.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from netlab.packets import segment
from netlab.packets.endpoint import DEFAULT_PORTS, ENCRYPTED
from netlab.packets.header import Header, HeaderField, Shown
from netlab.packets.limits import ReassemblyLimits
from netlab.packets.packet import HEADER, MAGIC, SESSION, TOKEN, VERSION, PacketType
from netlab.units import S

_PORTS = {"ws": 9003, "sio": 9004} | DEFAULT_PORTS
_DATAGRAMS = {"udp", "rudp"}
_OVER_HTTP = {"ws", "sio"}

_Lua: TypeAlias = "str | int | Mapping[Any, _Lua] | Sequence[_Lua]"


def dissector() -> str:
    """The whole plugin, as Lua."""
    tables: dict[str, _Lua] = {
        "MAGIC": MAGIC.decode(),
        "VERSION": VERSION,
        "KNOWN_FLAGS": sum(HEADER.field("flags").names),
        "SESSION": SESSION,
        "SEGMENT": PacketType.SEGMENT.value,
        "ACK": PacketType.ACK.value,
        "ELICITS": segment.ELICITS,
        "UNORDERED": segment.UNORDERED,
        "HEADER": _header(HEADER),
        "TOKEN": _header(TOKEN),
        "RUDP": _header(segment.HEADER),
        "RANGE": _header(segment.RANGE),
        "LIMITS": _limits(ReassemblyLimits()),
        "PORTS": [_port(scheme, number) for scheme, number in _PORTS.items() if scheme not in ENCRYPTED.values()],
    }
    head = "-- The packets of netlab. Written by `netlab wireshark`: change netlab, not this file.\n\n"
    head += "".join(f"local {name} = {_literal(value)}\n\n" for name, value in tables.items())
    return head + (importlib.resources.files(__package__) / "dissector.lua").read_text("utf-8")


def _header(header: Header) -> dict[str, _Lua]:
    return {"name": header.name, "len": header.len, "fields": [_field(header, field) for field in header.fields]}


def _prefix(header: Header) -> str:
    """What the filters of its fields begin with. Wireshark knows another `rudp`, so ours stands below netlab."""
    return header.protocol if header is HEADER or header is TOKEN else f"{HEADER.protocol}.{header.protocol}"


def _field(header: Header, field: HeaderField) -> dict[str, _Lua]:
    """One field: `at` and `size` are the whole bytes that hold it, `mask` its bits among theirs."""
    bit = header.first_bit(field.key)
    at, end = bit // 8, (bit + field.bits + 7) // 8
    told: dict[str, _Lua] = {
        "key": field.key,
        "filter": f"{_prefix(header)}.{field.key}",
        "name": field.name,
        "means": field.means,
        "shown": field.shown.value,
        "bit": bit,
        "bits": field.bits,
        "at": at,
        "size": end - at,
    }
    if field.unit:
        told["unit"] = field.unit
    if field.bits % 8:
        told["mask"] = ((1 << field.bits) - 1) << end * 8 - bit - field.bits
    if field.shown is Shown.NAMED:
        told["names"] = field.names
    if field.shown is Shown.FLAGS:
        told["flags"] = [
            {"key": name.lower(), "filter": f"{_prefix(header)}.{field.key}.{name.lower()}", "name": name, "mask": mask}
            for mask, name in field.names.items()
        ]
    return told


def _limits(limits: ReassemblyLimits) -> dict[str, _Lua]:
    return {
        "min_fragment": limits.min_fragment,
        "max_fragments": limits.max_fragments,
        "max_message": limits.max_message,
        "timeout_s": limits.timeout // S,
        "finished_remembered_s": limits.finished_remembered // S,
    }


def _port(scheme: str, number: int) -> dict[str, _Lua]:
    if scheme in _OVER_HTTP:
        return {"over": "tcp", "number": number, "dissector": "http"}
    return {"over": "udp" if scheme in _DATAGRAMS else "tcp", "number": number}


def _literal(value: _Lua, indent: str = "") -> str:
    """A value as Lua writes it.

    >>> print(_literal({"name": 'a "b"', "bits": [1, 2]}))
    {
        name = "a \\"b\\"",
        bits = { 1, 2 },
    }
    """
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, Mapping):
        inner = indent + "    "
        lines = [f"{inner}{_key(key)} = {_literal(one, inner)},\n" for key, one in value.items()]
        return "{\n" + "".join(lines) + indent + "}"
    if all(isinstance(one, int | str) for one in value):
        return "{ " + ", ".join(_literal(one) for one in value) + " }"
    inner = indent + "    "
    return "{\n" + "".join(f"{inner}{_literal(one, inner)},\n" for one in value) + indent + "}"


def _key(key: str | int) -> str:
    return f"[{key}]" if isinstance(key, int) else key
