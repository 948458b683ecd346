"""Words for figures: what a matplotlib figure shows, as the text beside its picture.

The kernel of a report loads this as an IPython extension. A page takes the words as the picture's alternative text, for
readers who do not see it; without them every figure would read "<Figure size 640x480 with 1 Axes>".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LONGEST = 400


def describe(figure: Figure) -> str:
    """Say what a figure shows: titles, what is drawn against what, and the names in its legends.

    Nothing is said about the values: those are what the text around a figure tells. At most 400 characters.
    """
    drawn = [axes for axes in figure.axes if axes.get_visible() and axes.get_label() != "<colorbar>"]
    parts = [figure.get_suptitle()] if figure.get_suptitle() else []
    if len(drawn) > 1:
        parts.append(f"{len(drawn)} panels")
    parts += dict.fromkeys(filter(None, map(_panel, drawn)))  # panels of the same make are named once
    text = ". ".join(" ".join(part.split()) for part in parts)
    return text if len(text) <= LONGEST else text[:LONGEST].rsplit(" ", 1)[0] + " …"


def _panel(axes: Axes) -> str:
    title = " ".join(filter(None, (axes.get_title(loc) for loc in ("left", "center", "right"))))
    what = _kind(axes)
    across, up = axes.get_xlabel(), axes.get_ylabel()
    if up and across:
        what += f" of {up} against {across}"
    elif up or across:
        what += f" of {up or across}"
    legend = axes.get_legend()
    names = [text.get_text() for text in legend.get_texts()] if legend else []
    if not names and not (across or up):  # a drawing: its words are all that it says
        names = list(dict.fromkeys(text.get_text() for text in axes.texts if text.get_text().strip()))
    said = f"{what}: {', '.join(names)}" if names else what
    return f"{title}, {said}" if title else said[0].upper() + said[1:]


def _kind(axes: Axes) -> str:
    from matplotlib.collections import QuadMesh
    from matplotlib.container import BarContainer

    if axes.images or any(isinstance(collection, QuadMesh) for collection in axes.collections):
        return "map"
    if any(isinstance(container, BarContainer) for container in axes.containers):
        return "bars"
    if any(len(line.get_path()) > 1 for line in axes.lines):
        return "curves"
    return "points" if axes.collections and not axes.texts else "drawing"


def load_ipython_extension(shell: Any) -> None:
    """Let the kernel's plain text for a figure be its description."""
    from IPython.lib.pretty import RepresentationPrinter

    def printed(figure: Figure, printer: RepresentationPrinter, cycle: bool) -> None:
        printer.text(
            getattr(figure, "alt", "") or describe(figure)
        )  # some figures of ntmlib.views bring their own words

    def register() -> None:
        shell.display_formatter.formatters["text/plain"].for_type("matplotlib.figure.Figure", printed)

    # matplotlib forgets all printers of figures when it gets ready, in the middle of the first cell that plots.
    # It shows figures after a cell, in a step registered later than this one.
    shell.events.register("pre_execute", register)
    shell.events.register("post_execute", register)
