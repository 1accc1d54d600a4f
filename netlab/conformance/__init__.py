"""The guarantees of each transport as a suite that anyone can run on a transport of their own.

Read `subject` first: what is tested. Then `scene` (the processes of an experiment), one experiment such as
`connected.loss`, `compare` (what the logs say) and `evidence` (what follows). `netlab guarantees` prints the table.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netlab.conformance.evidence import FULL, QUICK, Evidence, Row, Scale
    from netlab.conformance.subject import SUBJECTS, Subject, UnknownSubject, load_subject
    from netlab.conformance.suite import EXPERIMENTS, run_suite

_WHERE = {
    **dict.fromkeys(("FULL", "QUICK", "Evidence", "Row", "Scale"), "evidence"),
    **dict.fromkeys(("SUBJECTS", "Subject", "UnknownSubject", "load_subject"), "subject"),
    **dict.fromkeys(("EXPERIMENTS", "run_suite"), "suite"),
}

__all__ = [
    "EXPERIMENTS",
    "FULL",
    "QUICK",
    "SUBJECTS",
    "Evidence",
    "Row",
    "Scale",
    "Subject",
    "UnknownSubject",
    "load_subject",
    "run_suite",
]


def __getattr__(name: str) -> Any:
    """Imported when used: each role is a process of its own, and needs little of this."""
    if name in _WHERE:
        return getattr(import_module(f"netlab.conformance.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'netlab.conformance' has no attribute {name!r}")
