from dataclasses import replace

import pytest
import torch
from ipywidgets.widgets import widget

from ntmlib.machine import content_weighting
from ntmlib.views import Knobs, playground
from ntmlib.views.playground import Bars, shift_bell


def parts(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from parts(child)


def slider(panel, name: str):
    return next(part for part in parts(panel) if getattr(part, "description", "") == name)


def bars(panel) -> dict[str, list[float]]:
    drawn = next(part for part in parts(panel) if isinstance(part, Bars))
    return {name: weights for name, _, weights in drawn.stages}


def test_the_bars_are_what_the_library_computes():
    play = playground(Knobs(look_for=5, key_strength=12.0))
    expected = content_weighting(play.memory[5], torch.tensor(12.0), play.memory)
    assert bars(play.widget)["1 content"] == pytest.approx(expected.tolist(), abs=1e-5)


def test_turning_a_knob_redraws_the_bars():
    panel = playground().widget
    slider(panel, "gate").value = 0.0
    drawn = bars(panel)
    assert drawn["2 gated"] == pytest.approx(drawn["previous"], abs=1e-5)


def test_step_again_feeds_the_weighting_back_and_start_over_undoes_it():
    panel = playground().widget
    before = bars(panel)
    slider(panel, "step again").click()
    assert bars(panel)["previous"] == pytest.approx(before["4 sharpened"], abs=1e-4)
    slider(panel, "start over").click()
    assert bars(panel) == before


@pytest.mark.parametrize(("centre", "expected"), [(-1.0, [1, 0, 0]), (0.0, [0, 1, 0]), (0.25, [0, 0.75, 0.25])])
def test_a_shift_without_blur_goes_to_the_nearest_two_offsets(centre, expected):
    torch.testing.assert_close(shift_bell(centre, 0.0), torch.tensor(expected, dtype=torch.float32))


@pytest.mark.parametrize("blur", [0.05, 0.4, 1.5])
def test_a_blurred_shift_is_a_distribution_with_its_peak_at_the_centre(blur):
    bell = shift_bell(1.0, blur)
    assert bell.sum() == pytest.approx(1)
    assert bell.argmax() == 2


def test_the_still_panel_is_a_grid_of_settings_without_widgets():
    before = set(widget._instances)
    play = playground(interactive=False)
    bundle, _ = play._repr_mimebundle_()
    assert "image/png" in bundle
    assert len(play.picture().axes) == 9
    assert set(widget._instances) == before


def test_the_panel_is_the_same_each_time():
    torch.testing.assert_close(playground().memory, playground().memory, rtol=0, atol=0)


def test_a_knob_outside_its_range_is_refused():
    with pytest.raises(ValueError, match=r"sharpening must be from 1 to 20; got 0.5"):
        Knobs(sharpening=0.5)
    with pytest.raises(ValueError, match="look_for must be a slot from 0 to 4; got 7"):
        playground(replace(Knobs(), look_for=7), slots=5)
    with pytest.raises(ValueError, match="slots must be at least 3, the offsets of a shift; got 2"):
        playground(slots=2)
