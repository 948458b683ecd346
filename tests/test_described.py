"""The words of a figure, and their way onto a page."""

import matplotlib.pyplot as plt
import pytest
from synthetic_notebooks import write_notebook

from ntmlib.workbook.described import LONGEST, describe
from ntmlib.workbook.report import run_report


@pytest.fixture
def axes():
    figure, axes = plt.subplots(1, 2)
    yield axes
    plt.close(figure)


def test_titles_axes_and_legends_are_said(axes):
    axes[0].imshow([[0, 1]])
    axes[0].set(title="write head", xlabel="time", ylabel="slot")
    axes[0].figure.colorbar(axes[0].images[0])
    axes[1].plot([1, 2], label="NTM")
    axes[1].plot([2, 1], label="LSTM")
    axes[1].set(xlabel="sequences", ylabel="bits")
    axes[1].legend()
    axes[0].figure.suptitle("Copy")
    words = "Copy. 2 panels. write head, map of slot against time. Curves of bits against sequences: NTM, LSTM"
    assert describe(axes[0].figure) == words


def test_panels_of_the_same_make_are_named_once_and_a_drawing_by_its_words(axes):
    for panel in axes:
        panel.text(0, 0, "controller")
        panel.text(0, 1, "memory\nmatrix")
    assert describe(axes[0].figure) == "2 panels. Drawing: controller, memory matrix"


def test_bars_and_points_are_told_apart_and_a_long_text_is_cut(axes):
    axes[0].bar(["a", "b"], [1, 2])
    axes[1].scatter([1], [2])
    assert describe(axes[0].figure) == "2 panels. Bars. Points"
    axes[0].set_title("word " * 200)
    assert len(describe(axes[0].figure)) <= LONGEST + 2
    assert describe(axes[0].figure).endswith("word …")


def test_the_words_are_the_alternative_text_on_page_and_card(tmp_path):
    plot = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.title('a < b')\nplt.ylabel('bits');"
    write_notebook(tmp_path / "notebooks", "01-a", plot)
    assert run_report(out=tmp_path / "reports", notebooks=tmp_path / "notebooks") == 0
    for page in ("01-a.html", "index.html"):
        assert 'alt="a &lt; b, curves of bits"' in (tmp_path / "reports" / page).read_text("utf-8")


def test_the_words_that_an_author_gave_a_picture_come_first(tmp_path):
    plot = "from ntmlib.views.figures import Picture\nPicture(2, 1, 'What the author says.')"
    write_notebook(tmp_path / "notebooks", "01-a", plot)
    assert run_report(out=tmp_path / "reports", notebooks=tmp_path / "notebooks") == 0
    assert 'alt="What the author says."' in (tmp_path / "reports" / "01-a.html").read_text("utf-8")
