"""A field to type into: a machine reads the text at every keystroke, and the exact answer stands beside its own."""

import html
from collections.abc import Sequence
from functools import cached_property
from importlib.resources import files
from typing import Any, Protocol, runtime_checkable

import ipywidgets

STYLE = files("ntmlib.views").joinpath("reading.css").read_text(encoding="utf-8")
SIGNS = {True: "✓", False: "✗", None: "·"}
CLASSES = {True: "yes", False: "no", None: ""}
MOST_PLACES = 8  # of disagreements, named one by one


@runtime_checkable
class Judgement(Protocol):
    """What somebody says of a text."""

    @property
    def marks(self) -> tuple[bool | None, ...]:
        """For each symbol yes or no, None where there is nothing left to say."""
        ...

    @property
    def accepted(self) -> bool:
        """Whether the text is in the language."""
        ...

    @property
    def reason(self) -> str:
        """In words, and where."""
        ...


@runtime_checkable
class Reading(Protocol):
    """A text with two judgements."""

    @property
    def text(self) -> str:
        """What was read."""
        ...

    @property
    def machine(self) -> Judgement:
        """What the machine says."""
        ...

    @property
    def exact(self) -> Judgement:
        """What is right."""
        ...


@runtime_checkable
class Reader(Protocol):
    """What reads: see ``ntmlib.training.reading``."""

    @property
    def symbols(self) -> str:
        """The alphabet."""
        ...

    @property
    def meaning(self) -> str:
        """What a mark says of a symbol."""
        ...

    def __call__(self, text: str) -> Reading:
        """Read a text; a ``ValueError`` says what is wrong with it."""
        ...


class TextField:
    """Texts as a machine reads them.

    Shown in a notebook it is a field and what the machine makes of what stands in it; with ``interactive=False`` a
    piece of page with some texts.
    """

    def __init__(self, reader: Reader, texts: Sequence[str], interactive: bool) -> None:
        self.reader = reader
        self.texts = tuple(texts)
        self.interactive = interactive

    def show(self, text: str) -> str:
        """Write as HTML what the machine makes of a text, or why it cannot be read."""
        try:
            reading = self.reader(text)
        except ValueError as error:
            return f'<div class="ntm-reading" role="status"><p class="ntm-problem">{html.escape(str(error))}</p></div>'
        return reading_html(reading, self.reader.meaning)

    @cached_property
    def widget(self) -> ipywidgets.VBox:
        """The field, read again at every keystroke."""
        hint = f"symbols: {' '.join(self.reader.symbols)}"
        field = ipywidgets.Text(
            value=self.texts[0] if self.texts else "",
            description="your text",
            placeholder=hint,
            continuous_update=True,
            layout=ipywidgets.Layout(width="100%", max_width="1000px"),
        )
        shown = ipywidgets.HTML(self.show(field.value))
        field.observe(lambda change: setattr(shown, "value", self.show(change["new"])), "value")
        style = ipywidgets.HTML(f"<style>{STYLE}</style>", layout=ipywidgets.Layout(display="none"))
        return ipywidgets.VBox([style, field, ipywidgets.Label(hint), shown])

    def to_html(self) -> str:
        """Write all texts as a piece of page."""
        return f"<style>{STYLE}</style>" + "".join(map(self.show, self.texts))

    def to_text(self) -> str:
        """Write all texts as lines."""
        lines = []
        for text in self.texts:
            reading = self.reader(text)
            lines.append(f"{text or '(empty)'}: machine {_verdict(reading.machine)}; exactly {_verdict(reading.exact)}")
        return "\n".join(lines)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        if self.interactive:
            return dict(self.widget._repr_mimebundle_(include=include, exclude=exclude))
        return {"text/html": self.to_html(), "text/plain": self.to_text()}


def try_text(reader: Reader, texts: Sequence[str] = ("",), *, interactive: bool = True) -> TextField:
    """Let a machine read what somebody types.

    Args:
        reader: a machine that reads, as ``ntmlib.training.reading.reader`` makes one.
        texts: what stands in the field at first; a page shows all of them.
        interactive: true for a field, which needs a running notebook; false for a piece of page.

    Raises:
        ValueError: one of the texts cannot be read.
    """
    for text in texts:
        reader(text)
    return TextField(reader, texts, interactive)


def disagreements(reading: Reading) -> list[int]:
    """Return the symbols, counted from 1, of which the machine says yes and no is right, or the other way round."""
    pairs = zip(reading.machine.marks, reading.exact.marks, strict=True)
    return [place for place, said in enumerate(pairs, 1) if None not in said and said[0] != said[1]]


def reading_html(reading: Reading, meaning: str) -> str:
    """Write a text with its marks and verdicts as HTML: signs beside colours, and everything in words too."""
    differ = disagreements(reading)
    cells = ['<span class="ntm-names"><b>text</b><i>machine</i><i>exactly</i></span>']
    for place, symbol in enumerate(reading.text, 1):
        signs = "".join(
            f'<i class="{CLASSES[judge.marks[place - 1]]}">{SIGNS[judge.marks[place - 1]]}</i>'
            for judge in (reading.machine, reading.exact)
        )
        extra = ' class="ntm-differs"' if place in differ else ""
        cells.append(f"<span{extra}><b>{html.escape(symbol)}</b>{signs}</span>")
    if not reading.text:
        cells.append("<span><b>(empty)</b></span>")
    verdicts = "".join(
        f"<dt>{name}</dt><dd>{html.escape(_verdict(judge))}</dd>"
        for name, judge in (("machine", reading.machine), ("exactly", reading.exact))
    )
    return (
        f'<div class="ntm-reading"><div class="ntm-cells" aria-hidden="true">{"".join(cells)}</div>'
        f'<div role="status" aria-live="polite"><dl>{verdicts}</dl><p>{html.escape(_agreement(reading, differ))} '
        f"(✓: {html.escape(meaning)})</p></div></div>"
    )


def _verdict(judge: Judgement) -> str:
    return f"{'accepted' if judge.accepted else 'rejected'}: {judge.reason}"


def _agreement(reading: Reading, differ: Sequence[int]) -> str:
    """Say in words whether the machine is right, and where not."""
    if differ:
        named = ", ".join(map(str, differ[:MOST_PLACES]))
        more = f" and {len(differ) - MOST_PLACES} more" if len(differ) > MOST_PLACES else ""
        return f"The machine is wrong about {'symbol' if len(differ) == 1 else 'symbols'} {named}{more}."
    if reading.machine.accepted != reading.exact.accepted:
        return "The machine is right about every symbol, and wrong about the text."
    if reading.machine.reason != reading.exact.reason:
        return "The machine is right about the text, though not about what is left open."
    return "The machine is right."
