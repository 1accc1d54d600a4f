"""Rows that are alike get one number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netlab.capture.octets import Ints


def number_alike(*keys: Ints) -> NDArray[np.intp]:
    """A number for each row, the same where all `keys` are the same; from 0, in the order in which they first come.

    >>> number_alike(np.array([7, 7, 5, 7]), np.array([1, 2, 2, 1])).tolist()
    [0, 1, 2, 0]
    """
    group = np.zeros(len(keys[0]), np.int64)
    count = 1
    for key in keys:
        values, number = np.unique(key, return_inverse=True)
        # both are below the number of rows, so that their product fits
        pairs, group = np.unique(group * max(1, len(values)) + number, return_inverse=True)
        count = len(pairs)
    first = np.full(count, len(group), np.int64)
    np.minimum.at(first, group, np.arange(len(group)))
    rank = np.empty(count, np.intp)
    rank[np.argsort(first)] = np.arange(count)
    return rank[group]
