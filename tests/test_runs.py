"""The folder of a run: what is in it, who may use it, and that going on changes nothing."""

import errno
import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from tiny_run import TINY, TINY_LSTM, tiny

from ntmlib import training
from ntmlib.training import Diverged, RunRefused, Trainer, export_run, load_run, train
from ntmlib.training.checkpoints import fingerprint, read


def weights_of(run: training.Run) -> str:
    return fingerprint(dict(run.machine.state_dict()))


def contents(folder) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def stop_after(monkeypatch, update: int, error: BaseException | type[BaseException] = MemoryError) -> None:
    """Let training die at the start of the update after this one."""
    advance = Trainer.advance

    def dying(self: Trainer) -> None:
        if self.update == update:
            raise error
        advance(self)

    monkeypatch.setattr(Trainer, "advance", dying)


def half_a_run(monkeypatch, folder, update=9, config=TINY) -> None:
    with monkeypatch.context() as patch:
        stop_after(patch, update)
        with pytest.raises(MemoryError):
            train(config, folder)


def rows_but_seconds(history) -> list[dict]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history.rows()]


def test_a_run_leaves_config_history_evaluations_checkpoints_and_result(tmp_path):
    run = train(TINY, tmp_path / "run")
    names = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert names == [".lock", "checkpoints", "config.json", "evaluations.csv", "history.csv", "result.json"]
    assert [path.name for path in sorted((tmp_path / "run" / "checkpoints").iterdir())] == [
        "update-000000008.safetensors",
        "update-000000012.safetensors",
    ]
    assert json.loads((tmp_path / "run" / "result.json").read_text()) == run.result


def test_a_result_says_how_and_with_what_the_run_went():
    result = train(TINY).result
    assert (result["status"], result["updates"], result["sequences"], result["exact"]) == ("unsolved", 12, 48, True)
    assert result["chance_bits"] == 4
    assert result["evaluations"][0]["length"] == 3
    assert result["environment"]["torch"] == torch.__version__
    assert result["environment"]["threads"] == 1


def test_a_folder_changes_nothing_in_what_is_computed(tmp_path):
    assert weights_of(train(TINY, tmp_path)) == weights_of(train(TINY))


def test_a_finished_run_is_returned_as_it_is(tmp_path, monkeypatch):
    first = train(TINY, tmp_path)
    before = contents(tmp_path / "checkpoints")
    stop_after(monkeypatch, 0)
    again = train(TINY, tmp_path)
    assert weights_of(again) == weights_of(first)
    assert again.result == first.result
    assert again.history.rows() == first.history.rows()
    assert contents(tmp_path / "checkpoints") == before


@pytest.mark.parametrize(
    "config",
    [TINY, TINY_LSTM, tiny(mixed_lengths=True), tiny(engine="fused")],
    ids=["reference", "lstm", "mixed", "fused"],
)
@pytest.mark.parametrize("update", [0, 3, 4, 9])
def test_going_on_gives_the_run_that_was_never_interrupted(tmp_path, monkeypatch, config, update):
    whole = train(config, tmp_path / "whole")
    half_a_run(monkeypatch, tmp_path / "half", update, config)
    resumed = train(config, tmp_path / "half")
    assert weights_of(resumed) == weights_of(whole)
    assert rows_but_seconds(resumed.history) == rows_but_seconds(whole.history)
    assert resumed.evaluations.rows() == whole.evaluations.rows()
    assert (np.diff(resumed.history.seconds) > 0).all()


def test_going_on_can_be_refused(tmp_path, monkeypatch):
    half_a_run(monkeypatch, tmp_path)
    before = contents(tmp_path / "checkpoints")
    with pytest.raises(RunRefused, match=r"holds an unfinished run: .*--resume"):
        train(TINY, tmp_path, resume=False)
    assert contents(tmp_path / "checkpoints") == before


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (tiny(seed=2), "has seed 1, asked for 2"),
        (tiny(model_options={**TINY.model_options, "slots": 9}), "has model_options.slots 8, asked for 9"),
    ],
)
def test_another_run_in_the_folder_is_refused_by_its_first_difference(tmp_path, monkeypatch, other, message):
    half_a_run(monkeypatch, tmp_path)
    before = (tmp_path / "history.csv").read_bytes()
    with pytest.raises(RunRefused, match=message):
        train(other, tmp_path)
    assert (tmp_path / "history.csv").read_bytes() == before


