"""How the fused engine cuts up a call: blocks of sequences, windows of steps, and the arrays of each."""

import math
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from ntmlib.engines import buffers
from ntmlib.engines.buffers import Shapes
from ntmlib.machine import MachineConfig
from ntmlib.machine.heads import HeadLayout

BLOCK_NUMBERS = 20_480  # numbers of memory in one block of sequences: small enough for a processor's own cache
MAX_BLOCK, MAX_CHUNKS = 8, 16  # sequences side by side; partial sums of the gradients
LARGEST_KEPT = 2**28  # bytes kept of all steps until the backward pass; above, steps are computed again


@dataclass(frozen=True)
class Plan:
    """The sizes of one call. All in it follows from sizes, nothing from threads or values.

    Attributes:
        config: of the machine.
        batch: number of sequences.
        time: steps of the longest.
        dtype: of all numbers.
        window: steps of which everything is kept at a time.
    """

    config: MachineConfig
    batch: int
    time: int
    dtype: np.dtype
    window: int

    @classmethod
    @lru_cache(64)
    def of(cls, config: MachineConfig, batch: int, time: int, dtype: np.dtype) -> "Plan":
        """Plan a call: all steps in one window, unless what is kept of them would be too much."""
        plan = cls(config, batch, time, dtype, time)
        step = buffers.numbers(plan.kept(1, time)) / time
        if batch * time * step * dtype.itemsize <= LARGEST_KEPT:
            return plan
        state = buffers.numbers(plan.state(1))  # kept once for each window: the two together are least at this window
        return replace(plan, window=math.ceil(math.sqrt(time * state / step)))

    @property
    def lstm(self) -> bool:
        """Whether the controller has cells."""
        return self.config.controller == "lstm"

    @cached_property
    def sizes(self) -> tuple[bool, int, int, int, int]:
        """What every kernel asks for: LSTM or not, heads, width, shifts, steps from one mark to the next."""
        c = self.config
        return self.lstm, c.num_heads, c.width, c.num_shifts, max(4, math.isqrt(self.window))

    @cached_property
    def blocks(self) -> list[tuple[int, int]]:
        """First and last sequence of what goes through time side by side."""
        size = max(1, min(MAX_BLOCK, BLOCK_NUMBERS // (self.config.slots * self.config.width)))
        return [(first, min(first + size, self.batch)) for first in range(0, self.batch, size)]

    @cached_property
    def chunks(self) -> list[range]:
        """Blocks that one thread takes one after another, summing their gradients."""
        count = len(self.blocks)
        return [
            range(count)[first : first + -(-count // MAX_CHUNKS)] for first in range(0, count, -(-count // MAX_CHUNKS))
        ]

    def state(self, batch: int) -> Shapes:
        """Memory, weightings of the write heads and of the read heads, read vectors, hidden units, cells."""
        c = self.config
        units = (batch, c.num_layers, c.hidden)
        return (
            (batch, c.width, c.slots),
            (batch, 2 * c.num_heads, c.slots),
            (batch, 1, c.num_heads * c.width),
            units,
            units,
        )

    def kept(self, batch: int, steps: int) -> Shapes:
        """What ``kernels.forward`` keeps for ``kernels.backward``, in their order."""
        c, heads, every = self.config, 2 * self.config.num_heads, self.sizes[-1]
        hidden, none = (c.num_layers, batch, steps + 1, c.hidden), (c.num_layers, 1, 1, 1)
        return (
            hidden,
            hidden if self.lstm else none,  # cells
            (c.num_layers, batch, steps, 4 * c.hidden) if self.lstm else none,  # gates
            (batch, steps, self._told),
            (batch, steps, heads, 4, c.slots),  # weightings
            (batch, steps + 1, c.slots),  # norms
            (batch, steps + 1, c.num_heads * c.width),  # read vectors
            (batch, heads, c.slots),  # weightings at the start
            (batch, -(-steps // every), c.width, c.slots),  # marks
        )

    def going_back(self, batch: int, steps: int) -> Shapes:
        """Room for gradients of instructions and of gates or hidden units, and for the memories of one segment."""
        c, gates = self.config, (4 if self.lstm else 1) * self.config.hidden
        memories = (batch, min(self.sizes[-1], steps) + 1, c.width, c.slots)
        return (batch, steps, self._told), (c.num_layers, batch, steps, gates), memories

    @cached_property
    def rows(self) -> tuple[int, int]:
        """Room for a kernel to work in."""
        c = self.config
        return 9, -(-max(c.slots + c.num_shifts, c.width, c.hidden) // 16) * 16

    @property
    def _told(self) -> int:
        return HeadLayout(self.config.num_heads, self.config.width, self.config.num_shifts).size
