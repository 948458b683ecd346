import base64
import re
import time

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from ntmlib.workbook.export import STYLE, ExportError, document, duration, link_to_page, page, read_story
from ntmlib.workbook.markdown import COLOURED, WIDEST, FormulaError, code_html, markdown_html, mathml, preformatted
from ntmlib.workbook.outputs import find_request, plain
from ntmlib.workbook.records import RunRecord

PNG = base64.b64encode(b"\x89PNG not really").decode()


def print_page(*cells, strict=True, **record):
    return page(
        new_notebook(cells=list(cells)), RunRecord(**{"name": "01-a", "status": "done", **record}), strict=strict
    )


def shown(**data):
    """A code cell with one output in several forms."""
    forms = {name.replace("_", "/", 1): value for name, value in data.items()}
    return new_code_cell("draw()", execution_count=1, outputs=[new_output("display_data", data=forms)])


# ---- mathematics


@pytest.mark.parametrize(
    "formula",
    [
        r"w^c_t(i) = \frac{\exp\left(\beta_t K[\mathbf{k}_t, \mathbf{M}_t(i)]\right)}{\sum_j \exp(\beta_t K)}",
        r"K[\mathbf u, \mathbf v] = \frac{\mathbf u \cdot \mathbf v}{\lVert\mathbf u\rVert \, \lVert\mathbf v\rVert}",
        r"\tilde w_t(i) = \sum_{j=0}^{N-1} w^g_t(j)\, s_t(i - j) \bmod N",
        r"\begin{aligned} a &= b \\ c &= d \end{aligned}",
        r"\operatorname{softmax}(\gamma_t \log w) \in [0, 1]^{N \times W} \tag{9}",
        r"\mathbf{M}_t \odot \left[\mathbf 1 - w_t \mathbf{e}_t^\top\right], \quad \gamma_t \ge 1",
        r"\log_2(1 + e^{x}) \text{ bits per sequence}",
    ],
)
def test_the_papers_formulas_become_mathml(formula):
    html = mathml(formula, block=True)
    assert "<math" in html
    assert "\\" not in html
    assert "http" not in html


@pytest.mark.parametrize("formula", [r"\frac{1}{", r"\nosuch x", "a}", r"\left( a", r"\begin{cases} a"])
def test_a_formula_that_cannot_be_converted_is_named(formula):
    with pytest.raises(FormulaError, match=re.escape(repr(formula))):
        mathml(formula)


def test_bold_letters_are_characters_because_browsers_ignore_mathvariant():
    assert "𝐤" in mathml(r"\mathbf k")
    assert "mathvariant" not in mathml(r"\mathbf k \boldsymbol{w}")


def test_an_equation_number_stands_beside_its_equation():
    assert '<span class="equation-number">(5)</span>' in mathml(r"x \tag{5}", block=True)


@pytest.mark.parametrize(
    "text",
    ["from $5 to $6", "`$x$` and `$$`", "```\n$x$ $$y$$\n```", r"a \$x\$ b", "costs 5$ or 6$", "`$a` $ `b$`"],
)
def test_dollars_that_are_no_formula_stay_dollars(text):
    html = markdown_html(text)
    assert "<math" not in html
    assert html.count("$") == text.count("$")


@pytest.mark.parametrize(
    "text", ["is $x$.", "($x$)", "| a |\n|---|\n| $x$ |", "*so $x$ is*", "$$x$$", "# On $x$", "$x$-axis"]
)
def test_formulas_in_text_tables_and_headings_are_drawn(text):
    assert "<math" in markdown_html(text)
    assert "$" not in markdown_html(text)


def test_a_bad_formula_names_its_cell_and_a_lenient_page_shows_it_as_tex():
    cells = [new_code_cell("x = 1"), new_markdown_cell(r"This $\nosuch$ fails")]
    with pytest.raises(ExportError, match=r"markdown cell at place 2 .*This.*nosuch is unknown") as error:
        print_page(*cells)
    assert error.value.cell == 1
    assert r"<code>\nosuch</code>" in print_page(*cells, strict=False)


# ---- outputs


def test_a_widget_gives_way_to_the_player_beside_it():
    view = {"model_id": "x", "version_major": 2, "version_minor": 0}
    html = print_page(
        shown(
            **{"application_vnd.jupyter.widget-view+json": view, "text_html": "<b>player</b>", "text_plain": "VBox()"}
        )
    )
    assert "<b>player</b>" in html
    assert "VBox" not in html
    assert "widget" not in html


def test_a_lone_widget_leaves_no_text_behind():
    assert "IntSlider" not in print_page(shown(text_plain="IntSlider(value=0)"))


def test_a_picture_is_inside_the_page_and_says_what_it_shows():
    cell = shown(image_png=PNG, text_plain="<Figure size 640x480>")
    cell.metadata["caption"] = 'Eight slots & "one" head'
    html = print_page(cell)
    assert f'src="data:image/png;base64,{PNG}" alt="Eight slots &amp; &quot;one&quot; head"' in html
    assert "Figure size" not in html


def test_a_picture_without_caption_is_named_after_the_last_heading():
    html = print_page(new_markdown_cell("## Shift $w$"), shown(image_png=PNG))
    assert 'alt="Figure: Shift w"' in html


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://x.org/a.js"></script>',
        '<img src="//x.org/a.png">',
        "<img alt='' src='a.png'>",
        '<link rel="stylesheet" href="a.css">',
        "<style>@import 'a.css';</style>",
        '<p style="background: url(https://x.org/a.png)">',
        '<iframe srcdoc="x"></iframe>',
        "<video poster=a.png></video>",
    ],
)
def test_an_output_that_asks_for_another_file_is_refused(html):
    with pytest.raises(ExportError, match="asks for another file"):
        print_page(shown(text_html=html))


