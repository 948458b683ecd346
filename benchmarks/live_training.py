"""What watching costs: updates of a training with its pictures and without, in turn, in one notebook's kernel.

    .venv/bin/python benchmarks/live_training.py

The script starts a kernel and measures in it, because there the pictures go where they go in a notebook: drawn,
encoded, sent. Every turn makes as many updates unwatched as watched, and the order changes from turn to turn; the
quotient of the two times is what watching costs. Off/off turns between them say how far to trust it.
"""

import statistics
import sys
import time

from jupyter_client.manager import KernelManager

SECONDS, TURNS = 10.0, 5
MEASURE = """
from benchmarks import live_training
live_training.measure({preset!r}, {seconds}, {turns})
"""
PRESETS = ("copy_quick", "repeat_copy_quick", "priority_sort_quick")


def timed(config, updates: int, watched: bool) -> tuple[float, int]:
    """Seconds that so many updates take, and the pictures that were drawn meanwhile, the last one left out."""
    import ntmlib
    from ntmlib.views import live

    output, shown, ended = live._NotebookOutput(), [], []

    def show(picture) -> None:
        shown.append(picture.alt)
        output(picture)

    watcher = live.watch_training(show=show)

    def watch(progress) -> None:
        if progress.finished:
            ended.append(time.perf_counter())
        elif watched:
            watcher(progress)

    start = time.perf_counter()
    ntmlib.train(config.replace(max_updates=updates), watch=watch)
    return ended[0] - start, len(shown)


def measure(preset: str, seconds: float, turns: int) -> None:
    """Print what watching costs the training of a preset (called in the kernel)."""
    import ntmlib

    config = getattr(ntmlib.presets, preset)(seed=1)
    config = config.replace(solved_threshold=None, curriculum_start=None, evaluation_lengths=())
    updates = 50
    timed(config, updates, watched=True)  # loads and compiles all there is
    updates = max(100, int(updates * seconds / timed(config, updates, watched=False)[0]))
    costs, noise, rates = [], [], []
    for turn in range(turns):
        first, second = (timed(config, updates, watched)[0] for watched in (False, False))
        orders = ((False, True), (True, False))[turn % 2]
        results = {watched: timed(config, updates, watched) for watched in orders}
        costs.append(results[True][0] / results[False][0])
        noise.append(second / first)
        rates.append(results[True][1] / results[True][0])
    print(
        f"{preset}: {updates} updates, watched / unwatched {statistics.median(costs):.3f} "
        f"({min(costs):.3f} to {max(costs):.3f}), {statistics.median(rates):.1f} pictures a second; "
        f"unwatched / unwatched {min(noise):.3f} to {max(noise):.3f}"
    )


def main() -> None:
    """Start a kernel, measure in it, print what it says."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()

    def show(message) -> None:
        if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
            print(message["content"]["text"], end="", flush=True)

    try:
        client.wait_for_ready(timeout=120)
        for preset in sys.argv[1:] or PRESETS:
            program = MEASURE.format(preset=preset, seconds=SECONDS, turns=TURNS)
            reply = client.execute_interactive(program, timeout=3600, output_hook=show)
            if reply["content"]["status"] != "ok":
                sys.exit(f"{preset}: {reply['content'].get('ename')}: {reply['content'].get('evalue')}")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


if __name__ == "__main__":
    main()
