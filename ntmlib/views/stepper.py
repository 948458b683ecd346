"""Step through a trace: live in a notebook, or in a page that needs neither kernel nor network."""

import base64
import html
from collections.abc import Sequence
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import traitlets
from jaxtyping import Bool, Float
from torch import Tensor

from ntmlib.ntm import Trace
from ntmlib.views.figures import Picture, plot_heads
from ntmlib.views.player import PlayerData, check_example, player_data

PLAYER_SCRIPT = files("ntmlib.views").joinpath("player.js").read_text(encoding="utf-8")
PLAYER_STYLE = files("ntmlib.views").joinpath("player.css").read_text(encoding="utf-8")

WIDGET_MODULE = """
export default {
  render({ model, el }) {
    const player = mountPlayer(el, model.get("data"), {
      step: model.get("step"),
      controls: false, // the ipywidgets slider and play button above are linked to the step
      onStep: (step) => { model.set("step", step); model.save_changes(); },
    });
    const follow = () => player.setStep(model.get("step"));
    model.on("change:step", follow);
    return () => { model.off("change:step", follow); player.destroy(); };
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
<title>Step through a Neural Turing Machine</title>
<style>body {{ margin: 16px auto; max-width: 1080px; padding: 0 12px; background: Canvas; }}
h1 {{ margin: 0 4px; font: 600 16px system-ui, sans-serif; }}</style>
</head>
<body>
<main>
<h1>Step through a Neural Turing Machine</h1>
{player}
</main>
</body>
</html>
"""


class Player(anywidget.AnyWidget):
    """The player as a live widget; ``step`` can be linked to other widgets without a trip to the kernel."""

    _esm = PLAYER_SCRIPT + WIDGET_MODULE
    _css = PLAYER_STYLE
    data = traitlets.Dict().tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)


class Stepper:
    """One sequence of a trace, to be stepped through.

    Shown in a notebook it is live widgets or, with ``interactive=False``, a piece of page that
    carries its data, its script and a still picture for readers without scripts.
    """

    def __init__(self, trace: Trace, example: int, data: PlayerData, interactive: bool) -> None:
        self.data = data
        self.interactive = interactive
        self._trace = trace
        self._example = example

    @cached_property
    def widget(self) -> ipywidgets.VBox:
        """Play button and slider over the player, linked in the browser."""
        last = self.data.steps - 1
        player = Player(data=self.data.to_dict())
        play = ipywidgets.Play(min=0, max=last, interval=160, description="play")
        slider = ipywidgets.IntSlider(min=0, max=last, description="step", layout=ipywidgets.Layout(width="60%"))
        for control in (play, slider):
            ipywidgets.jslink((player, "step"), (control, "value"))
        return ipywidgets.VBox([ipywidgets.HBox([play, slider]), player])

    def picture(self, steps: Sequence[int] = ()) -> Picture:
        """Draw the still picture, with the given steps marked."""
        return plot_heads(self._trace, self._example, steps=steps)

    def to_html(self) -> str:
        """Return a piece of page: the still picture, and a script that puts the player in its place."""
        alt = html.escape(self.data.summary, quote=True)
        image = base64.b64encode(self.picture().png()).decode("ascii")
        return (
            f"<style>{PLAYER_STYLE}</style>"
            f'<div class="ntm-player"><img alt="{alt}" src="data:image/png;base64,{image}"></div>'
            "<script>(function () {\n"
            "const element = document.currentScript.previousElementSibling;\n"
            f"{PLAYER_SCRIPT}\nmountPlayer(element, {self.data.to_json()});\n}})();</script>"
        )

    def save_html(self, path: str | Path) -> None:
        """Write a page of its own, complete in one file."""
        Path(path).write_text(PAGE.format(player=self.to_html()), encoding="utf-8")

    def save_png(self, path: str | Path, steps: Sequence[int] = ()) -> None:
        """Write the still picture, with the given steps marked.

        Raises:
            ValueError: a step is not in the trace.
        """
        Path(path).write_bytes(self.picture(steps).png())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        if self.interactive:
            return dict(self.widget._repr_mimebundle_(include=include, exclude=exclude))
        return {"text/html": self.to_html(), "text/plain": f"Step-through. {self.data.summary}"}


def step_through(
    trace: Trace,
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

    Args:
        trace: a finished trace.
        example: which sequence of its batch.
        interactive: true for live widgets, which need a running notebook; false for a page.
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
    data = player_data(
        trace,
        example,
        input_names=input_names,
        output_names=output_names,
        targets=targets,
        mask=mask,
        symbols=symbols,
    )
    return Stepper(trace, example, data, interactive)
