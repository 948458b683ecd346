import platform
import re

import pytest
import stand_in_dnc
import torch

from ntmlib import NTM
from ntmlib.cli import main
from ntmlib.engines import cuda
from ntmlib.training import speed
from ntmlib.training.optimizers import build


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


def test_the_other_machine_takes_part_with_the_lstm_controller_only(monkeypatch):
    stand_in_dnc.install(monkeypatch)
    timings = speed.compare(("reference", "dnc"), ("feedforward", "lstm"), (2,), turns=2)
    assert [(timing.controller, timing.engine) for timing in timings] == [
        ("feedforward", "reference"),
        ("lstm", "reference"),
        ("lstm", "dnc"),
    ]
    assert timings[1].gflops > 0
    assert timings[2].gflops is None  # operations of an NTM are not those of a DNC
    assert timings[2].sequences_per_second > 0


def test_an_update_of_the_other_machine_trains_it(monkeypatch):
    stand_in_dnc.install(monkeypatch)
    kept = []
    monkeypatch.setattr(speed, "build", lambda config, groups: kept.append(groups) or build(config, groups))
    update = speed._update("dnc", "lstm", 2)
    before = [parameter.clone() for parameter in kept[0]["all"]]
    update()
    assert not any(torch.equal(old, new) for old, new in zip(before, kept[0]["all"], strict=True))


def test_a_missing_package_is_told_before_anything_is_measured(monkeypatch):
    stand_in_dnc.uninstall(monkeypatch)
    monkeypatch.setattr(speed, "_update", lambda *_: pytest.fail("something was measured"))
    with pytest.raises(ValueError, match="needs the package dnc"):
        speed.compare(("reference", "dnc"))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("processor\t: 0\nmodel name\t: Some  Processor 3\nmodel name\t: Another\n", "Some Processor 3"),
        ("processor\t: 0\nCPU part\t: 0xd0c\n", "unknown processor"),
        ("", "unknown processor"),
    ],
)
def test_the_machine_is_named(text, name, tmp_path, monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    (tmp_path / "cpuinfo").write_text(text)
    described = speed.describe_machine(tmp_path / "cpuinfo")
    assert re.fullmatch(rf"{name}, \d+ core\(s\); Python 3\S+, torch \S+, numba \S+", described)


@pytest.mark.parametrize("system", ["Linux", "Darwin", "Windows"])
def test_a_processor_that_cannot_be_read_is_unknown(system, tmp_path, monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert speed.describe_machine(tmp_path / "nothing").startswith("unknown processor, ")


@pytest.mark.draws_globally  # tyro tidies its cache with Python's global generator
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--engines", "warp"], "engines must be among compiled, fused, cuda, dnc; got 'warp'"),
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
def test_the_bench_command_refuses_an_engine_whose_package_is_missing(monkeypatch, capsys):
    stand_in_dnc.uninstall(monkeypatch)
    assert main(["bench", "--engines", "fused", "dnc"]) == 2
    captured = capsys.readouterr()
    assert "refused: engine 'dnc' needs the package dnc, `pip install dnc`" in captured.err
    assert captured.out == ""


@pytest.mark.draws_globally
def test_the_bench_command_prints_a_line_for_each_engine(capsys):
    assert main(["bench", "--engines", "fused", "--batch", "1", "--controllers", "lstm", "--turns", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[3:]] == [["lstm", "1", "reference"], ["lstm", "1", "fused"]]
    assert f"torch {torch.__version__}, numba " in lines[0]
    assert "dnc" not in lines[0]


@pytest.mark.draws_globally
def test_the_bench_command_says_what_the_other_machine_is_and_leaves_its_share_out(monkeypatch, capsys):
    stand_in_dnc.install(monkeypatch)
    assert main(["bench", "--engines", "dnc", "--batch", "1", "--turns", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.search(r", dnc \S+", lines[0])
    assert "a DNC that does more in a step, and has no feed-forward controller" in lines[2]
    rows = [line.split() for line in lines[5:]]
    assert [row[:3] for row in rows] == [
        ["feedforward", "1", "reference"],
        ["lstm", "1", "reference"],
        ["lstm", "1", "dnc"],
    ]
    assert [row[-1] == "-" for row in rows] == [False, False, True]


@pytest.mark.draws_globally
@pytest.mark.parametrize(
    ("put", "default"), [(stand_in_dnc.install, "fused dnc"), (stand_in_dnc.uninstall, "compiled fused")]
)
def test_the_other_machine_is_measured_by_default_when_its_package_is_installed(put, default, monkeypatch, capsys):
    put(monkeypatch)
    given = {}
    monkeypatch.setattr(speed, "print_table", lambda **options: given.update(options))
    assert main(["bench"]) == 0
    assert " ".join(given["engines"]).endswith(default)


@pytest.mark.draws_globally
def test_a_device_that_is_not_there_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(cuda, "INTERPRETED", False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["bench", "--device", "cuda", "--engines", "fused"]) == 2
    assert "needs a CUDA device, and torch sees none" in capsys.readouterr().err
    assert main(["bench", "--device", "tpu"]) == 2
    assert "device must be among cpu, cuda; got 'tpu'" in capsys.readouterr().err


@pytest.mark.draws_globally
def test_the_engine_for_gpus_is_compared_on_a_gpu(capsys):
    assert main(["bench", "--engines", "cuda"]) == 2
    assert "device must be 'cuda' to compare the engine 'cuda'; got 'cpu'" in capsys.readouterr().err
