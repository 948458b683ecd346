"""The plainest recurrent network (Elman, 1990): ``h_t = tanh(W x_t + U h_(t-1) + b)``, and the output is linear in it.

Without gates and without a memory: what formal languages are first tried with.
"""

import torch
from einops import repeat
from jaxtyping import Float, Int
from torch import Tensor, nn

from ntmlib.dropout import dropped


class Elman(nn.Module):
    """A recurrent network of one layer from vectors to logits.

    Args:
        input_size: channels of the external input.
        output_size: channels of the external output.
        hidden: units.
        generator: draws the first weights; without one, a generator seeded with 0.

    Raises:
        ValueError: a size is not a positive whole number.
    """

    def __init__(
        self, input_size: int, output_size: int, hidden: int = 256, *, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        for name, value in {"input_size": input_size, "output_size": output_size, "hidden": hidden}.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1; got {value!r}")
        self.input_size, self.output_size, self.hidden = input_size, output_size, hidden
        self.from_input = nn.Parameter(torch.empty(hidden, input_size))
        self.from_hidden = nn.Parameter(torch.empty(hidden, hidden))
        self.bias = nn.Parameter(torch.empty(hidden))
        self.output_weight = nn.Parameter(torch.empty(output_size, hidden))
        self.output_bias = nn.Parameter(torch.empty(output_size))
        self.initial_hidden = nn.Parameter(torch.zeros(hidden))
        self._draw(generator or torch.Generator().manual_seed(0))

    def _draw(self, generator: torch.Generator) -> None:
        """Draw every weight uniformly from +-1/sqrt(hidden); the first state starts at zero."""
        bound = self.hidden**-0.5
        for name, parameter in self.named_parameters():
            if name != "initial_hidden":
                nn.init.uniform_(parameter, -bound, bound, generator=generator)

    def initial_state(self, batch_size: int) -> Float[Tensor, "batch hidden"]:
        """Return the learned hidden vector before the first step."""
        return repeat(self.initial_hidden, "hidden -> batch hidden", batch=batch_size)

    def forward(
        self,
        inputs: Float[Tensor, "batch time features"],
        state: Float[Tensor, "states hidden"] | None = None,
        *,
        lengths: Int[Tensor, " batch"] | None = None,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> tuple[Float[Tensor, "batch time outputs"], Float[Tensor, "batch hidden"]]:
        """Run whole sequences.

        Args:
            inputs: one vector for each sequence and step.
            state: hidden vector of each sequence; by default the learned one.
            lengths: steps of each sequence when they differ; outputs past a sequence's end are zero and its state
                stands still.
            dropout: share of the units that are zero to the output, though not to the next step. For training only.
            generator: draws which; needed if there is dropout.

        Returns:
            Logits of every step, and the hidden vector after each sequence's last step.

        Raises:
            ValueError: inputs, state, lengths or dropout do not fit; the message says how.
        """
        if inputs.ndim != 3 or inputs.shape[-1] != self.input_size:
            raise ValueError(
                f"inputs must have axes [batch time features] with {self.input_size} features; got {list(inputs.shape)}"
            )
        batch, time = inputs.shape[:2]
        first = self.initial_state(batch) if state is None else state
        if first.shape[0] != batch:
            raise ValueError(f"state must be of {batch} sequences, as inputs are; got {first.shape[0]}")
        if lengths is not None and (lengths.shape != (batch,) or ((lengths < 0) | (lengths > time)).any()):
            raise ValueError(f"lengths must be {batch} numbers from 0 to {time} (steps); got {lengths.tolist()}")
        if batch == 0 or time == 0:
            return inputs.new_zeros(batch, time, self.output_size), first
        # torch's own layer wants a second bias: it gets zeros.
        weights = [self.from_input, self.from_hidden, self.bias, torch.zeros_like(self.bias)]
        hiddens, last = torch.rnn_tanh(inputs, first[None].contiguous(), weights, True, 1, 0.0, False, False, True)
        logits = nn.functional.linear(dropped(hiddens, dropout, generator), self.output_weight, self.output_bias)
        if lengths is None:
            return logits, last[0]
        running = torch.arange(time, device=inputs.device) < lengths.to(inputs.device)[:, None]
        every = torch.cat([first[:, None], hiddens], 1)
        return logits * running[..., None], every[torch.arange(batch), lengths]

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the parameters by part: ``layers``, ``output`` and ``initial`` state."""
        return {
            "layers": [self.from_input, self.from_hidden, self.bias],
            "output": [self.output_weight, self.output_bias],
            "initial": [self.initial_hidden],
        }

    def parameter_table(self) -> dict[str, int]:
        """Count the trainable numbers of each part."""
        return {part: sum(p.numel() for p in group) for part, group in self.parameter_groups().items()}

    @property
    def num_parameters(self) -> int:
        """How many numbers training can change."""
        return sum(self.parameter_table().values())
