import base64
import dataclasses
import json
import re
import xml.etree.ElementTree

import anywidget
import ipywidgets
import pytest
import torch
from ipywidgets.widgets import widget

from ntmlib.ntm import NTM, Trace
from ntmlib.views import step_through
from ntmlib.views.stepper import PLAYER_SCRIPT, Player

PNG = b"\x89PNG\r\n\x1a\n"


def random_trace() -> Trace:
    generator = torch.Generator().manual_seed(3)
    machine = NTM(5, 3, hidden=10, slots=9, width=4, generator=generator)
    return machine.trace(torch.randint(0, 2, (2, 7, 5), generator=generator).float())


def test_the_step_of_a_live_stepper_can_be_linked_to_other_widgets():
    stepper = step_through(random_trace())
    assert isinstance(stepper.widget, Player)
    assert stepper.widget is stepper.widget  # one view, however often it is asked for
    slider = ipywidgets.IntSlider()
    ipywidgets.link((stepper.widget, "step"), (slider, "value"))
    slider.value = 5
    assert stepper.widget.step == 5


def test_a_live_stepper_sends_its_arrays_as_bytes():
    data = step_through(random_trace()).widget.data
    assert isinstance(data["whole_bytes"], bytes)
    assert all(isinstance(chunk, bytes) for chunk in data["chunks"])


def test_a_live_stepper_shows_a_widget():
    bundle = step_through(random_trace())._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "application/vnd.jupyter.widget-view+json" in data


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


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_saved_pictures_mark_the_steps_asked_for(tmp_path, kind):
    stepper = step_through(random_trace())
    save = getattr(stepper, f"save_{kind}")
    save(tmp_path / f"plain.{kind}")
    save(str(tmp_path / f"marked.{kind}"), steps=[2, 5])
    plain, marked = ((tmp_path / f"{name}.{kind}").read_bytes() for name in ("plain", "marked"))
    assert plain != marked
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"marked.{kind}", f"plain.{kind}"]
    if kind == "png":
        assert plain.startswith(PNG)
    else:
        root = xml.etree.ElementTree.fromstring(plain)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root.find("{http://www.w3.org/2000/svg}title").text.endswith(stepper.summary)
        assert plain == stepper.picture().svg()  # the same bytes each time


@pytest.mark.parametrize("wrong", [[7], [-1], [True], [2, 99]])
@pytest.mark.parametrize("kind", ["png", "svg"])
def test_steps_that_are_not_there_are_refused_before_anything_is_written(tmp_path, kind, wrong):
    stepper = step_through(random_trace())
    with pytest.raises(ValueError, match=r"steps? must be .*from 0 to 6.*; got"):
        getattr(stepper, f"save_{kind}")(tmp_path / f"x.{kind}", steps=wrong)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["html", "png", "svg"])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("page.txt", r"path must end in \.{kind}; got '.*page.txt'"),
        ("missing/page.{kind}", "path must be in a folder that is there; got '.*missing/page.{kind}'"),
        ("folder.{kind}", "path must be a file; got the folder '.*folder.{kind}'"),
    ],
)
def test_paths_that_cannot_be_written_are_refused_before_anything_is_written(tmp_path, kind, name, message):
    (tmp_path / f"folder.{kind}").mkdir()
    with pytest.raises(ValueError, match=message.replace("{kind}", kind)):
        getattr(step_through(random_trace()), f"save_{kind}")(tmp_path / name.replace("{kind}", kind))
    assert [path.name for path in tmp_path.rglob("*")] == [f"folder.{kind}"]


def test_a_page_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    path.write_text("old")
    monkeypatch.setattr("ntmlib.views.saving.os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        step_through(random_trace()).save_html(path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("page.html", "old")]


def test_a_long_trace_sends_less_to_a_page_than_to_a_live_view(monkeypatch):
    monkeypatch.setattr("ntmlib.views.stepper.PAGE_BYTES", 300)
    stepper = step_through(random_trace())
    assert stepper.data.every == 1
    assert json.loads(stepper.page_json())["every"] > 1
    assert json.loads(step_through(random_trace(), interactive=False).page_json())["every"] > 1


def test_the_module_of_the_widget_is_the_script_of_the_page():
    html = step_through(random_trace(), interactive=False).to_html()
    assert PLAYER_SCRIPT in str(Player._esm)
    assert PLAYER_SCRIPT in html
    assert "export default" not in html
    assert "makeTeller" not in html  # there is no kernel to tell
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
    assert not {"inputs", "outputs", "targets"} & set(data.whole)
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
