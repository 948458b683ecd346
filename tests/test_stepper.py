import base64
import dataclasses
import json
import re

import anywidget
import ipywidgets
import pytest
import torch
from ipywidgets.widgets import widget

from ntmlib.ntm import NTM, Trace
from ntmlib.views import step_through
from ntmlib.views.stepper import Player

PNG = b"\x89PNG\r\n\x1a\n"


def random_trace() -> Trace:
    generator = torch.Generator().manual_seed(3)
    machine = NTM(5, 3, hidden=10, slots=9, width=4, generator=generator)
    return machine.trace(torch.randint(0, 2, (2, 7, 5), generator=generator).float())


def parts(view):
    yield view
    for child in getattr(view, "children", ()):
        yield from parts(child)


def test_a_live_stepper_links_slider_and_play_to_the_player_in_the_browser():
    before = set(widget._instances)
    play, slider, player = (
        part
        for part in parts(step_through(random_trace()).widget)
        if hasattr(part, "comm") and not hasattr(part, "children")
    )
    assert isinstance(play, ipywidgets.Play)
    assert isinstance(slider, ipywidgets.IntSlider)
    assert isinstance(player, Player)
    assert (slider.min, slider.max) == (0, 6)
    links = [
        made
        for key, made in widget._instances.items()
        if key not in before and isinstance(made, ipywidgets.widgets.widget_link.Link)
    ]
    assert [(link.source, link.target) for link in links] == [
        ((player, "step"), (play, "value")),
        ((player, "step"), (slider, "value")),
    ]


def test_a_live_stepper_shows_a_widget():
    assert "application/vnd.jupyter.widget-view+json" in step_through(random_trace())._repr_mimebundle_()


def test_a_still_stepper_makes_no_widget_at_all():
    before = set(widget._instances)
    bundle = step_through(random_trace(), interactive=False)._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain"}
    assert set(widget._instances) == before


def test_a_still_stepper_carries_a_picture_and_says_what_it_shows():
    html = step_through(random_trace(), interactive=False)._repr_mimebundle_()["text/html"]
    image = re.search(r'<div class="ntm-player"><img alt="([^"]+)" src="data:image/png;base64,([^"]+)"></div>', html)
    assert image[1] == "A Neural Turing Machine with 9 slots, one read and one write head, over 7 steps."
    assert base64.b64decode(image[2]).startswith(PNG)


def test_a_still_stepper_carries_the_data_of_its_trace():
    stepper = step_through(random_trace(), 1, interactive=False)
    text = re.search(r"mountPlayer\(element, (\{.*\})\);", stepper.to_html())[1]
    assert json.loads(text) == json.loads(stepper.data.to_json())


def test_a_page_asks_for_nothing_from_elsewhere(tmp_path):
    step_through(random_trace()).save_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=(?!["']?data:)|url\(|@import|fetch\(|https?://""", page)


def test_save_png_marks_the_steps_asked_for(tmp_path):
    stepper = step_through(random_trace())
    stepper.save_png(tmp_path / "plain.png")
    stepper.save_png(tmp_path / "marked.png", steps=[2, 5])
    plain, marked = ((tmp_path / name).read_bytes() for name in ("plain.png", "marked.png"))
    assert plain.startswith(PNG)
    assert marked.startswith(PNG)
    assert plain != marked


def test_save_png_refuses_a_step_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match="step must be from 0 to 6, the steps of the trace; got 7"):
        step_through(random_trace()).save_png(tmp_path / "x.png", steps=[7])
    assert list(tmp_path.iterdir()) == []


def test_the_module_of_the_widget_is_the_script_of_the_page():
    html = step_through(random_trace(), interactive=False).to_html()
    shared = str(Player._esm).split("export default")[0].strip()
    assert shared in html
    assert "export default" not in html
    assert issubclass(Player, anywidget.AnyWidget)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"example": 2}, "example must be a whole number from 0 to 1, a row of the trace; got 2"),
        ({"example": -1}, "example must be .* got -1"),
        ({"input_names": ["one", "two"]}, r"input_names must be 5 names, one for each channel; got \['one', 'two'\]"),
        ({"output_names": "abc"}, "output_names must be 3 names, one for each channel; got 'abc'"),
        ({"targets": torch.zeros(2, 6, 3)}, r"targets must have the axes .* \[2, 7, 3\]; got \[2, 6, 3\]"),
        ({"mask": torch.ones(1, 7, dtype=torch.bool)}, r"mask must have the axes .* \[2, 7\]; got \[1, 7\]"),
        ({"symbols": list("abcde"), "input_names": list("abcde")}, "input_names and output_names must be left out"),
        ({"symbols": list("abc")}, "symbols must be 5 names, one for each channel"),
        ({"symbols": list("abcde")}, "symbols must name inputs and outputs; got 5 of them for 3 outputs"),
    ],
)
def test_arguments_that_do_not_fit_the_trace_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        step_through(random_trace(), **arguments)


def symbol_trace(text="cabba", logits=None) -> Trace:
    """A trace of a text of the letters a, b and c, with outputs of our own."""
    shown = torch.nn.functional.one_hot(torch.tensor(["abc".index(letter) for letter in text]), 3).float()[None]
    trace = NTM(3, 3, hidden=4, slots=5, width=3).trace(shown)
    return trace if logits is None else dataclasses.replace(trace, outputs=logits)


def test_symbols_are_named_with_the_likeliest_to_follow():
    logits = torch.tensor([[0.5, 0.3, 0.2]]).log().expand(5, 3)[None] + 7.0  # a softmax does not see the 7
    found = step_through(symbol_trace(logits=logits), symbols=["a", "b", "c"], interactive=False).data.symbols
    assert found.names == ("a", "b", "c")
    assert (found.shown, found.came) == ([2, 0, 1, 1, 0], [0, 1, 1, 0, None])
    assert found.guesses == [[0, 1, 2]] * 5
    assert found.shares[0] == pytest.approx([0.5, 0.3, 0.2], abs=1e-4)
    assert found.nats == pytest.approx([0.693, 1.204, 1.204, 0.693, None], abs=1e-3)


def test_with_symbols_no_pictures_of_the_channels_are_sent_and_the_score_is_in_symbols():
    logits = torch.tensor([[0.5, 0.3, 0.2]]).log().expand(5, 3)[None]
    data = step_through(symbol_trace(logits=logits), symbols=["a", "b", "c"], interactive=False).data
    assert not {"inputs", "outputs", "targets"} & set(data.arrays)
    assert data.score == "2 of 4 right, 0.95 nats a symbol"
    assert "over 5 steps: 2 of 4 right" in data.summary
    assert json.loads(data.to_json())["symbols"]["came"] == [0, 1, 1, 0, None]


def test_targets_say_what_came_and_a_mask_what_was_asked_for():
    targets = torch.nn.functional.one_hot(torch.tensor([[2, 2, 0, 0, 1]]), 3).float()
    mask = torch.tensor([[True, False, True, True, True]])
    found = step_through(symbol_trace(), symbols=["a", "b", "c"], targets=targets, mask=mask).data.symbols
    assert found.came == [2, None, 0, 0, 1]
    assert [cost is None for cost in found.nats] == [False, True, False, False, False]


def test_symbols_need_one_to_be_shown_at_each_step():
    trace = symbol_trace()
    several = trace.inputs.clone()
    several[0, 3] = 1
    with pytest.raises(ValueError, match="symbols need inputs with a single 1 at each step; step 3 is not so"):
        step_through(dataclasses.replace(trace, inputs=several), symbols=["a", "b", "c"])
