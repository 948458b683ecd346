"""The machine people use: ``NTM`` runs sequences, records traces, changes its memory's size."""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ntmlib import engines
from ntmlib.dropout import dropped
from ntmlib.engines import reference
from ntmlib.machine import HeadRecord, MachineConfig, MachineState, NTMCell, Record


@dataclass(frozen=True)
class Trace:
    """What a machine did with a batch of sequences: the records of all steps, stacked over time.

    ``outputs`` are logits. ``memory`` is the memory after each step's write, ``initial``
    the state before the first step. All tensors are detached from the machine.
    """

    inputs: Float[Tensor, "batch time features"]
    outputs: Float[Tensor, "batch time outputs"]
    initial: MachineState
    read: HeadRecord
    write: HeadRecord
    erase: Float[Tensor, "batch time heads width"]
    add: Float[Tensor, "batch time heads width"]
    read_vector: Float[Tensor, "batch time heads width"]
    memory: Float[Tensor, "batch time slots width"]


class NTM(nn.Module):
    """A Neural Turing Machine (Graves, Wayne, Danihelka 2014).

    Args:
        input_size: channels of the external input.
        output_size: channels of the external output.
        controller, hidden, num_layers, slots, width, num_heads, num_shifts, memory_init,
            weighting_init, head_init, output_hidden, embedding, read_feedback: see ``MachineConfig``.
        generator: draws the first weights; without one, a generator seeded with 0.

    Example:
        >>> machine = NTM(input_size=10, output_size=9)
        >>> logits, state = machine(torch.zeros(1, 5, 10))
        >>> logits.shape
        torch.Size([1, 5, 9])

    Raises:
        ValueError: a size is not a positive whole number, or a name is unknown.
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        controller: str = "feedforward",
        hidden: int = 100,
        num_layers: int = 1,
        slots: int = 128,
        width: int = 20,
        num_heads: int = 1,
        num_shifts: int = 3,
        memory_init: str = "constant",
        weighting_init: str = "one_hot",
        head_init: str = "neutral",
        output_hidden: int = 0,
        embedding: int = 0,
        read_feedback: bool = True,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        config = MachineConfig(
            input_size,
            output_size,
            controller,
            hidden,
            num_layers,
            slots,
            width,
            num_heads,
            num_shifts,
            memory_init,
            weighting_init,
            head_init,
            output_hidden,
            embedding,
            read_feedback,
        )
        self.cell = NTMCell(config, generator or torch.Generator().manual_seed(0))

    @classmethod
    def from_config(cls, config: MachineConfig, generator: torch.Generator | None = None) -> "NTM":
        """Build a machine from a checked config."""
        return cls(**config.to_dict(), generator=generator)

    @property
    def config(self) -> MachineConfig:
        """The sizes of this machine and how it starts."""
        return self.cell.config

    def initial_state(self, batch_size: int) -> MachineState:
        """Return the state before the first step; nothing of it survives a sequence but its parameters."""
        return self.cell.initial_state(batch_size)

    def step(
        self, features: Float[Tensor, "batch features"], state: MachineState
    ) -> tuple[Float[Tensor, "batch outputs"], MachineState, Record]:
        """Run one step; returns logits, the new state and a record (see ``NTMCell.step``)."""
        logits, new_state, record = self.cell.step(features, state)
        return logits, new_state, record

    def forward(
        self,
        inputs: Float[Tensor, "batch time features"],
        state: MachineState | None = None,
        *,
        lengths: Int[Tensor, " batch"] | None = None,
        engine: str = "auto",
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> tuple[Float[Tensor, "batch time outputs"], MachineState]:
        """Run whole sequences.

        Args:
            inputs: one vector for each sequence and step.
            state: where to start; by default the initial state. Pass a state on, detached,
                to read a long text window by window.
            lengths: steps of each sequence when they differ. Past its own end a sequence
                stands still: outputs zero, state unchanged.
            engine: ``"auto"`` takes the fastest, or the name of one.
            dropout: share of the units of the output's hidden layer left out at each step, while training; the
                others count for more, so that sums stay as large.
            generator: draws which; needed with dropout.

        Returns:
            Logits of every step, and the state after each sequence's last step.

        Raises:
            ValueError: inputs, state, lengths, engine or dropout do not fit; the message says how.
        """
        self._check(inputs, state, lengths)
        passed = self._draw_passed(inputs, dropout, generator) if dropout else None
        start = self.initial_state(inputs.shape[0]) if state is None else state
        return engines.select(engine, self.cell, inputs, start).unroll(self.cell, inputs, start, lengths, passed)

    def _draw_passed(self, inputs: Tensor, dropout: float, generator: torch.Generator | None) -> Tensor:
        """Draw for each step the factors on the units of the output's hidden layer."""
        if not self.config.output_hidden:
            raise ValueError(f"dropout must be 0 for a machine without output_hidden; got {dropout}")
        ones = torch.ones(*inputs.shape[:2], self.config.output_hidden, dtype=inputs.dtype)
        return dropped(ones, dropout, generator).to(inputs.device)

    def _check(self, inputs: Tensor, state: MachineState | None, lengths: Tensor | None) -> None:
        if inputs.ndim != 3 or inputs.shape[-1] != self.config.input_size:
            raise ValueError(
                f"inputs must have axes [batch time features] with {self.config.input_size} features; "
                f"got {list(inputs.shape)}"
            )
        batch, time = inputs.shape[:2]
        if state is not None and state.memory.shape[0] != batch:
            raise ValueError(f"state must be of {batch} sequences, as inputs are; got {state.memory.shape[0]}")
        if lengths is not None and (lengths.shape != (batch,) or ((lengths < 0) | (lengths > time)).any()):
            raise ValueError(f"lengths must be {batch} numbers from 0 to {time} (steps); got {lengths.tolist()}")

    @torch.no_grad()
    def trace(self, inputs: Float[Tensor, "batch time features"], state: MachineState | None = None) -> Trace:
        """Run whole sequences and keep everything that happened.

        Raises:
            ValueError: inputs or state do not fit, or there are no steps.
        """
        self._check(inputs, state, None)
        if inputs.shape[1] == 0:
            raise ValueError("inputs must have at least one step to trace; got 0")
        start = self.initial_state(inputs.shape[0]) if state is None else state
        records: list[Record] = []
        outputs, _ = reference.unroll(self.cell, inputs, start, observe=records.append)
        return Trace(
            inputs=inputs.detach(),
            outputs=outputs,
            initial=start.map(torch.Tensor.clone),  # a view of the parameters would change as they are trained
            read=_stack_heads([record.read for record in records]),
            write=_stack_heads([record.write for record in records]),
            erase=torch.stack([record.erase for record in records], 1),
            add=torch.stack([record.add for record in records], 1),
            read_vector=torch.stack([record.read_vector for record in records], 1),
            memory=torch.stack([record.memory for record in records], 1),
        )

    def with_slots(self, slots: int, *, shared: bool = False) -> "NTM":
        """Return a machine with the same weights and another number of slots.

        Args:
            slots: rows of its memory.
            shared: whether both machines have one set of weights, so that training one trains the other;
                by default the new one gets a copy.

        Raises:
            ValueError: slots is too small, or the initial memory or weighting is learned
                slot by slot, so that the weights fit one number of slots only.
        """
        other = type(self).__new__(type(self))
        nn.Module.__init__(other)
        other.cell = self.cell.resized(slots, shared=shared)
        return other.train(self.training)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the parameters by part: ``controller`` and embedding, ``heads``, ``output``, ``initial`` state."""
        groups: dict[str, list[nn.Parameter]] = {"controller": [], "heads": [], "output": [], "initial": []}
        for name, parameter in self.cell.named_parameters():
            part = "initial" if "initial_" in name else name.split(".")[0].removesuffix("_after_hidden")
            groups["controller" if part == "embedding" else part].append(parameter)
        return groups

    def parameter_table(self) -> dict[str, int]:
        """Count the trainable numbers of each part."""
        return {part: sum(p.numel() for p in group) for part, group in self.parameter_groups().items()}

    @property
    def num_parameters(self) -> int:
        """How many numbers training can change."""
        return sum(self.parameter_table().values())


def _stack_heads(records: list[HeadRecord]) -> HeadRecord:
    """Stack the records of one kind of head over time."""
    return HeadRecord(
        **{
            field.name: torch.stack([getattr(record, field.name) for record in records], 1)
            for field in fields(HeadRecord)
        }
    )
