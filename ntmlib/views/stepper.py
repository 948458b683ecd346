"""Step through a trace: live in a notebook, or in a page that needs neither kernel nor network."""

import base64
import html
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib.resources import files
from typing import Any

import anywidget
import traitlets
from jaxtyping import Bool, Float
from torch import Tensor

from ntmlib.ntm import Trace
from ntmlib.views.checks import check_example
from ntmlib.views.figures import Picture, plot_heads
from ntmlib.views.player import LIVE_BYTES, PAGE_BYTES, PlayerData, player_data
from ntmlib.views.saving import check_path, write_whole
from ntmlib.views.state_player import plot_cells, state_data
from ntmlib.views.states import StateTrace

SCRIPTS = ("unpack.js", "controls.js", "player.js", "compare.js")
PLAYER_SCRIPT = "\n".join(files("ntmlib.views").joinpath(name).read_text(encoding="utf-8") for name in SCRIPTS)
TELLING_SCRIPT = files("ntmlib.views").joinpath("telling.js").read_text(encoding="utf-8")
PLAYER_STYLE = files("ntmlib.views").joinpath("player.css").read_text(encoding="utf-8")

WIDGET_MODULE = """
export default {
  render({ model, el }) {
    const data = model.get("data");
    const kernel = makeTeller(model, "step", () => player.setStep(model.get("step")));
    const player = (data.players ? mountCompare : mountPlayer)(el, data, {
      step: model.get("step"),
      onStep: (step) => kernel.tell({ step }),
    });
    return () => { kernel.end(); player.destroy(); };
  },
};
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>html {{ background: Canvas; color: CanvasText; }}
body {{ margin: 4px auto; max-width: {width}px; padding: 0 12px; font-family: system-ui, sans-serif; }}
h1 {{ margin: 0 4px; font-size: 16px; }}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{player}
</main>
</body>
</html>
"""


class Player(anywidget.AnyWidget):
    """The player as a live widget; ``step`` can be read, set, and linked to other widgets.

    It has a slider, a button and keys of its own, the same as in a page: those of ipywidgets have no names that a
    screen reader could say.
    """

    _esm = TELLING_SCRIPT + PLAYER_SCRIPT + WIDGET_MODULE
    _css = PLAYER_STYLE
    data = traitlets.Dict().tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)


class Shown:
    """Something with a time slider: live widgets in a notebook, a piece of page, a page of its own, a still picture."""

    title = "Step through"
    width = 1080  # pixels of a page of its own
    mount = "mountPlayer"

    def __init__(self, interactive: bool) -> None:
        self.interactive = interactive

    @property
    def summary(self) -> str:
        """What it shows, in words."""
        raise NotImplementedError

    def picture(self, steps: Sequence[int] = ()) -> Picture:
        """Draw the still picture, with the given steps marked."""
        raise NotImplementedError

    def live_data(self) -> dict[str, Any]:
        """What the widget draws."""
        raise NotImplementedError

    def page_json(self) -> str:
        """What a page draws."""
        raise NotImplementedError

    @cached_property
    def widget(self) -> Player:
        """The live view. ``widget.step`` is the step it shows."""
        return Player(data=self.live_data())

    def to_html(self) -> str:
        """Return a piece of page: the still picture, and a script that puts the player in its place."""
        alt = html.escape(self.summary, quote=True)
        image = base64.b64encode(self.picture().png()).decode("ascii")
        return (
            f"<style>{PLAYER_STYLE}</style>"
            f'<div class="ntm-player"><img alt="{alt}" src="data:image/png;base64,{image}"></div>'
            "<script>(function () {\n"
            "const element = document.currentScript.previousElementSibling;\n"
            f"{PLAYER_SCRIPT}\n{self.mount}(element, {self.page_json()});\n}})();</script>"
        )

    def save_html(self, path: str | os.PathLike[str]) -> None:
        """Write a page of its own, complete in one file: it opens without a kernel and without a network.

        Raises:
            ValueError: path does not end in .html or its folder is not there.
            OSError: it cannot be written; what was there before is as it was.
        """
        target = check_path(path, ".html")
        page = PAGE.format(title=html.escape(self.title), width=self.width, player=self.to_html())
        write_whole(target, page.encode("utf-8"))

    def save_png(self, path: str | os.PathLike[str], steps: Sequence[int] = ()) -> None:
        """Write the still picture, with the given steps marked.

        Raises:
            ValueError: path does not end in .png, its folder is not there, or a step is not in the trace.
            OSError: it cannot be written; what was there before is as it was.
        """
        target = check_path(path, ".png")
        write_whole(target, self.picture(steps).png())

    def save_svg(self, path: str | os.PathLike[str], steps: Sequence[int] = ()) -> None:
        """Write the still picture with axes and letters that stay sharp at any size, the given steps marked.

        Raises:
            ValueError: path does not end in .svg, its folder is not there, or a step is not in the trace.
            OSError: it cannot be written; what was there before is as it was.
        """
        target = check_path(path, ".svg")
        write_whole(target, self.picture(steps).svg())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        if self.interactive:
            return self.widget._repr_mimebundle_(include=include, exclude=exclude)
        return {"text/html": self.to_html(), "text/plain": f"{self.title}. {self.summary}"}


