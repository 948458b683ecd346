"""A small Transformer that reads a text as the recurrent networks do: window by window, with a state passed on.

Decoder only, the norm before each part (Vaswani et al., 2017, in the order of GPT-2), positions by rotation (Su et al.,
2021), no biases. Its state are the keys and values of what it has read last. A rotation by position makes a query and
a key meet by their distance alone, so the keys are kept as they are before it, and positions count anew in each call.
"""

from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Bool, Complex, Float, Int
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, linear, pad, scaled_dot_product_attention

from ntmlib.dropout import dropped

_SLOWEST = 10_000  # the rotations' wave lengths go up to this, times two pi

Heads = Float[Tensor, "batch heads places width"]


class TransformerState(NamedTuple):
    """What a Transformer carries from one call to the next. All that precedes ``filled`` has no meaning.

    Attributes:
        keys: of the last ``context - 1`` symbols in each layer, the latest at the end; not rotated.
        values: likewise.
        filled: how many of them a sequence has read; with 0 it starts afresh, whatever its keys and values are.
    """

    keys: Float[Tensor, "batch layers heads past width"]
    values: Float[Tensor, "batch layers heads past width"]
    filled: Int[Tensor, " batch"]

    def detach(self) -> "TransformerState":
        """Cut the state off from the steps that led to it, for truncated backpropagation."""
        return TransformerState(*(part.detach() for part in self))


class _Places(NamedTuple):
    """What a block has to know of the places in a text: their rotations, and which sees which."""

    rotations: Complex[Tensor, "places half"]
    visible: Bool[Tensor, "*batch queries places"] | None  # None: everything up to itself


