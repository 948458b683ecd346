"""Heads at kinds of places: in verses written by hand, and with heads put where they should be."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ntmlib import NTM
from ntmlib.tasks.text import open_corpus
from ntmlib.training.slot_use import (
    KINDS,
    LINE_START,
    OTHER,
    SPEAKER_NAME,
    WORD_START,
    kinds_of_places,
    read_ages,
    slot_use,
)

SIGNS = ".wLS"  # of the kinds, in the order of KINDS


def signs(text):
    return "".join(SIGNS[kind] for kind in kinds_of_places(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("KING LEAR:\nBlow, winds:\n", "SSSSSSSSSS.L.....w......"),
        ("I say:\nno\n\nFool:\nO nuncle", "SSSSSS.L..." + "SSSSS.L.w....."),
        ("so\n\nFIRST LORD:\n\nHere", "w...SSSSSSSSSSS..L..."),
        ("\n\nEDGAR:\nPoor\n\n\nTom", "..SSSSSS.L......L.."),
        ("I've 'tis o'er\n'Twas 3 x2", "w.....w...w....Lw......w."),
        ("thou\nart: \nFool:\nno", "w....L.....L.....L."),  # not behind an empty line
        ("a\n\nwait for me:", "w..L....w...w.."),  # the line may not end here
        ("été, Éa", "w....w."),
        ("", ""),
        ("\n", "."),
    ],
)
def test_every_character_is_at_one_kind_of_place(text, expected):
    assert signs(text) == expected


def test_in_the_plays_every_speaker_is_found():
    corpus = open_corpus("shakespeare")
    text = corpus.decode(corpus.codes[:200_000])
    text = text[: text.rindex("\n\n")]
    kinds = kinds_of_places(text)
    speeches = text.split("\n\n")
    names = sum(len(speech.split("\n")[0]) for speech in speeches)
    assert (kinds == SPEAKER_NAME).sum() == names
    assert (kinds == LINE_START).sum() == sum(speech.count("\n") for speech in speeches)


def trace_with(writes, reads, slots=4, gates=None):
    """A trace of a batch whose two heads were put where they should be; they begin on slot 0."""
    writes, reads = torch.tensor(writes), torch.tensor(reads)
    machine = NTM(3, 3, hidden=4, slots=slots, width=3, weighting_init="one_hot")
    trace = machine.trace(F.one_hot(torch.zeros_like(writes), 3).float())
    gate = trace.write.interpolation_gate if gates is None else torch.tensor(gates)[..., None]
    return replace(
        trace,
        write=replace(trace.write, weighting=F.one_hot(writes, slots)[:, :, None].float(), interpolation_gate=gate),
        read=replace(trace.read, weighting=F.one_hot(reads, slots)[:, :, None].float()),
    )


def kinds(text):
    return np.array([[SIGNS.index(sign) for sign in row] for row in text], dtype=np.uint8)


def test_means_are_of_the_steps_of_each_kind():
    trace = trace_with(
        [[0, 1, 1, 3], [2, 2, 0, 0]], [[1, 2, 3, 0], [0, 0, 0, 0]], gates=[[0.0, 1, 0.5, 1], [0, 0, 1, 1]]
    )
    use = slot_use(trace, kinds(["L.w.", "L..w"]))
    assert use.kinds == KINDS
    assert use.num_steps.tolist() == [4, 2, 2, 0]
    assert use.write.weighting[:, 0][:3].tolist() == [[0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0], [0.5, 0, 0.5, 0]]
    assert use.read.weighting[:, 0][:3].tolist() == [[0.75, 0, 0.25, 0], [0.5, 0, 0, 0.5], [0.5, 0.5, 0, 0]]
    assert use.write.interpolation_gate[:3, 0].tolist() == [(1 + 1 + 0 + 1) / 4, (0.5 + 1) / 2, 0]
    assert use.write.movement[:3, 0].tolist() == [(1 + 1 + 0 + 1) / 4, 0, 0.5]
    assert use.read.movement[:3, 0].tolist() == [(1 + 1 + 0 + 0) / 4, 0.5, 0.5]
    assert use.write.slots_in_use[:3, 0].tolist() == [1, 1, 1]


def test_a_kind_that_does_not_occur_has_no_means():
    use = slot_use(trace_with([[0, 1]], [[0, 1]]), kinds([".."]))
    for head in (use.read, use.write):
        for values in (head.weighting, head.interpolation_gate, head.slots_in_use, head.movement):
            assert np.isnan(values[1:]).all()
            assert np.isfinite(values[OTHER]).all()


def test_a_head_spread_over_slots_uses_as_many():
    trace = trace_with([[0, 0, 0]], [[0, 0, 0]])
    weighting = torch.tensor([[1 / 2, 1 / 2, 0, 0], [1 / 4, 1 / 4, 1 / 4, 1 / 4], [0.7, 0.3, 0, 0]])[None, :, None]
    use = slot_use(replace(trace, read=replace(trace.read, weighting=weighting)), kinds(["wLS"]))
    uneven = math.exp(-0.7 * math.log(0.7) - 0.3 * math.log(0.3))
    assert use.read.slots_in_use[1:, 0] == pytest.approx([2, 4, uneven], rel=1e-6)
    assert use.read.movement[1:, 0] == pytest.approx([0.5, 0.5, 0.5], rel=1e-6)
    assert use.write.slots_in_use[1:, 0].tolist() == [1, 1, 1]


def test_a_machine_that_reads_on_moves_from_where_it_was():
    machine = NTM(3, 3, hidden=4, slots=4, width=3, num_heads=2)
    inputs = F.one_hot(torch.tensor([[0, 1, 2, 1, 0, 2]]), 3).float()
    whole = slot_use(machine.trace(inputs), kinds([".....w"]))
    _, state = machine(inputs[:, :5])
    last = slot_use(machine.trace(inputs[:, 5:], state), kinds(["w"]))
    for field in ("weighting", "interpolation_gate", "slots_in_use", "movement"):
        expected = getattr(whole.write, field)[WORD_START]
        assert getattr(last.write, field)[WORD_START] == pytest.approx(expected, abs=1e-5)
        assert expected.shape[0] == 2


def test_kinds_that_do_not_fit_are_refused():
    trace = trace_with([[0, 1]], [[0, 1]])
    with pytest.raises(ValueError, match=r"kinds must be one for each step of the trace, \[1, 2\]; got \[1, 3\]"):
        slot_use(trace, kinds(["..."]))
    with pytest.raises(ValueError, match="kinds must be numbers from 0 to 3; got 4"):
        slot_use(trace, np.array([[0, 4]], dtype=np.uint8))


def test_ages_are_steps_since_a_slot_was_written_last():
    """Read are at steps 2 to 5: what was just written, the step before, slot 0 after 4 steps, and slot 3, never."""
    trace = trace_with([[0, 1, 2, 1, 2, 1]], [[0, 0, 2, 2, 0, 3]])
    np.testing.assert_allclose(read_ages(trace, most=2), [1 / 4, 1 / 4, 0, 1 / 2])


def test_ages_need_steps_beyond_the_first_ones():
    with pytest.raises(ValueError, match="most must be fewer than the 2 steps of the trace; got 2"):
        read_ages(trace_with([[0, 1]], [[0, 1]]), most=2)
