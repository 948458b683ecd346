"""The LSTM the paper compares with: stacked as in Graves (2013).

Every layer sees the external input, and the output sees every layer. One bias per
gate, no peepholes, learned first state. With these choices the number of parameters
equals the paper's for four of its five tasks (the fifth differs by two swapped digits,
348,424 here and 384,424 in print); ``tests/test_lstm.py`` checks it.
"""

from dataclasses import dataclass

import torch
from einops import repeat
from jaxtyping import Float, Int
from torch import Tensor, nn

from ntmlib.dropout import dropped

LSTMState = tuple[Float[Tensor, "batch layers hidden"], Float[Tensor, "batch layers hidden"]]


@dataclass(frozen=True)
class LSTMTrace:
    """What an LSTM did with a batch of sequences. It has no heads to look at; this is all that it carries along.

    ``outputs`` are logits; ``hidden`` and ``cell`` are what each unit of each layer says and holds after each step.
    All tensors are detached from the network.
    """

    inputs: Float[Tensor, "batch time features"]
    outputs: Float[Tensor, "batch time outputs"]
    hidden: Float[Tensor, "batch time layers hidden"]
    cell: Float[Tensor, "batch time layers hidden"]


class LSTM(nn.Module):
    """A stacked LSTM from vectors to logits.

    Args:
        input_size: channels of the external input.
        output_size: channels of the external output.
        hidden: units in each layer.
        num_layers: layers.
        output_hidden: units of a rectified layer between the layers and the output; 0 for none.
        embedding: numbers that an input vector is turned into by a matrix of its own, before the layers see it; 0 for
            none. Both are as the NTM has them, so that the two can be compared.
        generator: draws the first weights; without one, a generator seeded with 0.

    Raises:
        ValueError: a size is not a positive whole number.
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        hidden: int = 256,
        num_layers: int = 3,
        output_hidden: int = 0,
        embedding: int = 0,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        sizes = {"input_size": input_size, "output_size": output_size, "hidden": hidden, "num_layers": num_layers}
        for name, value in sizes.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1; got {value!r}")
        for name, value in {"output_hidden": output_hidden, "embedding": embedding}.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise ValueError(f"{name} must be a whole number of at least 0; got {value!r}")
        self.input_size, self.output_size, self.hidden, self.num_layers = input_size, output_size, hidden, num_layers
        self.output_hidden, self.embedding = output_hidden, embedding
        # torch's own LSTM layers do the work; their second bias is left out of the parameters below.
        below = [0] + [hidden] * (num_layers - 1)
        seen = embedding or input_size
        self.from_input = nn.ParameterList(torch.empty(4 * hidden, seen + size) for size in below)
        self.from_hidden = nn.ParameterList(torch.empty(4 * hidden, hidden) for _ in below)
        self.bias = nn.ParameterList(torch.empty(4 * hidden) for _ in below)
        first = output_hidden or output_size
        self.output_weight = nn.Parameter(torch.empty(first, num_layers * hidden))
        self.output_bias = nn.Parameter(torch.empty(first))
        if output_hidden:
            self.output_after_hidden_weight = nn.Parameter(torch.empty(output_size, output_hidden))
            self.output_after_hidden_bias = nn.Parameter(torch.empty(output_size))
        if embedding:
            self.embedding_weight = nn.Parameter(torch.empty(input_size, embedding))
        self.initial_hidden = nn.Parameter(torch.zeros(num_layers, hidden))
        self.initial_cell = nn.Parameter(torch.zeros(num_layers, hidden))
        self._draw(generator or torch.Generator().manual_seed(0))

    def _draw(self, generator: torch.Generator) -> None:
        """Draw every weight uniformly from +-1/sqrt(units it comes from); the first state starts at zero."""
        for name, parameter in self.named_parameters():
            size = self.output_hidden if name.startswith("output_after") else self.hidden
            if name == "embedding_weight":
                nn.init.normal_(parameter, 0, self.embedding**-0.5, generator=generator)
            elif not name.startswith("initial_"):
                nn.init.uniform_(parameter, -(size**-0.5), size**-0.5, generator=generator)

    def initial_state(self, batch_size: int) -> LSTMState:
        """Return the learned state before the first step."""
        hidden, cell = (
            repeat(start, "layers hidden -> batch layers hidden", batch=batch_size)
            for start in (self.initial_hidden, self.initial_cell)
        )
        return hidden, cell

    def forward(
        self,
        inputs: Float[Tensor, "batch time features"],
        state: LSTMState | None = None,
        *,
        lengths: Int[Tensor, " batch"] | None = None,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> tuple[Float[Tensor, "batch time outputs"], LSTMState]:
        """Run whole sequences.

        Args:
            inputs: one vector for each sequence and step.
            state: hidden vectors and cells of all layers; by default the learned ones.
            lengths: steps of each sequence when they differ; outputs past a sequence's end are zero
                and its state stands still.
            dropout: share of the numbers that become zero between a layer and what lies above it, the next layer and
                the output (with ``output_hidden``, its units); not between steps. For training only.
            generator: draws which; needed if there is dropout.

        Returns:
            Logits of every step, and the state after each sequence's last step.

        Raises:
            ValueError: inputs, state, lengths or dropout do not fit; the message says how.
        """
        if inputs.ndim != 3 or inputs.shape[-1] != self.input_size:
            raise ValueError(
                f"inputs must have axes [batch time features] with {self.input_size} features; got {list(inputs.shape)}"
            )
        batch, time = inputs.shape[:2]
        hiddens, cells = self.initial_state(batch) if state is None else state
        if hiddens.shape[0] != batch:
            raise ValueError(f"state must be of {batch} sequences, as inputs are; got {hiddens.shape[0]}")
        if lengths is not None and (lengths.shape != (batch,) or ((lengths < 0) | (lengths > time)).any()):
            raise ValueError(f"lengths must be {batch} numbers from 0 to {time} (steps); got {lengths.tolist()}")
        if batch == 0 or time == 0:  # torch's LSTM wants something to do
            return inputs.new_zeros(batch, time, self.output_size), (hiddens, cells)
        inputs = inputs @ self.embedding_weight if self.embedding else inputs
        tops: list[Tensor] = []
        last_hiddens, last_cells = [], []
        for layer in range(self.num_layers):
            seen = torch.cat([inputs, tops[-1]], -1) if tops else inputs
            outputs, hidden, cell = self._layer(layer, seen, hiddens[:, layer], cells[:, layer], lengths)
            is_below = layer < self.num_layers - 1 or not self.output_hidden
            tops.append(dropped(outputs, dropout, generator) if is_below else outputs)
            last_hiddens.append(hidden)
            last_cells.append(cell)
        logits = nn.functional.linear(torch.cat(tops, -1), self.output_weight, self.output_bias)
        if self.output_hidden:
            units = dropped(logits.relu(), dropout, generator)
            logits = nn.functional.linear(units, self.output_after_hidden_weight, self.output_after_hidden_bias)
        if lengths is not None:
            running = torch.arange(time, device=inputs.device) < lengths.to(inputs.device)[:, None]
            logits = logits * running[..., None]
        return logits, (torch.stack(last_hiddens, 1), torch.stack(last_cells, 1))

    @torch.no_grad()
    def trace(self, inputs: Float[Tensor, "batch time features"], state: LSTMState | None = None) -> LSTMTrace:
        """Run whole sequences and keep what every unit held after each step.

        Raises:
            ValueError: inputs or state do not fit, or there are no steps.
        """
        outputs, (hidden, cell) = self(inputs[:, :1], state)
        if inputs.shape[1] == 0:
            raise ValueError("inputs must have at least one step to trace; got 0")
        records = [(outputs, hidden, cell)]
        for step in range(1, inputs.shape[1]):
            outputs, (hidden, cell) = self(inputs[:, step : step + 1], (hidden, cell))
            records.append((outputs, hidden, cell))
        all_outputs, all_hidden, all_cells = zip(*records, strict=True)
        return LSTMTrace(
            inputs=inputs.detach(),
            outputs=torch.cat(all_outputs, 1),
            hidden=torch.stack(all_hidden, 1),
            cell=torch.stack(all_cells, 1),
        )

    def _layer(
        self,
        layer: int,
        seen: Float[Tensor, "batch time features"],
        hidden: Float[Tensor, "batch hidden"],
        cell: Float[Tensor, "batch hidden"],
        lengths: Int[Tensor, " batch"] | None,
    ) -> tuple[Float[Tensor, "batch time hidden"], Float[Tensor, "batch hidden"], Float[Tensor, "batch hidden"]]:
        """Run one layer with torch's compiled LSTM, which wants a second bias: it gets zeros."""
        weights = [
            self.from_input[layer],
            self.from_hidden[layer],
            self.bias[layer],
            torch.zeros_like(self.bias[layer]),
        ]
        start = (hidden[None].contiguous(), cell[None].contiguous())
        if lengths is None:
            outputs, last_hidden, last_cell = torch.lstm(seen, start, weights, True, 1, 0.0, False, False, True)
            return outputs, last_hidden[0], last_cell[0]
        # Longest first, as torch wants them. A sequence of no steps runs one, which is then forgotten.
        order = lengths.argsort(descending=True)
        back = order.argsort()
        steps = lengths[order].clamp_min(1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(seen[order], steps, batch_first=True)
        first = (hidden[order][None], cell[order][None])
        flat, last_hidden, last_cell = torch.lstm(
            packed.data, packed.batch_sizes, first, weights, True, 1, 0.0, False, False
        )
        outputs, _ = nn.utils.rnn.pad_packed_sequence(
            nn.utils.rnn.PackedSequence(flat, packed.batch_sizes), batch_first=True, total_length=seen.shape[1]
        )
        has_run = (lengths > 0).to(seen.device)[:, None]
        last_hidden = torch.where(has_run, last_hidden[0][back], hidden)
        last_cell = torch.where(has_run, last_cell[0][back], cell)
        return outputs[back], last_hidden, last_cell

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the parameters by part: ``layers``, ``output`` and ``initial`` state."""
        groups: dict[str, list[nn.Parameter]] = {"layers": [], "output": [], "initial": []}
        for name, parameter in self.named_parameters():
            part = "initial" if name.startswith("initial_") else "output" if name.startswith("output_") else "layers"
            groups[part].append(parameter)
        return groups

    def parameter_table(self) -> dict[str, int]:
        """Count the trainable numbers of each part."""
        return {part: sum(p.numel() for p in group) for part, group in self.parameter_groups().items()}

    @property
    def num_parameters(self) -> int:
        """How many numbers training can change."""
        return sum(self.parameter_table().values())
