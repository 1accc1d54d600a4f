"""How an answer is graded: tried on many cases, and where one fails, on smaller and smaller ones, until none fails.

An `Exercise` has a strategy for cases (hypothesis makes them, always the same ones, and shrinks the one that fails) and
a judge, who runs the answer on one case and complains or does not. A complaint says in a sentence what was wrong, and
holds the frames of that case as seen on the network: they are saved as a capture and shown as a ladder.

    verdict = check.framing(MyDecoder)      # shows itself as the last line of a cell
    verdict.require()                       # raises CheckFailed: for graders
"""

from __future__ import annotations

import contextlib
import io
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any, Generic, TypeVar

import hypothesis
import msgspec
from hypothesis.errors import NoSuchExample
from hypothesis.strategies import SearchStrategy

from netlab.course.check.verdict import Complaint, Status, Verdict
from netlab.network.recording import Recording

Case = TypeVar("Case")

PATIENCE_S = 20.0
"""How long an answer may take over all cases, seconds: longer means that it waits for something that never comes."""

CASES = 200
"""How many cases are tried."""

_SEED = 20
_OURS = ("netlab", "hypothesis", "importlib", "contextlib")


class Exercise(msgspec.Struct, Generic[Case], frozen=True, kw_only=True):
    """One exercise.

    Attributes:
        name: as in `check.NAME`.
        notebook: `"01"` to `"12"`.
        write: what is to be written, in words.
        cases: makes cases; simple ones shrink towards simpler ones.
        judge: `judge(answer, case)` runs the answer on a case; what is wrong with what it did, or None.
    """

    name: str
    notebook: str
    write: str
    cases: SearchStrategy[Any]
    judge: Callable[[Any, Any], Complaint | None]

    def __call__(self, answer: Any, *, folder: str | Path = ".") -> Verdict:
        """Grade an answer. Whatever it does, nothing is raised: the verdict says it.

        Args:
            folder: where the capture of a failing case is saved, as `check-NAME.pcapng`.
        """
        if answer is ... or answer is None:
            return self._verdict(Status.OPEN)
        tried = 0

        def fails(case: Case) -> bool:
            nonlocal tried
            tried += 1
            return self._complaint(answer, case) is not None

        try:
            with _quietly(), _within(PATIENCE_S):
                case = hypothesis.find(self.cases, fails, settings=_SETTINGS, random=Random(_SEED))
                complaint = self._complaint(answer, case)
        except NoSuchExample:
            return self._verdict(Status.PASSED, tried=tried)
        except _NotDone:
            return self._verdict(Status.OPEN)
        except _TookTooLong as late:
            complaint = Complaint(
                f"it did not come to an end within {PATIENCE_S:g} s{late.where}: does a loop wait for something that "
                "never comes?"
            )
        if complaint is None:
            complaint = Complaint("it does one thing the first time and another the second: does it keep a global?")
        return self._verdict(Status.FAILED, tried=tried, complaint=complaint, folder=Path(folder))

    def _complaint(self, answer: Any, case: Case) -> Complaint | None:
        try:
            return self.judge(answer, case)
        except NotImplementedError:
            raise _NotDone from None
        except Exception as error:
            return Complaint(
                f"it raised {type(error).__name__}: {error}{_where(error)}", given=_shortened(case), got="no answer"
            )

    def _verdict(
        self, status: Status, *, tried: int = 0, complaint: Complaint | None = None, folder: Path | None = None
    ) -> Verdict:
        capture = None
        if complaint is not None and complaint.frames and folder is not None:
            recording = Recording(comment=f"the smallest case on which {self.name} fails: {complaint.sentence}")
            for frame in complaint.frames:
                recording.seen(frame.point, frame.at, frame.data, frame.comment, outbound=frame.outbound)
            capture = folder / f"check-{self.name}.pcapng"
            try:
                capture.write_bytes(recording.pcapng())
            except OSError:  # a folder that can't be written to costs the file, not the verdict
                capture = None
        return Verdict(
            exercise=self.name,
            notebook=self.notebook,
            write=self.write,
            status=status,
            tried=tried,
            complaint=complaint,
            capture=capture,
        )


_SETTINGS = hypothesis.settings(
    max_examples=CASES,
    deadline=None,
    database=None,
    phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
    suppress_health_check=list(hypothesis.HealthCheck),
)


class _NotDone(Exception):
    """The answer is still the skeleton."""


class _TookTooLong(BaseException):
    """Time is up. No `Exception`: an answer that catches all of those must not catch this."""

    def __init__(self, where: str) -> None:
        self.where = where


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """What the answer prints, two hundred times, is not shown."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


@contextlib.contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raise in whatever runs when the time is up; where there are no timer signals, wait as long as it takes."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def late(_: int, frame: FrameType | None) -> None:
        raise _TookTooLong("" if frame is None else _place(traceback.StackSummary.extract(traceback.walk_stack(frame))))

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _where(error: Exception) -> str:
    return _place(reversed(traceback.extract_tb(error.__traceback__)))


def _place(innermost_first: Any) -> str:
    """` (line 7, in feed)`: the innermost place that is the answer's own."""
    for place in innermost_first:
        if not any(f"/{ours}/" in place.filename.replace("\\", "/") for ours in _OURS):
            return f" (line {place.lineno}, in {place.name})"
    return ""


def _shortened(case: Any) -> str:
    words = str(case)
    return words if len(words) <= 300 else f"{words[:280]}... ({len(words)} characters)"
