"""A box in which a machine writes: a prompt to type, how daring it is, how much, and the text as it grows."""

import contextvars
import html
import math
import threading
import time
from collections.abc import Iterator
from functools import cached_property
from importlib.resources import files
from typing import Any, Protocol, runtime_checkable

import ipywidgets

from ntmlib.views.slider import NamedSlider

STYLE = files("ntmlib.views").joinpath("writing.css").read_text(encoding="utf-8")
TEMPERATURES = (0.2, 1.5)  # ends of the slider
MOST_CHARACTERS = 5000  # the whole text is sent again each time it is shown
SLIDER_CHARACTERS = 1500
MOST_SEED = 2**31 - 1
SHOW_EVERY = 0.12  # seconds between two looks at a growing text: it seems to flow, and the browser keeps up


@runtime_checkable
class Writer(Protocol):
    """What writes: see ``ntmlib.training.write_on``."""

    def __call__(self, prompt: str, characters: int, temperature: float, seed: int) -> Iterator[str]:
        """Yield so many characters, one after another, after a prompt; a ``ValueError`` says what is wrong with it."""
        ...


class WritingBox:
    """A machine that writes.

    Shown in a notebook it is a field, sliders, a button and the text, which grows while it is written; with
    ``interactive=False`` a piece of page with one text.
    """

    def __init__(
        self, write: Writer, prompt: str, temperature: int | float, characters: int, seed: int, interactive: bool
    ) -> None:
        self.write = write
        self.prompt = prompt
        self.temperature = temperature
        self.characters = characters
        self.seed = seed
        self.interactive = interactive

    @cached_property
    def written(self) -> str:
        """What is written with the settings at the beginning."""
        return "".join(self.write(self.prompt, self.characters, self.temperature, self.seed))

    @cached_property
    def panel(self) -> "WritingPanel":
        """The widgets, and what happens when the button is pressed."""
        return WritingPanel(self)

    @property
    def widget(self) -> ipywidgets.VBox:
        """Field, sliders, button and text. When they are first asked for, a first text is begun."""
        return self.panel.box

    def to_html(self) -> str:
        """Write the text as a piece of page."""
        caption = _caption(self.seed, self.temperature, len(self.written))
        return f"<style>{STYLE}</style>{written_html(self.prompt, self.written, caption)}"

    def to_text(self) -> str:
        """Write the text as it is, with a line on how it was made."""
        return f"[{_caption(self.seed, self.temperature, len(self.written))}]\n{self.prompt}{self.written}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        if self.interactive:
            return dict(self.widget._repr_mimebundle_(include=include, exclude=exclude))
        return {"text/html": self.to_html(), "text/plain": self.to_text()}


