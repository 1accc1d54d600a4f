"""Exercise 04: a decoder for messages on a stream."""


class Answer:
    def __init__(self) -> None:
        self.waiting = b""

    def feed(self, data: bytes) -> list[bytes]:
        self.waiting += data
        messages = []
        while len(self.waiting) >= 2:
            end = 2 + int.from_bytes(self.waiting[:2], "big")
            if len(self.waiting) < end:
                break
            messages.append(self.waiting[2:end])
            self.waiting = self.waiting[end:]
        return messages
