"""The file of a sweep: which cells it makes, what they are called, and what is refused before anything is made."""

import dataclasses
import itertools
import re

import pytest

from ntmlib.sweeps import Sweep, read_sweep
from ntmlib.training import presets

TOP = 'name = "mine"\ntask = "copy"\n'
SEEDED = TOP + "seeds = [1, 2]\n"


def sweep_of(tmp_path, text: str) -> Sweep:
    path = tmp_path / "mine.toml"
    path.write_text(text, "utf-8")
    return read_sweep(path)


def names(sweep: Sweep) -> list[str]:
    return [cell.name for cell in sweep.cells]


def test_a_sweep_without_changes_is_the_preset_with_every_seed(tmp_path):
    sweep = sweep_of(tmp_path, TOP + 'preset = "paper"\nseeds = [7, 3]')
    assert [cell.config for cell in sweep.cells] == [presets.get("copy", "paper", seed) for seed in (7, 3)]
    assert [(cell.name, cell.seed, cell.varied) for cell in sweep.cells] == [("seed-7", 7, {}), ("seed-3", 3, {})]


def test_a_range_of_seeds_contains_both_ends(tmp_path):
    assert sweep_of(tmp_path, TOP + 'seeds = "2-5"').seeds == (2, 3, 4, 5)
    assert sweep_of(tmp_path, TOP + 'seeds = "0-0"').seeds == (0,)


def test_a_grid_is_crossed_in_its_own_order_with_the_seeds_side_by_side(tmp_path):
    grid = '[grid]\nmodel_options.memory_init = ["constant", "random"]\nbatch_size = [8, 4]'
    sweep = sweep_of(tmp_path, SEEDED + grid)
    expected = itertools.product(["constant", "random"], [8, 4], [1, 2])
    assert names(sweep) == [f"memory_init={m},batch_size={b},seed={s}" for m, b, s in expected]
    last = sweep.cells[-1]
    assert (last.config.model_options["memory_init"], last.config.batch_size, last.seed) == ("random", 4, 2)
    assert last.varied == {"model_options.memory_init": "random", "batch_size": 4}


def test_changes_of_a_part_leave_the_presets_other_parts_alone(tmp_path):
    sweep = sweep_of(tmp_path, SEEDED + "[config]\nmax_updates = 9\n[config.task_options]\nbits = 3")
    assert sweep.cells[0].config == presets.copy_quick(1).replace(
        max_updates=9, task_options={**presets.copy_quick().task_options, "bits": 3}
    )


@pytest.mark.parametrize(
    "spelling",
    [
        "[grid]\nmodel_options.width = [4, 8]",
        '[grid]\n"model_options.width" = [4, 8]',
        "[grid.model_options]\nwidth = [4, 8]",
    ],
)
def test_a_part_may_be_written_with_a_dot_or_as_a_table(tmp_path, spelling):
    assert [cell.config.model_options["width"] for cell in sweep_of(tmp_path, SEEDED + spelling).cells] == [4, 4, 8, 8]


def test_none_is_written_as_text(tmp_path):
    sweep = sweep_of(tmp_path, SEEDED + '[config]\ntrain_slots = "none"\n[grid]\nclip_norm = ["none", 1.0]')
    assert {cell.config.train_slots for cell in sweep.cells} == {None}
    assert [cell.config.clip_norm for cell in sweep.cells] == [None, None, 1.0, 1.0]
    assert names(sweep)[0] == "clip_norm=none,seed=1"


def test_another_model_starts_without_the_presets_sizes_of_the_first(tmp_path):
    ntm, lstm = sweep_of(tmp_path, TOP + 'seeds = [1]\n[grid]\nmodel = ["ntm", "lstm"]').cells
    assert ntm.config == presets.copy_quick(1)
    sizes = {"hidden": 256, "num_layers": 3, "output_hidden": 0, "embedding": 0}
    assert dict(lstm.config.model_options) == sizes
    assert (lstm.config.train_slots, lstm.config.max_updates) == (None, ntm.config.max_updates)


def test_names_of_cells_are_safe_as_folder_names(tmp_path):
    grid = "[grid]\nlearning_rate = [1e-5, 0.25]\nmixed_lengths = [true, false]\nevaluation_lengths = [[10, 20], []]"
    found = names(sweep_of(tmp_path, SEEDED + grid))
    assert found[0] == "learning_rate=1e-05,mixed_lengths=true,evaluation_lengths=10-20,seed=1"
    assert len({name.casefold() for name in found}) == 16
    assert all(re.fullmatch(r"[A-Za-z0-9_.,=+-]{1,200}", name) for name in found)


def test_fields_that_end_alike_are_named_in_full(tmp_path):
    grid = '[grid]\nmodel_options.controller = ["lstm"]\nlearning_rate_factors.controller = [2.0]'
    assert names(sweep_of(tmp_path, TOP + "seeds = [1]\n" + grid)) == [
        "model_options.controller=lstm,learning_rate_factors.controller=2.0,seed=1"
    ]


@pytest.mark.parametrize("grid", [{"clip_norm": ["none", None]}, {"evaluation_lengths": [[5], (5,)]}])
def test_two_cells_never_share_a_folder(grid):
    with pytest.raises(ValueError, match=r"each cell once, in a folder of its own; two would be called '.*=.*,seed=1'"):
        Sweep("mine", "copy", [1], grid=grid)


