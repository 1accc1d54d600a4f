"""Exercise 10: cut a datagram into IPv4 fragments."""


def Answer(length, mtu):
    room = mtu - 20
    if length <= room:
        return [(0, length, False)]
    room -= room % 8
    return [(at // 8, min(room, length - at), at + room < length) for at in range(0, length, room)]
