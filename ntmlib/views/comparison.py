"""Two traces side by side: before and after training, a machine and a network without a memory, two seeds."""

import json
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from ntmlib.ntm import Trace
from ntmlib.views.checks import check_example, check_steps
from ntmlib.views.colours import READ_COLOUR, SIGNED_COLOURS, UNIT_COLOURS, WRITE_COLOUR
from ntmlib.views.figures import Picture, number_slots
from ntmlib.views.player import LIVE_BYTES, PAGE_BYTES, PlayerData, memory_limit, player_data, slot_use, window_of
from ntmlib.views.state_player import state_data
from ntmlib.views.states import StateTrace
from ntmlib.views.stepper import Shown

AnyTrace = Trace | StateTrace
MOST_PAIRS = 4  # of heads in the still picture
# title, [rows time], colour table, ends of its scale, colour of the title
Row = tuple[str, Tensor, str, float, float, str]


class Comparison(Shown):
    """Two sequences with one slider. Made by ``compare``."""

    width = 1400
    mount = "mountCompare"

    def __init__(
        self, traces: tuple[AnyTrace, AnyTrace], labels: tuple[str, str], sides: list[dict[str, Any]], interactive: bool
    ) -> None:
        super().__init__(interactive)
        self.title = f"{labels[0]} and {labels[1]}"
        self.labels = labels
        self._traces = traces
        self._sides = sides
        self.data = self._pack(LIVE_BYTES if interactive else PAGE_BYTES // 2)

    def _pack(self, most_bytes: int) -> tuple[PlayerData, PlayerData]:
        first, second = (
            player_data(trace, most_bytes=most_bytes, **side) if isinstance(trace, Trace) else state_data(trace, **side)
            for trace, side in zip(self._traces, self._sides, strict=True)
        )
        return first, second

    @property
    def summary(self) -> str:
        """What it shows, in words."""
        return " ".join(f"{label}: {data.summary}" for label, data in zip(self.labels, self.data, strict=True))

    def live_data(self) -> dict[str, Any]:
        """What the widget draws."""
        return {"labels": list(self.labels), "players": [data.to_dict() for data in self.data]}

    def page_json(self) -> str:
        """What a page draws: of long traces less than what a live view does."""
        fits = sum(data.num_bytes for data in self.data) <= PAGE_BYTES
        sides = self.data if fits else self._pack(PAGE_BYTES // 2)
        labels = json.dumps(list(self.labels)).replace("<", "\\u003c")
        return f'{{"labels":{labels},"players":[{",".join(data.to_json() for data in sides)}]}}'

    def picture(self, steps: Sequence[int] = ()) -> Picture:
        """Draw outputs and the weightings that were used, or the cells, of both; the given steps marked in both."""
        steps = check_steps(steps, max(data.steps for data in self.data) - 1)
        columns = [
            _rows(trace, side["example"], data)
            for trace, side, data in zip(self._traces, self._sides, self.data, strict=True)
        ]
        height = 0.7 + 1.25 * max(map(len, columns))
        figure = Picture(9.6, height, self.summary)
        grid = figure.subplots(max(map(len, columns)), 2, squeeze=False)
        for column, (rows, label, data) in enumerate(zip(columns, self.labels, self.data, strict=True)):
            for axes, row in zip(grid[:, column], rows, strict=False):
                _draw(axes, row, steps)
                if "head" in row[0]:
                    number_slots(axes, data.window, data.slots)
            for axes in grid[len(rows) :, column]:
                axes.axis("off")
            grid[0, column].set_title(f"{label}: {rows[0][0]}", loc="left", fontsize=9, weight="bold")
            grid[len(rows) - 1, column].set_xlabel("time, in steps", fontsize=8)
        return figure


def compare(
    trace_a: AnyTrace,
    trace_b: AnyTrace,
    labels: Sequence[str] = ("first", "second"),
    example: int | tuple[int, ...] = 0,
    *,
    interactive: bool = True,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    targets: Float[Tensor, "batch time outputs"] | tuple[Tensor | None, ...] | None = None,
    mask: Bool[Tensor, "batch time"] | tuple[Tensor | None, ...] | None = None,
) -> Comparison:
    """Show two traces side by side, with one slider for both.

    Both sides always show the same step. A shorter sequence stays at its last step and says that it has ended; each
    side has a time axis of its own length. Memories have one scale of colours; two of the same number of slots show
    the same slots, those that either of the machines used, so that rows can be compared. Where one is an LSTM, the
    cells of its layers stand where the memory and the heads of the other are.

    Args:
        trace_a: shown on the left.
        trace_b: shown on the right.
        labels: what to call them, such as "before training" and "after".
        example: which sequence of their batches, or one for each.
        interactive: true for a live widget, which needs a running notebook; false for a page.
        input_names: what each input channel means; both traces must have as many.
        output_names: what each output channel means; both traces must have as many.
        targets: the answers wanted, or a pair of them.
        mask: true at the steps that are scored, or a pair of them.

    Raises:
        ValueError: an argument does not fit its trace; the message says which and how.
    """
    if isinstance(labels, str) or len(labels) != 2 or not all(isinstance(label, str) and label for label in labels):
        raise ValueError(f"labels must be two names, one for each trace; got {labels!r}")
    if labels[0] == labels[1]:
        raise ValueError(f"labels must differ; got {labels[0]!r} twice")
    traces = (trace_a, trace_b)
    pairs = zip(_both("example", example), _both("targets", targets), _both("mask", mask), strict=True)
    names = {"input_names": input_names, "output_names": output_names}
    sides: list[dict[str, Any]] = [
        {"example": one, "targets": wanted, "mask": scored, **names} for one, wanted, scored in pairs
    ]
    machines = [(trace, side) for trace, side in zip(traces, sides, strict=True) if isinstance(trace, Trace)]
    for trace, side in zip(traces, sides, strict=True):
        check_example(trace, side["example"])
    if machines:
        limit = max(memory_limit(trace, side["example"]) for trace, side in machines)
        use = [slot_use(trace, side["example"]) for trace, side in machines]
        alike = len({len(one) for one in use}) == 1
        for (_, side), own in zip(machines, use, strict=True):
            side |= {"limit": limit, "window": window_of(torch.stack(use).amax(0) if alike else own)}
    return Comparison(traces, (labels[0], labels[1]), sides, interactive)


def _both(argument: str, value: Any) -> tuple[Any, Any]:
    """Return one value for each trace: a pair as it is, anything else twice."""
    if not isinstance(value, tuple):
        return value, value
    if len(value) != 2:
        raise ValueError(f"{argument} must be one for both traces or a pair; got {len(value)} of them")
    return value


def _rows(trace: AnyTrace, example: int, data: PlayerData) -> list[Row]:
    """Return what the still picture shows of a trace, from the top."""
    rows: list[Row] = [
        ("outputs, as probabilities", trace.outputs[example].sigmoid().T, UNIT_COLOURS, 0.0, 1.0, "black")
    ]
    if not isinstance(trace, Trace):
        cell = trace.cell[example]
        limit = float(data.whole["cell.0"]["limit"])
        layers = range(cell.shape[1])
        return rows + [
            (f"cells of layer {layer + 1}", cell[:, layer].T, SIGNED_COLOURS, -limit, limit, "black")
            for layer in layers
        ]
    first, count = data.window
    for head in range(min(data.heads, MOST_PAIRS)):
        for kind, record, colour in (("write", trace.write, WRITE_COLOUR), ("read", trace.read, READ_COLOUR)):
            name = f"{kind} head {head + 1}" if data.heads > 1 else f"{kind} head"
            weighting = record.weighting[example, :, head].T.roll(-first, 0)[:count]
            rows.append((f"{name}, slots used", weighting, UNIT_COLOURS, 0.0, 1.0, colour))
    return rows


def _draw(axes: Axes, row: Row, steps: Sequence[int]) -> None:
    """Draw one of the rows."""
    title, values, table, low, high, colour = row
    image = values.detach().cpu().double().numpy()
    axes.imshow(image, cmap=table, vmin=low, vmax=high, aspect="auto", interpolation_stage="rgba")
    axes.set_title(title, loc="left", fontsize=9, color=colour)
    axes.tick_params(labelsize=8)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    for step in steps:
        if step < values.shape[1]:
            axes.axvspan(step - 0.5, step + 0.5, facecolor="none", edgecolor="#3a86ff", linewidth=1)
    axes.set_xlim(-0.5, values.shape[1] - 0.5)
