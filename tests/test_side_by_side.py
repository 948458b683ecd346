import dataclasses
import json
import re

import pytest
import torch

from ntmlib.baselines import LSTM
from ntmlib.ntm import NTM, Trace
from ntmlib.views import compare, plot_cells, step_through


def trace(steps: int = 7, slots: int = 9, seed: int = 3, heads: int = 1) -> Trace:
    generator = torch.Generator().manual_seed(seed)
    machine = NTM(5, 3, hidden=10, slots=slots, width=4, num_heads=heads, generator=generator)
    return machine.trace(torch.randint(0, 2, (2, steps, 5), generator=generator).float())


def cells(steps: int = 7):
    return LSTM(5, 3, hidden=6, num_layers=2).trace(torch.ones(2, steps, 5))


def focused(path: list[int], slots: int) -> Trace:
    """A trace whose heads look at one slot at a time."""
    made = trace(len(path), slots)
    weighting = torch.nn.functional.one_hot(torch.tensor(path), slots).float()[None, :, None].expand(2, -1, 1, -1)
    heads = {kind: dataclasses.replace(getattr(made, kind), weighting=weighting) for kind in ("read", "write")}
    return dataclasses.replace(made, **heads)


def test_memories_have_one_scale_of_colours():
    small, large = trace(), trace(seed=4)
    large = dataclasses.replace(large, memory=large.memory + 5)
    limits = [data.detail["memory"]["limit"] for data in compare(small, large).data]
    assert limits[0] == limits[1] == pytest.approx(float(large.memory[0].abs().max()), abs=1e-5)


def test_machines_with_as_many_slots_show_the_slots_that_either_used():
    first, second = compare(focused([4, 5], 40), focused([8, 9], 40)).data
    assert first.window == second.window == (3, 8)


def test_machines_with_other_numbers_of_slots_show_what_each_of_them_used():
    first, second = compare(focused([4, 5], 40), focused([8, 9], 60)).data
    assert (first.window, second.window) == ((3, 4), (7, 4))


def test_sequences_of_different_lengths_and_rows_can_be_compared():
    shown = compare(trace(7), trace(12), ("short", "long"), (0, 1), targets=(None, torch.zeros(2, 12, 3)))
    assert [data.steps for data in shown.data] == [7, 12]
    assert [data.score != "" for data in shown.data] == [False, True]


def test_an_lstm_shows_its_cells_where_a_machine_has_heads():
    machine, network = compare(trace(), cells(), ("NTM", "LSTM"), targets=torch.zeros(2, 7, 3)).data
    assert (machine.heads, network.heads, network.units) == (1, 0, 6)
    assert list(network.whole) == ["inputs", "outputs", "targets", "cell.0", "cell.1"]
    assert network.summary.startswith("A network with 2 layers of 6 cells and no memory, over 7 steps: ")


def test_an_lstm_can_be_stepped_through_on_its_own(tmp_path):
    stepper = step_through(cells(), interactive=False)
    stepper.save_png(tmp_path / "cells.png", steps=[2])
    assert "2 layers of 6 cells" in stepper.to_html()
    assert plot_cells(cells()).png() != (tmp_path / "cells.png").read_bytes()
    with pytest.raises(ValueError, match="symbols are for a machine with a memory; the trace has none"):
        step_through(cells(), symbols=list("abcde"))


def test_a_page_carries_both_traces_and_one_still_picture():
    labels = ("before </script>", "after")
    html = compare(trace(), cells(), labels, interactive=False)._repr_mimebundle_()["text/html"]
    text = re.search(r"mountCompare\(element, (\{.*\})\);\n\}\)\(\);", html)[1]
    found = json.loads(text)
    assert found["labels"] == list(labels)
    assert [side["heads"] for side in found["players"]] == [1, 0]
    assert html.count("<img ") == 1
    assert "before </script>" not in html


def test_a_live_comparison_sends_the_same_data_as_bytes():
    data = compare(trace(), trace(seed=4)).widget.data
    assert data["labels"] == ["first", "second"]
    assert all(isinstance(side["whole_bytes"], bytes) for side in data["players"])


def test_a_comparison_can_be_saved_in_every_way(tmp_path):
    shown = compare(trace(7), trace(12, heads=2), interactive=False)
    shown.save_html(tmp_path / "page.html")
    shown.save_png(tmp_path / "picture.png", steps=[11])  # a step that only the longer one has
    shown.save_svg(tmp_path / "picture.svg")
    assert "<title>first and second</title>" in (tmp_path / "page.html").read_text("utf-8")
    with pytest.raises(ValueError, match="step must be from 0 to 11, the steps of the trace; got 12"):
        shown.save_png(tmp_path / "other.png", steps=[12])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": "ab"}, "labels must be two names, one for each trace; got 'ab'"),
        ({"labels": ("one", "two", "three")}, "labels must be two names"),
        ({"labels": ("same", "same")}, "labels must differ; got 'same' twice"),
        ({"example": (0, 1, 0)}, "example must be one for both traces or a pair; got 3 of them"),
        ({"example": (0, 2)}, "example must be a whole number from 0 to 1, a row of the trace; got 2"),
        ({"mask": torch.ones(2, 6, dtype=torch.bool)}, r"mask must have the axes .* \[2, 7\]; got \[2, 6\]"),
        ({"input_names": ["one"]}, "input_names must be 5 names"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        compare(trace(), trace(seed=4), **arguments)


def test_a_trace_with_nan_is_refused_on_either_side():
    broken = cells()
    broken.cell[0, 1, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="trace must be finite to be drawn; got nan"):
        compare(trace(), broken)
