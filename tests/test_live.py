"""Watching a training: how often it is drawn and what is seen, that it changes nothing, and that it can be stopped."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from jupyter_client.manager import KernelManager
from tiny_run import TINY, TINY_LSTM

import ntmlib
from ntmlib.ntm import Trace
from ntmlib.views import live, watch_training

HALVING = {"sequences": np.arange(16, 1616, 16), "bits_per_sequence": 84 * 0.9 ** np.arange(100)}


@dataclass
class Progress:
    finished: bool = False
    chance_bits: float = 84.0
    history: dict = field(default_factory=lambda: HALVING)
    traced: Trace | None = None

    def line(self) -> str:
        return "update 100 of 200"

    def trace(self) -> Trace | None:
        return self.traced


class Clock:
    """A clock that moves only when told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def trace_of(**sizes) -> Trace:
    generator = torch.Generator().manual_seed(0)
    machine = ntmlib.NTM(3, 2, hidden=8, width=5, generator=generator, **sizes)
    return machine.trace(torch.randn(1, 6, 3, generator=generator))


# --- how often ---------------------------------------------------------------------------------------------------


def test_watching_draws_after_a_second_then_at_most_twice_a_second_and_always_at_the_end():
    clock, drawn = Clock(), []
    watch = watch_training(show=lambda picture: drawn.append(clock.now), clock=clock)
    for clock.now in np.arange(0, 2.05, 0.05):
        watch(Progress())
    assert drawn == pytest.approx([1, 1.5, 2])
    watch(Progress(finished=True))
    assert len(drawn) == 4


def slowly_drawn(seconds: list[float], until: float) -> list[float]:
    """When drawings begin that take so long, one after the other, with the training going on between them."""
    clock, begun = Clock(), []

    def show(picture):
        begun.append(clock.now)
        clock.now += seconds[len(begun) % len(seconds)]

    watch = watch_training(show=show, clock=clock)
    while clock.now < until:
        watch(Progress())
        clock.now += 0.05
    return begun


def test_drawing_takes_no_more_than_its_share_of_the_time_at_a_steady_rate():
    begun = slowly_drawn([0.2], until=60)
    assert 0.9 * live.SHARE <= 0.2 * len(begun) / 60 <= live.SHARE
    between = np.diff(begun[1:])  # the first one came sooner, as nobody knew what it would take
    assert between.max() - between.min() < 0.11  # twice the time between two calls


def test_drawings_that_take_a_different_time_each_keep_to_the_same_share():
    begun = slowly_drawn([0.05, 0.4, 0.1], until=120)
    assert sum([0.4, 0.1, 0.05][n % 3] for n in range(len(begun))) / 120 <= 1.05 * live.SHARE


def test_without_interaction_only_the_end_is_drawn():
    clock, shown = Clock(), []
    watch = watch_training(interactive=False, show=shown.append, clock=clock)
    for clock.now in range(10):
        watch(Progress())
    assert shown == []
    watch(Progress(finished=True))
    assert len(shown) == 1


def test_outside_a_notebook_nothing_is_shown(capsys):
    watch_training()(Progress(finished=True))
    assert capsys.readouterr().out == ""


# --- what is seen ------------------------------------------------------------------------------------------------


def test_the_cost_is_beside_the_heads_and_the_line_above_says_how_far_it_is():
    picture = live.plot_progress(Progress(traced=trace_of(slots=9)))
    costs, written, read = picture.axes
    assert costs.get_title(loc="left") == "update 100 of 200"
    assert [axes.get_title(loc="left") for axes in (written, read)] == ["write head now", "read head now"]
    assert "last 0.00248" in picture.alt
    np.testing.assert_array_equal(written.images[0].get_array(), trace_of(slots=9).write.weighting[0, :, 0].T)


@pytest.mark.parametrize("last", [80.0, 40.0, 0.5, 1e-4])
def test_the_axis_of_the_cost_has_numbers_however_small_or_large_its_range_is(last):
    history = {"sequences": np.arange(50), "bits_per_sequence": np.geomspace(84, last, 50)}
    axes = live.plot_progress(Progress(history=history)).axes[0]
    low, high = axes.get_ylim()
    assert 2 <= sum(low <= place <= high for place in axes.get_yticks()) <= 10


