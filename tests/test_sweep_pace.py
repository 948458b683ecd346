"""How fast a cell comes on, as its history says."""

import pytest
from tiny_run import tiny

from ntmlib.sweeps import Cell
from ntmlib.sweeps.pace import Pace, Running, last_row
from ntmlib.training import History, train

CELL = Cell("seed-1", tiny(max_updates=1000), {})


def write(folder, *rows, rest=""):
    """Let the history have rows of update and seconds."""
    history = History()
    for update, seconds in rows:
        history.append(update, 4 * update, seconds, 3, 3, 1.0, 2.0, 3.0)
    (folder / "seed-1").mkdir(exist_ok=True)
    (folder / "seed-1" / "history.csv").write_bytes(history.to_csv() + rest.encode())


def test_the_last_row_of_a_real_run_is_found(tmp_path):
    run = train(tiny(max_updates=5), tmp_path / "run")
    assert last_row(tmp_path / "run") == (5, run.history.seconds[-1])


@pytest.mark.parametrize("rest", ["", "8", "8,32", "8,32,9.0,3,3,1.0,2.0,3.0"])
def test_half_a_row_does_not_count(tmp_path, rest):
    write(tmp_path, (6, 1.5), (7, 2.5), rest=rest)
    assert last_row(tmp_path / "seed-1") == (7, 2.5)


def test_without_rows_nothing_is_known(tmp_path):
    assert Pace(CELL, tmp_path).look() == Running("seed-1", 0, 1000, None)
    write(tmp_path)
    assert Pace(CELL, tmp_path).look().seconds_left is None


def test_rate_and_time_left_are_those_of_the_last_minute(tmp_path):
    pace, seen = Pace(CELL, tmp_path), []
    for row in ((100, 1.0), (200, 2.0), (210, 50.0), (230, 90.0)):
        write(tmp_path, row)
        seen.append(pace.look())
    assert [look.rate for look in seen[:2]] == [None, 100.0]
    assert seen[1].seconds_left == 8.0
    assert seen[-1] == Running("seed-1", 230, 1000, 30 / 88.0)  # 28 s ago it was at 200 already


def test_a_cell_that_makes_updates_again_has_no_rate_from_before(tmp_path):
    pace = Pace(CELL, tmp_path)
    for row in ((100, 1.0), (200, 2.0), (150, 1.5)):
        write(tmp_path, row)
        look = pace.look()
    assert (look.update, look.rate) == (150, None)
    write(tmp_path, (160, 2.5))
    assert pace.look().rate == 10.0
