from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from ntmlib import NTM, load_run, tasks
from ntmlib.tasks.repeat_copy import COUNT_MEAN, COUNT_SD
from ntmlib.training.counting import Counted, count_codes, count_copies, exchange, find_count

TASK = tasks.make("repeat_copy")
KEPT = Path(__file__).parent.parent / "data/runs/repeat-copy-feedforward/representative"


class Counter(nn.Module):
    """Copies without a fault, but never more than ``most`` times; says the end marker if it is ``polite``."""

    def __init__(self, most: int = 1000, polite: bool = True) -> None:
        super().__init__()
        self.most, self.polite = most, polite

    def forward(self, inputs):
        logits = torch.full((1, inputs.shape[1], 7), -9.0)
        flag = int(inputs[0, :, 6].argmax())
        repeats = min(round(float(inputs[0, flag, 7]) * COUNT_SD + COUNT_MEAN), self.most)
        end = flag + 1 + flag * repeats
        logits[0, flag + 1 : end, :6] = 18 * inputs[0, :flag, :6].repeat(repeats, 1) - 9
        if self.polite:
            logits[0, end, 6] = 9.0
        return logits, None


def small_machine() -> NTM:
    return NTM(8, 7, hidden=10, slots=6, width=4, num_heads=2, controller="lstm")


def test_a_perfect_counter_ends_when_asked_to_also_beyond_the_range():
    assert count_copies(Counter(), TASK, [1, 10, 20]) == [Counted(n, n, float(n)) for n in (1, 10, 20)]


def test_one_that_stops_too_early_is_seen_by_its_marker_and_its_bits():
    assert count_copies(Counter(most=10), TASK, [9, 12]) == [Counted(9, 9, 9.0), Counted(12, 10, 10.0)]


def test_one_that_never_says_the_end_marker_did_not_end():
    assert count_copies(Counter(polite=False), TASK, [3]) == [Counted(3, 3, None)]


def test_every_exchange_takes_over_its_own_part_and_nothing_else():
    machine = small_machine()
    state, donor = (machine(torch.full((1, 5, 8), value))[1].detach() for value in (0.5, -1.0))
    parts, mixed = exchange(state, donor)
    assert parts[-5:] == ("write head 2", "read head 2", "all heads", "read vector", "controller")
    for number, part in enumerate(parts):
        changed = {
            "memory": (mixed.memory[number] != state.memory[0]).any(-1).nonzero().flatten().tolist(),
            "write": (mixed.write_weighting[number] != state.write_weighting[0]).any(-1).nonzero().flatten().tolist(),
            "read": (mixed.read_weighting[number] != state.read_weighting[0]).any(-1).nonzero().flatten().tolist(),
        }
        expected = {"memory": [], "write": [], "read": []}
        if part.isdigit() or part == "memory":
            expected["memory"] = list(range(6)) if part == "memory" else [int(part)]
        elif " head " in part:
            expected[part.split()[0]] = [int(part[-1]) - 1]
        elif part == "all heads":
            expected |= {"write": [0, 1], "read": [0, 1]}
        assert changed == expected, part
        assert (mixed.read_vector[number] != state.read_vector[0]).any() == (part == "read vector")
        assert (mixed.controller[0][number] != state.controller[0][0]).any() == (part == "controller")


def test_exchanging_leaves_both_states_as_they_were():
    machine = small_machine()
    state, donor = (machine(torch.full((1, 5, 8), value))[1].detach() for value in (0.5, -1.0))
    before = state.map(torch.clone)
    exchange(state, donor)
    assert torch.equal(state.memory, before.memory)
    assert torch.equal(state.read_weighting, before.read_weighting)


def test_the_kept_machine_keeps_its_count_in_one_slot():
    search = find_count(load_run(KEPT).machine.with_slots(24), TASK, length=3, asked=2, other=4)
    assert search.carriers()[1] == ("22", "memory")
    assert search.slot(1) == 22
    assert search.copies.shape == (2 * 3 + 1, len(search.parts))


def test_a_step_without_a_single_carrier_has_no_slot():
    search = find_count(small_machine(), TASK, length=2, asked=1, other=6)
    copies = torch.full_like(search.copies, 1.0)
    copies[0, 2] = copies[1, 2] = copies[1, 3] = copies[2, search.parts.index("memory")] = 6.0
    search = replace(search, copies=copies)
    assert [search.slot(step) for step in range(3)] == [2, None, None]


def test_codes_differ_only_because_of_the_number():
    machine = load_run(KEPT).machine
    codes = count_codes(machine, TASK, 5, [3, 3, 7])
    assert torch.equal(codes[0], codes[1])
    assert not torch.equal(codes[0], codes[2])


@pytest.mark.parametrize("bad", [{"asked": 0}, {"length": 0}, {"other": -1}])
def test_a_search_refuses_numbers_that_cannot_be_asked_for(bad):
    with pytest.raises(ValueError, match=f"{next(iter(bad))} must be"):
        find_count(small_machine(), TASK, **bad)


def test_a_search_needs_two_different_numbers():
    with pytest.raises(ValueError, match="other must differ from asked; got 3 for both"):
        find_count(small_machine(), TASK, asked=3, other=3)


def test_counting_refuses_a_number_that_cannot_be_asked_for():
    with pytest.raises(ValueError, match="asked must be"):
        count_copies(Counter(), TASK, [0])
