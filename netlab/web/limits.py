"""What `netlab web` allows."""

from __future__ import annotations

from netlab.units import KIB

BODY = 256 * KIB
"""Bytes of what is posted: a script is far below."""

RUNS_WAITING = 32
"""Runs of the bench that may wait for their turn; past it they are told to ask again."""

HOSTS = 256
"""Addresses that a class's relay knows; past it the one longest idle is forgotten."""

WAITING, WAITING_OF_ONE = 2048, 128
"""Packets that wait for the teacher's hand, in all and of one host; past it they are dropped, as by a full queue."""

LONGEST_DELAY_S = 60
"""For how long the teacher may delay a packet."""

BROWSERS = 128
"""Students in browsers."""

TEACHERS = 8
"""Pages with the teacher's secret."""

SHOWN = 300
"""Packets that a teacher's page is shown of what was before it came."""

TOLD_AHEAD = 2000
"""Messages kept for a page that reads slowly; past it the oldest go, and it is told how many."""

COMMAND = 64 * KIB
"""Bytes of one message from a page."""

FIRST_WORD_S = 10.0
"""How long a page has to say who it is, s."""

UNDER_WAY = 32
"""Texts of one browser whose end is not yet known."""
