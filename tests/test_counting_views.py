from types import SimpleNamespace

import numpy as np
import torch

from ntmlib import NTM, tasks
from ntmlib.training.counting import Counted, find_count
from ntmlib.views.counting import plot_codes, plot_count_search, plot_counts


def drawn(axes) -> dict[str, list]:
    return {line.get_label(): line.get_xdata().tolist() for line in axes.lines if not line.get_label().startswith("_")}


def test_right_wrong_and_endless_answers_are_told_apart():
    rows = [Counted(1, 1, 1.0), Counted(2, 2, 3.0), Counted(3, 0, None), Counted(4, 1, 4.0)]
    picture = plot_counts({"one": rows, "two": rows[:1]})
    assert drawn(picture.axes[0]) == {"all right": [1], "wrong end, or wrong bits": [2, 4], "never ended": [3]}
    assert drawn(picture.axes[1])["all right"] == [1]


def test_an_answer_that_ends_far_too_late_stays_in_the_picture():
    picture = plot_counts({"one": [Counted(2, 2, 40.0)]})
    top = picture.axes[0].get_ylim()[1]
    assert max(line.get_ydata().max(initial=0) for line in picture.axes[0].lines) < top


def test_a_part_that_decides_is_coloured_and_the_others_are_not():
    machine = NTM(8, 7, hidden=10, slots=6, width=4, num_heads=2)
    search = find_count(machine, tasks.make("repeat_copy"), length=2, asked=1, other=2)
    copies = torch.full_like(search.copies, 1.0)
    copies[1, 4], copies[2, 7] = 2.0, 9.0  # slot 4 decides at step 1; a head, at step 2, confuses
    shown = SimpleNamespace(**{**vars(search), "copies": copies})
    tape, parts = plot_count_search(shown).axes
    colours = [np.asarray(axes.collections[0].get_array()).reshape(-1, 3) for axes in (tape, parts)]
    assert np.argwhere(colours[0] == 2).tolist() == [[4, 1]]
    assert np.argwhere(colours[1] == 1).tolist() == [[1, 2]]
    assert [text.get_text() for text in parts.get_yticklabels()][1:3] == ["write head 1", "read head 1"]


def test_numbers_are_drawn_in_their_places_and_neighbours_measured():
    codes = torch.zeros(4, 5)
    codes[:, 2] = torch.tensor([0.0, 1.0, 3.0, 3.5])
    picture = plot_codes(codes, range(1, 5), trained=(1, 3))
    left, right = picture.axes
    assert [text.get_text() for text in left.texts] == ["1", "2", "3", "4"]
    assert [bar.get_height() for bar in right.patches] == [1.0, 2.0, 0.5]
