"""The what-if panel: turn every knob of the addressing and see what each stage makes of it."""

from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import product
from typing import Any

import anywidget
import ipywidgets
import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from ntmlib.machine import Addressing, address
from ntmlib.views.colours import READ_COLOUR, SIGNED_COLOURS, colour_table
from ntmlib.views.figures import Picture

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

    Shown in a notebook it is sliders and bars; with ``interactive=False`` a grid of settings.
    """

    def __init__(self, slots: int, width: int, knobs: Knobs, seed: int, interactive: bool) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.memory = torch.empty(slots, width).uniform_(-1, 1, generator=generator)
        self.noise = torch.empty(width).normal_(0, 0.7, generator=generator)
        self.start = torch.nn.functional.one_hot(torch.tensor(3 % slots), slots).float()
        self.previous = self.start
        self.knobs = knobs
        self.interactive = interactive
        self._view: ipywidgets.VBox | None = None

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

    @property
    def widget(self) -> ipywidgets.VBox:
        """The live panel, built once."""
        if self._view is None:
            self._view = _panel(self)
        return self._view

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
        return self.picture()._repr_mimebundle_(include, exclude)


class Bars(anywidget.AnyWidget):
    """Draws memory, key and the weighting after every stage."""

    _esm = files("ntmlib.views").joinpath("playground.js").read_text(encoding="utf-8")
    _css = files("ntmlib.views").joinpath("playground.css").read_text(encoding="utf-8")
    memory: traitlets.List[Any] = traitlets.List().tag(sync=True)
    key: traitlets.List[Any] = traitlets.List().tag(sync=True)
    stages: traitlets.List[Any] = traitlets.List().tag(sync=True)
    table = traitlets.Unicode().tag(sync=True)


def playground(
    knobs: Knobs | None = None, *, interactive: bool = True, slots: int = 12, width: int = 8, seed: int = 0
) -> Playground:
    """Show how key, key strength, gate, shift and sharpening make a weighting.

    Args:
        knobs: where they stand at first.
        interactive: true for sliders, which need a running notebook; false for a still grid.
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


def _panel(play: Playground) -> ipywidgets.VBox:
    """Put sliders over the bars and recompute at every move."""
    bars = Bars(memory=play.memory.tolist(), table=colour_table(SIGNED_COLOURS))
    layout = ipywidgets.Layout(width="auto")
    style = {"description_width": "110px"}
    sliders: dict[str, Any] = {}
    for name in Knobs.__dataclass_fields__:
        common = {
            "description": name.removeprefix("interpolation_").replace("_", " "),
            "value": getattr(play.knobs, name),
        }
        common |= {"layout": layout, "style": style}
        if name in RANGES:
            low, high, notch = RANGES[name]
            sliders[name] = ipywidgets.FloatSlider(min=low, max=high, step=notch, **common)
        else:
            sliders[name] = ipywidgets.IntSlider(min=0, max=len(play.memory) - 1, **common)
    count = ipywidgets.Label()
    again = ipywidgets.Button(description="step again", tooltip="the weighting becomes the previous one")
    back = ipywidgets.Button(description="start over")
    steps = 0

    def draw() -> None:
        bars.key = [round(value, 4) for value in play.key(play.knobs).tolist()]
        bars.stages = play.weightings()
        moves = shift_bell(play.knobs.shift_centre, play.knobs.shift_blur).tolist()
        shifts = ", ".join(f"{name}: {weight:.2f}" for name, weight in zip(("−1", "0", "+1"), moves, strict=True))
        count.value = f"steps taken: {steps}; shift weighting {shifts}"

    def turn(_: Any) -> None:
        play.knobs = Knobs(**{name: slider.value for name, slider in sliders.items()})
        draw()

    def step(_: Any) -> None:
        nonlocal steps
        play.step()
        steps += 1
        draw()

    def start_over(_: Any) -> None:
        nonlocal steps
        play.reset()
        steps = 0
        draw()

    for slider in sliders.values():
        slider.observe(turn, "value")
    again.on_click(step)
    back.on_click(start_over)
    draw()
    columns = [
        ipywidgets.VBox(group, layout=ipywidgets.Layout(width="33%")) for group in _thirds(list(sliders.values()))
    ]
    return ipywidgets.VBox([ipywidgets.HBox(columns), ipywidgets.HBox([again, back, count]), bars])


def _thirds(items: list[Any]) -> list[list[Any]]:
    """Cut a list into three columns."""
    size = -(-len(items) // 3)
    return [items[start : start + size] for start in range(0, len(items), size)]