class Transformer(nn.Module):
    """A Transformer from vectors to logits.

    Args:
        input_size: channels of the external input.
        output_size: channels of the external output.
        hidden: numbers that pass from block to block.
        num_layers: blocks.
        num_heads: heads of attention in each block, of ``hidden / num_heads`` numbers each.
        context: how many symbols a block sees: the one it is at, and those before it.
        generator: draws the first weights; without one, a generator seeded with 0.

    Raises:
        ValueError: a size is not a positive whole number, or ``hidden`` does not divide into heads of an even size.
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        hidden: int = 128,
        num_layers: int = 4,
        num_heads: int = 4,
        context: int = 128,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        sizes = {"input_size": input_size, "output_size": output_size, "hidden": hidden, "num_layers": num_layers}
        for name, value in {**sizes, "num_heads": num_heads, "context": context}.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1; got {value!r}")
        if hidden % (2 * num_heads):
            raise ValueError(
                f"hidden must be a multiple of {2 * num_heads}, for {num_heads} heads of an even size; got {hidden}"
            )
        self.input_size, self.output_size, self.hidden = input_size, output_size, hidden
        self.num_layers, self.num_heads, self.context = num_layers, num_heads, context
        self.input_weight = nn.Parameter(torch.empty(hidden, input_size))
        self.blocks = nn.ModuleList(_Block(hidden, num_heads) for _ in range(num_layers))
        self.last_norm = nn.Parameter(torch.ones(hidden))
        self.output_weight = nn.Parameter(torch.empty(output_size, hidden))
        self._draw(generator or torch.Generator().manual_seed(0))

    def _draw(self, generator: torch.Generator) -> None:
        """Draw every matrix from a normal distribution, so that what it makes has the size of what it gets.

        The input's has numbers of size 1, for inputs of which one is on. What adds to the numbers that pass from block
        to block is smaller by the root of how many such parts there are. The output's is small: the first
        predictions are nearly even. The norms start at one.
        """
        for name, parameter in self.named_parameters():
            if not name.endswith("norm"):
                size = {"input_weight": 1.0, "output_weight": 0.02}.get(name, parameter.shape[1] ** -0.5)
                parts = 2 * self.num_layers if name.endswith(("from_heads", "down")) else 1
                nn.init.normal_(parameter, 0, size * parts**-0.5, generator=generator)

    def initial_state(self, batch_size: int) -> TransformerState:
        """Return the state before the first symbol: nothing read."""
        width = self.hidden // self.num_heads
        nothing = self.output_weight.new_zeros(batch_size, self.num_layers, self.num_heads, self.context - 1, width)
        return TransformerState(nothing, nothing, nothing.new_zeros(batch_size, dtype=torch.int64))

    def forward(
        self,
        inputs: Float[Tensor, "batch time features"],
        state: TransformerState | None = None,
        *,
        lengths: Int[Tensor, " batch"] | None = None,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> tuple[Float[Tensor, "batch time outputs"], TransformerState]:
        """Read whole sequences, or the next part of each.

        Args:
            inputs: one vector for each sequence and step.
            state: what was read before; by default nothing.
            lengths: steps of each sequence when they differ; outputs past a sequence's end are zero
                and its state stands still.
            dropout: share of the numbers that become zero after the embedding and after the attention and the
                perceptron of each block. For training only.
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
        state = self.initial_state(batch) if state is None else state
        if state.filled.shape[0] != batch:
            raise ValueError(f"state must be of {batch} sequences, as inputs are; got {state.filled.shape[0]}")
        wanted = [batch, self.num_layers, self.num_heads, self.context - 1, self.hidden // self.num_heads]
        if list(state.keys.shape) != wanted:
            raise ValueError(f"state must have keys of shape {wanted}; got {list(state.keys.shape)}")
        if lengths is not None and (lengths.shape != (batch,) or ((lengths < 0) | (lengths > time)).any()):
            raise ValueError(f"lengths must be {batch} numbers from 0 to {time} (steps); got {lengths.tolist()}")
        if batch == 0 or time == 0:
            return inputs.new_zeros(batch, time, self.output_size), state
        logits = []
        for start in range(0, time, self.context):  # in parts, so that the cost of a long text grows with its length
            part = inputs[:, start : start + self.context]
            left = None if lengths is None else (lengths.to(inputs.device) - start).clamp(0, part.shape[1])
            outputs, state = self._read(part, state, left, dropout, generator)
            logits.append(outputs)
        return torch.cat(logits, 1), state

    def _read(
        self,
        inputs: Float[Tensor, "batch time features"],
        state: TransformerState,
        lengths: Int[Tensor, " batch"] | None,
        dropout: float,
        generator: torch.Generator | None,
    ) -> tuple[Float[Tensor, "batch time outputs"], TransformerState]:
        """Read at most ``context`` steps at once."""
        time, room = inputs.shape[1], self.context - 1
        past = int(state.filled.max())  # nobody has read more: what lies before is left out
        places = self._places(state.filled, past, time, inputs)
        features = dropped(linear(inputs, self.input_weight), dropout, generator)
        keys, values = [], []
        for layer, block in enumerate(self.blocks):
            before = (state.keys[:, layer, :, room - past :], state.values[:, layer, :, room - past :])
            features, seen_keys, seen_values = block(features, *before, places, dropout, generator)
            keys.append(self._kept(seen_keys, time, lengths))
            values.append(self._kept(seen_values, time, lengths))
        logits = linear(layer_norm(features, [self.hidden], self.last_norm), self.output_weight)
        if lengths is not None:
            running = torch.arange(time, device=inputs.device) < lengths[:, None]
            logits = logits * running[..., None]
        steps = time if lengths is None else lengths
        filled = (state.filled + steps).clamp_max(room)
        return logits, TransformerState(torch.stack(keys, 1), torch.stack(values, 1), filled)

    def _places(
        self, filled: Int[Tensor, " batch"], past: int, time: int, like: Float[Tensor, "batch time features"]
    ) -> _Places:
        """Work out the rotations of ``past + time`` places, and what each of the last ``time`` sees."""
        half = self.hidden // self.num_heads // 2
        place = torch.arange(past + time, device=like.device)
        speeds = _SLOWEST ** -(torch.arange(half, device=like.device, dtype=like.dtype) / half)
        angles = place[:, None] * speeds
        rotations = torch.polar(torch.ones_like(angles), angles)
        if not past:
            return _Places(rotations, None)
        query = place[past:, None]
        visible = (place <= query) & (place > query - self.context)
        if int(filled.min()) < past:
            visible = visible & (place >= past - filled[:, None])[:, None, None]
        return _Places(rotations, visible)

    def _kept(
        self, seen: Heads, time: int, lengths: Int[Tensor, " batch"] | None
    ) -> Float[Tensor, "batch heads past width"]:
        """Return the last ``context - 1`` places up to each sequence's end, with zeros before the first."""
        places, room = seen.shape[2], self.context - 1
        if lengths is None:
            return pad(seen[:, :, max(0, places - room) :], (0, 0, max(0, room - places), 0))
        seen = pad(seen, (0, 0, room + time - places, 0))
        index = lengths[:, None] + torch.arange(room, device=seen.device)
        return seen.take_along_dim(index[:, None, :, None], 2)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the parameters by part: ``layers`` and ``output``."""
        groups: dict[str, list[nn.Parameter]] = {"layers": [], "output": []}
        for name, parameter in self.named_parameters():
            groups["output" if name.startswith("output_") else "layers"].append(parameter)
        return groups

    def parameter_table(self) -> dict[str, int]:
        """Count the trainable numbers of each part."""
        return {part: sum(p.numel() for p in group) for part, group in self.parameter_groups().items()}

    @property
    def num_parameters(self) -> int:
        """How many numbers training can change."""
        return sum(self.parameter_table().values())


class _Block(nn.Module):
    """Attention, then a perceptron of one hidden layer; each adds to what it sees through a norm."""

    def __init__(self, hidden: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.attention_norm = nn.Parameter(torch.ones(hidden))
        self.to_heads = nn.Parameter(torch.empty(3 * hidden, hidden))  # queries, keys, values
        self.from_heads = nn.Parameter(torch.empty(hidden, hidden))
        self.perceptron_norm = nn.Parameter(torch.ones(hidden))
        self.up = nn.Parameter(torch.empty(4 * hidden, hidden))
        self.down = nn.Parameter(torch.empty(hidden, 4 * hidden))

    def forward(
        self,
        features: Float[Tensor, "batch time hidden"],
        past_keys: Float[Tensor, "batch heads past width"],
        past_values: Float[Tensor, "batch heads past width"],
        places: _Places,
        dropout: float,
        generator: torch.Generator | None,
    ) -> tuple[Float[Tensor, "batch time hidden"], Heads, Heads]:
        """Return new features, and the keys and values of the places before and those just read."""
        hidden, past = features.shape[-1], past_keys.shape[2]
        seen = linear(layer_norm(features, [hidden], self.attention_norm), self.to_heads)
        queries, keys, values = rearrange(
            seen, "batch time (three heads width) -> three batch heads time width", three=3, heads=self.num_heads
        )
        if past:
            keys, values = torch.cat([past_keys, keys], 2), torch.cat([past_values, values], 2)
        found = scaled_dot_product_attention(
            _rotated(queries, places.rotations[past:]),
            _rotated(keys, places.rotations),
            values,
            attn_mask=places.visible,
            is_causal=places.visible is None,
        )
        attention = linear(rearrange(found, "batch heads time width -> batch time (heads width)"), self.from_heads)
        features = features + dropped(attention, dropout, generator)
        risen = gelu(linear(layer_norm(features, [hidden], self.perceptron_norm), self.up))
        return features + dropped(linear(risen, self.down), dropout, generator), keys, values


def _rotated(
    numbers: Float[Tensor, "batch heads places width"], rotations: Complex[Tensor, "places half"]
) -> Float[Tensor, "batch heads places width"]:
    """Turn each two neighbouring numbers by the angle of their place."""
    # As complex numbers: real ones, half against half, take three times as long.
    pairs = torch.view_as_complex(
        rearrange(numbers, "batch heads places (half two) -> batch heads places half two", two=2)
    )
    return torch.view_as_real(pairs * rotations).flatten(-2)
