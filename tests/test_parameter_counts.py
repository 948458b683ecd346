"""How many numbers a machine can learn: the paper's settings, a formula, and a table of the parts."""

import pytest

from ntmlib.machine import MachineConfig
from ntmlib.ntm import NTM

# task: input and output channels, head pairs, hidden units of the paper's feed-forward machines (docs/decisions/0004)
FEEDFORWARD = {
    "copy": (10, 9, 1, 100),
    "repeat copy": (8, 7, 1, 100),
    "n-grams": (1, 1, 1, 100),
    "associative recall": (8, 6, 4, 256),
    "priority sort": (10, 8, 8, 512),
}


@pytest.mark.parametrize(
    ("task", "everything_learned", "default"),
    [
        ("copy", 16_317, 13_501),
        ("repeat copy", 15_875, 13_059),
        ("n-grams", 14_449, 11_633),
        ("associative recall", 123_046, 119_462),
        ("priority sort", 475_272, 470_664),
    ],
)
def test_feedforward_machines_of_the_paper_have_the_documented_size(task, everything_learned, default):
    inputs, outputs, heads, hidden = FEEDFORWARD[task]
    learned = {"memory_init": "learned", "weighting_init": "learned"}
    assert NTM(inputs, outputs, num_heads=heads, hidden=hidden, **learned).num_parameters == everything_learned
    assert NTM(inputs, outputs, num_heads=heads, hidden=hidden).num_parameters == default


@pytest.mark.parametrize(
    ("inputs", "outputs", "everything_learned"), [(10, 9, 65_817), (8, 7, 64_775), (1, 1, 61_249), (8, 6, 64_654)]
)
def test_lstm_machines_of_the_paper_have_the_documented_size(inputs, outputs, everything_learned):
    machine = NTM(inputs, outputs, "lstm", memory_init="learned", weighting_init="learned")
    assert machine.num_parameters == everything_learned


def literal_count(c: MachineConfig) -> int:
    """One layer, everything learned: controller + heads + output + start."""
    reads = c.num_heads * c.width
    seen = c.input_size + reads + 1
    lstm = 4 * c.hidden * (seen + c.hidden) + 2 * c.hidden
    controller = lstm if c.controller == "lstm" else c.hidden * seen
    head_pair = (c.width + 3 + c.num_shifts) + (3 * c.width + 3 + c.num_shifts)
    heads = c.num_heads * head_pair * (c.hidden + 1)
    output = c.output_size * (c.hidden + reads + 1)
    return controller + heads + output + c.slots * c.width + reads + 2 * c.num_heads * c.slots


@pytest.mark.parametrize("controller", ["feedforward", "lstm"])
@pytest.mark.parametrize(
    ("heads", "shifts", "slots", "width", "hidden"), [(1, 3, 128, 20, 100), (3, 5, 9, 4, 7), (2, 1, 1, 1, 1)]
)
def test_the_formula_of_the_literal_reading_holds(controller, heads, shifts, slots, width, hidden):
    machine = NTM(5, 4, controller, hidden, 1, slots, width, heads, shifts, "learned", "learned")
    assert machine.num_parameters == literal_count(machine.config)
    assert machine.num_parameters == sum(parameter.numel() for parameter in machine.parameters())


@pytest.mark.parametrize("controller", ["feedforward", "lstm"])
def test_the_parameter_table_names_the_parts(controller):
    machine = NTM(
        3, 2, controller, hidden=8, slots=9, width=4, num_heads=2, memory_init="learned", weighting_init="learned"
    )
    with_hidden = NTM(3, 2, controller, hidden=8, slots=9, width=4, output_hidden=5)
    assert with_hidden.parameter_table()["output"] == 5 * (8 + 4 + 1) + 2 * (5 + 1)
    table, groups = machine.parameter_table(), machine.parameter_groups()
    assert list(table) == list(groups) == ["controller", "heads", "output", "initial"]
    assert sum(len(group) for group in groups.values()) == len(list(machine.parameters()))
    assert table["heads"] == machine.cell.layout.size * (8 + 1)
    first_state = 2 * 8 if controller == "lstm" else 0
    assert table["initial"] == 9 * 4 + 2 * 4 + 2 * 2 * 9 + first_state


@pytest.mark.parametrize(("controller", "gates"), [("feedforward", 1), ("lstm", 4)])
def test_a_controller_that_does_not_see_what_was_read_has_no_weights_for_it(controller, gates):
    sizes = {"hidden": 8, "slots": 9, "width": 4, "num_heads": 2}
    full = NTM(3, 2, controller, **sizes).parameter_table()
    blind = NTM(3, 2, controller, **sizes, read_feedback=False).parameter_table()
    assert full["controller"] - blind["controller"] == gates * 8 * 2 * 4
    assert full["initial"] - blind["initial"] == 2 * 4
    assert full["heads"] == blind["heads"]
    assert full["output"] == blind["output"]
