"""Things to click, for notebooks: the quiz, a ladder that is stepped through, sliders for a bad link, two models
side by side.

All of it works from the keyboard: Tab goes from one to the next, Space takes an answer, arrows move a slider, and each
slider has a field for the number beside it. It says in words what it shows, and stands as text where ipywidgets is not
installed. Whatever comes from a capture or a file is shown as text, never as HTML.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from netlab.capture.files import Capture
from netlab.course import quiz
from netlab.course.check import MissingPackage
from netlab.course.experiments.shown import Shown, shown
from netlab.figures.flights import Flight, flights
from netlab.figures.model_comparison import MODELS, model_comparison
from netlab.figures.model_comparison import text as in_words
from netlab.units import MS


def _ipywidgets() -> Any:
    try:
        import ipywidgets
    except ImportError:
        raise MissingPackage("this needs ipywidgets: pip install 'netlab-edu[lab]'") from None
    return ipywidgets


def _said(text: str) -> str:
    """Text as HTML that shows it as it is, in lines."""
    return f"<div style='white-space: pre-wrap'>{html.escape(text)}</div>"


# ---- the quiz --------------------------------------------------------------------------------------------------------


class QuizWidget:
    """The items of one notebook, one below the other, each answered as soon as a choice is taken.

    Attributes:
        answers: by item: the first choice that was taken, which is the one that counts, and whether it was right.
    """

    def __init__(self, items: Sequence[quiz.Item], seed: int | str = 0) -> None:
        self.items = [item.shuffled(seed) for item in items]
        self.answers: dict[str, quiz.Answer] = {}
        self.replies: list[Any] = []
        self.choices: list[Any] = []
        self.box = self._built()

    def _built(self) -> Any:
        w = _ipywidgets()
        rows = []
        for number, item in enumerate(self.items, 1):
            options = [(choice.text, k) for k, choice in enumerate(item.choices, 1)]
            buttons = w.RadioButtons(options=options, value=None, layout=w.Layout(width="auto"))
            buttons.tooltip = item.question
            reply = w.HTML()
            buttons.observe(self._answered(item, reply), names="value")
            self.choices.append(buttons)
            self.replies.append(reply)
            rows.append(w.VBox([w.HTML(f"<strong>{number}. {html.escape(item.question)}</strong>"), buttons, reply]))
        return w.VBox(rows)

    def _answered(self, item: quiz.Item, reply: Any) -> Callable[[Any], None]:
        def answered(change: Any) -> None:
            if change["new"] is None:
                return
            given = quiz.answer(item, change["new"])
            self.answers.setdefault(item.id, given)
            mark = "&#10003; Right. " if given.right else "&#10007; No. "
            reply.value = f"{mark}{html.escape(given.because)}" + (
                "" if not given.right else f" <em>{html.escape(item.source)}</em>"
            )

        return answered

    @property
    def score(self) -> tuple[int, int]:
        """How many first answers were right, of how many that were given."""
        return sum(given.right for given in self.answers.values()), len(self.answers)

    def __repr__(self) -> str:
        return as_text(self.items)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        shown = self.box._repr_mimebundle_(**options)
        data = shown[0] if isinstance(shown, tuple) else shown
        return {**(data or {}), "text/plain": repr(self)}


def as_text(items: Sequence[quiz.Item]) -> str:
    """The questions as text, for paper and for who has no widgets."""
    lines = []
    for number, item in enumerate(items, 1):
        lines.append(f"{number}. {item.question}")
        lines += [f"   {letter}) {choice.text}" for letter, choice in zip("abcd", item.choices, strict=True)]
    return "\n".join(lines)


def ask(notebook: str, *, seed: int | str = 0) -> Any:
    """The questions of a notebook, to be clicked; as text where ipywidgets is not installed.

    Raises:
        NoSuchItem: no item belongs to that notebook.
    """
    items = quiz.load(notebook=notebook)
    try:
        return QuizWidget(items, seed)
    except MissingPackage:
        return as_text([item.shuffled(seed) for item in items])


# ---- stepping through a ladder ---------------------------------------------------------------------------------------


class Steps:
    """A capture packet by packet: what each packet was, and what both ends know then."""

    def __init__(self, capture: Capture, *, most: int = 60) -> None:
        self.capture = capture
        self.flights: list[Flight] = flights(capture)[:most]

    def __len__(self) -> int:
        return len(self.flights)

    def words(self, number: int) -> str:
        """Packet `number`, from 1, in words, and what each end has sent and heard by then."""
        flight = self.flights[number - 1]
        began = self.flights[0].sent_at
        at = (flight.sent_at - began) / MS
        lines = [f"packet {number} of {len(self)}, at {at:.3f} ms: {flight.source} to {flight.destination}"]
        lines.append(f"  {flight.protocol} {_carried(flight)}")
        lines.append(f"  {_fate(flight)}{' (sent before)' if flight.again else ''}")
        for end in dict.fromkeys(address for one in self.flights for address in (one.source, one.destination)):
            sent = [one for one in self.flights[:number] if one.source == end]
            heard = [
                one
                for one in self.flights
                if one.destination == end and one.came_at is not None and one.came_at <= flight.sent_at
            ]
            lines.append(
                f"  {end}: has sent {sum(one.payload_len for one in sent)} B in {len(sent)} packets, "
                f"has heard {sum(one.payload_len for one in heard)} B in {len(heard)}"
            )
        return "\n".join(lines)

    def picture(self, number: int) -> bytes:
        """The ladder up to packet `number`, as a PNG."""
        import matplotlib.pyplot as plt

        from netlab.figures.ladder import ladder

        drawn = ladder(self.capture, most=number).get_figure(root=True)
        file = io.BytesIO()
        drawn.savefig(file, format="png", dpi=80, facecolor=drawn.get_facecolor())  # type: ignore[union-attr]
        plt.close(drawn)
        return file.getvalue()


def _carried(flight: Flight) -> str:
    segment = flight.segment
    numbers = "" if segment is None else f"seq={segment.sequence_number} ack={segment.acknowledgment_number} "
    return f"{numbers}len={flight.payload_len}{''.join(f'; {event}' for event in flight.events)}"


def _fate(flight: Flight) -> str:
    if flight.lost:
        return f"lost: {flight.lost}"
    if flight.delay is None:
        return "on its way"
    return f"came after {flight.delay / MS:.3f} ms"


def scrub(capture: Capture, *, most: int = 60) -> Any:
    """Step through a capture with a slider; the arrow keys move it too. Without ipywidgets, its last step in words."""
    steps = Steps(capture, most=most)
    if not len(steps):
        return "this capture has no packets to step through"
    try:
        w = _ipywidgets()
    except MissingPackage:
        return steps.words(len(steps))
    slider = w.IntSlider(value=1, min=1, max=len(steps), continuous_update=False, readout=False)
    number = w.BoundedIntText(value=1, min=1, max=len(steps), description="packet")
    picture, words = w.HTML(), w.HTML()

    def show(_: Any = None) -> None:
        said, drawn = steps.words(slider.value), base64.b64encode(steps.picture(slider.value)).decode()
        words.value = _said(said)
        picture.value = f'<img alt="{html.escape(said)}" src="data:image/png;base64,{drawn}">'

    slider.observe(show, names="value")
    show()
    return w.VBox([_with_field(slider, number), words, picture])


def _with_field(slider: Any, number: Any) -> Any:
    """A slider behind a field that says what it is, shows its value and takes one: a slider alone has no name that a
    screen reader could say."""
    w = _ipywidgets()
    w.link((slider, "value"), (number, "value"))
    number.layout = w.Layout(width="12em")
    return w.HBox([number, slider])


# ---- a bad link ------------------------------------------------------------------------------------------------------


def bad_link(run: Callable[[float, float], str], *, loss: float = 0.0, delay_ms: float = 20.0) -> Any:
    """Sliders for loss and delay above what `run(loss_percent, delay_ms)` says of such a link.

    Without ipywidgets, what it says of the link that it begins with.
    """
    try:
        w = _ipywidgets()
    except MissingPackage:
        return run(loss, delay_ms)
    losses = w.FloatSlider(value=loss, min=0, max=30, step=1, continuous_update=False, readout=False)
    loss_field = w.BoundedFloatText(value=loss, min=0, max=30, step=1, description="loss (%)")
    delays = w.FloatSlider(value=delay_ms, min=0, max=300, step=5, continuous_update=False, readout=False)
    delay_field = w.BoundedFloatText(value=delay_ms, min=0, max=300, step=5, description="delay (ms)")
    words = w.HTML()

    def show(_: Any = None) -> None:
        words.value = _said(run(losses.value, delays.value))

    losses.observe(show, names="value")
    delays.observe(show, names="value")
    show()
    return w.VBox([_with_field(losses, loss_field), _with_field(delays, delay_field), words])


# ---- one capture, two models -----------------------------------------------------------------------------------------


class Models:
    """Where the protocols of a capture stand: in OSI, in TCP/IP, or in both side by side; a row of buttons chooses.

    Attributes:
        chosen: the buttons; `chosen.value` is what is shown. None where ipywidgets is not installed.
        seen: the picture and its words, as a page has them.
    """

    CHOICES: ClassVar = {"both": MODELS, "TCP/IP: four layers": ("TCP/IP",), "OSI: seven layers": ("OSI",)}

    def __init__(self, capture: Capture, *, seed: int | None = None) -> None:
        """`seed`: the one that the capture came from, if any; the picture says it."""
        self.capture = capture
        self.seed = seed
        self.chosen: Any = None
        self.box: Any = None
        try:
            w = _ipywidgets()
        except MissingPackage:
            return
        self.chosen = w.ToggleButtons(options=list(self.CHOICES), description="model")
        self.chosen.style.button_width = "auto"
        self.seen = w.HTML()
        self.chosen.observe(self._show, names="value")
        self._show()
        self.box = w.VBox([self.chosen, self.seen])

    def drawn(self, choice: str = "both") -> Shown:
        """The picture and the words of a choice."""
        models = self.CHOICES[choice]
        return shown(
            model_comparison(self.capture, models=models), in_words(self.capture, models=models), seed=self.seed
        )

    def _show(self, _: Any = None) -> None:
        self.seen.value = self.drawn(self.chosen.value)._repr_mimebundle_()["text/html"]

    def __repr__(self) -> str:
        return in_words(self.capture)

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """The buttons where a kernel runs; else the picture of both."""
        made = {} if self.box is None else self.box._repr_mimebundle_(**options)
        return {**(made[0] if isinstance(made, tuple) else made or {}), **self.drawn()._repr_mimebundle_()}
