"""Counting as a language model: n-grams of symbols, each order leaning on the one below (Witten and Bell, 1991).

With ``h`` the ``n - 1`` symbols before, ``h'`` the same without the first of them, and ``T(h)`` how many different
symbols were seen after ``h``::

    P_n(c | h) = (count(hc) + T(h) P_(n-1)(c | h')) / (count(h) + T(h)),    P_0(c) = 1 / num_symbols

Where ``h`` never had a symbol after it, this is ``P_(n-1)(c | h')``. ``count(h)`` is how often it had one.
"""

import numpy as np
from jaxtyping import Float, Integer

Codes = Integer[np.ndarray, " time"]
Earlier = Integer[np.ndarray, " earlier"]

_MOST_STRINGS = 2**31 - 1  # what 32 bits can number
_CHUNK = 1 << 14  # symbols between two looks at whether there is room for more nodes
_NO_COSTS = np.empty(0)


class NGram:
    """Interpolated n-grams that are counted, not trained by gradients.

    Room is made for a power of two of strings at 36 bytes each: 12 for its counts, and twice 12 in a table that stays
    at most half full. A million characters of Shakespeare with ``order=7`` are 0.87 million different strings: 38 MB,
    and 57 MB while it grows.

    Args:
        num_symbols: size of the alphabet; symbols are the numbers below it.
        order: ``n``, the longest strings counted. A symbol is predicted from the ``order - 1`` before it.

    Raises:
        ValueError: a size is not a positive whole number.
    """

    def __init__(self, num_symbols: int, order: int) -> None:
        for name, value in {"num_symbols": num_symbols, "order": order}.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1; got {value!r}")
        self.num_symbols, self.order = num_symbols, order
        self._num_counted = 0
        self._nodes = np.zeros((1, 3), np.int32)
        self._num_nodes = 1
        self._keys = np.full(2, -1, np.int64)
        self._children = np.zeros(2, np.int32)

    @property
    def num_parameters(self) -> int:
        """How many counts it stores: one for each different string of 1 to ``order`` symbols it has counted."""
        return int(np.count_nonzero(self._nodes[1 : self._num_nodes, 0]))

    def count(self, codes: Codes, before: Earlier | None = None) -> None:
        """Add a text to the counts.

        Args:
            codes: the symbols of the text.
            before: what the text follows; it is not counted, but the first strings counted reach into it. By default
                nothing: strings then begin with the text.

        Raises:
            ValueError: a code is not a symbol's, or so much is counted that 32 bits may not hold it.
        """
        self._read(codes, before, learns=True, costs=_NO_COSTS)

    def costs(self, codes: Codes, adaptive: bool = False, before: Earlier | None = None) -> Float[np.ndarray, " time"]:
        """Return the cost of each symbol of a text given those before it: ``-log P``, in nats.

        Args:
            codes: the symbols of the text.
            adaptive: go on counting while reading. Each symbol is predicted first, then counted. What is counted is
                forgotten at the end; ``count(codes, before)`` keeps it.
            before: what the text follows. By default nothing: the first symbols are predicted from fewer.

        Raises:
            ValueError: as ``count``.
        """
        costs = np.empty(len(codes))
        (self._copy() if adaptive else self)._read(codes, before, learns=adaptive, costs=costs)
        return costs

    def probabilities(self, context: Codes) -> Float[np.ndarray, " symbols"]:
        """Return the probability of each symbol after a context, of which the last ``order - 1`` symbols matter.

        Raises:
            ValueError: a code is not a symbol's.
        """
        from ntmlib.baselines import ngram_counts

        contexts = self._after(self._checked("context", context), grows=False)
        return ngram_counts.predict(self.num_symbols, contexts, self._keys, self._children, self._nodes)

    def _copy(self) -> "NGram":
        other = NGram(self.num_symbols, self.order)
        other._num_counted, other._num_nodes = self._num_counted, self._num_nodes
        other._nodes, other._keys, other._children = self._nodes.copy(), self._keys.copy(), self._children.copy()
        return other

    def _checked(self, name: str, codes: np.ndarray) -> np.ndarray:
        if not np.issubdtype(codes.dtype, np.integer) or codes.ndim != 1:
            raise ValueError(f"{name} must be one row of whole numbers; got {codes.dtype} {list(codes.shape)}")
        if codes.size and not 0 <= codes.min() <= codes.max() < self.num_symbols:
            raise ValueError(
                f"{name} must be numbers from 0 to {self.num_symbols - 1} (symbols); got {codes.min()} to {codes.max()}"
            )
        return np.ascontiguousarray(codes, np.int64)

    def _read(self, codes: np.ndarray, before: np.ndarray | None, learns: bool, costs: np.ndarray) -> None:
        """Read a text, and count it if this ``learns``."""
        checked = self._checked("codes", codes)
        lead = self._checked("before", codes[:0] if before is None else before)
        most = _MOST_STRINGS // self.order - self._num_counted
        if learns and len(checked) > most:
            raise ValueError(f"codes must be at most {most:,} symbols, after those already counted; got {len(codes):,}")
        contexts = self._after(lead, grows=learns)
        for start in range(0, len(checked), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            self._go(checked[chunk], contexts, grows=learns, counts=learns, costs=costs[chunk])
        self._num_counted += len(checked) * learns

    def _after(self, context: np.ndarray, grows: bool) -> np.ndarray:
        """Return the nodes of what a text ends with: of its last 0, 1, ... ``order - 1`` symbols."""
        contexts = np.full(self.order, -1, np.int64)
        contexts[0] = 0
        self._go(context[max(0, len(context) - self.order + 1) :], contexts, grows=grows, counts=False, costs=_NO_COSTS)
        return contexts

    def _go(self, codes: np.ndarray, contexts: np.ndarray, *, grows: bool, counts: bool, costs: np.ndarray) -> None:
        from ntmlib.baselines import ngram_counts  # late: a compiler loads slowly

        if grows:
            self._make_room(self._num_nodes + len(codes) * self.order)
        tree = (self._keys, self._children, self._nodes, self._num_nodes)
        self._num_nodes = ngram_counts.read(codes, self.num_symbols, contexts, *tree, grows, counts, costs)

    def _make_room(self, num_nodes: int) -> None:
        """Let there be memory for so many nodes, by doubling."""
        from ntmlib.baselines import ngram_counts

        if num_nodes <= len(self._nodes):
            return
        size = 1 << (num_nodes - 1).bit_length()
        nodes = np.zeros((size, 3), np.int32)
        nodes[: self._num_nodes] = self._nodes[: self._num_nodes]
        keys, children = np.full(2 * size, -1, np.int64), np.zeros(2 * size, np.int32)
        ngram_counts.move(self._keys, self._children, keys, children)
        self._nodes, self._keys, self._children = nodes, keys, children
