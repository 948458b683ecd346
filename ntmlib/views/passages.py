"""A passage of text in which the ground behind each character tells what it has cost a model."""

import html
import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.colors import to_hex, to_rgb

STYLE = files("ntmlib.views").joinpath("passages.css").read_text(encoding="utf-8")
LEVELS = 12  # of cost; the cheapest has no ground at all, so that most of a page is plain text
SIDES = 6  # levels of a difference on either side of "the same"
MOST_CHARACTERS = 20_000  # about a megabyte for two models
COST_COLOURS = "YlOrBr"
DIFFERENCE_COLOURS = "RdBu_r"
BREAK = "<s>↵</s>"  # the end of a line costs something too

Numbers = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Passage:
    """A text with what each of its characters cost, for one model or several.

    Attributes:
        text: the characters.
        costs: for each model the nats of each character; not a number where none is known.
        most: nats of the strongest colour.
        difference: whether the costs are differences of two models.
        caption: a sentence above the text.
    """

    text: str
    costs: Mapping[str, Numbers]
    most: int | float
    difference: bool = False
    caption: str = ""

    def to_html(self) -> str:
        """Write it as HTML: a legend, and below it each line of the text once for each model."""
        style = DIFFERENCE_STYLE if self.difference else COST_STYLE
        says = f"<p>{html.escape(self.caption)}</p>" if self.caption else ""
        return (
            f'<style>{STYLE}{style}</style><div class="ntm-passage">{says}<p>{self._means()}</p>'
            f'<p class="ntm-key" aria-hidden="true">{self._key()}</p><div class="ntm-lines">{self._lines()}</div></div>'
        )

    def to_text(self) -> str:
        """Write the text, and what it cost in all."""
        return "\n".join([*([self.caption] if self.caption else []), self._said(), self.text])

    def _means(self) -> str:
        said = html.escape(self._said())
        if self.difference:
            return f"{said}. Red: dearer; blue, underlined: cheaper."
        return f"{said}. The darker the ground (on a dark page: the lighter), the dearer the character."

    def _said(self) -> str:
        """Say what a character costs in the mean."""
        parts = []
        for name, costs in self.costs.items():
            known = costs[np.isfinite(costs)]
            mean = f"{known.mean():{'+' if self.difference else ''}.2f}".replace("-", "−") if len(known) else "?"
            parts.append(f"{name} {mean}")
        return f"{'Difference' if self.difference else 'Cost'} in nats per character: {', '.join(parts)}"

    def _key(self) -> str:
        """Write one swatch for each level, with the cost at which it begins."""
        if self.difference:
            marks = [level * self.most / SIDES for level in range(-SIDES, SIDES + 1)]
            swatches = "".join(
                _span(_side(mark, self.most), "", f"{mark:+.2g}".replace("-", "−") if mark else "0") for mark in marks
            )
        else:
            marks = [level * self.most / LEVELS for level in range(LEVELS)]
            swatches = "".join(
                _span(f"c{level}" if level else "", "", f"{mark:.2g}" + ("+" if level == LEVELS - 1 else ""))
                for level, mark in enumerate(marks)
            )
        return f"{swatches} nats"

    def _lines(self) -> str:
        """Write the lines, those of different models below one another."""
        rows, start = [], 0
        for line in re.findall(r"[^\n]*\n|[^\n]+", self.text):  # splitlines would break at other characters too
            stop = start + len(line)
            for place, (name, costs) in enumerate(self.costs.items()):
                first = ' class="ntm-first"' if place == 0 and len(self.costs) > 1 else ""
                label = f"<b{first}>{html.escape(name)}</b>" if len(self.costs) > 1 else "<b></b>"
                again = ' aria-hidden="true"' if place else ""  # it would be read aloud once for each model
                rows.append(f"{label}<div{first}{again}>{self._line(line, costs[start:stop])}</div>")
            start = stop
        return "".join(rows)

    def _line(self, line: str, costs: Numbers) -> str:
        """Write one line; neighbours of the same level share an element, whose title has their numbers."""
        names = [_side(cost, self.most) if self.difference else _level(cost, self.most) for cost in costs]
        parts = []
        for name, group in itertools.groupby(zip(names, line, costs, strict=True), key=lambda part: part[0]):
            members = list(group)
            letters = "".join(BREAK if letter == "\n" else html.escape(letter) for _, letter, _ in members)
            numbers = " ".join(
                f"{cost:.1f}".replace("-", "−") if math.isfinite(cost) else "?" for _, _, cost in members
            )
            parts.append(_span(name, numbers, letters))
        return "".join(parts)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.to_html(), "text/plain": self.to_text()}


