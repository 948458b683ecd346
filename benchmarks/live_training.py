"""What watching costs: updates of a training with its pictures and without, in turn, in one notebook's kernel.

    .venv/bin/python benchmarks/live_training.py

The script starts a kernel and measures in it, because there the pictures go where they go in a notebook: drawn,
encoded, sent. Every turn makes as many updates unwatched as watched, and the order changes from turn to turn; the
quotient of the two times is what watching costs. Off/off turns between them say how far to trust it; on a busy
computer only the time of the processor means anything.
"""

import statistics
import sys
import time

from jupyter_client.manager import KernelManager

SECONDS, TURNS = 20.0, 5
MEASURE = """
from benchmarks import live_training
live_training.measure({preset!r}, {seconds}, {turns})
"""
PRESETS = ("copy_quick", "repeat_copy_quick", "priority_sort_quick")


def timed(config, updates: int, watched: bool) -> tuple[float, float, int]:
    """Seconds that so many updates take, by the clock and of processor, and the pictures drawn before the end."""
    import ntmlib
    from ntmlib.views import live

    output, shown, ended = live._NotebookOutput(), [], []

    def show(picture) -> None:
        shown.append(picture.alt)
        output(picture)

    watcher = live.watch_training(show=show)

    def watch(progress) -> None:
        if progress.finished:
            ended.extend([time.perf_counter(), time.process_time()])
        elif watched:
            watcher(progress)

    start = time.perf_counter(), time.process_time()
    ntmlib.train(config.replace(max_updates=updates), watch=watch)
    return ended[0] - start[0], ended[1] - start[1], len(shown)


def measure(preset: str, seconds: float, turns: int) -> None:
    """Print what watching costs the training of a preset (called in the kernel)."""
    import ntmlib

    config = getattr(ntmlib.presets, preset)(seed=1)
    config = config.replace(solved_threshold=None, curriculum_start=None, evaluation_lengths=())
    updates = 50
    timed(config, updates, watched=True)  # loads and compiles all there is
    updates = max(100, int(updates * seconds / timed(config, updates, watched=False)[0]))
    costs, noise, rates = ([], []), ([], []), []
    for turn in range(turns):
        twice = [timed(config, updates, watched=False) for _ in range(2)]
        orders = ((False, True), (True, False))[turn % 2]
        results = {watched: timed(config, updates, watched) for watched in orders}
        for kind in range(2):
            costs[kind].append(results[True][kind] / results[False][kind])
            noise[kind].append(twice[1][kind] / twice[0][kind])
        rates.append(results[True][2] / results[True][0])
    print(f"{preset}, {updates} updates, {statistics.median(rates):.2f} pictures a second; watched / unwatched:")
    for name, cost, beside in zip(("by the clock", "of processor"), costs, noise, strict=True):
        print(f"  {name} {statistics.median(cost):.3f} ({min(cost):.3f} to {max(cost):.3f}); ", end="")
        print(f"unwatched / unwatched {min(beside):.3f} to {max(beside):.3f}")


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
