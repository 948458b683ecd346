"""The what-if panel: turn every knob of the addressing and see what each stage makes of it."""

import base64
import html
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from itertools import product
from typing import Any

import anywidget
import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from ntmlib.machine import Addressing, address
from ntmlib.machine.addressing import SQUARED_NORM_FLOOR, WEIGHT_FLOOR
from ntmlib.views.colours import READ_COLOUR, SIGNED_COLOURS, colour_table
from ntmlib.views.figures import Picture

PANEL_SCRIPT = files("ntmlib.views").joinpath("playground.js").read_text(encoding="utf-8")
TELLING_SCRIPT = files("ntmlib.views").joinpath("telling.js").read_text(encoding="utf-8")
PANEL_STYLE = files("ntmlib.views").joinpath("playground.css").read_text(encoding="utf-8")
WIDGET_MODULE = """
export default {
  render({ model, el }) {
    const kernel = makeTeller(model, "knobs", () => panel.set(model.get("knobs")));
    const [knobs, previous] = [model.get("knobs"), model.get("previous")];
    const panel = mountPlayground(el, { ...model.get("data"), knobs, previous }, {
      onChange: kernel.tell,
    });
    return () => { kernel.end(); panel.destroy(); };
  },
};
"""
STAGES = (
    ("previous", "where the head was one step ago"),
    ("1 content", "slots that look like the key"),
    ("2 gated", "content mixed with previous"),
    ("3 shifted", "moved by whole slots"),
    ("4 sharpened", "the weighting that is used"),
)
RANGES = {  # of the sliders: lowest, highest, step
    "mix": (0.0, 1.0, 0.05),
    "noise": (0.0, 1.0, 0.05),
    "key_strength": (0.0, 30.0, 0.5),
    "interpolation_gate": (0.0, 1.0, 0.05),
    "shift_centre": (-1.0, 1.0, 0.1),
    "shift_blur": (0.0, 1.5, 0.05),
    "sharpening": (1.0, 20.0, 0.5),
}


@dataclass(frozen=True)
class Knobs:
    """Where the knobs stand.

    The key is the content of slot ``look_for``, mixed with that of slot ``mix_with`` (``mix`` 0
    to 1), plus ``noise`` times a fixed random vector. The shift weighting is a bell around
    ``shift_centre`` of width ``shift_blur``, in slots.

    Raises:
        ValueError: a knob stands outside its range.
    """

    look_for: int = 7
    mix_with: int = 2
    mix: float = 0.0
    noise: float = 0.0
    key_strength: float = 8.0
    interpolation_gate: float = 0.7
    shift_centre: float = 1.0
    shift_blur: float = 0.4
    sharpening: float = 2.0

    def __post_init__(self) -> None:
        for name, (low, high, _) in RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must be from {low:g} to {high:g}; got {getattr(self, name)!r}")


def shift_bell(centre: float, blur: float) -> Float[Tensor, " shifts"]:
    """Return a distribution over the offsets -1, 0 and +1: a bell, or with no blur the nearest two."""
    distance = torch.tensor([-1.0, 0.0, 1.0]) - centre
    if blur < 0.05:
        return (1 - distance.abs()).clamp_min(0)
    return torch.softmax(-(distance**2) / (2 * blur**2), -1)


