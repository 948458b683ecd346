"""The box in which a machine writes: how it grows, is stopped, begins anew, and what a page shows of it."""

import threading

import pytest
from ipywidgets.widgets import widget

from ntmlib.views import write_text

LONG = 30  # seconds after which a test gives up


def alphabet(prompt, characters, temperature, seed):
    """Writes the alphabet from the letter of the seed on; knows no capital X."""
    if "X" in prompt:
        raise ValueError(f"text must be of the 61 characters of test; got 'X' at position {prompt.index('X')}")
    return (chr(ord("a") + (seed + place) % 26) for place in range(characters))


class Slow:
    """Writes a character whenever it is allowed to; as the box tries a prompt first, its first one is free."""

    def __init__(self):
        self.allowed = threading.Semaphore(1)
        self.closed = threading.Event()
        self.reached = threading.Semaphore(0)

    def __call__(self, prompt, characters, temperature, seed):
        for _ in range(characters):
            self.reached.release()
            assert self.allowed.acquire(timeout=LONG)
            yield "ab"[seed % 2]


def finished(**settings):
    panel = write_text(alphabet, **settings).panel
    panel.wait(LONG)
    return panel


def test_the_first_text_is_written_at_once_behind_the_prompt():
    panel = finished(prompt="<A>:\n", characters=5)
    assert '<span class="ntm-prompt">&lt;A&gt;:\n</span>abcde</div>' in panel.shown.value
    assert "seed 0, temperature 0.8, 5 characters; in" in panel.shown.value
    assert panel.button.description == "Write"


def test_each_press_takes_the_next_seed_and_a_seed_can_be_had_again():
    panel = finished(characters=3, prompt="!")
    panel.button.click()
    panel.wait(LONG)
    assert "</span>bcd</div>" in panel.shown.value
    assert panel.seed.value == 2
    panel.seed.value = 0
    panel.button.click()
    panel.wait(LONG)
    assert "</span>abc</div>" in panel.shown.value
    assert "seed 0," in panel.shown.value


def test_what_stands_in_field_and_sliders_reaches_the_machine():
    asked = []

    def write(*arguments):
        asked.append(arguments)
        return iter("x")

    panel = write_text(write, "a", 0.5, 70, seed=4).panel
    panel.wait(LONG)
    panel.prompt.value, panel.temperature.value, panel.characters.value = "b", 1.25, 200
    panel.press()
    panel.wait(LONG)
    assert asked == [("a", 1, 0.5, 4), ("a", 70, 0.5, 4), ("b", 200, 1.25, 5)]


def test_a_press_while_it_writes_stops_it_and_the_next_begins_anew():
    write = Slow()
    panel = write_text(write, "!", characters=10).panel
    for _ in range(3):
        write.allowed.release()
    for _ in range(5):  # the box's own trial, and four characters
        assert write.reached.acquire(timeout=LONG)
    assert (panel.writing, panel.button.description) == (True, "Stop")
    panel.press()
    assert (panel.writing, panel.button.description) == (False, "Write")
    write.allowed.release()
    panel.wait(LONG)
    assert "</span>aaa</div>" in panel.shown.value
    assert "3 characters, then stopped" in panel.shown.value
    for _ in range(10):
        write.allowed.release()
    panel.press()
    panel.wait(LONG)
    assert "</span>bbbbbbbbbb</div>" in panel.shown.value
    assert not panel.writing


def test_a_text_that_was_stopped_does_not_write_into_the_next_one():
    write = Slow()
    panel = write_text(write, "!", characters=3).panel
    old = panel._thread
    panel.press()  # stopped before its first character ...
    panel.press()  # ... and the next one begun
    for _ in range(4):
        write.allowed.release()
    panel.wait(LONG)
    old.join(LONG)
    assert not old.is_alive()
    assert "</span>bbb</div>" in panel.shown.value


def test_a_text_that_was_stopped_is_not_shown_over_one_that_has_ended():
    held, began = threading.Event(), threading.Event()

    def write(prompt, characters, temperature, seed):
        if characters > 1 and seed == 0:
            began.set()
            assert held.wait(LONG)
        yield "ab"[seed % 2]

    panel = write_text(write, "!", characters=2).panel
    old = panel._thread
    assert began.wait(LONG)
    panel.press()
    panel.press()
    panel.wait(LONG)
    held.set()
    old.join(LONG)
    assert "</span>b</div>" in panel.shown.value


def test_a_character_that_the_text_does_not_know_is_named_and_the_box_goes_on():
    panel = finished(characters=3)
    panel.prompt.value = "aX"
    panel.press()
    panel.wait(LONG)
    assert "got &#x27;X&#x27; at position 1" in panel.shown.value
    assert 'class="ntm-problem" role="alert"' in panel.shown.value
    assert not panel.writing
    panel.prompt.value = "a"
    panel.press()
    panel.wait(LONG)
    assert "seed 1," in panel.shown.value  # the press that failed had not used it up
    assert "ntm-problem" not in panel.shown.value


def test_a_failure_in_the_middle_is_said_and_leaves_what_was_written():
    def write(prompt, characters, temperature, seed):
        yield "q"
        if characters > 1:
            raise ZeroDivisionError("by zero")

    panel = write_text(write, "!", characters=5).panel
    panel.wait(LONG)
    assert "writing failed: ZeroDivisionError: by zero" in panel.shown.value
    assert "</span>q</div>" in panel.shown.value


def test_a_page_shows_the_text_without_widgets_or_buttons_and_writes_it_once():
    before, asked = set(widget._instances), []

    def write(*arguments):
        asked.append(arguments)
        return alphabet(*arguments)

    box = write_text(write, "A\n", characters=3, interactive=False)
    bundle, again = box._repr_mimebundle_(), box._repr_mimebundle_()
    assert bundle == again
    assert len(asked) == 2  # one of them to see whether the prompt can be read
    assert set(bundle) == {"text/html", "text/plain"}
    assert "</span>abc</div>" in bundle["text/html"]
    assert "button" not in bundle["text/html"]
    assert bundle["text/plain"] == "[seed 0, temperature 0.8, 3 characters]\nA\nabc"
    assert set(widget._instances) == before


def test_a_live_box_shows_a_widget():
    box = write_text(alphabet, characters=2)
    assert "application/vnd.jupyter.widget-view+json" in box._repr_mimebundle_()
    box.panel.wait(LONG)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"characters": 0}, "characters must be a whole number from 1 to 5,000; got 0"),
        ({"characters": 5001}, "characters must be .*; got 5001"),
        ({"characters": True}, "characters must be .*; got True"),
        ({"temperature": 0.0}, "temperature must be a finite number above 0; got 0.0"),
        ({"temperature": float("nan")}, "temperature must be .*; got nan"),
        ({"seed": -1}, "seed must be a whole number from 0 to 2147483647; got -1"),
        ({"prompt": "aX"}, "got 'X' at position 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        write_text(alphabet, **settings)
