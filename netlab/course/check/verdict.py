"""What came of a check, and how it shows itself: in a terminal, in a notebook, to a grader."""

from __future__ import annotations

import base64
import enum
import html
import io
from pathlib import Path
from typing import Any

import msgspec

from netlab.errors import NetlabError
from netlab.units import Ns

MIME = "application/vnd.netlab.verdict+json"
"""Under this name a notebook's output holds the verdict for programs: `netlab check` collects these."""


class Status(enum.Enum):
    """What came of a check."""

    PASSED = "passed"
    FAILED = "failed"
    OPEN = "open"
    """Nothing was written yet."""


class CheckFailed(NetlabError, AssertionError):
    """An answer is wrong, or not written yet."""


class Frame(msgspec.Struct, frozen=True):
    """A frame of a failing case, as `network.simulator.Tap` sees it."""

    point: str
    at: Ns
    data: bytes
    comment: str | None = None
    outbound: bool | None = None


class Complaint(msgspec.Struct, frozen=True):
    """What is wrong with what an answer did on one case.

    Attributes:
        sentence: what was wrong, for the student.
        given: the case in words.
        expected, got: what should have come out, and what did.
        hint: what to think about, or where to read.
        frames: the case as seen on the network, in order of time.
    """

    sentence: str
    given: str = ""
    expected: str = ""
    got: str = ""
    hint: str = ""
    frames: tuple[Frame, ...] = ()

    @property
    def rows(self) -> list[tuple[str, str]]:
        """What it says beside its sentence, each with its name; what is empty is left out."""
        rows = (("given", self.given), ("expected", self.expected), ("got", self.got), ("think of", self.hint))
        return [(name, value) for name, value in rows if value]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a check.

    Attributes:
        tried: how many cases were tried, the shrinking of one that failed included.
        capture: where the failing case was saved, or None.
    """

    exercise: str
    notebook: str
    write: str
    status: Status
    tried: int
    complaint: Complaint | None = None
    capture: Path | None = None

    def require(self) -> None:
        """Go on only with a right answer.

        Raises:
            CheckFailed: it is wrong, or not written yet.
        """
        if self.status is not Status.PASSED:
            raise CheckFailed(str(self))

    @property
    def line(self) -> str:
        """The verdict in one line."""
        match self.status:
            case Status.PASSED:
                return f"{self.exercise}: right, on all of {self.tried} cases"
            case Status.OPEN:
                return f"{self.exercise}: not done yet: write {self.write}"
            case Status.FAILED:
                return f"{self.exercise}: not yet: {self.complaint.sentence if self.complaint else ''}"

    @property
    def ladder(self) -> str:
        """The failing case as a ladder in words; empty where nothing was sent in it."""
        if self.capture is None:
            return ""
        from netlab.capture import read
        from netlab.figures import words

        return words("ladder", read(self.capture))

    def __str__(self) -> str:
        lines = [self.line]
        if (c := self.complaint) is not None:
            lines += [f"  {name:<9} {value}" for name, value in c.rows]
        if self.capture is not None:
            lines += ["", *(f"  {line}" for line in self.ladder.splitlines()), "", f"  saved as {self.capture}"]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/plain": str(self), "text/html": self._html(), MIME: msgspec.to_builtins(self.report)}

    @property
    def report(self) -> Report:
        """For programs."""
        return Report(
            exercise=self.exercise,
            notebook=self.notebook,
            status=self.status,
            sentence=self.line,
            text=str(self),
            capture=None if self.capture is None else str(self.capture),
        )

    def _html(self) -> str:
        mark = {Status.PASSED: "&#10003;", Status.FAILED: "&#10007;", Status.OPEN: "&#9998;"}[self.status]
        parts = [f"<p><strong>{mark} {html.escape(self.line)}</strong></p>"]
        if (c := self.complaint) is not None:
            cells = "".join(
                f"<tr><th scope='row' style='text-align:left'>{name}</th>"
                f"<td style='text-align:left'><code>{html.escape(value)}</code></td></tr>"
                for name, value in c.rows
            )
            parts.append(f"<table>{cells}</table>")
        if self.capture is not None:
            parts.append(_picture(self.capture, self.ladder))
            parts.append(f"<p>saved as <code>{html.escape(str(self.capture))}</code></p>")
        return "".join(parts)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict for programs: what `netlab check` collects."""

    exercise: str
    notebook: str
    status: Status
    sentence: str
    text: str
    capture: str | None


def _picture(capture: Path, words: str) -> str:
    from matplotlib.figure import Figure

    from netlab.capture import read
    from netlab.figures.ladder import ladder

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    ladder(read(capture), ax=figure.subplots())
    drawn = io.BytesIO()
    figure.savefig(drawn, format="svg")
    data = base64.b64encode(drawn.getvalue()).decode()
    return f'<img alt="{html.escape(words)}" src="data:image/svg+xml;base64,{data}">'
