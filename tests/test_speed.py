import pytest

from ntmlib import NTM
from ntmlib.cli import main
from ntmlib.training import speed


def test_operations_are_counted_by_hand():
    machine = NTM(2, 1, hidden=3, slots=4, width=2, num_shifts=3)
    controller, heads, output = 3 * (2 + 2 + 1), 20 * (3 + 1), 1 * (3 + 2 + 1)
    per_step = controller + heads + output + 5 * 4 * 2
    assert speed.operations(machine, steps=7) == 2 * 3 * 7 * per_step


def test_engines_take_turns_and_the_reference_is_its_own_measure():
    seen = []
    timings = speed.compare(("reference", "fused"), ("feedforward",), (1,), turns=2, watch=seen.append)
    assert seen == timings
    assert [timing.engine for timing in timings] == ["reference", "fused"]
    assert timings[0].ratio == 1
    assert all(timing.seconds > 0 and timing.gflops > 0 for timing in timings)


def test_a_comparison_without_the_reference_is_refused():
    with pytest.raises(ValueError, match=r"engines must begin with 'reference'.*; got \['fused'\]"):
        speed.compare(("fused",))


@pytest.mark.draws_globally  # tyro tidies its cache with Python's global generator
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--engines", "warp"], "engines must be among compiled, fused; got 'warp'"),
        (["--controllers", "gru"], "controllers must be among feedforward, lstm; got 'gru'"),
        (["--batch", "0"], "batch must be at least 1; got 0"),
        (["--turns", "1"], "turns must be at least 2; got 1"),
        (["--threads", "0"], "threads must be at least 1; got 0"),
    ],
)
def test_the_bench_command_refuses_what_does_not_fit(arguments, message, capsys):
    assert main(["bench", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.draws_globally
def test_the_bench_command_prints_a_line_for_each_engine(capsys):
    assert main(["bench", "--engines", "fused", "--batch", "1", "--controllers", "lstm", "--turns", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[2:]] == [["lstm", "1", "reference"], ["lstm", "1", "fused"]]
