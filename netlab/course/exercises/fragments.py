"""Exercise 10: cut a datagram into IPv4 fragments.

`fragment(length, mtu)` returns the fragments of a datagram whose payload is `length` bytes long, on a link of that MTU,
as a list of `(offset, size, more)`: the offset as it stands in the header, in units of 8 bytes; the payload's size in
bytes; and whether more follow. An IPv4 header has 20 bytes here.

Source: RFC 791 §3.1 (fragment offset, MF), §3.2 (an example of fragmentation).
"""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

from netlab.course.check.engine import Exercise
from netlab.course.check.verdict import Complaint
from netlab.packets.ipv4 import HEADER_LEN


class Cut(msgspec.Struct, frozen=True):
    """One case: bytes of payload, and the MTU of the link, in bytes."""

    length: int
    mtu: int

    def __str__(self) -> str:
        return f"{self.length} B of payload, an MTU of {self.mtu} B"


def right(length: int, mtu: int) -> list[tuple[int, int, bool]]:
    """The fragments, each as large as it may be."""
    if length <= mtu - HEADER_LEN:
        return [(0, length, False)]
    most = (mtu - HEADER_LEN) // 8 * 8
    return [(at // 8, min(most, length - at), at + most < length) for at in range(0, length, most)]


def _judge(fragment: Any, case: Cut) -> Complaint | None:
    got = fragment(case.length, case.mtu)
    expected = right(case.length, case.mtu)
    got = [tuple(one) for one in got] if isinstance(got, list | tuple) else got
    if got == expected:
        return None
    return Complaint(
        _why(got, expected, case),
        given=str(case),
        expected=repr(expected),
        got=repr(got),
        hint="offsets are counted in units of 8 bytes, and the MTU counts the IP header (RFC 791 §3.1, §3.2)",
    )


def _why(got: Any, expected: list[tuple[int, int, bool]], case: Cut) -> str:
    if not isinstance(got, list) or not got or any(len(one) != 3 for one in got):
        return "fragment has to return a list of (offset, size, more)"
    sizes = [size for _, size, _ in got]
    if sum(sizes) != case.length:
        return f"the fragments hold {sum(sizes)} B of {case.length} B: nothing may be lost or added"
    if max(sizes) > case.mtu - HEADER_LEN:
        return f"a fragment of {max(sizes)} B does not fit: the MTU counts the IP header of {HEADER_LEN} B too"
    if any(size % 8 for size in sizes[:-1]):
        return "every fragment but the last has a size that is a multiple of 8: the offset counts in units of 8 bytes"
    if [offset for offset, _, _ in got] != [offset for offset, _, _ in expected] and sizes == [
        s for _, s, _ in expected
    ]:
        return "the offsets are wrong: the header counts them in units of 8 bytes, from the beginning of the payload"
    if [more for _, _, more in got] != [True] * (len(got) - 1) + [False]:
        return "more is set on every fragment but the last one: that is how a receiver knows the whole length"
    return "the fragments are smaller than they need to be: each loses the datagram if it is lost"


exercise: Exercise[Cut] = Exercise(
    name="fragments",
    notebook="10",
    write="fragment(length, mtu), which returns a list of (offset, size, more)",
    cases=st.builds(Cut, st.integers(1, 4000), st.sampled_from([68, 576, 1006, 1280, 1500, 1492])),
    judge=_judge,
)
