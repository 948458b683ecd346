"""Letting a model write: it reads a beginning, and then each character that it draws itself."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ntmlib.tasks.text import Corpus


def write_on(
    machine: nn.Module,
    corpus: Corpus,
    prompt: str = "\n",
    characters: int = 300,
    *,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
) -> Iterator[str]:
    """Yield characters that a model draws one after another, each from what it expects after all before it.

    Args:
        machine: a model trained on the text.
        corpus: the text, whose characters it knows.
        prompt: what it reads first; at least one character, and not yielded.
        characters: how many to draw.
        temperature: what logits are divided by, above 0: below 1 likely characters become likelier, towards 0 only the
            likeliest is drawn; above 1 all become more alike.
        generator: draws; by default one seeded with 0.

    Raises:
        ValueError: the prompt is empty or has characters that the text has not, or a number is out of its range.
    """
    if not prompt:
        raise ValueError("prompt must have at least one character; got ''")
    if isinstance(characters, bool) or not isinstance(characters, int) or characters < 0:
        raise ValueError(f"characters must be a whole number of at least 0; got {characters!r}")
    if not 0 < temperature < float("inf"):
        raise ValueError(f"temperature must be a finite number above 0; got {temperature!r}")
    codes = corpus.encode(prompt).astype(np.int64)
    return _draw(machine, corpus, codes, characters, temperature, generator or torch.Generator().manual_seed(0))


def _draw(
    machine: nn.Module,
    corpus: Corpus,
    codes: np.ndarray,
    characters: int,
    temperature: float,
    generator: torch.Generator,
) -> Iterator[str]:
    run: Callable[..., Any] = machine
    state = None
    for _ in range(characters):
        shown = F.one_hot(torch.from_numpy(codes), len(corpus.alphabet)).float()
        with torch.no_grad():
            logits, state = run(shown[None], state)
        # In float64, and the largest made 0 first: a low temperature would make infinities of large logits.
        scaled = (logits[0, -1].double() - logits[0, -1].double().max()) / temperature
        codes = torch.multinomial(scaled.softmax(-1), 1, generator=generator).numpy()
        yield corpus.decode(codes)


def writer(machine: nn.Module, corpus: Corpus) -> Callable[[str, int, float, int], Iterator[str]]:
    """Return what ``views.write_text`` calls: a machine that writes so many characters after a prompt, from a seed.

    Args:
        machine: a model trained on the text.
        corpus: the text, whose characters it knows.
    """

    def write(prompt: str, characters: int, temperature: float, seed: int) -> Iterator[str]:
        generator = torch.Generator().manual_seed(seed)
        return write_on(machine, corpus, prompt, characters, temperature=temperature, generator=generator)

    return write