class Stepper(Shown):
    """One sequence of a trace, to be stepped through.

    Shown in a notebook it is a live widget or, with ``interactive=False``, a piece of page that
    carries its data, its script and a still picture for readers without scripts.
    """

    def __init__(
        self,
        trace: Trace | StateTrace,
        example: int,
        pack: Callable[[int], PlayerData],
        interactive: bool,
    ) -> None:
        super().__init__(interactive)
        self.title = (
            f"Step through a {'Neural Turing Machine' if isinstance(trace, Trace) else 'network without a memory'}"
        )
        self._trace = trace
        self._example = example
        self._pack = pack
        self.data = pack(LIVE_BYTES if interactive else PAGE_BYTES)

    @property
    def summary(self) -> str:
        """What it shows, in words."""
        return self.data.summary

    def picture(self, steps: Sequence[int] = ()) -> Picture:
        """Draw the still picture, with the given steps marked."""
        if isinstance(self._trace, Trace):
            return plot_heads(self._trace, self._example, steps=steps)
        return plot_cells(self._trace, self._example, steps=steps)

    def live_data(self) -> dict[str, Any]:
        """What the widget draws."""
        return self.data.to_dict()

    def page_json(self) -> str:
        """What a page draws: of a long trace less than what a live view does."""
        fits = self.data.num_bytes <= PAGE_BYTES
        return (self.data if fits else self._pack(PAGE_BYTES)).to_json()


def step_through(
    trace: Trace | StateTrace,
    example: int = 0,
    *,
    interactive: bool = True,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    targets: Float[Tensor, "batch time outputs"] | None = None,
    mask: Bool[Tensor, "batch time"] | None = None,
    symbols: Sequence[str] | None = None,
) -> Stepper:
    """Show inputs, outputs, memory and every stage of every head, with a slider for time.

    What it returns shows itself as the last expression of a cell, and can be kept: ``save_html(path)`` writes a page
    that opens anywhere, ``save_png(path, steps=[...])`` and ``save_svg`` write the still picture.

    Args:
        trace: a finished trace; of an LSTM, the cells of its layers stand where memory and heads would.
        example: which sequence of its batch.
        interactive: true for a live widget, which needs a running notebook; false for a page.
        input_names: what each input channel means.
        output_names: what each output channel means.
        targets: the answers wanted, to be shown below the outputs.
        mask: true at the steps that are scored; the others are drawn faint.
        symbols: for a machine that reads one symbol a step and says what may follow: the symbol of each channel, the
            same for inputs and outputs. Instead of pictures there is text then: what is shown, below it the three
            likeliest next symbols, and for the current step their shares and what the symbol that came has cost, in
            nats. Outputs are taken as logits of a softmax.

    Raises:
        ValueError: an argument does not fit the trace; the message says which and how.
    """
    check_example(trace, example)

    def pack(most_bytes: int) -> PlayerData:
        if isinstance(trace, Trace):
            return player_data(
                trace,
                example,
                input_names=input_names,
                output_names=output_names,
                targets=targets,
                mask=mask,
                symbols=symbols,
                most_bytes=most_bytes,
            )
        if symbols is not None:
            raise ValueError("symbols are for a machine with a memory; the trace has none")
        names = {"input_names": input_names, "output_names": output_names}
        return state_data(trace, example, targets=targets, mask=mask, **names)

    return Stepper(trace, example, pack, interactive)
