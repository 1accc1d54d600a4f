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

from netlab.capture.columns.table import COLUMNS, NO_OFFSET
from netlab.capture.columns.whole_file import WholeFile
from netlab.capture.located import NO_TIME

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

    @property
    def link_addresses(self) -> NDArray[Any]:
        """The text of each address that `link_src` and `link_dst` are indices of; "" at index -1."""
        return self._whole.link_addresses
