"""Where a machine keeps a variable: exchange a part of its state, or read the variable off a slot."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ntmlib.ntm import NTM
from ntmlib.training.counting import exchange

WITH_READ = " + read vector"  # ends the name of a slot that was exchanged together with the read vector


@dataclass(frozen=True)
class VariableSearch:
    """What became of a run's later answers when one part of its state was another run's.

    Attributes:
        first: step after which the first exchange was made, the last one at which the two runs heard different things.
        parts: names of what is exchanged: those of ``exchange``, then each slot together with the read vector.
        disputed: for each step, the later answers in which the two runs, left alone, disagree.
        followed: for each step and each part, the share of the disputed answers that became the donor's; not a
            number where none is disputed, as the variable makes no difference any more.
    """

    first: int
    parts: tuple[str, ...]
    disputed: tuple[int, ...]
    followed: Float[Tensor, "steps parts"]

    def share(self, part: str) -> Float[Tensor, " steps"]:
        """Return the share of disputed answers that became the donor's when this part was exchanged, for each step.

        Raises:
            ValueError: there is no such part.
        """
        if part not in self.parts:
            raise ValueError(f"part must be one of {', '.join(self.parts)}; got {part!r}")
        return self.followed[:, self.parts.index(part)]


@torch.no_grad()
def find_variable(
    machine: NTM,
    inputs: Float[Tensor, "1 time features"],
    donor_inputs: Float[Tensor, "1 donor_time features"],
    mask: Bool[Tensor, "1 mask_time"] | None = None,
) -> VariableSearch:
    """Exchange every part of a run's state, after every step, and see which of its later answers become the donor's.

    The two runs hear different things up to some step and the same from there on, so whatever makes their answers
    differ must be remembered. A part that holds all of it makes the run answer as the donor would.

    Every output is an answer of its own, a bit that is one where the logit is above 0: this is for tasks that answer in
    bits. Where they do not answer at every step, the mask must say at which.

    Args:
        machine: the machine; few slots make the search faster.
        inputs: what the run hears that is changed.
        donor_inputs: what the run hears that the parts come from.
        mask: the steps whose outputs count as answers, such as a batch's mask; None for all.

    Raises:
        ValueError: the two do not have the same number of steps, are the same, or differ at their last step; or the
            mask has another number of steps.
    """
    if inputs.shape != donor_inputs.shape:
        raise ValueError(
            f"donor_inputs must have the shape of inputs, {list(inputs.shape)}; got {list(donor_inputs.shape)}"
        )
    time = inputs.shape[1]
    if mask is None:
        mask = inputs.new_ones(1, time, dtype=torch.bool)
    if mask.shape[1] != time:
        raise ValueError(f"mask must be one for each of {time} steps; got {mask.shape[1]}")
    different = (inputs != donor_inputs).any(-1)[0].nonzero().flatten().tolist()
    if not different or different[-1] == time - 1:
        raise ValueError(f"donor_inputs must differ from inputs, though not at the last step; they do at {different}")
    first = different[-1]
    own, wanted = machine(inputs)[0][0] > 0, machine(donor_inputs)[0][0] > 0
    state, donor = machine(inputs[:, :first])[1], machine(donor_inputs[:, :first])[1]
    parts: tuple[str, ...] = ()
    rows, disputed = [], []
    for step in range(first, time - 1):
        state, donor = (
            machine(inputs[:, step : step + 1], state)[1],
            machine(donor_inputs[:, step : step + 1], donor)[1],
        )
        names, alone = exchange(state, donor)
        _, together = exchange(replace(state, read_vector=donor.read_vector), donor)
        slots = state.memory.shape[1]
        parts = (*names, *(name + WITH_READ for name in names[:slots]))
        rest = inputs[:, step + 1 :]
        answers = [machine(rest.expand(len(names), -1, -1), mixed)[0] > 0 for mixed in (alone, together)]
        later = wanted[step + 1 :]
        disputes = (own[step + 1 :] != later) & mask[0, step + 1 :, None]
        agrees = (torch.cat([answers[0], answers[1][:slots]]) == later)[:, disputes]
        rows.append(agrees.float().mean(1))
        disputed.append(int(disputes.sum()))
    return VariableSearch(first, parts, tuple(disputed), torch.stack(rows))


@dataclass(frozen=True)
class Readout:
    """A number read off a vector: each entry times a weight, all added up, and an offset.

    That a number can be read off says that it is there, not that the machine uses it: see ``find_variable``.
    """

    weights: Float[Tensor, " width"]
    offset: float

    def __call__(self, contents: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch"]:
        """Read the number off each vector."""
        return contents @ self.weights + self.offset


def fit_readout(contents: Float[Tensor, "*batch width"], values: Float[Tensor, "*batch"]) -> Readout:
    """Find the weights that read a number off vectors with the smallest squared error.

    Args:
        contents: what a slot held, at many times.
        values: the number it should say at each of them, such as -1 and +1 for a variable with two values.

    Raises:
        ValueError: there are not more examples than weights.
    """
    rows, numbers = contents.flatten(0, -2).double(), values.flatten().double()
    if len(rows) <= rows.shape[1] + 1:
        raise ValueError(f"contents must hold more than {rows.shape[1] + 1} vectors; got {len(rows)}")
    rows = torch.cat([rows, rows.new_ones(len(rows), 1)], 1)
    solution = torch.linalg.lstsq(rows, numbers[:, None], driver="gelsd").solution[:, 0].to(contents.dtype)
    return Readout(solution[:-1], float(solution[-1]))


def legibility(contents: Float[Tensor, "samples width"], classes: Int[Tensor, " samples"]) -> float:
    """Return how often it can be read off a vector which of several classes it belongs to.

    Each class has a readout of its own, fitted to the first half of the samples; on the second half, the class
    whose readout says most is the one that counts as read.

    Args:
        contents: what a slot held, at many times.
        classes: a whole number for each of them, such as the symbol that was heard then.
    """
    half = len(contents) // 2
    labels = classes.unique()
    read = [fit_readout(contents[:half], 2.0 * (classes[:half] == label) - 1)(contents[half:]) for label in labels]
    return float((labels[torch.stack(read).argmax(0)] == classes[half:]).float().mean())
