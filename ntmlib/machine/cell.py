"""One step of the machine: controller, write heads, read heads, output.

Names in the code and symbols in the paper:

======================  ==========  ============================================
``memory``              ``M_t``     ``[batch slots width]``
``read_weighting``      ``w_t``     ``[batch heads slots]``, and ``write_weighting``
``key``                 ``k_t``     ``[batch heads width]``
``key_strength``        ``beta_t``  ``[batch heads]``
``interpolation_gate``  ``g_t``     ``[batch heads]``
``shift_weighting``     ``s_t``     ``[batch heads shifts]``
``sharpening``          ``gamma_t`` ``[batch heads]``
``erase``, ``add``      ``e, a``    ``[batch heads width]``
``read_vector``         ``r_t``     ``[batch heads width]``
======================  ==========  ============================================

The cell owns the parameters. What changes from step to step is a
``MachineState``, a value that goes in and comes out.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ntmlib.machine.addressing import address
from ntmlib.machine.config import MachineConfig
from ntmlib.machine.controllers import ControllerState, FeedForwardController, LSTMController, uniform_linear
from ntmlib.machine.heads import AddressingInstructions, HeadLayout
from ntmlib.machine.memory import read, write

INITIAL_MEMORY = 1e-6  # Collier and Beel (2018) found a small constant the most reliable start.


@dataclass(frozen=True)
class MachineState:
    """All that a machine carries from one step to the next."""

    memory: Float[Tensor, "batch slots width"]
    read_weighting: Float[Tensor, "batch heads slots"]
    write_weighting: Float[Tensor, "batch heads slots"]
    read_vector: Float[Tensor, "batch heads width"]
    controller: ControllerState

    def map(self, function: Callable[[Tensor], Tensor]) -> "MachineState":
        """Apply a function to every tensor."""
        return MachineState(
            function(self.memory),
            function(self.read_weighting),
            function(self.write_weighting),
            function(self.read_vector),
            tuple(function(part) for part in self.controller),
        )

    def detach(self) -> "MachineState":
        """Cut the state off from the steps that led to it, for truncated backpropagation."""
        return self.map(torch.Tensor.detach)


@dataclass(frozen=True)
class HeadRecord:
    """What one kind of head was told at a step, and what became of its weighting (eq. 5-9)."""

    key: Float[Tensor, "*batch heads width"]
    key_strength: Float[Tensor, "*batch heads"]
    interpolation_gate: Float[Tensor, "*batch heads"]
    shift_weighting: Float[Tensor, "*batch heads shifts"]
    sharpening: Float[Tensor, "*batch heads"]
    content_weighting: Float[Tensor, "*batch heads slots"]
    gated_weighting: Float[Tensor, "*batch heads slots"]
    shifted_weighting: Float[Tensor, "*batch heads slots"]
    weighting: Float[Tensor, "*batch heads slots"]


@dataclass(frozen=True)
class Record:
    """Everything that can be seen of one step; the memory is the one after the write."""

    read: HeadRecord
    write: HeadRecord
    erase: Float[Tensor, "*batch heads width"]
    add: Float[Tensor, "*batch heads width"]
    read_vector: Float[Tensor, "*batch heads width"]
    memory: Float[Tensor, "*batch slots width"]


class NTMCell(nn.Module):
    """The parameters of a Neural Turing Machine and one step of it.

    Order of a step: the controller sees the input and the last read vectors; the
    write heads find their slots in the memory of the last step and change it; the
    read heads find theirs in the changed memory; the output is an affine map of the
    controller's hidden vector and the new read vectors, or with ``output_hidden`` a
    layer more: an affine map, rectified, and another one. With ``embedding`` the input
    goes through a matrix before the controller sees it; without ``read_feedback`` it
    sees nothing else.

    Differs from the paper, which leaves the order of reading and writing open:
    writing comes first, so that what is written can be read in the same step
    (``docs/decisions/0001-write-then-read.md``).
    """

    controller: FeedForwardController | LSTMController
    memory_seed: Tensor
    initial_read_vector: Tensor

    def __init__(self, config: MachineConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.config = config
        self.layout = HeadLayout(config.num_heads, config.width, config.num_shifts)
        read_size = config.num_heads * config.width
        seen_size = config.core.input_size + (read_size if config.read_feedback else 0)
        sizes = (seen_size, config.hidden, config.num_layers)
        if config.controller == "lstm":
            self.controller = LSTMController(*sizes, generator)
        else:
            self.controller = FeedForwardController(*sizes, generator)
        self.heads = uniform_linear(config.hidden, self.layout.size, generator)
        nn.init.xavier_uniform_(self.heads.weight, gain=1.4, generator=generator)
        with torch.no_grad():
            self.heads.bias.copy_(self.layout.tape_bias() if config.head_init == "tape" else torch.zeros(()))
            if config.head_init == "induction":
                self.layout.start_induction(self.heads.weight, self.heads.bias)
        self.output = uniform_linear(config.hidden + read_size, config.core.output_size, generator)
        self._build_start(config, generator)
        if config.embedding:
            # As large as one-hot vectors are, in the mean square of each number.
            size = (config.input_size, config.embedding)
            self.embedding = nn.Parameter(torch.empty(size).normal_(0, config.embedding**-0.5, generator=generator))
        if config.output_hidden:
            self.output_after_hidden = uniform_linear(config.output_hidden, config.output_size, generator)

    def _build_start(self, config: MachineConfig, generator: torch.Generator) -> None:
        """Make what the first state is built from."""
        heads, slots, width = config.num_heads, config.slots, config.width
        if config.read_feedback:
            self.initial_read_vector = nn.Parameter(torch.empty(heads, width).normal_(0, 0.1, generator=generator))
        else:  # nobody sees it
            self.register_buffer("initial_read_vector", torch.zeros(heads, width), persistent=False)
        if config.memory_init == "learned":
            self.initial_memory = nn.Parameter(torch.empty(slots, width).normal_(0, 0.1, generator=generator))
        if config.memory_init == "random":
            # The seed is kept rather than the rows, so that a larger memory has the same first rows.
            self.register_buffer("memory_seed", torch.randint(2**31, (), generator=generator))
        if config.weighting_init == "learned":
            logits = torch.empty(2, heads, slots).normal_(0, 0.1, generator=generator)
            self.initial_weighting_logits = nn.Parameter(logits)

    def initial_state(self, batch_size: int) -> MachineState:
        """Return the state before the first step, the same for every sequence."""
        read_weighting, write_weighting = self._initial_weightings()

        def for_each_sequence(start: Tensor) -> Tensor:
            return start.expand(batch_size, *start.shape)

        return MachineState(
            memory=for_each_sequence(self._initial_memory()),
            read_weighting=for_each_sequence(read_weighting),
            write_weighting=for_each_sequence(write_weighting),
            read_vector=for_each_sequence(self.initial_read_vector),
            controller=self.controller.initial_state(batch_size),
        )

    def _initial_memory(self) -> Float[Tensor, "slots width"]:
        slots, width, like = self.config.slots, self.config.width, self.initial_read_vector
        if self.config.memory_init == "learned":
            return self.initial_memory
        if self.config.memory_init == "random":
            generator = torch.Generator().manual_seed(int(self.memory_seed))
            # Row by row: torch draws the tail of a longer run of numbers in another way, and a row must not
            # depend on how many rows follow it.
            rows = [torch.empty(width).normal_(0, 0.5, generator=generator) for _ in range(slots)]
            return torch.stack(rows).to(like)
        return like.new_full((slots, width), INITIAL_MEMORY)

    def _initial_weightings(self) -> tuple[Float[Tensor, "heads slots"], Float[Tensor, "heads slots"]]:
        heads, slots, like = self.config.num_heads, self.config.slots, self.initial_read_vector
        if self.config.weighting_init == "learned":
            read_weighting, write_weighting = torch.softmax(self.initial_weighting_logits, -1)
            return read_weighting, write_weighting
        if self.config.weighting_init == "uniform":
            start = like.new_full((heads, slots), 1 / slots)
        else:
            start = like.new_zeros(heads, slots)
            start[:, 0] = 1
        return start, start

    def step(
        self,
        features: Float[Tensor, "batch features"],
        state: MachineState,
        passed: Float[Tensor, "batch units"] | None = None,
    ) -> tuple[Float[Tensor, "batch outputs"], MachineState, Record]:
        """Run one step.

        Args:
            features: the external input.
            state: the state after the step before.
            passed: factors on the units of the output's hidden layer, see ``finish``.

        Returns:
            The output as logits, the new state, and a record of everything in between.
        """
        seen = self.embed(features)
        if self.config.read_feedback:
            last_reads = rearrange(state.read_vector, "batch heads width -> batch (heads width)")
            seen = torch.cat([seen, last_reads], -1)
        hidden, controller = self.controller(seen, state.controller)
        told = self.layout.instructions(self.heads(hidden))

        write_record = _focus(told.write, state.memory, state.write_weighting)
        memory = write(state.memory, write_record.weighting, told.erase, told.add)
        read_record = _focus(told.read, memory, state.read_weighting)
        read_vector = read(memory, read_record.weighting)

        reads = rearrange(read_vector, "batch heads width -> batch (heads width)")
        logits = self.finish(self.output(torch.cat([hidden, reads], -1)), passed)
        new_state = MachineState(memory, read_record.weighting, write_record.weighting, read_vector, controller)
        return logits, new_state, Record(read_record, write_record, told.erase, told.add, read_vector, memory)

    def embed(self, features: Float[Tensor, "*batch features"]) -> Float[Tensor, "*batch embedded"]:
        """Turn the external input into what the controller sees; with no embedding, they are the same."""
        return features @ self.embedding if self.config.embedding else features

    def finish(
        self, features: Float[Tensor, "*batch features"], passed: Float[Tensor, "*batch features"] | None = None
    ) -> Float[Tensor, "*batch outputs"]:
        """Turn what the layer called ``output`` gives into logits; with no hidden layer there, they are that.

        Args:
            features: what the layer gives.
            passed: factors on the units of the hidden layer: 0 for those that dropout leaves out.
        """
        if not self.config.output_hidden:
            return features
        units = features.relu() if passed is None else features.relu() * passed
        return self.output_after_hidden(units)

    def resized(self, slots: int, *, shared: bool = False) -> "NTMCell":
        """Return a copy of this cell with another number of slots; it has its own weights, or shares these."""
        config = MachineConfig(**{**self.config.to_dict(), "slots": slots})
        if config.depends_on_slots and slots != self.config.slots:
            raise ValueError(
                f"slots must stay {self.config.slots}: the initial memory or weighting is learned, one value a slot; "
                f"got {slots}"
            )
        other = type(self)(config, torch.Generator()).to(self.initial_read_vector)
        if not shared:
            other.load_state_dict(self.state_dict())
            return other
        for name, module in self.named_modules():
            twin = other.get_submodule(name)
            twin._parameters, twin._buffers = module._parameters, module._buffers
        return other


def _focus(
    told: AddressingInstructions,
    memory: Float[Tensor, "batch slots width"],
    previous: Float[Tensor, "batch heads slots"],
) -> HeadRecord:
    """Address the memory with all heads of one kind."""
    found = address(
        told.key,
        told.key_strength,
        told.interpolation_gate,
        told.shift_weighting,
        told.sharpening,
        memory[:, None],  # the same memory for every head
        previous,
    )
    return HeadRecord(
        told.key,
        told.key_strength,
        told.interpolation_gate,
        told.shift_weighting,
        told.sharpening,
        found.content_weighting,
        found.gated_weighting,
        found.shifted_weighting,
        found.weighting,
    )
