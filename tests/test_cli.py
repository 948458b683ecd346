import math
import os
import re
import subprocess
import sys
import time

import pytest

from ntmlib import cli, training
from ntmlib.cli import main

pytestmark = pytest.mark.draws_globally  # tyro does, when it tidies up its cache

TINY_FLAGS = [
    "--seed=1",
    "--batch-size=4",
    "--max-updates=6",
    "--train-slots=6",
    "--curriculum-start=None",
    "--evaluation-lengths",
    "3",
    "--evaluation-sequences=4",
    "--checkpoint-every=2",
    "--engine=reference",
    "--task-options.max-length=3",
    "--task-options.bits=2",
    "--model-options.hidden=8",
    "--model-options.slots=8",
    "--model-options.width=4",
]


def train_tiny(folder, *flags: str) -> int:
    return main(["train", "copy", "--out", str(folder), *TINY_FLAGS, *flags])


def interrupt_after(monkeypatch, update: int, error: BaseException) -> None:
    advance = training.Trainer.advance

    def interrupted(self: training.Trainer) -> None:
        if self.update == update:
            raise error
        advance(self)

    monkeypatch.setattr(training.Trainer, "advance", interrupted)


def test_a_task_without_a_preset_is_not_called_unknown_and_the_way_out_works(monkeypatch, capsys):
    others = {task: found for task, found in training.presets.PRESETS.items() if task != "copy"}
    monkeypatch.setattr(training.presets, "PRESETS", others)  # a deleted key would come back at the end of the list
    assert main(["train", "copy"]) == 2
    message = capsys.readouterr().err
    assert "task copy has no preset to start from; train it in Python" in message
    assert "from ntmlib import TrainConfig, train; train(TrainConfig(task='copy'), 'runs/copy')" in message
    assert training.train(training.TrainConfig(task="copy", max_updates=1, engine="reference")).result["updates"] == 1


def test_help_is_quick_and_names_every_command():
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "ntmlib", "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert all(f"ntm {command}" in done.stdout for command in cli.COMMANDS)
    assert not {"torch", "tyro"} & {line.rsplit("|")[-1].strip() for line in done.stderr.splitlines()}
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("command", list(cli.COMMANDS))
def test_every_command_has_help(command, capsys):
    assert main([command, "--help"]) == 0
    assert "usage: ntm" in capsys.readouterr().out


def test_help_of_train_says_units_and_defaults(capsys):
    main(["train", "copy", "--help", "--preset", "paper"])
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "below which the task counts as solved" in shown
    assert "in bits per bit" in shown
    assert "(default: 1000000)" in shown


