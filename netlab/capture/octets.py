"""The bytes of a file, read at many places at once, and whole numbers out of them in network byte order."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from netlab.packets.capture_record import CaptureBytes
from netlab.packets.header import Header

Ints: TypeAlias = NDArray[np.signedinteger[Any]]
Mask: TypeAlias = NDArray[np.bool_]


class Octets:
    """Numbers of 1, 2, 4 and 8 bytes at arrays of offsets. Nothing is copied but what is asked for.

    An offset must leave room for the number within the file. It is for the caller to see that it does, and that the
    number is one of the packet's own bytes.
    """

    def __init__(self, data: CaptureBytes, order: str = ">") -> None:
        size, flat = len(data), np.frombuffer(memoryview(data), np.uint8)

        def view(dtype: str) -> NDArray[Any]:
            # one number begins at every byte: a stride of 1, whatever the number's size
            room = max(0, size - np.dtype(dtype).itemsize + 1)
            return np.ndarray((room,), dtype, flat if room else None, strides=(1,))

        self.size = size
        self._flat = flat
        self._word = np.dtype(f"{order}u4")
        self._u8 = view("u1")
        self._u16 = view(f"{order}u2")
        self._u32 = view(f"{order}u4")
        self._u64 = view(f"{order}u8")

    def u8(self, at: Ints) -> Ints:
        return self._u8[at].astype(np.int32)

    def u16(self, at: Ints) -> Ints:
        return self._u16[at].astype(np.int32)

    def u32(self, at: Ints) -> Ints:
        return self._u32[at].astype(np.int64)

    def u64(self, at: Ints) -> NDArray[np.uint64]:
        return self._u64[at].astype(np.uint64)

    def field(self, header: Header, key: str, at: Ints) -> Ints:
        """A field of the headers that begin at these offsets."""
        bits, byte = header.field(key).bits, at + header.byte(key)
        if bits < 8:
            return self.u8(byte) >> 8 - bits - header.first_bit(key) % 8 & (1 << bits) - 1
        return {8: self.u8, 16: self.u16, 32: self.u32}[bits](byte)

    def rows(self, at: Ints, size: int) -> NDArray[np.uint8]:
        """The `size` bytes at each offset; beyond the file's end there are zeros."""
        room = max(0, self.size - size + 1)
        view = np.ndarray((room,), np.dtype((np.void, size)), self._flat if room else None, strides=(1,))
        beyond = np.flatnonzero(at >= room)
        if not len(beyond):
            return view[at].view(np.uint8).reshape(len(at), size)
        found = np.zeros((len(at), size), np.uint8)
        within = np.flatnonzero(at < room)
        found[within] = view[at[within]].view(np.uint8).reshape(len(within), size)
        for row in beyond.tolist():
            rest = self._flat[int(at[row]) : int(at[row]) + size]
            found[row, : len(rest)] = rest
        return found

    def words(self, at: Ints, count: int) -> list[NDArray[np.int64]]:
        """`count` 32-bit numbers, one behind the other, at each offset: the first of them all, the second of all, ...

        Each place in the file is visited once. Beyond the file's end there are zeros.
        """
        numbers = self.rows(at, 4 * count).view(self._word)
        return [numbers[:, place].astype(np.int64) for place in range(count)]

    def u32_windows(self, starts: Ints, window: int, *, every: int = 1) -> NDArray[Any]:
        """The 32-bit numbers at `every` byte of a window behind each of the equally spaced `starts`: one line a window.

        Nothing is copied. They are unsigned.
        """
        if not len(starts):
            return np.zeros((0, 0), self._word)
        spacing = int(starts[1] - starts[0]) if len(starts) > 1 else 0
        shape = (len(starts), window // every)
        return np.ndarray(shape, self._word, self._flat, int(starts[0]), (spacing, every))
