"""Training: a config says what, ``train`` does it and keeps it in a folder, ``evaluate`` says how well it went."""

from ntmlib.training import presets, printing
from ntmlib.training.config import TrainConfig
from ntmlib.training.evaluation import Report, evaluate, evaluate_lengths
from ntmlib.training.folders import RunRefused
from ntmlib.training.history import History
from ntmlib.training.kept import export_run, load_run
from ntmlib.training.loop import Diverged, Trainer
from ntmlib.training.many import train_many
from ntmlib.training.optimizers import GravesRMSProp
from ntmlib.training.progress import Progress, terminal_line
from ntmlib.training.runs import Run, train
from ntmlib.training.texts import character_nats, evaluate_text
from ntmlib.training.writing import write_on

__all__ = [
    "Diverged",
    "GravesRMSProp",
    "History",
    "Progress",
    "Report",
    "Run",
    "RunRefused",
    "TrainConfig",
    "Trainer",
    "character_nats",
    "evaluate",
    "evaluate_lengths",
    "evaluate_text",
    "export_run",
    "load_run",
    "presets",
    "printing",
    "terminal_line",
    "train",
    "train_many",
    "write_on",
]
