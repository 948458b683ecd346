"""The pictures of README.md and docs/tour.md are those that benchmarks/pictures.py draws, in number, words and size."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
SHOWN = {
    page: re.findall(r"!\[([^\]]+)\]\(([^)]+\.png)\)", page.read_text("utf-8"))
    for page in (ROOT / "README.md", ROOT / "docs" / "tour.md")
}


def test_every_picture_that_is_shown_is_there_with_words_and_none_is_kept_that_is_not_shown():
    named = {(page.parent / address).resolve() for page, found in SHOWN.items() for _, address in found}
    assert named == set(IMAGES.glob("*.png"))
    assert all(len(words) > 30 for found in SHOWN.values() for words, _ in found)
    assert len(SHOWN[ROOT / "docs" / "tour.md"]) == 4
    assert sum(path.stat().st_size for path in named) < 600_000


@pytest.mark.slow
def test_the_command_that_is_named_draws_all_of_them(tmp_path):
    assert "`benchmarks/pictures.py`" in (ROOT / "docs" / "tour.md").read_text("utf-8")
    subprocess.run([sys.executable, str(ROOT / "benchmarks" / "pictures.py"), str(tmp_path)], check=True, timeout=600)
    assert sorted(map(about, tmp_path.iterdir())) == sorted(map(about, IMAGES.glob("*.png")))


def about(path: Path) -> tuple[str, tuple[int, int], str]:
    with Image.open(path) as image:
        return path.name, image.size, image.info["Description"]
