"""Exercise 01: where one header ends and the next begins."""


def Answer(frame):
    parts = [("Ethernet", 14)]
    at = 14
    if frame[12:14] == b"\x08\x00":
        header = 4 * (frame[at] & 0x0F)
        end = at + int.from_bytes(frame[at + 2 : at + 4], "big")
        protocol = frame[at + 9]
        parts.append(("IPv4", header))
    else:
        header = 40
        end = at + 40 + int.from_bytes(frame[at + 4 : at + 6], "big")
        protocol = frame[at + 6]
        parts.append(("IPv6", header))
    at += header
    name, header = ("UDP", 8) if protocol == 17 else ("TCP", 4 * (frame[at + 12] >> 4))
    parts.append((name, header))
    parts.append(("payload", end - at - header))
    parts.append(("padding", len(frame) - end))
    return [part for part in parts if part[1]]
