"""A network without a memory in the player: inputs, outputs, and the numbers it carries from step to step."""

from collections.abc import Sequence

from jaxtyping import Bool, Float
from torch import Tensor

from ntmlib.views.checks import check_answers, check_example, check_names, check_steps
from ntmlib.views.colours import SIGNED_COLOURS
from ntmlib.views.figures import Picture
from ntmlib.views.packing import ByteArray, largest, pack
from ntmlib.views.player import COLUMNS, ROWS, PlayerData, score, tapes
from ntmlib.views.states import StateTrace


def state_data(
    trace: StateTrace,
    example: int = 0,
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    targets: Float[Tensor, "batch time outputs"] | None = None,
    mask: Bool[Tensor, "batch time"] | None = None,
) -> PlayerData:
    """Pack one sequence of the trace of a network without a memory.

    Raises:
        ValueError: an argument does not fit the trace; the message says which and how.
    """
    check_example(trace, example)
    inputs, outputs, cell = trace.inputs[example], trace.outputs[example], trace.cell[example]
    input_names = check_names("input_names", input_names, inputs.shape[-1], "input")
    output_names = check_names("output_names", output_names, outputs.shape[-1], "output")
    check_answers(trace, targets, mask)
    if not all(part.isfinite().all() for part in (inputs, outputs, cell)):
        raise ValueError("trace must be finite to be drawn; got nan or inf")
    steps, layers, units = cell.shape
    pooled = (-(-steps // COLUMNS), -(-units // ROWS))
    limit = largest(cell)
    whole = tapes(inputs, outputs, None if targets is None else targets[example])
    whole |= {f"cell.{layer}": ByteArray.signed(cell[:, layer], limit).pooled(*pooled) for layer in range(layers)}
    result = score(trace, example, targets, mask)
    return PlayerData(
        steps=steps,
        slots=0,
        width=0,
        heads=0,
        window=(0, 0),
        every=1,
        pooled=pooled,
        chunk_frames=steps,
        input_names=input_names,
        output_names=output_names,
        scored=None if mask is None else tuple(mask[example].tolist()),
        score=result,
        summary=summary(trace, result),
        whole={name: array.header for name, array in whole.items()},
        whole_bytes=pack(list(whole.values())),
        detail={},
        chunks=(),
        units=units,
    )


def summary(trace: StateTrace, result: str = "") -> str:
    """Say in words what the sequence shows."""
    steps, layers, units = trace.cell.shape[1:]
    kind = "one layer" if layers == 1 else f"{layers} layers"
    return f"A network with {kind} of {units} cells and no memory, over {steps} steps{result and ': '}{result}."


def plot_cells(trace: StateTrace, example: int = 0, *, steps: Sequence[int] = ()) -> Picture:
    """Draw what every unit of every layer holds through time.

    Args:
        trace: of a network without a memory.
        example: which sequence of its batch.
        steps: moments to mark with a line.

    Raises:
        ValueError: example or a step is not in the trace.
    """
    check_example(trace, example)
    cell = trace.cell[example]
    steps = check_steps(steps, len(cell) - 1)
    limit = largest(cell)
    figure = Picture(9.6, 0.6 + 1.5 * cell.shape[1], summary(trace))
    rows = figure.subplots(cell.shape[1], 1, sharex=True, squeeze=False)[:, 0]
    for layer, axes in enumerate(rows):
        table = cell[:, layer].T.detach().cpu().double().numpy()
        image = axes.imshow(table, cmap=SIGNED_COLOURS, vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest")
        axes.set_title(f"cells of layer {layer + 1}", loc="left", fontsize=9)
        axes.set_ylabel("unit")
        for step in steps:
            axes.axvspan(step - 0.5, step + 0.5, facecolor="none", edgecolor="black", linewidth=0.8)
    rows[-1].set_xlabel(f"time, in steps (0 to {len(cell) - 1})", fontsize=8)
    figure.colorbar(image, ax=list(rows), label="value", fraction=0.025, pad=0.01)
    return figure
