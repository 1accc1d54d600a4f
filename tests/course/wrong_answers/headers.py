"""Answers to exercise 01 that are right for "hi" over UDP over IPv4, as most captures show it."""


def parts_of(frame, *, ipv6=True, ihl=True, offset=True, tcp=True, padding=True):
    at = 14
    is4 = frame[12:14] == b"\x08\x00" or not ipv6
    header = (4 * (frame[at] & 0x0F) if ihl else 20) if is4 else 40
    length = int.from_bytes(frame[at + 2 : at + 4] if is4 else frame[at + 4 : at + 6], "big") + (0 if is4 else 40)
    protocol = frame[at + 9] if is4 else frame[at + 6]
    end = at + length if padding else len(frame)
    parts = [("Ethernet", 14), ("IPv4" if is4 else "IPv6", header)]
    at += header
    if protocol == 17 or not tcp:
        parts.append(("UDP", 8))
    else:
        parts.append(("TCP", 4 * (frame[at + 12] >> 4) if offset else 20))
    at += parts[-1][1]
    parts += [("payload", end - at), ("padding", len(frame) - end)]
    return [part for part in parts if part[1] > 0]


def ip_has_20_bytes(frame):
    return parts_of(frame, ihl=False)


def tcp_has_20_bytes(frame):
    return parts_of(frame, offset=False)


def all_is_udp(frame):
    return parts_of(frame, tcp=False)


def all_is_ipv4(frame):
    return parts_of(frame, ipv6=False)


def the_rest_is_payload(frame):
    return parts_of(frame, padding=False)


def works_on_a_clean_path(answer):
    from netlab.course.exercises.headers import Wrapped

    frame, parts = Wrapped("UDP", b"hi").made
    return answer(frame) == parts


WRONG = {
    ip_has_20_bytes: "in the lower half of its first byte",
    tcp_has_20_bytes: "TCP's data offset says so",
    all_is_udp: "IP's protocol field says TCP",
    all_is_ipv4: "the EtherType says IPv6",
    the_rest_is_payload: "a short frame is padded",
}
