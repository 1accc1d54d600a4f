"""Where records stand in a file, as arrays with one row a record: `packets.capture_record.Located` for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netlab.packets.capture_record import Located

NO_TIME = -(2**63)
"""`time_ns` of a record whose file says no time, as simple packet blocks do not."""


class Records(NamedTuple):
    """The records of a file, in its order; `time_ns` is NO_TIME where none is said."""

    at: NDArray[np.int64]
    start: NDArray[np.int64]
    captured: NDArray[np.int32]
    original: NDArray[np.int64]
    time_ns: NDArray[np.int64]
    interface: NDArray[np.int32]

    @classmethod
    def of(cls, found: Sequence[Located]) -> Records:
        """Those that were found one by one."""
        return cls(
            np.array([one.at for one in found], np.int64),
            np.array([one.start for one in found], np.int64),
            np.array([one.captured for one in found], np.int32),
            np.array([one.original for one in found], np.int64),
            np.array([NO_TIME if one.time_ns is None else one.time_ns for one in found], np.int64),
            np.array([one.interface for one in found], np.int32),
        )

    @classmethod
    def joined(cls, parts: Sequence[Records]) -> Records:
        """All of them, one behind the other."""
        if len(parts) == 1:
            return parts[0]
        return cls._make(np.concatenate(columns) for columns in zip(cls.of([]), *parts, strict=True))

    def until(self, row: int) -> Records:
        """Those before this row."""
        return Records._make(column[:row] for column in self)
