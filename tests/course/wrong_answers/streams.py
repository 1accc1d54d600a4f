"""Answers to exercise 11 that are right where everything comes once and in order."""


class InOneOrder:
    """A gap in one stream stops the others, as in TCP."""

    def __init__(self):
        self.next, self.early, self.held = {}, {}, []

    def arrived(self, stream, offset, data):
        at = self.next.get(stream, 0)
        if offset >= at:
            self.early[stream, offset] = data
        while (stream, at) in self.early:
            piece = self.early.pop((stream, at))
            self.held.append((stream, piece))
            at += len(piece)
        self.next[stream] = at
        if any(name != stream for name, _ in self.early):
            return []
        out, self.held = self.held, []
        return out


class AsTheyCome:
    """Delivers whatever comes."""

    def __init__(self):
        self.seen = set()

    def arrived(self, stream, offset, data):
        if (stream, offset) in self.seen:
            return []
        self.seen.add((stream, offset))
        return [(stream, data)]


class KeepsNothing:
    """Takes what is next, and drops what is early."""

    def __init__(self):
        self.next = {}

    def arrived(self, stream, offset, data):
        if offset != self.next.get(stream, 0):
            return []
        self.next[stream] = offset + len(data)
        return [(stream, data)]


class TwiceIsTwice:
    """Keeps what is early, and takes an old piece for a new one."""

    def __init__(self):
        self.next, self.early = {}, {}

    def arrived(self, stream, offset, data):
        if offset < self.next.get(stream, 0):
            return [(stream, data)]
        self.early[stream, offset] = data
        out = b""
        while (stream, self.next.get(stream, 0)) in self.early:
            piece = self.early.pop((stream, self.next.get(stream, 0)))
            self.next[stream] = self.next.get(stream, 0) + len(piece)
            out += piece
        return [(stream, out)] if out else []


def works_on_a_clean_path(answer):
    receiver = answer()
    heard = [receiver.arrived(*piece) for piece in ((0, 0, b"ab"), (1, 0, b"x"), (0, 2, b"c"))]
    return heard == [[(0, b"ab")], [(1, b"x")], [(0, b"c")]]


WRONG = {
    InOneOrder: "waits for another stream",
    AsTheyCome: "something before it is missing",
    KeepsNothing: "was not kept",
    TwiceIsTwice: "delivered twice",
}