def test_a_player_with_its_own_script_and_a_link_asks_for_nothing():
    html = f'<div><img src="data:image/png;base64,{PNG}"><a href="https://arxiv.org">x</a><script>a.src="b.png"</script></div>'
    assert find_request(html) == ""


def test_a_megabyte_in_an_output_is_searched_quickly():
    start = time.perf_counter()
    find_request(f'<img src="data:image/png;base64,{"x" * 10**6}"><script>{"A" * 10**6}</script>' + "x " * 10**6)
    assert time.perf_counter() - start < 2


def test_overwritten_lines_and_colours_of_a_terminal_are_dropped():
    assert plain("step 1\rstep 2\r\n\x1b[31mred\x1b[0m") == "step 2\nred"


def test_text_of_outputs_cannot_become_html():
    cell = new_code_cell(
        "x", execution_count=1, outputs=[new_output("stream", name="stdout", text="<script>x</script>")]
    )
    assert "<script" not in print_page(cell)


# ---- the page


def test_links_between_notebooks_become_links_between_pages():
    assert link_to_page("02-addressing.ipynb#Shift") == "02-addressing.html#Shift"
    assert link_to_page("./02-addressing.ipynb") == "02-addressing.html"
    assert link_to_page("https://x.org/02-a.ipynb") == "https://x.org/02-a.ipynb"
    assert link_to_page("../README.md") == "../README.md"


def test_details_fold_what_stands_between_their_tags():
    page = markdown_html("<details><summary>Hints</summary>\n\n1. Look.\n\n</details>")
    assert page.index("<details>") < page.index("<li>") < page.index("</details>")


def test_a_page_has_one_main_heading_a_language_and_landmarks():
    html = print_page(new_markdown_cell("# One\n\n## Two\n\n## Two"), new_markdown_cell("# Another"), title="One")
    assert html.count("<h1") == 1
    assert '<html lang="en">' in html
    assert "<title>One · NTM workbook</title>" in html
    assert all(f"<{landmark}" in html for landmark in ("header", "nav", "main"))
    assert 'href="#Two"' in html
    assert 'id="Two-2"' in html


def test_the_header_tells_how_the_run_went():
    html = print_page(
        new_code_cell("1", execution_count=1),
        seconds=75.2,
        commit="abc1234+",
        changed={"seed": [0, 3]},
        versions={"python": "3.11.7"},
    )
    assert all(text in html for text in ("75 s", "abc1234+", "seed = 3 (default 0)", "python 3.11.7", "index.html"))


def test_a_failed_page_shows_the_error_before_anything_else():
    error = new_output("error", ename="ValueError", evalue="no", traceback=["\x1b[31mValueError\x1b[0m: <no>"])
    html = print_page(
        new_markdown_cell("# Title"),
        new_code_cell("f()", execution_count=1, outputs=[error]),
        status="failed",
        failed_cell=1,
        error="ValueError: no",
    )
    assert html.index("This run failed") < html.index("<h1")
    assert "ValueError: &lt;no&gt;" in html
    assert 'href="#cell-1"' in html


def test_a_story_is_read_from_the_notebook():
    cells = [
        new_markdown_cell("# The *title*\n\n**Question.** Why\ndoes it work?\n\nMore."),
        shown(**{"application_vnd.ntm.results+json": [{"name": "bits"}], "text_plain": "bits"}),
    ]
    story = read_story(new_notebook(cells=cells))
    assert (story["title"], story["question"], story["results"]) == (
        "The *title*",
        "Why does it work?",
        [{"name": "bits"}],
    )


def test_an_empty_page_is_small_and_asks_for_nothing():
    html = document("t", "b")
    assert len(html) < 20_000
    assert find_request(html) == ""
    assert "http" not in html


@pytest.mark.parametrize(("seconds", "words"), [(0.44, "0.4 s"), (75.0, "75 s"), (200.0, "3 min"), (9000.0, "2.5 h")])
def test_durations_are_said_as_people_say_them(seconds, words):
    assert duration(seconds) == words


def test_a_solved_exercise_is_folded_and_its_check_is_shown():
    solved = new_code_cell("a = 0\n# BEGIN SOLUTION\na = 1\n# END SOLUTION", execution_count=1)
    asked = new_code_cell("a = 0\n# YOUR CODE HERE", execution_count=1)
    assert '<details class="source"><summary>[1] a solution</summary>' in print_page(solved)
    assert '<details class="source" open><summary>[1]</summary>' in print_page(asked)


def test_every_kind_of_word_that_the_style_sheet_colours_keeps_its_element_and_no_other():
    colours = STYLE.read_text("utf-8").split("/* colours of code */")[1].split("/*")[0]
    assert set(re.findall(r"\.(\w+)[ ,{]", colours)) == COLOURED
    assert code_html("def f(x): return 'a' + x") == (
        '<span class="k">def</span> <span class="nf">f</span>(x): <span class="k">return</span> '
        "<span class=\"s1\">'a'</span> + x"
    )


def test_code_that_is_too_wide_for_a_page_can_be_reached_with_the_keyboard():
    assert preformatted("<b>" + "&lt;" * WIDEST + "</b>", "code").startswith('<pre class="code"><b>')
    assert preformatted("x" * (WIDEST + 1), "code").startswith('<pre class="code" tabindex="0">')


def test_an_empty_corner_of_a_table_is_no_heading():
    page = markdown_html("| | a |\n|---|--:|\n| b | 1 |")
    assert "<td></td>" in page
    assert '<th style="text-align: right">a</th>' in page
    assert page.count("<th") == page.count("<thead>") + 1
