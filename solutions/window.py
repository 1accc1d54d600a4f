"""Exercise 08: what a receiver offers."""


class Answer:
    def __init__(self, buffer, mss):
        self.buffer, self.mss = buffer, mss
        self.unread, self.window = 0, buffer

    def arrived(self, size):
        self.unread += size
        self.window -= size
        return self.offer()

    def read(self, size):
        self.unread -= size
        return self.offer()

    def offer(self):
        free = self.buffer - self.unread
        if free - self.window >= min(self.buffer / 2, self.mss):
            self.window = free
        return self.window
