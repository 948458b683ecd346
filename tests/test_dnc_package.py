import sys
import types

import pytest
import stand_in_dnc
import torch

from ntmlib.training import dnc_package


@pytest.fixture
def built(monkeypatch):
    stand_in_dnc.install(monkeypatch)
    return dnc_package.build(10, 9, torch.Generator().manual_seed(0))


def sequences(batch: int = 3):
    return torch.rand(batch, 5, 10, generator=torch.Generator().manual_seed(1))


def test_the_machine_has_the_sizes_of_ours(built):
    settings = built[0].settings
    ours = {"hidden_size": 100, "nr_cells": 128, "cell_size": 20, "read_heads": 1, "num_hidden_layers": 1}
    assert {name: settings[name] for name in ours} == ours
    assert (settings["rnn_type"], settings["num_layers"], settings["debug"], settings["gpu_id"]) == (
        "lstm",
        1,
        False,
        -1,
    )


def test_only_the_outputs_that_are_asked_for_are_returned(built):
    _, forward = built
    assert forward(sequences()).shape == (3, 5, 9)


def test_no_state_is_carried_from_one_batch_to_the_next(built):
    _, forward = built
    first = forward(sequences())
    first.sum().backward()
    second = forward(sequences())
    assert torch.equal(first, second)
    second.sum().backward()  # a state that was kept would send this through the first batch, whose graph is gone


def test_a_batch_is_its_sequences_one_by_one(built):
    _, forward = built
    batch = sequences()
    torch.testing.assert_close(forward(batch), torch.cat([forward(batch[i : i + 1]) for i in range(3)]))


def test_weights_come_from_the_generator_alone(built):
    again, _ = dnc_package.build(10, 9, torch.Generator().manual_seed(0))
    other, _ = dnc_package.build(10, 9, torch.Generator().manual_seed(1))
    pairs = list(zip(built[0].parameters(), again.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(one, same) and not torch.equal(one, another) for one, same, another in pairs)


def test_a_missing_package_is_refused_with_its_remedy(monkeypatch):
    stand_in_dnc.uninstall(monkeypatch)
    with pytest.raises(ValueError, match="engine 'dnc' needs the package dnc, `pip install dnc`; got"):
        dnc_package.load()


def test_another_package_of_that_name_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "dnc", types.ModuleType("dnc"))
    with pytest.raises(ValueError, match="needs the package dnc with its class DNC; got <module 'dnc'>"):
        dnc_package.load()


def test_a_package_without_a_version_is_still_described(monkeypatch):
    def unknown(name: str) -> str:
        raise dnc_package.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(dnc_package.metadata, "version", unknown)
    assert dnc_package.version() == "of unknown version"