class WritingPanel:
    """The live widgets of a box, and the thread that writes.

    The machine writes in a thread of its own: the kernel stays free to hear that a button was pressed. What a thread
    finds that is not the latest any more is not shown.
    """

    def __init__(self, box: WritingBox) -> None:
        self._write = box.write
        self._lock = threading.RLock()
        self._stop = threading.Event()  # of the text begun last; it is also how a thread knows whether that is its own
        self._writing = False
        self._thread: threading.Thread | None = None
        wide = ipywidgets.Layout(width="98%", max_width="1000px")
        label = {"description_width": "84px"}  # what "temperature" needs
        self.prompt = ipywidgets.Textarea(value=box.prompt, description="prompt", rows=3, layout=wide, style=label)
        self.prompt.add_class("ntm-prompt-field")
        low, high = min(TEMPERATURES[0], box.temperature), max(TEMPERATURES[1], box.temperature)
        self.temperature = NamedSlider(description="temperature", min=low, max=high, step=0.05, value=box.temperature)
        self.characters = NamedSlider(
            description="characters",
            min=min(50, box.characters),
            max=max(SLIDER_CHARACTERS, box.characters),
            step=10,
            value=box.characters,
        )
        self.seed = ipywidgets.BoundedIntText(
            value=box.seed,
            min=0,
            max=MOST_SEED,
            description="next seed",
            layout=ipywidgets.Layout(width="190px"),
            style=label,
        )
        self.button = ipywidgets.Button(description="Write", button_style="primary")
        self.button.on_click(lambda _: self.press())
        self.shown = ipywidgets.HTML()
        style = ipywidgets.HTML(f"<style>{STYLE}</style>", layout=ipywidgets.Layout(display="none"))
        settings = ipywidgets.HBox(
            [self.temperature, self.characters, self.seed, self.button],
            layout=ipywidgets.Layout(flex_flow="row wrap", align_items="center", max_width="1000px"),
        )
        self.box = ipywidgets.VBox([style, self.prompt, settings, self.shown])
        self.press()

    @property
    def writing(self) -> bool:
        """Whether a text is being written."""
        return self._writing

    def press(self) -> None:
        """Begin a text with the next seed, or stop the one that is being written; what is there of it stays."""
        with self._lock:
            if self._writing:
                self._stop.set()
                self._rest()
            else:
                self._begin()

    def wait(self, seconds: int | float | None = None) -> None:
        """Wait until nothing is being written any more."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _begin(self) -> None:
        prompt, characters = self.prompt.value, round(self.characters.value)
        temperature, seed = self.temperature.value, self.seed.value
        self._stop, self._writing = threading.Event(), True
        self.seed.value = seed + 1 if seed < MOST_SEED else 0
        self.button.description, self.button.button_style = "Stop", "warning"
        # The context says which cell this belongs to: the kernel sends what a thread finds out to that cell.
        context = contextvars.copy_context()
        arguments = (self._stop, prompt, characters, temperature, seed)
        self._thread = threading.Thread(target=context.run, args=(self._run, *arguments), daemon=True)
        self._thread.start()

    def _rest(self) -> None:
        self._writing = False
        self.button.description, self.button.button_style = "Write", "primary"

    def _run(self, stop: threading.Event, prompt: str, characters: int, temperature: float, seed: int) -> None:
        """Write, and show what there is a few times a second; a problem is said in words."""
        written, problem = "", ""
        next_look = 0.0
        try:
            for character in self._write(prompt, characters, temperature, seed):
                if stop.is_set():
                    break
                written += character
                if time.perf_counter() >= next_look:
                    self._show(stop, prompt, written, f"{_caption(seed, temperature, len(written))} so far")
                    next_look = time.perf_counter() + SHOW_EVERY
        except ValueError as error:
            problem = str(error)
        except Exception as error:  # nobody looks at what a thread raises
            problem = f"writing failed: {type(error).__name__}: {error}"
        with self._lock:
            if self._stop is not stop:
                return  # another text has been begun
            caption = _caption(seed, temperature, len(written)) + (", then stopped" if stop.is_set() else "")
            self.shown.value = written_html(prompt, written, caption, problem)
            if problem and not written and not stop.is_set():
                self.seed.value = seed  # it has not been used
            self._rest()

    def _show(self, stop: threading.Event, prompt: str, written: str, caption: str) -> None:
        """Show what there is of a text, if it is still the one that is wanted."""
        with self._lock:
            if self._stop is stop and not stop.is_set():
                self.shown.value = written_html(prompt, written, caption, ended=False)


def write_text(
    write: Writer,
    prompt: str = "HAMLET:\n",
    temperature: int | float = 0.8,
    characters: int = 300,
    *,
    seed: int = 0,
    interactive: bool = True,
) -> WritingBox:
    """Let a machine write on from what somebody types.

    The first text is written when the box is shown, with ``seed``; each press of the button takes the next seed, which
    can be typed too, so that a text can be had again. A press while it writes stops it.

    Args:
        write: yields the characters that a machine writes, called with the prompt, how many characters, the
            temperature and the seed. It is run in a thread of its own.
        prompt: what stands in the field at first.
        temperature: from likely (towards 0) to daring (above 1).
        characters: length of a text, the prompt not counted; at most 5,000.
        seed: of the first text.
        interactive: true for a field, which needs a running notebook; false for a piece of page.

    Raises:
        ValueError: a number is outside its range, or the machine cannot read the prompt.
    """
    if isinstance(characters, bool) or not isinstance(characters, int) or not 1 <= characters <= MOST_CHARACTERS:
        raise ValueError(f"characters must be a whole number from 1 to {MOST_CHARACTERS:,}; got {characters!r}")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MOST_SEED:
        raise ValueError(f"seed must be a whole number from 0 to {MOST_SEED}; got {seed!r}")
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature must be a finite number above 0; got {temperature!r}")
    next(iter(write(prompt, 1, temperature, seed)), None)  # a prompt that cannot be read is refused here and now
    return WritingBox(write, prompt, temperature, characters, seed, interactive)


def written_html(prompt: str, written: str, caption: str, problem: str = "", ended: bool = True) -> str:
    """Write a text as HTML: the prompt in bold and in colour, what a machine added to it, and how it was made.

    Args:
        prompt: what the machine was given.
        written: what it wrote.
        caption: how it was made.
        problem: why there is no more; where nothing was written, it stands alone.
        ended: whether the text is finished: only then is it announced to those who hear the page.
    """
    live = ' role="status"' if ended else ""
    trouble = f'<p class="ntm-problem" role="alert">{html.escape(problem)}</p>' if problem else ""
    if problem and not written:
        return f'<div class="ntm-writing">{trouble}</div>'
    return (
        f'<div class="ntm-writing">{trouble}<p{live}>{html.escape(caption)}; '
        'in <span class="ntm-prompt">bold</span> what it was given</p>'
        f'<div class="ntm-written"><span class="ntm-prompt">{html.escape(prompt)}</span>'
        f"{html.escape(written)}</div></div>"
    )


def _caption(seed: int, temperature: float, characters: int) -> str:
    return f"seed {seed}, temperature {temperature:g}, {characters:,} characters"
