"""A machine reads what somebody types: stand-ins whose answers are known, a kept machine, and the field."""

from pathlib import Path

import pytest
import torch
from ipywidgets.widgets import widget
from torch import nn

from ntmlib import NTM, load_run
from ntmlib.tasks.languages.next_symbols import NextSymbols
from ntmlib.tasks.languages.recognition import LANGUAGES, VERDICTS, Recognition
from ntmlib.training.reading import MOST_SYMBOLS, reader
from ntmlib.views import try_text
from ntmlib.views.reading import disagreements

KEPT = Path(__file__).parent.parent / "data/runs/next-symbols-feedforward/representative"
SYMBOLS = "([)]"


class PerfectStack(nn.Module):
    """Says what may come next, with a stack of its own as state; ``forgets`` is a depth it cannot look below."""

    def __init__(self, forgets=0):
        super().__init__()
        self.forgets = forgets

    def forward(self, inputs, state=""):
        rows = []
        for number in inputs[0].argmax(-1).tolist():
            state = state + SYMBOLS[number + 2] if number < 2 else state[:-1]
            known = state[-1:] if len(state) > self.forgets else ""
            rows.append([1.0 if symbol in "([" + known else -1.0 for symbol in SYMBOLS])
        return torch.tensor(rows)[None], state


class Told(nn.Module):
    """Says what it was told to."""

    def __init__(self, answers):
        super().__init__()
        self.answers = torch.tensor(answers)

    def forward(self, inputs, state=None):
        return (2.0 * self.answers[: inputs.shape[1]] - 1)[None, :, None], None


def brackets(**changes):
    return reader(PerfectStack(**changes), NextSymbols())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "nothing is left open"),
        ("([])[]", "nothing is left open"),
        ("([)]", "symbol 3, ), may not come here; ( [ ] may"),
        ("())", "symbol 3, ), may not come here; ( [ may"),
        ("]", "symbol 1, ], may not come here; ( [ may"),
        ("[(", "2 brackets still open, to be closed by )]"),
        ("()[", "1 bracket still open, to be closed by ]"),
    ],
)
def test_the_reason_says_what_is_wrong_and_where(text, reason):
    found = brackets()(text)
    assert (found.machine.reason, found.exact.reason) == (reason, reason)
    assert found.machine.accepted == (reason == "nothing is left open") == LANGUAGES["dyck_2"].accepts(text)


def test_nothing_is_said_of_symbols_behind_the_first_mistake():
    assert brackets()("(])(").machine.marks == (True, False, None, None)


def test_what_is_exact_agrees_with_the_language_for_texts_of_all_kinds():
    read, language = brackets(), LANGUAGES["dyck_2"]
    dice = torch.Generator().manual_seed(0)
    for _ in range(200):
        text = "".join(
            SYMBOLS[n] for n in torch.randint(4, (int(torch.randint(7, (), generator=dice)),), generator=dice)
        )
        found = read(text)
        assert found.exact.accepted == language.accepts(text)
        assert found.machine == found.exact


def test_a_machine_that_forgets_is_shown_to_be_wrong_where_it_is():
    found = brackets(forgets=1)("([])")
    assert found.machine.reason == "symbol 4, ), may not come here; ( [ may"
    assert found.exact.accepted
    assert disagreements(found) == [4]
    shown = try_text(brackets(forgets=1), ["([])"], interactive=False).to_html()
    assert "The machine is wrong about symbol 4." in shown
    assert shown.count('class="ntm-differs"') == 1


def test_a_machine_that_goes_on_closing_is_stopped():
    always = reader(Always(), NextSymbols())
    assert always("()").machine.reason == "2 brackets still open, to be closed by ))"


class Always(nn.Module):
    """Allows everything."""

    def forward(self, inputs, state=None):
        return torch.ones_like(inputs), None


def test_a_recogniser_says_of_every_prefix_whether_it_is_in_the_language():
    task = Recognition("anbn", scored="prefixes")
    found = reader(Told([False, False, False, True, False]), task)("aabb")
    assert found.machine.marks == found.exact.marks == (False, False, False, True)
    assert (found.machine.accepted, found.exact.accepted) == (False, True)
    shown = try_text(reader(Told([False, False, False, True, False]), task), ["aabb"], interactive=False)
    assert "The machine is right about every symbol, and wrong about the text." in shown.to_html()
    assert shown.to_text() == "aabb: machine rejected: not in the language; exactly accepted: in the language"


