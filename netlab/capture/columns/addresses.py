"""IP addresses as small numbers: a capture has few of them, and each stands in many packets."""

from __future__ import annotations

import ipaddress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netlab.capture.octets import Ints

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Addresses:
    """The addresses of a capture: those of IPv4 in order, then those of IPv6 in order."""

    def __init__(self, v4: NDArray[np.uint32], v6: NDArray[np.uint64]) -> None:
        """Take the different ones of IPv4, and of IPv6 as (2, n) upper and lower halves."""
        self.objects: list[Address] = [ipaddress.IPv4Address(int(number)) for number in v4]
        self.objects += [
            ipaddress.IPv6Address(int(upper) << 64 | int(lower)) for upper, lower in zip(v6[0], v6[1], strict=True)
        ]
        self.texts: NDArray[Any] = np.array([*map(str, self.objects), ""], object)
        """As people write them, and "" at the end, so that index -1 is what a packet without an address has."""

    def within(self, text: str) -> NDArray[np.int32]:
        """The numbers of the addresses that are, or are in the network, `text`, such as `10.0.0.1` or `10.0.0.0/8`.

        Raises:
            ValueError: it is neither.
        """
        network = ipaddress.ip_network(text, strict=False)
        return np.array([number for number, one in enumerate(self.objects) if one in network], np.int32)


def number_addresses(raw: dict[str, NDArray[Any]], version: Ints) -> tuple[Ints, Ints, Addresses]:
    """The numbers of every packet's source and destination, -1 without IP, and what they are numbers of."""
    src, dst = np.full(len(version), -1, np.int32), np.full(len(version), -1, np.int32)
    four, six = np.flatnonzero(version == 4), np.flatnonzero(version == 6)
    v4, number = _numbered(np.concatenate([raw["src4"][four], raw["dst4"][four]]))
    src[four], dst[four] = number[: len(four)], number[len(four) :]
    # halves are numbered first: pairs of small numbers fit one number, which sorts as the address does
    halves = [np.concatenate([raw[f"{end}6_{half}"][six] for end in ("src", "dst")]) for half in ("upper", "lower")]
    (upper, which_upper), (lower, which_lower) = (np.unique(half, return_inverse=True) for half in halves)
    count = max(1, len(lower))
    pairs, number = np.unique(which_upper * count + which_lower, return_inverse=True)
    number += len(v4)
    src[six], dst[six] = number[: len(six)], number[len(six) :]
    return src, dst, Addresses(v4, np.stack([upper[pairs // count], lower[pairs % count]]))


def _numbered(values: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], NDArray[Any]]:
    """The different values in order, and of each value which it is."""
    different = np.unique(values)
    if not len(different) or different[-1] - different[0] > len(values):
        return different, np.searchsorted(different, values)
    which = np.zeros(int(different[-1] - different[0]) + 1, np.int32)  # of a few networks: looked up, not searched for
    which[different - different[0]] = np.arange(len(different))
    return different, which[values - different[0]]
