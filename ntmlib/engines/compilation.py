"""How the fused engine's functions are compiled, and what is said while that takes time."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba import njit, types
from numba.core import event
from numba.extending import intrinsic

# Sums may be reordered and products fused, which vectorises the loops. Not "nnan" and "ninf": a NaN stays one.
_REORDER = {"reassoc", "contract", "nsz", "arcp"}

# By itself numba compiles a function anew only if its own file has changed, not one with a function it calls.
_SOURCES = sha256(
    b"".join((Path(__file__).parent / name).read_bytes() for name in ("compilation.py", "kernels.py", "products.py"))
)

_said = threading.Event()


def compiled(function: Callable, relaxed: frozenset[str] = frozenset(), ordered: bool = False) -> Any:
    """Compile a function on its first call, and keep the result on disk wherever a folder can be written to.

    Sums of an ``ordered`` function are taken as they are written, though a product and a sum become one operation.
    """
    # "_nrt": no reference counting, which a kernel does not need, as it allocates nothing. Without it the shift takes
    # 13 ns instead of 65, and an update at batch 64 about a tenth less.
    options: dict[str, Any] = {
        "nogil": True,
        "error_model": "numpy",
        "fastmath": {"contract"} if ordered else _REORDER | relaxed,
        "_nrt": False,
        # Nothing stays outside the kernel that calls it: a process that compiles would take a function that it has
        # compiled already, with its sums in another order, where one that loads takes the kernel's own copy.
        "forceinline": True,
    }
    try:
        dispatcher = njit(cache=True, **options)(function)
        file = dispatcher._cache._cache_file
        file._source_stamp = (file._source_stamp, _SOURCES.hexdigest())
        return dispatcher
    except RuntimeError:  # no such folder, neither beside this file nor in the home directory: compile every time
        return njit(**options)(function)


@intrinsic
def use_widest_vectors(_: Any) -> Any:
    """Let loops of the function that calls this use the widest registers. LLVM by itself takes half of AVX-512's."""

    def mark(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')  # llvmlite does not know this attribute
        return context.get_dummy_value()

    return types.void(), mark


class _Note(event.Listener):
    """Says once in a process that something is being compiled."""

    def on_start(self, event: event.Event) -> None:
        if not _said.is_set():
            _said.set()
            print("ntmlib: compiling the fused engine, once on this computer (about 20 s) ...", file=sys.stderr)

    def on_end(self, event: event.Event) -> None: ...


def _is_watched() -> bool:
    return sys.stderr.isatty() or "ipykernel" in sys.modules


@contextmanager
def announced() -> Iterator[None]:
    """Tell whoever watches, in a terminal or a notebook, if what runs inside has to be compiled first."""
    if _said.is_set() or not _is_watched():
        yield
        return
    with event.install_listener("numba:compile", _Note()):
        yield
