"""The pictures of README.md and docs/tour.md, from kept runs and the functions that the notebooks draw with.

    .venv/bin/python benchmarks/pictures.py docs/images

Some seconds; the same bytes every time on the same versions. Nothing is trained and nothing is drawn by hand.
"""

import sys
from pathlib import Path

import torch

import ntmlib
from ntmlib import views
from ntmlib.training import evaluate_lengths
from ntmlib.views.figures import Picture

RUNS = Path(__file__).resolve().parents[1] / "data" / "runs"


def pictures() -> dict[str, Picture]:
    """Draw them all: file name to picture."""
    task = ntmlib.tasks.make("copy", max_length=20)
    machine = ntmlib.load_run(RUNS / "copy-ntm").machine
    lstm = ntmlib.load_run(RUNS / "copy-lstm").machine
    batch = task.sample(1, length=20, generator=torch.Generator().manual_seed(0))
    trace = machine.trace(batch.inputs)
    names = {"input_names": task.input_channels, "output_names": task.output_channels}
    lengths = [10, 20, 40, 80, 120]
    reach = {
        name: evaluate_lengths(model, task, lengths, num_sequences=20, seed=0)
        for name, model in (("NTM", machine), ("LSTM", lstm))
    }
    return {
        "copy-heads.png": views.plot_heads(trace),
        "architecture.png": views.plot_architecture(machine.config),
        "copy-sequence.png": views.plot_sequence(trace, targets=batch.targets, mask=batch.mask, **names),
        "read-stages.png": views.plot_stages(trace, head="read", steps=[19, 20, 21, 22]),
        "reach.png": views.plot_generalisation(reach, trained_lengths=(1, 20), metric="bits_right", chance=0.5),
    }


def main(folder: Path) -> None:
    """Write them into a folder, and say what each is."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures().items():
        (folder / name).write_bytes(picture.png())
        print(f"{folder / name}: {picture.alt}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