def test_a_sweep_can_be_made_from_another(tmp_path):
    sweep = sweep_of(tmp_path, SEEDED + "[config]\nmodel_options.slots = 64\n[grid]\nbatch_size = [1, 2]")
    again = dataclasses.replace(sweep, seeds="1-3")
    assert names(again)[:3] == [f"batch_size=1,seed={seed}" for seed in (1, 2, 3)]
    assert again.cells[0] == sweep.cells[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "Invalid value"),
        (TOP, "seeds must be given; known: name, task, seeds"),
        (SEEDED + "sedes = 1", r"a sweep has no 'sedes' \(did you mean 'seeds'\?\)"),
        (SEEDED + "max_updates = 1", r"a sweep has no 'max_updates'; it belongs under \[config\]"),
        ('name = "../up"\ntask = "copy"\nseeds = [1]', "name must be 1 to 100 letters.*; got '../up'"),
        ('name = "x"\ntask = "cpoy"\nseeds = [1]', "task must be one of copy.*; got 'cpoy'"),
        ('name = "x"\ntask = ["copy"]\nseeds = [1]', r"task must be a text; got \['copy'\]"),
        (SEEDED + 'preset = "slow"', "preset must be one of quick, .*; got 'slow'"),
        (SEEDED + "retries = -1", "retries must be a whole number from 0 to 100; got -1"),
        (TOP + "seeds = []", r"seeds must be whole numbers .*; got \[\]"),
        (TOP + "seeds = [1, -2]", "seeds must be whole numbers of at least 0 .*; got -2 among them"),
        (TOP + "seeds = [1, true]", "seeds must be whole numbers of at least 0 .*; got True among them"),
        (TOP + "seeds = [1, 2, 1]", "seeds must hold each seed once; got 1 twice"),
        (TOP + 'seeds = "5-2"', "seeds must be .* a range such as .*; got '5-2'"),
        (TOP + 'seeds = "1-1000000000000"', "seeds must be at most 100,000; got '1-1000000000000'"),
        (TOP + 'seeds = "1-90000"\n[grid]\nbatch_size = [1, 2]', "at most 100,000 cells; seeds and grid make 180,000"),
        (SEEDED + "config = 3", "config must be a table; got 3"),
        (SEEDED + "[config]\nmax_update = 1", r"config has no 'max_update' \(did you mean 'max_updates'\?\); known: "),
        (SEEDED + "[config]\nmax_updates = 0", "cell seed-1: max_updates must be a whole number of at least 1; got 0"),
        (SEEDED + "[config]\nlearning_rate = nan", "learning_rate must be a finite number; got nan"),
        (SEEDED + "[config]\nseed = 3", r"config cannot change 'seed': write seeds = \[...\] at the top"),
        (SEEDED + "[grid]\nthreads = [1, 2]", "grid cannot change 'threads': a cell computes with one thread"),
        (SEEDED + "[config]\nmodel_options = 3", "config.model_options must be a table; got 3"),
        (SEEDED + "[config]\nmodel_options.slotz = 3", "model_options has no 'slotz'; did you mean 'slots'"),
        (SEEDED + "[config]\ntask_options.bit = 3", "did you mean 'bits'"),
        (SEEDED + "[config]\nbatch_size.x = 3", r"batch_size must be a whole number of at least 1; got \{'x': 3\}"),
        (SEEDED + '[config]\n"batch_size.x" = 3', "config.batch_size must be one value, without parts; got 'batch"),
        (
            SEEDED + '[config]\nmodel_options.slots = 3\n"model_options.slots" = 4',
            "config must set model_options.slots once; got it twice",
        ),
        (SEEDED + "[grid]\nbatch_size = 3", "grid.batch_size must be a list of values to try; got 3"),
        (SEEDED + "[grid]\nbatch_size = []", r"grid.batch_size must be a list of values to try; got \[\]"),
        (SEEDED + "[grid]\nbatch_size = [1, 2, 1]", "grid.batch_size must hold each value once; got 1 twice"),
        (SEEDED + "[grid]\nbatch_size = [{a = 1}]", r"grid.batch_size must hold plain values; got \{'a': 1\}"),
        (
            SEEDED + "[grid]\nlearning_rate = [0.1, 11.0]",
            "cell learning_rate=11.0,seed=1: learning_rate must be above 0 and at most 10; got 11.0",
        ),
        (
            SEEDED + "[config]\nbatch_size = 2\n[grid]\nbatch_size = [1]",
            "batch_size must be in either config or grid; got it in both",
        ),
        (
            SEEDED + f"[grid]\nevaluation_lengths = [{list(range(1, 101))}]",
            "grid must give cells names of at most 200 characters; got 'evaluation_lengths=1-2-3",
        ),
    ],
)
def test_what_is_refused_is_named_with_file_rule_and_value(tmp_path, text, message):
    with pytest.raises(ValueError, match=rf"mine\.toml: .*{message}"):
        sweep_of(tmp_path, text)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]


def test_a_file_that_cannot_be_read_is_refused_by_its_name(tmp_path):
    with pytest.raises(ValueError, match=r"none\.toml: cannot be read: No such file"):
        read_sweep(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"bytes\.toml: 'utf-8' codec"):
        read_sweep(tmp_path / "bytes.toml")
