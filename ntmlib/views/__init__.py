"""Pictures: still figures, the step-through player and the what-if panel.

Views see a finished ``Trace`` and the equations of ``ntmlib.machine``, nothing that trains.
"""

from ntmlib.views.comparison import Comparison, compare
from ntmlib.views.curves import plot_generalisation, plot_history
from ntmlib.views.diagrams import (
    plot_answers,
    plot_architecture,
    plot_memories,
    plot_reads,
    plot_stages,
    plot_walks,
    plot_weightings,
)
from ntmlib.views.figures import Picture, plot_heads, plot_memory, plot_sequence
from ntmlib.views.languages import plot_hierarchy, plot_languages
from ntmlib.views.live import watch_training
from ntmlib.views.origins import contents, origins, plot_lookup, plot_origins
from ntmlib.views.passages import Passage, plot_text_costs
from ntmlib.views.playground import Knobs, playground
from ntmlib.views.reading import TextField, try_text
from ntmlib.views.scoreboard import plot_conditions, plot_costs, plot_learning, plot_matrix
from ntmlib.views.stacks import plot_places
from ntmlib.views.state_player import plot_cells
from ntmlib.views.stepper import Stepper, step_through
from ntmlib.views.tables import Table
from ntmlib.views.text_curves import plot_repeats, plot_text_curves
from ntmlib.views.writing import WritingBox, write_text

__all__ = [
    "Comparison",
    "Knobs",
    "Passage",
    "Picture",
    "Stepper",
    "Table",
    "TextField",
    "WritingBox",
    "compare",
    "contents",
    "origins",
    "playground",
    "plot_answers",
    "plot_architecture",
    "plot_cells",
    "plot_conditions",
    "plot_costs",
    "plot_generalisation",
    "plot_heads",
    "plot_hierarchy",
    "plot_history",
    "plot_languages",
    "plot_learning",
    "plot_lookup",
    "plot_matrix",
    "plot_memories",
    "plot_memory",
    "plot_origins",
    "plot_places",
    "plot_reads",
    "plot_repeats",
    "plot_sequence",
    "plot_stages",
    "plot_text_costs",
    "plot_text_curves",
    "plot_walks",
    "plot_weightings",
    "step_through",
    "try_text",
    "watch_training",
    "write_text",
]
