"""A capture file, read: its packets by number, their columns, and those of them that are asked for.

    capture = read("chat.pcapng")
    for layer in capture.packet(7).layers: ...
    capture.packet(7).scapy.show()
    talk = capture.where(protocol="tcp", port=9000, interface="wire")
    talk.columns.payload_len.sum()

Read `columns` for what columns there are.
"""

from __future__ import annotations

import functools
import mmap
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins

from netlab.capture.byte_sums import Sums, sums
from netlab.capture.layers import Layer, layers_of, to_scapy
from netlab.capture.summary import Summary, summarize
from netlab.errors import CaptureError
from netlab.packets.capture_record import CaptureBytes, Interface, Record
from netlab.units import MIB

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from netlab.capture.columns import Columns
    from netlab.capture.columns.netlab_packets import NetlabPackets
    from netlab.capture.columns.rudp_streams import Segments
    from netlab.capture.columns.whole_file import WholeFile
    from netlab.capture.continued import Part
    from netlab.capture.flows import Conversation, Flow
    from netlab.capture.messages import Message
    from netlab.capture.selection import Wanted
    from netlab.capture.streams import Stream
    from netlab.capture.web_layers import Web
    from netlab.capture.web_messages import WebMessage

_MAPPED_FROM = 16 * MIB
"""A file of this size is mapped into memory and not read: what is cut off it meanwhile would end this process, so it is
done where it spares much."""


class CapturedPacket:
    """One packet of a capture.

    Attributes:
        record: as it stands in the file: `number`, `time_ns`, `interface`, `data`, `original_len`, `comment`.
    """

    def __init__(self, record: Record, whole: WholeFile | None = None) -> None:
        """Take a record, and the file that it stands in: the packets before and behind it say more than it alone."""
        self.record = record
        self._whole = whole

    @property
    def _parts(self) -> tuple[Part, ...]:
        return () if self._whole is None else self._whole.netlab_parts.get(self.record.number - 1, ())

    @functools.cached_property
    def scapy(self) -> Any:
        """The packet as scapy has it. Changing it changes `layers` only as long as these were not asked for."""
        return to_scapy(self.record.data, self.record.interface.linktype)

    @functools.cached_property
    def _web(self) -> Web | None:
        row = self.record.number - 1
        if self._whole is None or row not in self._whole.web_units_of:
            return None
        from netlab.capture.web_layers import Web

        return Web(self._whole, row)

    @property
    def clear(self) -> bytes:
        """Its bytes as they would be if no frame of WebSocket in it was masked."""
        return self.record.data if self._web is None else self._web.clear(self.record.data)

    @functools.cached_property
    def layers(self) -> list[Layer]:
        """Its layers, the link's first, with their fields and the bytes these stand in."""
        return layers_of(self.scapy, self.record.data, self._parts, self._web)

    @property
    def sums(self) -> Sums:
        """What its bytes are spent on."""
        return sums(self.layers, self.clear)

    @functools.cached_property
    def summary(self) -> Summary:
        """Its line in a list of packets."""
        if self._web is None:
            return summarize(self.record, self._parts)
        return summarize(self.record, web=self._web)

    @property
    def told(self) -> dict[str, Any]:
        """All of it, as JSON can say it: its line in a list, its bytes in hex, its layers and their fields."""
        layers = [
            to_builtins(layer) | {"header_len": layer.header_len, "payload_len": layer.payload_len}
            for layer in self.layers
        ]
        return {
            **to_builtins(self.summary),
            "captured": len(self.record.data),
            "bytes": self.record.data.hex(),
            "layers": layers,
            "sums": {**to_builtins(self.sums), "header": self.sums.header},
        }

    def __repr__(self) -> str:
        return f"<packet {self.record.number}: {self.summary.protocol}, {self.record.original_len} B>"


