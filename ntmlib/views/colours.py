"""The colours of every picture, taken from matplotlib so that figures and the player agree."""

import base64

import numpy as np
from matplotlib import colormaps

# Both tables keep their order for readers with any kind of colour vision, and in grey.
UNIT_COLOURS = "magma"  # values from 0 to 1: weightings, inputs, probabilities, erase vectors
SIGNED_COLOURS = "RdBu_r"  # values around 0, blue below and red above: memory, keys, add and read vectors

# Okabe and Ito's palette, which was made to be told apart with any kind of colour vision.
WRITE_COLOUR = "#d55e00"
READ_COLOUR = "#0072b2"
LINE_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#000000")


def colour_table(name: str) -> str:
    """Return the 256 red, green and blue bytes of a matplotlib colour map, as base64."""
    table = colormaps[name](np.arange(256), bytes=True)[:, :3]
    return base64.b64encode(np.ascontiguousarray(table).tobytes()).decode("ascii")
