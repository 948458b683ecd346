"""The files in data/sweeps: each can be read, and those of the formal languages leave none out."""

import tomllib
from pathlib import Path

import pytest

from ntmlib.sweeps import read_sweep
from ntmlib.tasks import CHOMSKY, LANGUAGES
from ntmlib.training.presets import PRESETS

FOLDER = Path(__file__).parents[1] / "data" / "sweeps"


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.toml")), ids=lambda file: file.stem)
def test_a_file_is_named_as_its_sweep_and_says_first_what_it_is(file):
    assert read_sweep(file).name == file.stem
    assert file.read_text("utf-8").startswith("# ")


@pytest.mark.parametrize("file", sorted((FOLDER / "fetched").glob("*.toml")), ids=lambda file: file.stem)
def test_a_sweep_of_a_text_that_has_to_be_fetched_says_so_where_it_is_not(file, monkeypatch, tmp_path):
    monkeypatch.setenv("NTMLIB_DATA", str(tmp_path))
    with pytest.raises(ValueError, match="corpus tinyshakespeare is not on this computer"):
        read_sweep(file)
    table = tomllib.loads(file.read_text("utf-8"))
    assert table["name"] == file.stem
    assert table["preset"] in PRESETS[table["task"]]
    assert file.read_text("utf-8").startswith("# ")


def test_every_task_of_the_hierarchy_has_a_file_with_seeds_no_setting_was_chosen_on():
    sweeps = [read_sweep(file) for file in FOLDER.glob("chomsky-*.toml")]
    assert {sweep.task for sweep in sweeps if sweep.preset == "quick"} == {task.name for task in CHOMSKY}
    assert all(sweep.seeds[:5] == (1, 2, 3, 4, 5) for sweep in sweeps)


def test_the_file_of_recognition_has_every_language():
    sweep = read_sweep(FOLDER / "recognition-feedforward.toml")
    assert sweep.grid["task_options.language"] == tuple(LANGUAGES)
    assert {cell.config.task_options["scored"] for cell in sweep.cells} == {"prefixes"}


def test_the_brackets_are_those_of_suzgun():
    config = read_sweep(FOLDER / "next-symbols-feedforward.toml").cells[0].config
    sizes = {"min_length": 2, "max_length": 50, "kinds": 2}
    assert sizes.items() <= dict(config.task_options).items()