def test_going_on_with_other_threads_is_said_and_recorded(tmp_path, monkeypatch):
    half_a_run(monkeypatch, tmp_path)
    with pytest.warns(UserWarning, match="not bitwise exact here: threads was 1, is 2"):
        assert train(tiny(threads=2), tmp_path).result["exact"] is False


def test_going_on_with_another_torch_is_said_and_recorded(tmp_path, monkeypatch):
    half_a_run(monkeypatch, tmp_path)
    monkeypatch.setattr(torch, "__version__", "9.9")
    with pytest.warns(UserWarning, match="torch was .*, is '9.9'"):
        assert train(TINY, tmp_path).result["exact"] is False


def test_a_damaged_last_checkpoint_costs_some_updates_and_no_bits(tmp_path, monkeypatch):
    whole = train(TINY)
    half_a_run(monkeypatch, tmp_path)
    newest = sorted((tmp_path / "checkpoints").iterdir())[-1]
    newest.write_bytes(newest.read_bytes()[:-1])
    with pytest.warns(UserWarning, match="passed over checkpoint update-000000008"):
        assert weights_of(train(TINY, tmp_path)) == weights_of(whole)


def test_a_history_that_lost_rows_is_not_gone_on_from(tmp_path, monkeypatch):
    half_a_run(monkeypatch, tmp_path)
    (tmp_path / "history.csv").write_bytes((tmp_path / "history.csv").read_bytes()[:100])
    with pytest.raises(ValueError, match=r"history\.csv must have at least \d+ bytes"):
        train(TINY, tmp_path)


def test_temporary_files_of_a_killed_run_are_swept_away(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / ".update-000000004.safetensors.tmp").write_bytes(b"half")
    train(TINY, tmp_path)
    assert list(tmp_path.rglob("*.tmp")) == []


def test_loading_and_going_on_leave_the_global_generators_alone(tmp_path, monkeypatch):
    half_a_run(monkeypatch, tmp_path)
    load_run(tmp_path)
    train(TINY, tmp_path)  # the fixture in conftest.py fails this test if a generator moved


@pytest.mark.parametrize("what", ["a file", "a file on the way", "a long name", "read-only", "something else"])
def test_a_folder_that_cannot_be_used_is_refused_before_training(tmp_path, monkeypatch, what):
    folder = tmp_path / ("x" * 300 if what == "a long name" else "run")
    if what == "a file":
        folder.write_text("")
    elif what == "a file on the way":
        folder.write_text("")
        folder = folder / "run"
    elif what == "something else":
        folder.mkdir()
        (folder / "thesis.txt").write_text("")
    elif what == "read-only":
        monkeypatch.setattr("ntmlib.training.durable.os.open", read_only)
    stop_after(monkeypatch, 0)
    with pytest.raises(RunRefused, match=r"directory (cannot be written to|must be empty or hold a run)"):
        train(TINY, folder)


