"""What holds for every figure: its picture, its words, and that nothing in it covers anything else."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from netlab import figures
from netlab.course.experiments.canvas import canvas, line
from netlab.figures import DARK, FIGURES, LIGHT
from netlab.figures.style import MARKERS
from tests.figures.grey import alike_in_grey
from tests.figures.overlap import drawn_texts, problems
from tests.figures.reference import HERE, check, difference

NAMES = sorted(FIGURES)

NAMED = {"byte_map", "encapsulation", "framing", "model_comparison", "state_machine"}
"""Their boxes say in words, or by their place, what their colours say."""

APART = {"fan_out"}
"""Each text stands at a time of its own: its colour says nothing more."""


def module(name: str) -> Any:
    return importlib.import_module(f"netlab.figures.{name}")


def draw(name: str, **arguments: Any) -> Axes:
    axes: Axes = getattr(figures, name)(module(name).demo(), **arguments)
    return axes


def figure_of(axes: Axes) -> Figure:
    figure = axes.get_figure(root=True)
    assert figure is not None
    return figure


@pytest.mark.parametrize("name", NAMES)
def test_it_looks_as_it_did_when_somebody_looked(name: str, renew: bool) -> None:
    check(name, figure_of(draw(name)), renew=renew)


@pytest.mark.slow
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
@pytest.mark.parametrize("name", NAMES)
def test_no_text_covers_another_or_leaves_the_figure(name: str, theme: figures.Theme) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a glyph that the font has not, a layout that does not work out
        assert problems(figure_of(draw(name, theme=theme))) == []


@pytest.mark.slow
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
@pytest.mark.parametrize("name", sorted(set(NAMES) - NAMED - APART))
def test_no_series_is_told_by_its_colour_alone(name: str, theme: figures.Theme) -> None:
    assert alike_in_grey(figure_of(draw(name, theme=theme))) == []


@pytest.mark.parametrize("mark", [True, False], ids=["marks", "dashes"])
def test_lines_of_an_experiment_can_be_told_apart_in_grey(mark: bool) -> None:
    ax = canvas("Which is which?", x="x", y="y")
    for number in range(len(MARKERS)):
        line(ax, number, str(number), [(0, number), (1, number)], mark=mark)
    assert alike_in_grey(figure_of(ax)) == []


@pytest.mark.parametrize("name", NAMES)
def test_its_question_is_its_title_and_its_words_say_what_it_shows(name: str) -> None:
    axes = draw(name)
    assert axes.get_title("left") == FIGURES[name].question
    said = figures.words(name, module(name).demo())
    assert len(said.splitlines()) >= 2
    assert any(digit in said for digit in "0123456789")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_draws_into_axes_that_it_is_given(name: str) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(20, 12))
    assert draw(name, ax=left) is left
    assert left.get_title("left") == FIGURES[name].question
    assert not right.has_data()
    assert len(plt.get_fignums()) == 1
    figure.canvas.draw()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_leaves_global_settings_alone(name: str) -> None:
    before = dict(matplotlib.rcParams)
    draw(name)
    assert dict(matplotlib.rcParams) == before


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_dark_and_light_say_the_same(name: str) -> None:
    def texts(theme: figures.Theme) -> list[str]:
        figure = figure_of(draw(name, theme=theme))
        figure.canvas.draw()
        return sorted(text.get_text() for text in drawn_texts(figure))

    assert texts(LIGHT) == texts(DARK)


def test_every_file_of_a_figure_is_in_the_list() -> None:
    parts = {"__init__", "registry", "style", "show", "flights", "layer_colours", "scales", "demo_runs"}
    files = {path.stem for path in (Path(figures.__file__).parent).glob("*.py")}
    assert files - parts == set(FIGURES)


def test_the_docs_list_every_figure_with_its_question() -> None:
    told = (Path(__file__).parents[2] / "docs" / "figures.md").read_text(encoding="utf-8").splitlines()
    rows = [line.split(" | ")[:2] for line in told if line.startswith("| `")]
    assert [[name.strip("| `"), question] for name, question in rows] == [
        [name, entry.question] for name, entry in FIGURES.items()
    ]


def test_a_name_is_the_figure_also_once_its_file_was_imported() -> None:
    import netlab.figures.ladder  # noqa: F401

    assert callable(figures.ladder)
    with pytest.raises(AttributeError, match="lader"):
        figures.lader  # noqa: B018


def test_the_comparison_notices_a_line_that_is_missing() -> None:
    reference = Image.open(HERE / "ladder.png").convert("RGB")
    assert difference(reference, reference) == ""
    changed = reference.copy()
    ImageDraw.Draw(changed).line((60, 60, 120, 70), fill=(0, 0, 0))
    assert difference(changed, reference) != ""


def test_the_check_of_texts_notices_what_covers_and_what_leaves() -> None:
    figure = plt.figure(figsize=(4, 3))
    figure.text(0.5, 0.5, "one")
    figure.text(0.51, 0.51, "other")
    figure.text(0.98, 0.1, "too far")
    assert problems(figure) == ["'too far' leaves the figure", "'one' covers 'other'"]


def test_the_check_in_grey_notices_what_only_colour_tells_apart() -> None:
    figure, ax = plt.subplots()
    ax.plot([0, 1], [0, 1], "o-", color=LIGHT.blue)
    ax.plot([0, 1], [1, 0], "s-", color=LIGHT.vermillion)
    ax.plot([0, 1], [2, 2], "o-", color="white")
    ax.bar([0], [1], color=LIGHT.blue)
    ax.bar([1], [1], color=LIGHT.vermillion, hatch="////")
    assert alike_in_grey(figure) == []
    ax.plot([0, 1], [3, 3], "o-", color=LIGHT.vermillion)
    ax.bar([2], [1], color=LIGHT.vermillion)
    assert [found.partition(",")[0] for found in alike_in_grey(figure)] == ["box", "line"]
