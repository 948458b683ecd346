"""The shape of a machine, checked before anything is built."""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

CONTROLLERS = ("feedforward", "lstm")
MEMORY_INITS = ("constant", "learned", "random")
WEIGHTING_INITS = ("one_hot", "learned", "uniform")
HEAD_INITS = ("neutral", "tape", "induction")


@dataclass(frozen=True)
class MachineConfig:
    """The sizes of a Neural Turing Machine and how it starts.

    Args:
        input_size: channels of the external input.
        output_size: channels of the external output.
        controller: ``"feedforward"`` or ``"lstm"``.
        hidden: units in each layer of the controller.
        num_layers: layers of the controller.
        slots: ``N``, rows of the memory.
        width: ``M``, numbers in a row of the memory.
        num_heads: pairs of heads, one that reads and one that writes.
        num_shifts: offsets a head can move by in one step, an odd number: 3 means -1, 0, +1.
        memory_init: what the memory holds before the first step. ``"constant"`` is 1e-6
            everywhere, ``"learned"`` a parameter, ``"random"`` a fixed draw from N(0, 0.5).
        weighting_init: where the heads look before the first step. ``"one_hot"`` is slot 0,
            ``"learned"`` a parameter, ``"uniform"`` everywhere alike.
        head_init: what the heads do before they have learned anything. ``"neutral"``: nothing in particular (all
            biases are zero). ``"tape"``: write heads lean towards stepping to the next slot, read heads look
            sharply for their key, as a tape and an index would; a leaning only, all of it is learned on.
            ``"induction"``: a read head looks for what the write head of its pair is just writing, and one slot
            on: it finds what came next the last time (decision 17). It needs three shifts or more.
        output_hidden: units of a hidden layer between controller and read vectors and the output. 0 for none, as in
            the paper: then the output is an affine map of both, and an answer that needs the two together in another
            way, such as the sum of two digits modulo 2, has to wait for the next step.
        embedding: numbers that an input vector is turned into by a matrix of its own before the controller sees it.
            0 for none, as in the paper. For inputs that are one symbol of many, its row in the matrix is what the
            machine knows of the symbol.
        read_feedback: whether the controller sees the vectors that the read heads found a step ago, as in the paper.
            Without, what is read goes to the output only: the controller computes what it would without a memory,
            and no gradient goes through memory and controller in turn, which can be chaotic (decision 9).

    Raises:
        ValueError: a value is out of its range; the message names it.
    """

    input_size: int
    output_size: int
    controller: str = "feedforward"
    hidden: int = 100
    num_layers: int = 1
    slots: int = 128
    width: int = 20
    num_heads: int = 1
    num_shifts: int = 3
    memory_init: str = "constant"
    weighting_init: str = "one_hot"
    head_init: str = "neutral"
    output_hidden: int = 0
    embedding: int = 0
    read_feedback: bool = True

    def __post_init__(self) -> None:
        for name in ("input_size", "output_size", "hidden", "num_layers", "slots", "width", "num_heads", "num_shifts"):
            check_positive(name, getattr(self, name))
        check_choice("controller", self.controller, CONTROLLERS)
        check_choice("memory_init", self.memory_init, MEMORY_INITS)
        check_choice("weighting_init", self.weighting_init, WEIGHTING_INITS)
        check_choice("head_init", self.head_init, HEAD_INITS)
        for name in ("output_hidden", "embedding"):
            if getattr(self, name) != 0 or isinstance(getattr(self, name), bool):
                check_positive(f"{name} (where it is not 0)", getattr(self, name))
        check_flag("read_feedback", self.read_feedback)
        if self.num_shifts % 2 == 0:
            raise ValueError(f"num_shifts must be odd, so that one of the shifts is 'stay'; got {self.num_shifts}")
        if self.head_init == "induction" and self.num_shifts == 1:
            raise ValueError("num_shifts must be 3 or more with head_init='induction', whose heads step on; got 1")
        if self.num_shifts > self.slots:
            raise ValueError(f"num_shifts must be at most slots ({self.slots}); got {self.num_shifts}")

    @property
    def depends_on_slots(self) -> bool:
        """Whether a parameter's shape contains the number of slots, which then cannot be changed."""
        return self.memory_init == "learned" or self.weighting_init == "learned"

    @property
    def core(self) -> "MachineConfig":
        """The part of the machine between the embedding and the hidden layer of the output, as a machine of its own.

        What comes before does not depend on the steps before, and nothing of what comes after goes back into the
        machine, so engines need not know of either. Nor need they know a controller that does not see the read
        vectors from one whose weights for them are 0.
        """
        return replace(
            self,
            input_size=self.embedding or self.input_size,
            embedding=0,
            output_size=self.output_hidden or self.output_size,
            output_hidden=0,
            read_feedback=True,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "MachineConfig":
        """Rebuild a config from ``to_dict``; unknown names are refused."""
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise ValueError(f"unknown machine setting {unknown[0]!r}; known: {[f.name for f in fields(cls)]}")
        return cls(**values)


def check_positive(name: str, value: object) -> None:
    """Refuse anything but a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1; got {value!r}")


def check_flag(name: str, value: object) -> None:
    """Refuse anything but true and false."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false; got {value!r}")


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuse anything but one of the names listed."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}")
