"""Numbers of one's own for every student, from a secret that only the teacher has.

The same student gets the same numbers at every run, and nobody can compute another's: each number is HMAC-SHA256 of the
student's name and the number's, under the secret (RFC 2104).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence

import msgspec

from netlab.errors import NetlabError


class BadClass(NetlabError, ValueError):
    """The list of students, or the secret, is of no use."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question with a number that differs from student to student.

    Attributes:
        text: with `{x}` where the number goes.
        choices: what the number may be.
        answer: `answer(x)`, for the key, in words.
    """

    name: str
    notebook: str
    text: str
    choices: tuple[int, ...]

    def answer(self, x: int) -> str:
        """The right answer for this number."""
        return ANSWERS[self.name](x)


def _fragments(length: int) -> str:
    from netlab.course.exercises.fragments import right

    return ", ".join(f"{offset}:{size}" for offset, size, _ in right(length + 8, 1500))


ANSWERS: dict[str, Callable[[int], str]] = {
    "fragments": _fragments,
    "mss": lambda mtu: str(mtu - 40),
    "stop-and-wait": lambda rtt: f"{1200 * 8 / (rtt + 0.96):.1f} kbit/s",
    "rto": lambda r: f"{3 * r} ms",
    "cubic": lambda cwnd: f"{round(0.7 * cwnd)} segments",
    "wrap": lambda rate: f"{2**32 * 8 / (rate * 1e6):.1f} s",
    "port": lambda _: "1",
}

QUESTIONS = (
    Question(
        name="fragments",
        notebook="10",
        text="Into which fragments (offset:size) is a UDP datagram with {x} B of payload cut, at an MTU of 1500 B?",
        choices=tuple(range(1600, 4400, 40)),
    ),
    Question(
        name="mss",
        notebook="10",
        text="Which MSS does a TCP announce over IPv4 on a link with an MTU of {x} B, without options?",
        choices=(576, 1280, 1400, 1492, 4352, 9000),
    ),
    Question(
        name="stop-and-wait",
        notebook="07",
        text="How much does stop-and-wait get through with packets of 1200 B, a round trip of {x} ms and 10 Mbit/s?",
        choices=tuple(range(20, 320, 10)),
    ),
    Question(
        name="rto",
        notebook="07",
        text="The first sample of the round trip is {x} ms. What is the RTO, with no lower bound (RFC 6298)?",
        choices=tuple(range(30, 900, 30)),
    ),
    Question(
        name="cubic",
        notebook="09",
        text="CUBIC has a window of {x} segments when it notices a loss. How large is it then?",
        choices=tuple(range(20, 400, 10)),
    ),
    Question(
        name="wrap",
        notebook="06",
        text="How long until TCP's sequence numbers come round at {x} Mbit/s?",
        choices=(10, 25, 50, 100, 250, 500, 1000, 2500, 10_000),
    ),
    Question(
        name="port",
        notebook="03",
        text="A server has {x} clients connected to port 443. How many of its ports do they use?",
        choices=tuple(range(50, 5000, 50)),
    ),
)


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """One question for one student."""

    student: str
    notebook: str
    name: str
    question: str
    answer: str


def number(secret: str, student: str, question: Question) -> int:
    """The number that this student gets in this question."""
    told = f"{student}\0{question.name}".encode()
    digest = hmac.new(secret.encode(), told, hashlib.sha256).digest()
    return question.choices[int.from_bytes(digest[:8], "big") % len(question.choices)]


def variants(students: Sequence[str], secret: str) -> list[Variant]:
    """Every question for every student, with its answer, for the teacher's key.

    Raises:
        BadClass: nobody is in the list, somebody twice, or the secret is too short to be one.
    """
    names = [student.strip() for student in students if student.strip()]
    if not names:
        raise BadClass("nobody is in the class list: write one student a line")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadClass(f"{twice[0]} is in the class list twice")
    if len(secret) < 8:
        raise BadClass("a secret has at least 8 characters: who guesses it can compute everybody's numbers")
    return [
        Variant(
            student=student,
            notebook=question.notebook,
            name=question.name,
            question=question.text.format(x=x),
            answer=question.answer(x),
        )
        for student in names
        for question in QUESTIONS
        for x in (number(secret, student, question),)
    ]
