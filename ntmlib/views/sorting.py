"""How a machine sorts: what decides where it writes each vector, and which of them it looks at for each answer.

All traces here are of priority sort: the last two input channels are the priority and the flag that ends the list.
A *rank* counts from the highest priority, which has rank 0.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ntmlib.ntm import Trace

TINY = 1e-12


@dataclass(frozen=True)
class Placement:
    """What decides where a write head writes while the list is heard, found with one half of the sequences.

    All three are measured on the other half; by chance they are about 0, and may fall a little below.

    Attributes:
        by_time: share of the variance of the weighting that the number of the step explains.
        by_priority: share that the priority explains, in twenty classes.
        rank_correlation: Spearman's, of the priority with the mean position of the weighting, the slots taken in
            the order of the mean priority that was written there.
    """

    by_time: float
    by_priority: float
    rank_correlation: float


def heard_priorities(trace: Trace) -> Float[Tensor, "batch heard"]:
    """Return the priorities in the order in which they were heard.

    Raises:
        ValueError: the sequences are not lists of one length, at least two long, each ended by a flag.
    """
    flags = trace.inputs[..., -1] > 0.5
    ends = flags.int().argmax(1)
    heard = int(ends[0])
    if (flags.sum(1) != 1).any() or (ends != heard).any() or heard < 2:
        raise ValueError(f"trace must be of lists of one length, at least 2; its flags are at steps {ends.tolist()}")
    return trace.inputs[:, :heard, -2]


def placements(trace: Trace) -> list[Placement]:
    """Say for each write head whether time or priority decides where it writes; see ``Placement``.

    Raises:
        ValueError: the trace holds fewer than 4 sequences, or they are not lists of one length.
    """
    priorities = heard_priorities(trace)
    if len(priorities) < 4:
        raise ValueError(f"trace must hold at least 4 sequences, two for each half; got {len(priorities)}")
    times = torch.arange(priorities.shape[1]).expand_as(priorities)
    classes = ((priorities + 1) * 10).long().clamp(0, 19)
    found = []
    for head in range(trace.write.weighting.shape[2]):
        weighting = trace.write.weighting[:, : priorities.shape[1], head].double()
        position, priority = ordered_positions(weighting, priorities)
        correlation = float(torch.corrcoef(torch.stack([_ranks(position), _ranks(priority)]))[0, 1])
        found.append(Placement(_explained(weighting, times), _explained(weighting, classes), correlation))
    return found


def ordered_positions(
    weighting: Float[Tensor, "batch heard slots"], priorities: Float[Tensor, "batch heard"]
) -> tuple[Float[Tensor, " writes"], Float[Tensor, " writes"]]:
    """Order the slots with the first half of the sequences; place each write of the other half in that order.

    A place is the share of all writing that went to slots before it, so that unused slots take no room.
    """
    half = len(priorities) // 2
    priorities = priorities.double()
    written = weighting[:half].flatten(0, 1)
    centre = priorities[:half].flatten() @ written / written.sum(0).clamp_min(TINY)  # mean priority in each slot
    order, used = centre.argsort(stable=True), written.mean(0)
    place = torch.empty_like(used)
    place[order] = used[order].cumsum(0) - used[order] / 2
    return (weighting[half:] @ place).flatten(), priorities[half:].flatten()


def written_slots(trace: Trace) -> Int[Tensor, "batch heard"]:
    """Return for each vector of the list the slot that the write heads together looked at most when it was heard."""
    heard = heard_priorities(trace).shape[1]
    return trace.write.weighting[:, :heard].sum(2).argmax(-1)


def looks(weighting: Float[Tensor, "batch time heads slots"], trace: Trace) -> Float[Tensor, "steps heads ranks"]:
    """Say how much weight lies on the slot of the vector of each rank, on average over the sequences.

    Args:
        weighting: of the trace's read heads, or of its write heads.
        trace: a finished trace.

    Returns:
        Weights for each step from the flag on. Vectors that share a slot each get all of its weight.
    """
    priorities = heard_priorities(trace)
    slots = written_slots(trace).gather(1, priorities.argsort(1, descending=True))
    answers = weighting[:, priorities.shape[1] :]
    index = slots[:, None, None].expand(-1, answers.shape[1], answers.shape[2], -1)
    return answers.gather(3, index).mean(0)


def nearest_gaps(priorities: Float[Tensor, "batch heard"]) -> Float[Tensor, "batch heard"]:
    """Return for each rank how far its priority is from the nearest other one."""
    ranked = priorities.sort(1, descending=True).values
    gaps = ranked[:, :-1] - ranked[:, 1:]
    ends = torch.full_like(gaps[:, :1], torch.inf)
    return torch.minimum(torch.cat([ends, gaps], 1), torch.cat([gaps, ends], 1))


def _ranks(values: Float[Tensor, " values"]) -> Float[Tensor, " values"]:
    return values.argsort(stable=True).argsort().double()


def _explained(weighting: Float[Tensor, "batch heard slots"], groups: Int[Tensor, "batch heard"]) -> float:
    """Return the share of the variance in the second half that the means of groups in the first half explain."""
    half = len(weighting) // 2
    known, tested = weighting[:half].flatten(0, 1), weighting[half:].flatten(0, 1)
    member = torch.nn.functional.one_hot(groups, int(groups.max()) + 1).double()
    member, asked = member[:half].flatten(0, 1), groups[half:].flatten()
    sizes = member.sum(0)[:, None]
    means = torch.where(sizes > 0, (member.T @ known) / sizes.clamp_min(1), known.mean(0))
    total = (tested - tested.mean(0)).square().sum()
    return float(1 - (tested - means[asked]).square().sum() / total) if total > TINY else 0.0  # a head that never moves
