import io
import re

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib import image, pyplot

from ntmlib.ntm import NTM, Trace
from ntmlib.views import plot_heads, plot_memory, plot_sequence
from ntmlib.views.figures import strongest


def random_trace(heads: int = 1, slots: int = 9) -> Trace:
    generator = torch.Generator().manual_seed(3)
    machine = NTM(5, 3, hidden=10, slots=slots, width=4, num_heads=heads, generator=generator)
    return machine.trace(torch.randint(0, 2, (2, 7, 5), generator=generator).float())


def titles(figure) -> list[str]:
    return [axes.get_title(loc="left") or axes.get_title() for axes in figure.axes]


def test_plot_heads_shows_every_stage_of_every_head_by_name():
    shown = titles(plot_heads(random_trace(heads=2)))
    stages = ("1 content", "2 gated", "3 shifted", "4 sharpened")
    for kind in ("write", "read"):
        for head in (1, 2):
            assert {f"{kind} head {head}: {stage}" for stage in stages} <= set(shown)


def test_plot_heads_draws_the_weightings_on_a_scale_from_0_to_1():
    trace = random_trace()
    axes = {a.get_title(loc="left"): a for a in plot_heads(trace, 1, all_slots=True).axes}
    picture = axes["read head: 3 shifted"].images[0]
    np.testing.assert_allclose(picture.get_array(), trace.read.shifted_weighting[1, :, 0].T)
    assert picture.get_clim() == (0, 1)


def test_plot_heads_labels_its_axes():
    figure = plot_heads(random_trace())
    assert figure.axes[0].get_ylabel() == "slot"
    assert figure.axes[-2].get_xlabel() == "time, in steps (0 to 6)"


def test_plot_heads_numbers_the_slots_of_a_window_that_wraps():
    trace = random_trace(slots=32)
    for weighting in (trace.read.weighting, trace.write.weighting):
        weighting.zero_()
        weighting[..., [31, 0]] = 0.5
    labels = [tick.get_text() for tick in plot_heads(trace).axes[0].get_yticklabels()]
    assert labels == ["30", "31", "0", "1"]


def test_plot_sequence_draws_outputs_as_probabilities_below_the_inputs():
    trace = random_trace()
    figure = plot_sequence(trace, targets=torch.zeros(2, 7, 3))
    assert titles(figure)[:3] == ["inputs", "outputs, as probabilities", "targets"]
    np.testing.assert_allclose(figure.axes[1].images[0].get_array(), trace.outputs[0].sigmoid().T, rtol=1e-6)


def test_plot_memory_draws_the_step_asked_for_and_the_last_by_default():
    trace = random_trace()
    assert "memory after step 6" in titles(plot_memory(trace))
    figure = plot_memory(trace, 1, [2, 4])
    tables = [axes.images[0] for axes in figure.axes if axes.get_title()]
    np.testing.assert_allclose(tables[1].get_array(), trace.memory[1, 4])
    low, high = tables[0].get_clim()
    assert low == -high


@pytest.mark.parametrize("plot", [plot_heads, plot_memory, plot_sequence])
def test_a_sequence_that_is_not_there_is_refused(plot):
    with pytest.raises(ValueError, match="example must be a whole number from 0 to 1, a row of the trace; got 5"):
        plot(random_trace(), 5)


def test_a_step_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="step must be from 0 to 6, the steps of the trace; got -1"):
        plot_memory(random_trace(), 0, -1)


def test_pictures_leave_pyplot_alone():
    plot_heads(random_trace())
    assert pyplot.get_fignums() == []
    assert matplotlib.get_backend().lower() == "agg"


def test_a_picture_shows_itself_once_with_a_text_for_those_who_cannot_see_it():
    picture = plot_heads(random_trace())
    data, metadata = picture._repr_mimebundle_()
    assert set(data) == {"image/png", "text/plain"}
    assert "9 slots" in metadata["image/png"]["alt"]


def test_the_same_picture_is_the_same_bytes():
    assert plot_memory(random_trace()).png() == plot_memory(random_trace()).png()


def test_four_pairs_of_heads_stay_legible():
    picture = plot_heads(random_trace(heads=4))
    height, width = image.imread(io.BytesIO(picture.png())).shape[:2]
    assert width >= 1280
    assert height < 1.2 * width


@pytest.mark.parametrize("shape", [(1024, 2000), (300, 601), (7, 5)])
def test_a_picture_of_more_cells_than_pixels_keeps_the_strongest(shape):
    values = np.zeros(shape)
    values[-1, -1] = values[shape[0] // 2, 0] = 1.0
    shrunk = strongest(values)
    assert shrunk.shape == (min(shape[0], 300), min(shape[1], 600))
    assert shrunk.sum() == 2
    assert shrunk[-1, -1] == 1


@pytest.mark.parametrize("draw", [plot_sequence, plot_heads])
def test_a_short_sequence_has_no_labels_at_half_steps(draw):
    machine = NTM(3, 2, hidden=8, width=5, slots=6, generator=torch.Generator().manual_seed(0))
    picture = draw(machine.trace(torch.zeros(1, 4, 3)))
    picture.png()
    labels = [text.get_text() for axes in picture.axes for text in axes.get_xticklabels() if text.get_text()]
    assert labels
    assert all(re.fullmatch("\N{MINUS SIGN}?[0-9]+", label) for label in labels)