class Playground:
    """A small memory and one head whose knobs can be turned.

    Shown in a notebook it is sliders and bars. With ``interactive=False`` it is the same in a page, without a kernel;
    readers without scripts see a grid of settings.
    """

    def __init__(self, slots: int, width: int, knobs: Knobs, seed: int, interactive: bool) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.memory = torch.empty(slots, width).uniform_(-1, 1, generator=generator)
        self.noise = torch.empty(width).normal_(0, 0.7, generator=generator)
        self.start = torch.nn.functional.one_hot(torch.tensor(3 % slots), slots).float()
        self.previous = self.start
        self.knobs = knobs
        self.interactive = interactive
        self._view: Panel | None = None

    def key(self, knobs: Knobs) -> Float[Tensor, " width"]:
        """Return what the head looks for."""
        mixed = torch.lerp(self.memory[knobs.look_for], self.memory[knobs.mix_with], knobs.mix)
        return mixed + knobs.noise * self.noise

    def address(self, knobs: Knobs) -> Addressing:
        """Compute all four stages with the library's own equations."""
        return address(
            self.key(knobs),
            torch.tensor(knobs.key_strength),
            torch.tensor(knobs.interpolation_gate),
            shift_bell(knobs.shift_centre, knobs.shift_blur),
            torch.tensor(knobs.sharpening),
            self.memory,
            self.previous,
        )

    def step(self) -> None:
        """Go one step further: the weighting becomes the previous one."""
        self.previous = self.address(self.knobs).weighting

    def reset(self) -> None:
        """Put the head back to where it began."""
        self.previous = self.start

    def weightings(self) -> list[tuple[str, str, list[float]]]:
        """Return heading, meaning and weights of every stage, for the bars."""
        found = self.address(self.knobs)
        rows = (self.previous, found.content_weighting, found.gated_weighting, found.shifted_weighting, found.weighting)
        return [
            (name, meaning, [round(weight, 5) for weight in row.tolist()])
            for (name, meaning), row in zip(STAGES, rows, strict=True)
        ]

    def data(self) -> dict[str, Any]:
        """Return what the panel draws and computes with, as plain values."""
        last = len(self.memory) - 1
        ranges = [
            [name, name.removeprefix("interpolation_").replace("_", " "), *RANGES.get(name, (0, last, 1))]
            for name in Knobs.__dataclass_fields__
        ]
        return {
            "memory": self.memory.tolist(),
            "noise": self.noise.tolist(),
            "start": self.start.tolist(),
            "previous": self.previous.tolist(),
            "knobs": asdict(self.knobs),
            "ranges": ranges,
            "stages": [list(stage) for stage in STAGES],
            "floors": {"squared_norm": SQUARED_NORM_FLOOR, "weight": WEIGHT_FLOOR},
            "table": colour_table(SIGNED_COLOURS),
        }

    @property
    def widget(self) -> "Panel":
        """The live panel, built once; its knobs are those of the playground, whichever of the two is turned."""
        if self._view is None:
            self._view = panel = Panel(data=self.data(), knobs=asdict(self.knobs), previous=self.previous.tolist())
            panel.observe(lambda change: setattr(self, "knobs", _knobs(change["new"])), "knobs")
            panel.observe(lambda change: setattr(self, "previous", torch.tensor(change["new"])), "previous")
        return self._view

    def to_html(self) -> str:
        """Return a piece of page: the still grid, and a script that puts a panel in its place that needs no kernel."""
        picture = self.picture()
        image = base64.b64encode(picture.png()).decode("ascii")
        data = json.dumps(self.data(), separators=(",", ":")).replace("<", "\\u003c")
        return (
            f"<style>{PANEL_STYLE}</style>"
            f'<div class="ntm-playground"><img alt="{html.escape(picture.alt)}" '
            f'src="data:image/png;base64,{image}"></div>'
            "<script>(function () {\nconst element = document.currentScript.previousElementSibling;\n"
            f"{PANEL_SCRIPT}\nmountPlayground(element, {data});\n}})();</script>"
        )

    def picture(self) -> Picture:
        """Draw the last weighting for a grid of settings: key strength by gate, and what sharpening saves."""
        figure = Picture(9.6, 5.6, "The weighting for three key strengths, three gates and two sharpenings.")
        grid = figure.subplots(3, 3, sharex=True, sharey=True)
        slots = range(len(self.memory))
        for axes, (strength, gate) in zip(grid.ravel(), product((1.0, 5.0, 20.0), (0.0, 0.5, 1.0)), strict=True):
            knobs = replace(self.knobs, key_strength=strength, interpolation_gate=gate)
            found = self.address(knobs)
            axes.bar(slots, found.shifted_weighting.tolist(), color="#b9c3d0", label="3 shifted")
            axes.bar(slots, found.weighting.tolist(), width=0.45, color=READ_COLOUR, label="4 sharpened")
            axes.set_title(f"key strength {strength:g}, gate {gate:g}", fontsize=9, loc="left")
            axes.set_ylim(0, 1)
        for axes in grid[-1]:
            axes.set_xlabel("slot")
            axes.set_xticks(range(0, len(self.memory), 2))
        for axes in grid[:, 0]:
            axes.set_ylabel("weight")
        now = self.knobs
        figure.suptitle(
            f"looking for slot {now.look_for}, coming from slot {int(self.previous.argmax())}, "
            f"shift {now.shift_centre:+g}, sharpening {now.sharpening:g}",
            fontsize=10,
        )
        grid[0, -1].legend(frameon=False, fontsize=8)
        return figure

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        if self.interactive:
            return self.widget._repr_mimebundle_(include=include, exclude=exclude)
        return {"text/html": self.to_html(), "text/plain": self.picture().alt}


class Panel(anywidget.AnyWidget):
    """The panel as a live widget: it computes and draws in the browser, and tells the kernel where the knobs stand."""

    _esm = TELLING_SCRIPT + PANEL_SCRIPT + WIDGET_MODULE
    _css = PANEL_STYLE
    data = traitlets.Dict().tag(sync=True)
    knobs = traitlets.Dict().tag(sync=True)
    previous: traitlets.List[Any] = traitlets.List().tag(sync=True)


def playground(
    knobs: Knobs | None = None, *, interactive: bool = True, slots: int = 12, width: int = 8, seed: int = 0
) -> Playground:
    """Show how key, key strength, gate, shift and sharpening make a weighting.

    Args:
        knobs: where they stand at first.
        interactive: true for a live widget, which needs a running notebook; false for a piece of page.
        slots: rows of the memory, at least 3.
        width: columns of the memory.
        seed: draws the memory.

    Raises:
        ValueError: slots or a knob is out of its range.
    """
    if slots < 3:
        raise ValueError(f"slots must be at least 3, the offsets of a shift; got {slots}")
    knobs = knobs or Knobs(look_for=min(7, slots - 1))
    for name in ("look_for", "mix_with"):
        if not 0 <= getattr(knobs, name) < slots:
            raise ValueError(f"{name} must be a slot from 0 to {slots - 1}; got {getattr(knobs, name)!r}")
    return Playground(slots, width, knobs, seed, interactive)


def _knobs(values: Mapping[str, int | float]) -> Knobs:
    """Read what a browser says of knobs: to it, 1 and 1.0 are the same."""
    numbers = {name: float(value) if name in RANGES else int(value) for name, value in values.items()}
    return Knobs(**numbers)  # type: ignore[arg-type]  # look_for and mix_with are whole numbers
