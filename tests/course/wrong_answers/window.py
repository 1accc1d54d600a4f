"""Answers to exercise 08 that are right where each segment is read before the next one comes, or none is."""

from tests.course.answers import solution

Receiver = solution("window")


class AlwaysTheBuffer(Receiver):
    """Forgets what is not read yet."""

    def read(self, size):
        if super().read(size) == self.buffer - self.unread:
            self.window = self.buffer
        return self.window


class EveryCrumb(Receiver):
    """Offers whatever is free."""

    def offer(self):
        self.window = self.buffer - self.unread
        return self.window


class TakesItBack(Receiver):
    """Offers a whole number of segments."""

    def arrived(self, size):
        super().arrived(size)
        return self.window // self.mss * self.mss if self.window < self.buffer // 2 else self.window


class NeverOpens(Receiver):
    """What was used up stays used up."""

    def read(self, size):
        self.unread -= size
        return self.window


def works_on_a_clean_path(answer):
    return answer(10_000, 1460).arrived(3000) == 7000 and answer(4000, 500).arrived(1000) == 3000


WRONG = {
    AlwaysTheBuffer: "unread bytes take their place",
    EveryCrumb: "a crumb",
    TakesItBack: "takes back what it had offered",
    NeverOpens: "waits until it is told",
}
