"""Machines that lose a part of their state while they read."""

import numpy as np
import pytest
import torch

from ntmlib.ntm import NTM
from ntmlib.tasks.text import Text
from ntmlib.training import character_nats
from ntmlib.training.forgetting import CONTROLLER, TAPE, nats_forgetting

VERSE = "the cat sat on the mat; the dog sat on the log. "


@pytest.fixture
def task(tmp_path):
    path = tmp_path / "verse.txt"
    path.write_text(VERSE * 20, "utf-8")
    return Text(str(path), window=6)


@pytest.fixture
def machine(task):
    symbols = len(task.input_channels)
    sizes = {"hidden": 9, "slots": 6, "width": 4, "output_hidden": 8, "embedding": 3}
    return NTM(symbols, symbols, controller="lstm", **sizes)


def test_a_machine_that_forgets_nothing_reads_as_ever(machine, task):
    found = nats_forgetting(machine, task, forgets=(), every=5, streams=2)
    np.testing.assert_allclose(found, character_nats(machine, task, streams=2), rtol=1e-5)


def test_a_machine_that_forgets_all_reads_each_piece_from_a_fresh_state(machine, task):
    found = nats_forgetting(machine, task, forgets=TAPE + CONTROLLER, every=4, streams=1, characters=8)
    again = character_nats(machine, task, streams=1, characters=4)[:, :4]
    np.testing.assert_allclose(found[:, :4], again, rtol=1e-5)
    [*_, last] = task.pages("validation", 1, 4, 8)
    with torch.no_grad():
        logits = machine(last.inputs)[0][0].double().log_softmax(-1)
    np.testing.assert_allclose(found[0, 4:], -logits[range(4), last.targets[0].argmax(-1)], rtol=1e-5)


@pytest.mark.parametrize("part", [TAPE, CONTROLLER])
def test_each_part_makes_a_difference(machine, task, part):
    whole = character_nats(machine, task, streams=2, characters=20)[:, :20]
    assert np.abs(nats_forgetting(machine, task, forgets=part, streams=2, characters=20) - whole).max() > 1e-6


def test_what_is_no_part_is_refused(machine, task):
    with pytest.raises(ValueError, match=r"forgets must be of memory, read_weighting, .*; got 'slots'"):
        nats_forgetting(machine, task, forgets=["slots"])
