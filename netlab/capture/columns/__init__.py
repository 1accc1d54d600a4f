"""All packets of a capture at once: one numpy array for each field, with one row for each packet.

    columns = capture.columns
    columns.payload_len[columns.dport == 9000].sum()
    columns.addresses[columns.src]

`table.COLUMNS` says what columns there are. They are computed when they are first asked for: the headers from link to
transport all together, TCP's options, netlab's packets and the chat each when needed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netlab.capture.columns.addresses import Addresses
from netlab.capture.columns.directions import direction_column
from netlab.capture.columns.flow_numbers import flow_columns
from netlab.capture.columns.headers import header_columns
from netlab.capture.columns.octets import Octets
from netlab.capture.columns.stream_numbers import Streams, stream_columns
from netlab.capture.columns.table import COLUMNS, NO_OFFSET
from netlab.capture.record_index import NO_TIME, RecordIndex

__all__ = ["COLUMNS", "NO_OFFSET", "NO_TIME", "Columns"]


class Columns:
    """The columns of some packets, as attributes: `columns.seq`. `table.COLUMNS` says what each holds.

    Arrays are shared and can't be written to: copy one to change it.
    """

    def __init__(self, whole: WholeFile, rows: NDArray[np.intp] | None = None) -> None:
        """Those of `rows`, by default of all packets."""
        self._whole = whole
        self._rows = rows

    def __getattr__(self, name: str) -> NDArray[Any]:
        if name not in COLUMNS:
            raise AttributeError(f"no column {name!r}: there are {', '.join(COLUMNS)}")
        array = self._whole.column(name)
        if self._rows is not None:
            array = array[self._rows]
            array.flags.writeable = False
        self.__dict__[name] = array
        return array

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *COLUMNS]

    def __len__(self) -> int:
        return len(self._whole.index) if self._rows is None else len(self._rows)

    def within(self, network: str) -> NDArray[np.int32]:
        """The indices of the addresses that are, or are in, `network`, such as `10.0.0.1` or `10.0.0.0/8`.

        Raises:
            ValueError: it is neither an address nor a network.
        """
        return self._whole.addresses.within(network)

    @property
    def addresses(self) -> NDArray[Any]:
        """The text of each address that `src` and `dst` are indices of; "" at the end, so at index -1."""
        return self._whole.addresses.texts


class WholeFile:
    """Every column of every packet of one file, each computed once."""

    def __init__(self, index: RecordIndex) -> None:
        self.index = index
        self.octets = Octets(index.data)
        self._columns: dict[str, NDArray[Any]] = {}

    @property
    def addresses(self) -> Addresses:
        self.column("src")
        return self._addresses

    def column(self, name: str) -> NDArray[Any]:
        """The column of this name, one row for each record of the file."""
        if name not in self._columns:
            made = getattr(self, f"_make_{COLUMNS[name].group}")()
            for array in made.values():
                array.flags.writeable = False
            self._columns |= made
        return self._columns[name]

    def _make_record(self) -> dict[str, NDArray[Any]]:
        index = self.index
        link_types = np.array([interface.linktype for interface in index.interfaces], np.int32)
        return {
            "number": np.arange(1, len(index) + 1, dtype=np.int32),
            "time_ns": index.time_ns,
            "interface": index.interface,
            "captured_len": index.captured,
            "original_len": index.original,
            "link_type": link_types[index.interface],
        }

    def _make_headers(self) -> dict[str, NDArray[Any]]:
        columns, self._addresses = header_columns(self.octets, self.index)
        return dict(columns)

    def _make_directions(self) -> dict[str, NDArray[Any]]:
        return {"direction": direction_column(self.octets, self.index, self.column("link_type"))}

    def _make_flows(self) -> dict[str, NDArray[Any]]:
        return flow_columns(self.column)

    @property
    def streams(self) -> Streams:
        """What is known of all TCP streams, beside the columns."""
        self.column("stream")
        return self._streams

    def _make_streams(self) -> dict[str, NDArray[Any]]:
        columns, self._streams = stream_columns(self.column)
        return columns