def test_every_head_is_shown_in_the_row_of_its_kind():
    trace = trace_of(slots=9, num_heads=3)
    shown = live.plot_progress(Progress(traced=trace)).axes[2].images[0].get_array()
    assert shown.shape == (9, 3 * 6 + 2)
    np.testing.assert_array_equal(shown[:, 14:], trace.read.weighting[0, :, 2].T)


def test_a_model_without_heads_gets_the_whole_width_for_its_cost():
    [costs] = live.plot_progress(Progress()).axes
    assert costs.get_position().width > 0.8


def test_a_sharp_weighting_on_a_large_memory_is_never_lost():
    weightings = np.zeros((1000, 4))
    weightings[[0, 333, 998, 999], range(4)] = 1
    rows = live._fewer_rows(weightings)
    assert len(rows) <= live.MOST_ROWS
    assert rows.sum(0).tolist() == [1, 1, 1, 1]
    assert rows.argmax(0).tolist() == [0, 333 // 8, 124, 124]


def test_a_draft_has_fewer_pixels_and_says_the_same():
    progress = Progress(traced=trace_of(slots=9))
    sizes = [int.from_bytes(live.plot_progress(progress, draft=draft).png()[16:20], "big") for draft in (True, False)]
    assert sizes == [960, 1382]


def test_the_picture_before_the_first_update_can_be_drawn():
    empty = {"sequences": np.array([]), "bits_per_sequence": np.array([])}
    assert "not known yet" in live.plot_progress(Progress(history=empty)).alt


# --- a training --------------------------------------------------------------------------------------------------


def test_being_watched_changes_no_bit_of_a_training():
    traces = []
    alone = ntmlib.train(TINY)
    watched = ntmlib.train(TINY, watch=lambda progress: traces.append((progress.trace(), progress.trace())))
    assert alone.history["loss"].tolist() == watched.history["loss"].tolist()
    for first, second in traces:
        torch.testing.assert_close(first.outputs, second.outputs, rtol=0, atol=0)
    torch.testing.assert_close(traces[0][0].inputs, traces[-1][0].inputs, rtol=0, atol=0)  # the example stays the same
    assert not traces[0][0].outputs.equal(traces[-1][0].outputs)  # and the machine does not


def test_a_model_without_heads_has_no_trace():
    traces = []
    ntmlib.train(TINY_LSTM, watch=lambda progress: traces.append(progress.trace()))
    assert set(traces) == {None}


@pytest.fixture
def kernel():
    """A notebook's kernel of its own, and a client that talks to it."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=600)
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


ENDLESS = """
import ntmlib, torch
from ntmlib import views
config = ntmlib.presets.copy_quick(seed=0).replace(max_updates=10**9, solved_threshold=None, engine="reference")
run = ntmlib.train(config, watch=views.watch_training())
"""
AFTERWARDS = """
batch = run.task.sample(2, length=3, generator=torch.Generator().manual_seed(0))
outputs = run.machine(batch.inputs)[0]
print(run.interrupted, len(run.history) > 0, bool(torch.isfinite(outputs).all()), end=" ")
print(run.machine.trace(batch.inputs).outputs.shape[1])
"""


@pytest.mark.slow
def test_stopping_the_cell_leaves_a_machine_that_can_be_used_and_a_picture_that_says_so(kernel):
    manager, client = kernel
    pictures, said = [], []

    def look(message):
        content = message["content"]
        if message["msg_type"] in ("display_data", "update_display_data"):
            pictures.append(content)
            if len(pictures) == 2:  # it has been redrawn in the same place: training is going on
                manager.interrupt_kernel()
        elif message["msg_type"] == "stream" and content["name"] == "stdout":
            said.append(content["text"])

    reply = client.execute_interactive(ENDLESS, timeout=600, output_hook=look)
    assert reply["content"]["status"] == "ok"
    assert len({picture["transient"]["display_id"] for picture in pictures}) == 1
    assert "image/png" in pictures[-1]["data"]
    assert pictures[0]["data"]["image/png"] != pictures[1]["data"]["image/png"]
    reply = client.execute_interactive(AFTERWARDS, timeout=600, output_hook=look)
    assert "".join(said).split() == ["True", "True", "True", "7"], reply["content"]
