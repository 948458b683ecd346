from dataclasses import replace

import pytest
import torch
from ipywidgets.widgets import widget

from ntmlib.machine import content_weighting
from ntmlib.views import Knobs, playground
from ntmlib.views.playground import shift_bell


def bars(play) -> dict[str, list[float]]:
    return {name: weights for name, _, weights in play.weightings()}


def test_the_bars_are_what_the_library_computes():
    play = playground(Knobs(look_for=5, key_strength=12.0))
    expected = content_weighting(play.memory[5], torch.tensor(12.0), play.memory)
    assert bars(play)["1 content"] == pytest.approx(expected.tolist(), abs=1e-5)


def test_knobs_turned_in_the_panel_are_those_of_the_playground():
    play = playground()
    play.widget.knobs = {**play.widget.knobs, "interpolation_gate": 0, "look_for": 2}  # to a browser 0 is 0.0
    assert play.knobs == replace(Knobs(), interpolation_gate=0.0, look_for=2)
    assert isinstance(play.knobs.interpolation_gate, float)
    assert bars(play)["2 gated"] == pytest.approx(bars(play)["previous"], abs=1e-5)


def test_a_step_taken_in_the_panel_is_taken_in_the_playground():
    play = playground()
    taken = bars(play)["4 sharpened"]
    play.widget.previous = taken
    assert bars(play)["previous"] == pytest.approx(taken, abs=1e-4)
    play.reset()
    assert bars(play)["previous"] == play.start.tolist()


@pytest.mark.parametrize(("centre", "expected"), [(-1.0, [1, 0, 0]), (0.0, [0, 1, 0]), (0.25, [0, 0.75, 0.25])])
def test_a_shift_without_blur_goes_to_the_nearest_two_offsets(centre, expected):
    torch.testing.assert_close(shift_bell(centre, 0.0), torch.tensor(expected, dtype=torch.float32))


@pytest.mark.parametrize("blur", [0.05, 0.4, 1.5])
def test_a_blurred_shift_is_a_distribution_with_its_peak_at_the_centre(blur):
    bell = shift_bell(1.0, blur)
    assert bell.sum() == pytest.approx(1)
    assert bell.argmax() == 2


def test_the_panel_of_a_page_has_a_grid_of_settings_for_readers_without_scripts_and_no_widgets():
    before = set(widget._instances)
    play = playground(interactive=False)
    bundle = play._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain"}
    assert '<div class="ntm-playground"><img alt="The weighting for three key strengths' in bundle["text/html"]
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