def plot_text_costs(
    text: str,
    costs: Mapping[str, Sequence[int | float] | Numbers],
    *,
    difference: bool = False,
    most: int | float | None = None,
    caption: str = "",
) -> Passage:
    """Print a passage on a ground that tells what each character cost.

    Every line of the text appears once for each model, one below the other. With ``difference`` it appears once, on a
    ground that tells how much dearer (red) or cheaper (blue, underlined) it was for the second model.

    Args:
        text: the passage.
        costs: for each model what each character cost, in nats; not a number for a character that was not asked for.
        difference: show the costs of the second model less those of the first.
        most: nats that get the strongest colour, and everything above them; 6 by default, 3 for a difference.
        caption: a sentence above the text.

    Raises:
        ValueError: there is no text or too much of it, the costs are not one for each character, a cost is below 0 or
            infinite, a difference is not one of two models, or ``most`` is not above 0.
    """
    if not 1 <= len(text) <= MOST_CHARACTERS:
        raise ValueError(f"text must have 1 to {MOST_CHARACTERS:,} characters; got {len(text):,}")
    if not costs:
        raise ValueError("costs must have a model; got none")
    arrays = {name: np.asarray(values, float) for name, values in costs.items()}
    for name, values in arrays.items():
        if values.shape != (len(text),):
            raise ValueError(
                f"costs must have {len(text)} numbers, one for each character; got {values.shape} for {name!r}"
            )
        if np.isinf(values).any() or (values < 0).any():
            wrong = values[np.isinf(values) | (values < 0)][0]
            raise ValueError(f"costs must be finite nats of at least 0, or not a number; got {wrong} for {name!r}")
    if most is None:
        most = 3.0 if difference else 6.0
    if not 0 < most < math.inf:
        raise ValueError(f"most must be a finite number of nats above 0; got {most!r}")
    if difference:
        if len(arrays) != 2:
            raise ValueError(f"difference must be one of 2 models; got costs of {len(arrays)}")
        (first, before), (second, after) = arrays.items()
        arrays = {f"{second} less {first}": after - before}
    return Passage(text, arrays, most, difference, caption)


def _span(name: str, title: str, letters: str) -> str:
    """Write characters of one level, given by the name of its class; the cheapest has none, and no ground."""
    kind = f' class="{name}"' if name else ""
    says = f' title="{title}"' if title else ""
    return f"<i{kind}{says}>{letters}</i>" if kind or says else letters


def _level(cost: float, most: int | float) -> str:
    """Name the level of a cost, c1 to the dearest; nothing for the cheapest and for an unknown one."""
    level = min(LEVELS - 1, int(LEVELS * cost / most)) if math.isfinite(cost) else 0
    return f"c{level}" if level else ""


def _side(difference: float, most: int | float) -> str:
    """Name the level of a difference: u for up, dearer, and d for down."""
    level = max(-SIDES, min(SIDES, round(SIDES * difference / most))) if math.isfinite(difference) else 0
    return f"{'u' if level > 0 else 'd'}{abs(level)}" if level else ""


def _rules(light: Mapping[str, str], dark: Mapping[str, str], more: str = "") -> str:
    """Write the colours of all levels, for light and for dark pages, as a style sheet."""

    def variables(colours: Mapping[str, str]) -> str:
        return "".join(f"--{name}:{ground};--{name}t:{_ink(ground)};" for name, ground in colours.items())

    uses = "".join(f".ntm-passage .{name}{{background:var(--{name});color:var(--{name}t)}}" for name in light)
    return (
        f".ntm-passage{{{variables(light)}}}@media (prefers-color-scheme:dark){{.ntm-passage{{{variables(dark)}}}}}"
        f'[data-jp-theme-light="true"] .ntm-passage{{{variables(light)}}}'
        f'[data-jp-theme-light="false"] .ntm-passage{{{variables(dark)}}}{uses}{more}'
    )


def _ink(ground: str) -> str:
    """Return black or white, whichever can be read better on a ground (WCAG's contrast ratio)."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(ground)]
    luminance = float(np.dot(linear, (0.2126, 0.7152, 0.0722)))
    return "#000" if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else "#fff"


def _colours(table: str, places: Mapping[str, float]) -> dict[str, str]:
    return {name: to_hex(colormaps[table](place)) for name, place in places.items()}


def _dimmed(place: float, share: float) -> str:
    """Darken a colour of the table of differences: for dark pages, on which its middle would glare."""
    red, green, blue = (part * (0.2 + 0.8 * share) for part in to_rgb(colormaps[DIFFERENCE_COLOURS](place)))
    return to_hex((red, green, blue))


# A cheap character is nearly the page's own colour and a dear one far from it: on dark pages the table runs backwards.
_COST = {f"c{level}": level / (LEVELS - 1) for level in range(1, LEVELS)}
COST_STYLE = _rules(
    _colours(COST_COLOURS, {name: 0.06 + 0.9 * place for name, place in _COST.items()}),
    _colours(COST_COLOURS, {name: 1.06 - 0.9 * place for name, place in _COST.items()}),
)
_SIDE = {
    f"{name}{level}": sign * level / SIDES for name, sign in (("u", 1), ("d", -1)) for level in range(1, SIDES + 1)
}
DIFFERENCE_STYLE = _rules(
    _colours(DIFFERENCE_COLOURS, {name: 0.5 + 0.45 * place for name, place in _SIDE.items()}),
    {name: _dimmed(0.5 + math.copysign(0.28, place), abs(place)) for name, place in _SIDE.items()},
    # Blue and red are alike in grey.
    "".join(f".ntm-passage .d{level}{{text-decoration:underline}}" for level in range(2, SIDES + 1)),
)
