"""Heads that follow a stack: made by hand, in a kept machine, and drawn."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ntmlib import NTM, load_run
from ntmlib.tasks.languages.brackets import NONE_OPEN, nesting
from ntmlib.tasks.languages.next_symbols import NextSymbols
from ntmlib.training.stacks import follow_heads, wrong_steps
from ntmlib.views import plot_places
from ntmlib.views.stacks import READ_PLACE, WRITE_PLACE

KEPT = Path(__file__).parent.parent / "data/runs/next-symbols-feedforward/representative"
SYMBOLS = "([)]"
TEXT = "([])[]"
DEPTH, OPENED = [1, 2, 1, 0, 1, 0], [0, 1, 0, -1, 4, -1]


def trace_with(writes, reads, slots=8):
    """A trace of TEXT whose heads were put where they should be."""
    trace = NTM(4, 4, hidden=4, slots=slots, width=3).trace(NextSymbols().encode(TEXT))
    heads = {
        name: replace(
            getattr(trace, name), weighting=F.one_hot(torch.tensor(places) % slots, slots)[None, :, None] * 1.0
        )
        for name, places in {"write": writes, "read": reads}.items()
    }
    return replace(trace, **heads)


def a_stack(**changed):
    return trace_with(DEPTH, [depth - 1 for depth in DEPTH], **changed)


def test_nesting_says_how_much_is_open_and_since_when():
    depth, opened = nesting(np.array([[SYMBOLS.index(symbol) for symbol in TEXT]]), 2)
    assert depth.tolist() == [DEPTH]
    assert opened.tolist() == [OPENED]
    assert NONE_OPEN == -1


def test_rows_of_texts_are_nested_each_by_itself():
    batch = NextSymbols().sample(20, generator=torch.Generator().manual_seed(1), length=24)
    texts = batch.inputs.argmax(-1).numpy()
    for row, alone in zip(np.stack(nesting(texts, 2), 1), texts, strict=True):
        stack, expected = [], []
        for step, symbol in enumerate(alone):
            stack = [*stack, step] if symbol < 2 else stack[:-1]
            expected.append((len(stack), stack[-1] if stack else NONE_OPEN))
        assert list(map(tuple, row.T)) == expected


def test_a_perfect_stack_has_every_share_at_one():
    found = follow_heads(a_stack(), 2)
    assert (found.written_at_depth, found.read_below, found.fetched, found.rewritten) == (1, 1, 1, 1)
    assert found.returns.tolist() == [[False, False, True, False, False, False]]
    assert found.fetches() == [(0, 1)]


def test_a_read_head_that_looks_elsewhere_fetches_nothing():
    found = follow_heads(trace_with(DEPTH, [0, 5, 0, -1, 0, -1]), 2)
    assert found.fetched == 0
    assert found.read_below == pytest.approx(5 / 6)


def test_heads_may_be_anywhere_on_the_ring_as_long_as_they_come_back():
    found = follow_heads(trace_with([3 + depth for depth in DEPTH], [2 + depth for depth in DEPTH]), 2)
    assert (found.written_at_depth, found.fetched, found.rewritten) == (0, 1, 1)


def test_the_kept_machine_is_a_stack():
    texts = NextSymbols().sample(20, generator=torch.Generator().manual_seed(0), length=50)
    found = follow_heads(load_run(KEPT).machine.trace(texts.inputs), 2)
    assert (found.written_at_depth, found.read_below, found.fetched, found.rewritten) == (1, 1, 1, 1)


def test_texts_that_are_no_brackets_are_refused():
    machine = NTM(4, 4, hidden=4, slots=4, width=3)
    with pytest.raises(ValueError, match="trace must be of texts of 4 symbols, one at every step, without padding"):
        follow_heads(machine.trace(torch.zeros(1, 3, 4)), 2)
    with pytest.raises(ValueError, match="trace must be of texts that close no bracket that is not open"):
        follow_heads(machine.trace(NextSymbols().encode("())")), 2)


def test_the_kept_machine_loses_count_where_it_comes_back_too_often_unless_its_memory_is_emptied():
    machine = load_run(KEPT).machine
    assert wrong_steps(machine, NextSymbols(), "([])" * 4) == []
    text = "([]())[]" * 10
    assert wrong_steps(machine, NextSymbols(), text)[0] > 30
    assert wrong_steps(machine, NextSymbols(), text, emptied="slot 0") == []
    assert wrong_steps(machine, NextSymbols(), text, emptied="memory") == []


def test_answers_to_texts_that_are_no_brackets_cannot_be_wrong():
    machine = NTM(4, 4, hidden=4, slots=4, width=3)
    with pytest.raises(ValueError, match=r"text must consist of the symbols \( \[ \) \]; got '\(x'"):
        wrong_steps(machine, NextSymbols(), "(x")
    with pytest.raises(ValueError, match="text must close no bracket that is not open; got"):
        wrong_steps(machine, NextSymbols(), "())")
    with pytest.raises(ValueError, match="emptied must be one of nothing, slot 0, memory; got 'slot 1'"):
        wrong_steps(machine, NextSymbols(), "()", emptied="slot 1")


def points(figure):
    """Where the markers of the write head and of the read head are."""
    return [collection.get_offsets().data.tolist() for collection in figure.axes[0].collections]


def test_heads_are_drawn_at_their_slots_next_to_the_count():
    figure = plot_places(a_stack(), TEXT, DEPTH)
    writes, reads = points(figure)
    assert writes == [pytest.approx([step + WRITE_PLACE, depth]) for step, depth in enumerate(DEPTH)]
    assert reads == [pytest.approx([step + READ_PLACE, depth - 1]) for step, depth in enumerate(DEPTH)]
    ticks = {text.get_position()[1]: text.get_text() for text in figure.axes[0].get_yticklabels()}
    assert (ticks[-1], ticks[0]) == ("7", "0")
    assert "write head's slot is that number at 100% of the steps, the read head's at 0%" in figure.alt


def test_a_link_joins_where_it_was_written_to_where_it_is_read():
    [line] = plot_places(a_stack(), TEXT, DEPTH, links=[(0, 1)]).axes[0].lines
    assert line.get_ydata().tolist() == [1, 1]
    assert line.get_xdata().tolist() == [WRITE_PLACE, 1 + READ_PLACE]


def test_a_head_that_looks_everywhere_is_a_small_dot():
    trace = a_stack()
    spread = replace(trace, read=replace(trace.read, weighting=torch.full_like(trace.read.weighting, 1 / 8)))
    writes, reads = plot_places(spread, TEXT, DEPTH).axes[0].collections
    assert max(reads.get_sizes()) == pytest.approx(max(writes.get_sizes()) / 8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("([]", DEPTH), "symbols must be 6, one for each step; got 3"),
        ((TEXT, [1]), "level must be 6, one for each step; got 1"),
        ((TEXT, DEPTH, [(0, 6)]), r"links must be between steps from 0 to 5; got \[\(0, 6\)\]"),
    ],
)
def test_what_does_not_fit_the_trace_is_refused(arguments, message):
    symbols, level, *links = arguments
    with pytest.raises(ValueError, match=message):
        plot_places(a_stack(), symbols, level, links=links[0] if links else ())


def test_a_long_text_is_drawn_without_its_symbols():
    text = "()" * 60
    trace = NTM(4, 4, hidden=4, slots=8, width=3).trace(NextSymbols().encode(text))
    assert plot_places(trace, text, [1, 0] * 60).axes[0].get_xlabel() == "time, in steps"