def read_only(*_: object) -> int:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def test_a_second_run_is_refused_by_the_name_of_the_holder_until_that_is_killed(tmp_path):
    holding = textwrap.dedent("""
        import sys, time
        from ntmlib.training import folders
        with folders.opened(sys.argv[1]):
            print("held", flush=True)
            time.sleep(60)
    """)
    holder = subprocess.Popen([sys.executable, "-c", holding, tmp_path], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        before = contents(tmp_path)
        for _ in range(5):
            with pytest.raises(RunRefused, match=rf"is in use: .* by pid {holder.pid} on "):
                train(TINY, tmp_path)
        assert contents(tmp_path) == before
    finally:
        holder.kill()
        holder.communicate()
    assert len(train(TINY, tmp_path).history) == 12


def test_a_diverged_run_keeps_its_last_good_checkpoint_and_is_not_tried_again(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        stop_after(patch, 9, Diverged(10, "loss"))
        with pytest.raises(Diverged):
            train(TINY, tmp_path)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir())[-1] == "update-000000008.safetensors"
    with pytest.raises(Diverged, match="diverged at update 10: the loss is not finite"):
        train(TINY, tmp_path)
    assert load_run(tmp_path).result["status"] == "diverged"


def durable_rows(folder, monkeypatch, row_sync=None):
    """Train, and say of each checkpoint whether all rows it counts were durable before it had its name."""
    durable, found, tables = {}, [], {"history_bytes": "history.csv", "evaluations_bytes": "evaluations.csv"}
    fsync, replace = os.fsync, os.replace

    def noted_fsync(handle):
        fsync(handle)
        durable[os.fstat(handle).st_ino] = os.fstat(handle).st_size

    def noted_replace(temporary, final):
        if final.suffix == ".safetensors":
            state = read(temporary).state
            found.append(all(state[n] <= durable.get((folder / t).stat().st_ino, 0) for n, t in tables.items()))
            found.append(temporary.stat().st_ino in durable)
        replace(temporary, final)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", noted_fsync)
        patch.setattr(os, "replace", noted_replace)
        if row_sync is not None:
            patch.setattr(Trainer, "sync_rows", row_sync)
        train(TINY, folder)
    return found


def test_no_checkpoint_has_its_name_before_all_that_it_counts_on_is_durable(tmp_path, monkeypatch):
    found = durable_rows(tmp_path / "run", monkeypatch)
    assert len(found) == 6
    assert all(found)
    without = durable_rows(tmp_path / "planted", monkeypatch, lambda trainer: None)
    assert without == [False, True] * 3, "the planted fault"


def test_a_full_disk_ends_the_run_and_keeps_the_checkpoint_before(tmp_path, monkeypatch):
    save = training.runs.save

    def full(folder, update, *rest):
        if update == 8:
            raise OSError(errno.ENOSPC, "No space left on device while writing 1,000 bytes to somewhere")
        return save(folder, update, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(training.runs, "save", full)
        with pytest.raises(OSError, match="No space left on device while writing 1,000 bytes"):
            train(TINY, tmp_path)
    assert weights_of(train(TINY, tmp_path)) == weights_of(train(TINY))


def test_ctrl_c_saves_a_checkpoint_and_gives_back_a_machine_that_works(tmp_path, monkeypatch):
    advance = Trainer.advance

    def interrupted(self: Trainer) -> None:
        advance(self)
        if self.update == 6:
            os.kill(os.getpid(), 2)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "advance", interrupted)
        run = train(TINY, tmp_path)
    assert (run.interrupted, run.result["status"], len(run.history)) == (True, "interrupted", 6)
    assert (tmp_path / "checkpoints" / "update-000000006.safetensors").exists()
    assert training.evaluate(run.machine, run.task, num_sequences=2).slots == 8
    assert weights_of(train(TINY, tmp_path)) == weights_of(train(TINY))


def test_a_run_can_be_read_without_changing_it(tmp_path, monkeypatch):
    half_a_run(monkeypatch, tmp_path)
    before = contents(tmp_path)
    run = load_run(tmp_path)
    assert (run.interrupted, len(run.history), run.machine.config.slots) == (True, 8, 8)
    assert contents(tmp_path) == before


def test_an_exported_run_is_small_complete_and_checked(tmp_path):
    run = train(TINY, tmp_path / "run")
    sums = export_run(tmp_path / "run", tmp_path / "kept")
    kept = load_run(tmp_path / "kept")
    assert weights_of(kept) == weights_of(run)
    assert kept.history.rows() == run.history.rows()
    assert (kept.result, kept.config, kept.evaluations.rows()) == (run.result, TINY, run.evaluations.rows())
    assert export_run(tmp_path / "run", tmp_path / "kept") == sums
    assert not (tmp_path / "kept" / "checkpoints").exists()


def test_an_exported_run_with_a_flipped_bit_is_refused(tmp_path):
    train(TINY, tmp_path / "run")
    export_run(tmp_path / "run", tmp_path / "kept")
    weights = tmp_path / "kept" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00")
    with pytest.raises(ValueError, match=r"weights\.safetensors: damaged"):
        load_run(tmp_path / "kept")


def test_a_long_history_is_thinned_by_means_over_blocks(tmp_path):
    train(TINY, tmp_path / "run")
    export_run(tmp_path / "run", tmp_path / "kept", max_rows=4)
    thin, whole = load_run(tmp_path / "kept").history, load_run(tmp_path / "run").history
    assert thin.update.tolist() == [3, 6, 9, 12]
    assert thin.loss == pytest.approx(whole.loss.reshape(4, 3).mean(1))


def test_only_finished_runs_are_exported(tmp_path, monkeypatch):
    half_a_run(monkeypatch, tmp_path / "run")
    with pytest.raises(RunRefused, match="must hold a finished run"):
        export_run(tmp_path / "run", tmp_path / "kept")
    with pytest.raises(RunRefused, match=r"config\.json cannot be used"):
        load_run(tmp_path)
