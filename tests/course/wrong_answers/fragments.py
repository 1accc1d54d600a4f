"""Answers to exercise 10 that are right for whatever need not be cut."""


def the_mtu_is_payload(length, mtu):
    """Forgets the header."""
    return cut(length, mtu // 8 * 8)


def any_size(length, mtu):
    """Cuts as much as fits."""
    if length <= mtu - 20:
        return [(0, length, False)]
    return cut(length, mtu - 20 if (mtu - 20) % 8 else mtu - 21)


def offsets_in_bytes(length, mtu):
    return [(8 * offset, size, more) for offset, size, more in cut_well(length, mtu)]


def more_everywhere(length, mtu):
    """Sets more on all fragments of what was cut."""
    pieces = cut_well(length, mtu)
    return pieces if len(pieces) == 1 else [(offset, size, True) for offset, size, _ in pieces]


def loses_the_end(length, mtu):
    """Makes whole fragments only."""
    pieces = cut_well(length, mtu)
    return pieces if len(pieces) == 1 else pieces[:-1]


def cut_well(length, mtu):
    return [(0, length, False)] if length <= mtu - 20 else cut(length, (mtu - 20) // 8 * 8)


def cut(length, room):
    return [(at // 8, min(room, length - at), at + room < length) for at in range(0, length, room)]


def works_on_a_clean_path(answer):
    return answer(100, 1500) == [(0, 100, False)] and answer(40, 576) == [(0, 40, False)]


WRONG = {
    the_mtu_is_payload: "counts the IP header",
    any_size: "multiple of 8",
    offsets_in_bytes: "offsets are wrong",
    more_everywhere: "every fragment but the last one",
    loses_the_end: "nothing may be lost",
}
