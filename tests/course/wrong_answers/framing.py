"""Answers to exercise 04 that work as long as each recv returns one message."""


class OneRecvIsOneMessage:
    """Takes what came for one message."""

    def feed(self, data):
        return [data[2:]]


class ForgetsTheRest:
    """Takes all whole messages, and drops what is left over."""

    def feed(self, data):
        messages = []
        while len(data) >= 2:
            length = int.from_bytes(data[:2], "big")
            if len(data) < 2 + length:
                break
            messages.append(data[2 : 2 + length])
            data = data[2 + length :]
        return messages


class OnlyTheFirst:
    """Gives out one message for each recv, and keeps the rest for the next."""

    def __init__(self):
        self.waiting = b""

    def feed(self, data):
        self.waiting += data
        if len(self.waiting) < 2 or len(self.waiting) < 2 + int.from_bytes(self.waiting[:2], "big"):
            return []
        end = 2 + int.from_bytes(self.waiting[:2], "big")
        message, self.waiting = self.waiting[2:end], self.waiting[end:]
        return [message]


class EmptyIsNothing:
    """Leaves out messages of 0 bytes."""

    def __init__(self):
        self.waiting = b""

    def feed(self, data):
        self.waiting += data
        messages = []
        while len(self.waiting) >= 2:
            end = 2 + int.from_bytes(self.waiting[:2], "big")
            if len(self.waiting) < end:
                break
            if end > 2:
                messages.append(self.waiting[2:end])
            self.waiting = self.waiting[end:]
        return messages


class WaitsForTheHeader:
    """Takes the length from whatever came first, also when that was one byte."""

    def __init__(self):
        self.waiting = b""

    def feed(self, data):
        self.waiting += data
        messages = []
        while self.waiting:
            length = int.from_bytes(self.waiting[:2], "big")
            if len(self.waiting) - 2 < length and len(self.waiting) > 1:
                break
            messages.append(self.waiting[2 : 2 + length])
            self.waiting = self.waiting[2 + length :]
        return messages


CLEAN = [b"\x00\x02hi", b"\x00\x05there"]


def works_on_a_clean_path(answer):
    decoder = answer()
    return [decoder.feed(data) for data in CLEAN] == [[b"hi"], [b"there"]]


WRONG = {
    OneRecvIsOneMessage: "they came out as one",
    ForgetsTheRest: "completed a message that had begun before it",
    OnlyTheFirst: "the first came out alone",
    EmptyIsNothing: "a message of 0 bytes is a message too",
    WaitsForTheHeader: "one byte is not a whole length",
}