class Capture:
    """Packets of one file, in its order: all of them, or those that `where` has chosen.

    `len`, iteration, and `packet(n)` with the packet's number in the file, from 1, as Wireshark counts.

    Attributes:
        path: where it was read from.
    """

    def __init__(self, path: Path, whole: WholeFile, rows: NDArray[np.intp] | None = None) -> None:
        self.path = path
        self._whole = whole
        self._rows = rows

    @property
    def ends_early(self) -> str | None:
        """Why the file has no more packets although it should, where it was cut short; else None."""
        return self._whole.index.ends_early

    @property
    def interfaces(self) -> list[Interface]:
        """Where packets of the file were seen, netlab's vantage points: the column `interface` counts them from 0."""
        return self._whole.index.interfaces

    @functools.cached_property
    def columns(self) -> Columns:
        """Every field of all these packets at once, as numpy arrays."""
        from netlab.capture.columns import Columns

        return Columns(self._whole, self._rows)

    def where(self, mask: NDArray[np.bool_] | None = None, **wanted: Wanted) -> Capture:
        """Those of these packets for which everything said is so.

        Args:
            mask: a truth value for each of these packets, such as `capture.columns.payload_len > 0`.
            wanted: by the name of a column, the number that it shall hold, a range, or a list or set of numbers.
                `src` and `dst` are addresses or networks (`"10.0.0.0/8"`), and `address` is either of them; `port`
                either port; `protocol` may be `"tcp"`, `interface` its name, and `flags` names of TCP's control bits
                that are set (`"SYN, ACK"`).

        Raises:
            CaptureError: there is no such column, interface or protocol; the message says which there are.
        """
        import numpy as np

        from netlab.capture.selection import selected

        chosen = selected(self.columns, self.interfaces, wanted)
        if mask is not None:
            chosen &= mask
        return self.at(np.flatnonzero(chosen))

    def at(self, rows: NDArray[np.intp]) -> Capture:
        """Those at these places of the columns."""
        return Capture(self.path, self._whole, rows if self._rows is None else self._rows[rows])

    def flows(self) -> list[Flow]:
        """What each vantage point saw of each direction of each conversation, in the order they began."""
        from netlab.capture.flows import flows

        return flows(self)

    def conversations(self) -> list[Conversation]:
        """The flows of either direction of each conversation, together."""
        from netlab.capture.flows import conversations

        return conversations(self)

    def streams(self) -> list[Stream]:
        """The TCP streams that these packets belong to, put together; each of all its packets in the file."""
        from netlab.capture.streams import streams

        return streams(self, self._whole)

    @property
    def netlab_packets(self) -> NetlabPackets:
        """netlab's packets of the whole file, in datagrams and in streams, as arrays with a row for each."""
        return self._whole.netlab_packets

    @property
    def rudp_segments(self) -> Segments:
        """rudp's segments in the datagrams of the whole file, as arrays with a row for each."""
        return self._whole.rudp_segments

    def messages(self) -> list[Message]:
        """netlab's messages that these packets completed, put together, in the order in which they were complete."""
        from netlab.capture.messages import messages

        numbers = None if self._rows is None else set(self.columns.number.tolist())
        return [one for one in messages(self._whole) if numbers is None or one.last_number in numbers]

    def web(self) -> list[WebMessage]:
        """HTTP messages and frames of WebSocket that these packets completed, in the order in which they were."""
        from netlab.capture.web_messages import web_messages

        numbers = None if self._rows is None else set(self.columns.number.tolist())
        return [one for one in web_messages(self._whole) if numbers is None or one.last_number in numbers]

    @property
    def whole(self) -> Capture:
        """All packets of the file."""
        return Capture(self.path, self._whole)

    def packet(self, number: int) -> CapturedPacket:
        """The packet of this number in the file.

        Raises:
            CaptureError: there is no such packet; the message says which there are.
        """
        return CapturedPacket(self._whole.index.record(self._row(number)), self._whole)

    def comment(self, number: int) -> str | None:
        """What the file says of the packet of this number, such as why it was dropped. Text from a file: escape it.

        Raises:
            CaptureError: there is no such packet; the message says which there are.
        """
        return self._whole.index.comment(self._row(number))

    def _row(self, number: int) -> int:
        count = len(self._whole.index)
        if not 1 <= number <= count:
            those = f"they are 1 to {count}" if count else "it has none"
            raise CaptureError(f"{self.path} has no packet {number}: {those}")
        return number - 1

    def __len__(self) -> int:
        return len(self._whole.index) if self._rows is None else len(self._rows)

    def __iter__(self) -> Iterator[CapturedPacket]:
        for row in range(len(self)) if self._rows is None else self._rows.tolist():
            yield CapturedPacket(self._whole.index.record(row), self._whole)

    def __repr__(self) -> str:
        of = "" if self._rows is None else f" of {len(self._whole.index)}"
        return f"<capture {self.path}: {len(self)}{of} packets>"


def read(path: str | os.PathLike[str]) -> Capture:
    """Read a pcap or pcapng file. One that was cut short is read to its last whole record.

    Raises:
        CaptureError: the file cannot be read, is of another kind, or is damaged; `offset` says where.
    """
    file = Path(path)
    try:
        contents = _contents(file)
    except OSError as error:
        raise CaptureError(f"{file}: {error.strerror}") from None
    try:
        return parse(contents, file)
    except CaptureError as error:
        raise _in_file(file, error) from None


def parse(data: CaptureBytes, path: Path = Path("capture")) -> Capture:
    """The capture that is all of `data`, as `read`.

    Raises:
        CaptureError: of another kind, or damaged; `offset` says where.
    """
    from netlab.capture.columns.whole_file import WholeFile
    from netlab.capture.record_index import RecordIndex

    return Capture(path, WholeFile(RecordIndex(data)))


def _contents(file: Path) -> CaptureBytes:
    status = os.stat(file)
    if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        raise CaptureError(f"{file} is a device, and no capture file")  # some have no end
    if not stat.S_ISREG(status.st_mode) or status.st_size < _MAPPED_FROM:
        return file.read_bytes()
    with open(file, "rb") as opened:
        return mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)


def _in_file(file: Path, error: CaptureError) -> CaptureError:
    named = CaptureError(f"{file}: {error}")
    named.offset = error.offset
    return named