def test_train_then_evaluate(tmp_path, capsys):
    assert train_tiny(tmp_path / "run") == 0
    out = capsys.readouterr().out
    assert "6 updates, 24 sequences" in out
    assert "(chance: 4)" in out
    assert main(["evaluate", str(tmp_path / "run"), "--length", "3", "5", "--slots", "12", "--sequences", "7"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[:3] for row in rows] == [["length", "slots", "sequences"], ["3", "12", "7"], ["5", "12", "7"]]


def test_train_gives_what_the_library_gives(tmp_path):
    train_tiny(tmp_path)
    run = training.load_run(tmp_path)
    assert run.result["weights_sha256"] == training.train(run.config).result["weights_sha256"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], r"command must be one of train, .* \(did you mean 'train'\?\); got 'trian'"),
        (["train", "cpoy"], "task must be one of .*; got 'cpoy'"),
        (["train", "copy", "--preset", "slow"], "preset must be one of quick, paper, .*; got 'slow'"),
        (["train", "copy", "--max-updates", "0"], "max_updates must be a whole number of at least 1; got 0"),
        (["train", "copy", "--learning-rate", "nan"], "learning_rate must be a finite number; got nan"),
        (["train", "copy", "--learning-rate", "1e400"], "learning_rate must be a finite number; got inf"),
        (["train", "copy", "--learning-rate", "fast"], "fast"),
        (["train", "copy", "--learning-rat", "0.1"], "--learning-rate"),
        (["train", "copy", "--task-options.max-length", "0"], "max_length must be a whole number of at least 1; got 0"),
        (["train", "copy", "--model-options.num-shifts", "2"], "num_shifts must be odd"),
        (["evaluate"], "directory|DIRECTORY|PATH"),
        (["evaluate", "nowhere"], "directory must hold a run"),
        (["doctor", "who"], ""),
    ],
)
def test_what_is_refused_is_named_with_its_range_and_nothing_is_made(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    said = " ".join("".join(capsys.readouterr()).replace("│", " ").split())
    assert re.search(message, said)
    assert list(tmp_path.iterdir()) == []


def test_a_length_below_one_is_refused_by_evaluate(tmp_path, capsys):
    train_tiny(tmp_path)
    assert main(["evaluate", str(tmp_path), "--length", "0"]) == 2
    assert "length must be a whole number of at least 1; got 0" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert train_tiny(tmp_path / "file") == 2
    assert "directory cannot be written to" in capsys.readouterr().err


def test_a_diverged_run_has_exit_status_three(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("ntmlib.training.loop.cost_nats", lambda logits, batch: logits.sum() * math.nan)
    assert train_tiny(tmp_path) == 3
    assert "diverged at update 1: the loss is not finite" in capsys.readouterr().err


def test_a_full_disk_has_exit_status_one(tmp_path, monkeypatch, capsys):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device while writing 9 bytes to there")

    monkeypatch.setattr(training.runs, "save", full)
    assert train_tiny(tmp_path) == 1
    assert "No space left on device while writing 9 bytes to there" in capsys.readouterr().err


def test_an_interrupted_run_says_how_to_go_on_and_does(tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        interrupt_after(patch, 3, MemoryError())
        with pytest.raises(MemoryError):
            train_tiny(tmp_path / "run")
    assert train_tiny(tmp_path / "run") == 2
    assert "--resume" in capsys.readouterr().err
    assert main(["train", "copy", "--out", str(tmp_path / "run"), "--resume"]) == 0  # settings come from the folder
    assert "6 updates" in capsys.readouterr().out
    assert main(["train", "copy", "--out", str(tmp_path / "run"), "--resume", "--seed", "9"]) == 2
    assert "has seed 1, asked for 9" in capsys.readouterr().err


def test_ctrl_c_has_exit_status_130(tmp_path, monkeypatch, capsys):
    advance = training.Trainer.advance

    def interrupted(self: training.Trainer) -> None:
        advance(self)
        if self.update == 3:
            os.kill(os.getpid(), 2)

    monkeypatch.setattr(training.Trainer, "advance", interrupted)
    assert train_tiny(tmp_path) == 130
    assert f"to go on: ntm train copy --out {tmp_path} --resume" in capsys.readouterr().out


def test_report_passes_its_arguments_on(tmp_path, monkeypatch):
    from ntmlib.workbook import report

    given = {}
    monkeypatch.setattr(report, "run_report", lambda names, **options: given.update(names=names, **options) or 7)
    status = main(["report", "03-copy", "--preset", "paper", "--set", "seed=3", "length=9", "--jobs", "2"])
    assert (status, given["names"], given["preset"], given["settings"], given["jobs"]) == (
        7,
        ("03-copy",),
        "paper",
        ("seed=3", "length=9"),
        2,
    )


def test_keep_writes_a_small_copy_that_loads(tmp_path, capsys):
    folder, kept = tmp_path / "run", tmp_path / "kept"
    assert train_tiny(folder) == 0
    assert main(["keep", str(folder), str(kept)]) == 0
    assert "weights.safetensors" in capsys.readouterr().out
    assert not (kept / "checkpoints").exists()
    assert training.load_run(kept).result == training.load_run(folder).result


def test_keep_refuses_a_folder_without_a_run(tmp_path, capsys):
    assert main(["keep", str(tmp_path), str(tmp_path / "kept")]) == 2
    assert "directory must hold a run" in capsys.readouterr().err


TEXT_FLAGS = [
    "--max-updates=2",
    "--batch-size=2",
    "--evaluation-sequences=2",
    "--task-options.window=5",
    "--model-options.hidden=5",
    "--model-options.slots=6",
    "--model-options.width=3",
]


def test_a_text_of_ones_own_is_read_and_what_it_costs_is_said(tmp_path, capsys):
    file = tmp_path / "verse.txt"
    file.write_text("the cat sat on the mat; the dog sat on the log. " * 10, "utf-8")
    assert main(["train", "text", "--text", str(file), "--out", str(tmp_path / "run"), *TEXT_FLAGS]) == 0
    said = capsys.readouterr().out
    assert re.search(r"trained to the end; 2 updates.*\n  held out: \d\.\d{4} nats \(\d\.\d{4} bits\) each", said)
    assert "kept is the best machine, of update 2" in said
    run = training.load_run(tmp_path / "run")
    assert run.config.task_options["text"] == str(file)
    assert main(["evaluate", str(tmp_path / "run")]) == 0
    header, training_part, validation = capsys.readouterr().out.splitlines()
    assert header.split() == ["part", "characters", "nats", "bits", "right"]
    assert training_part.split()[:2] == ["train", "47"]
    assert validation.split()[:2] == ["validation", "47"]
    report = training.evaluate_text(run.machine, run.task)
    assert validation.split()[3] == f"{report.bits_per_bit:.4f}"


def test_a_text_that_is_not_there_is_refused(tmp_path, capsys):
    assert main(["train", "text", "--text", str(tmp_path / "none.txt"), "--out", str(tmp_path / "run")]) == 2
    assert "corpus must be a file" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