def test_a_recogniser_reads_the_empty_text():
    found = reader(Told([True]), Recognition("anbn", scored="prefixes"))("")
    assert (found.machine.marks, found.machine.accepted, found.exact.accepted) == ((), True, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(x)", r"text must consist of the symbols \( \[ \) \]; symbol 2 is 'x'"),
        ("( )", r"text must consist of the symbols \( \[ \) \]; symbol 2 is ' '"),
        ("(" * (MOST_SYMBOLS + 1), "text must have at most 1,000 symbols; got 1,001"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused_with_the_place(text, message):
    with pytest.raises(ValueError, match=message):
        brackets()(text)


def test_the_memory_grows_with_the_text():
    asked = []

    class Watched(NTM):
        def with_slots(self, slots, *, shared=False):
            asked.append((slots, shared))
            return super().with_slots(slots, shared=shared)

    reader(Watched(4, 4, hidden=4, slots=8, width=3), NextSymbols())("()" * 10)
    assert set(asked) == {(52, True)}


def test_the_kept_machine_reads_five_hundred_symbols():
    drawn = NextSymbols().sample(1, generator=torch.Generator().manual_seed(0), length=496)
    text = "".join(SYMBOLS[number] for number in drawn.inputs[0].argmax(-1).tolist()) + "[(["
    found = reader(load_run(KEPT).machine, NextSymbols())(text)
    assert found.machine == found.exact
    assert found.machine.reason == "3 brackets still open, to be closed by ])]"


def parts(panel):
    yield panel
    for child in getattr(panel, "children", ()):
        yield from parts(child)


def test_the_field_is_read_at_every_keystroke():
    panel = try_text(brackets(), ["([])"]).widget
    field = next(part for part in parts(panel) if getattr(part, "description", "") == "your text")
    shown = panel.children[-1]
    assert field.continuous_update
    assert "nothing is left open" in shown.value
    field.value = "([])["
    assert "1 bracket still open, to be closed by ]" in shown.value
    field.value = "<b>"
    assert "symbol 1 is &#x27;&lt;&#x27;" in shown.value
    field.value = ""
    assert "nothing is left open" in shown.value


def test_a_page_shows_all_texts_without_widgets():
    before = set(widget._instances)
    field = try_text(brackets(), ["()", "(]"], interactive=False)
    bundle = field._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain"}
    assert bundle["text/html"].count('class="ntm-cells"') == 2
    assert set(widget._instances) == before


def test_marks_are_signs_and_verdicts_are_words():
    shown = try_text(brackets(), ["(]("], interactive=False).to_html()
    assert [shown.count(sign) for sign in "✗·"] == [2, 2]  # the machine's and the exact one
    assert 'role="status" aria-live="polite"' in shown
    assert 'class="ntm-cells" aria-hidden="true"' in shown


def test_a_text_to_begin_with_must_be_readable():
    with pytest.raises(ValueError, match="symbol 1 is 'a'"):
        try_text(brackets(), ["a"])


class Verdicts(nn.Module):
    """Says what it was told to, in verdicts."""

    def __init__(self, answers):
        super().__init__()
        self.answers = torch.tensor([VERDICTS.index(answer) for answer in answers])

    def forward(self, inputs, state=None):
        return nn.functional.one_hot(self.answers[: inputs.shape[1]], 3).float()[None], None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "in the language"),
        ("([])[]", "in the language"),
        ("([)]", "from symbol 3, ), on nothing can mend it"),
        ("]", "from symbol 1, ], on nothing can mend it"),
        ("[(", "not finished: it needs more symbols"),
    ],
)
def test_verdicts_say_where_a_text_goes_wrong(text, reason):
    task = Recognition("dyck_2", scored="prefixes", answer="verdict")
    found = reader(Verdicts(task.verdicts(text)), task)(text)
    assert found.machine == found.exact
    assert found.exact.reason == reason
    assert found.exact.accepted == LANGUAGES["dyck_2"].accepts(text)


def test_a_recogniser_that_sees_a_mistake_too_late_is_shown_to_be_wrong_there():
    task = Recognition("dyck_2", scored="prefixes", answer="verdict")
    found = reader(Verdicts(["open", "open", "never", "never"]), task)("(])")
    assert found.machine.marks == (True, True, False)
    assert found.exact.marks == (True, False, False)
    assert found.machine.reason == "from symbol 3, ), on nothing can mend it"
    assert disagreements(found) == [2]
