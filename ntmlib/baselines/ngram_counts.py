"""Counts of strings of symbols in a tree, compiled: what ``ngram.py`` counts with.

A node is a string: node 0 the empty one, and a node's child by a symbol the string with this symbol at its end. A hash
table leads from (node, symbol), packed into one number, to the child. Of each node three numbers are kept.

``contexts[k]`` is the node of the last ``k`` symbols read, or ``NOWHERE`` if there is none.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

NOWHERE = -1
COUNT, FOLLOWED, KINDS = 0, 1, 2  # of a node: how often it was counted, how often with a symbol after it, how many such
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio: neighbouring numbers go to distant places
_HALF = np.uint64(32)


def _compiled(function: Callable) -> Any:
    """Compile a function on its first call, and keep the result on disk wherever a folder can be written to."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # no such folder
        return njit(**options)(function)


@_compiled
def _place(keys, key):
    """Return where a key is in the table, or the empty place where it belongs. The table is never full."""
    last = len(keys) - 1  # their number is a power of two
    place = np.int64((np.uint64(key) * _SPREAD) >> _HALF) & last
    while keys[place] != NOWHERE and keys[place] != key:
        place = (place + 1) & last
    return place


@_compiled
def move(old_keys, old_children, keys, children):
    """Fill an empty table with the entries of another."""
    for old_place in range(len(old_keys)):
        if old_keys[old_place] != NOWHERE:
            place = _place(keys, old_keys[old_place])
            keys[place], children[place] = old_keys[old_place], old_children[old_place]


@_compiled
def read(codes, num_symbols, contexts, keys, children, nodes, num_nodes, grows, counts, costs):
    """Go through a text symbol by symbol: predict it, count it, move on.

    If the tree ``grows``, every string that ends at a symbol gets a node; if it ``counts``, such a string is counted.
    Moves ``contexts`` on and writes into ``nodes``, the table and ``costs`` (of the symbols, in nats; may be empty).
    Returns the number of nodes.
    """
    for time in range(len(codes)):
        symbol = codes[time]
        probability = 1 / num_symbols
        node = contexts[0]
        for length in range(len(contexts)):
            child = NOWHERE
            if node != NOWHERE:
                key = node * num_symbols + symbol
                place = _place(keys, key)
                if keys[place] != NOWHERE:
                    child = np.int64(children[place])
                followed, kinds = nodes[node, FOLLOWED], nodes[node, KINDS]
                if kinds > 0:
                    count = nodes[child, COUNT] if child != NOWHERE else 0
                    probability = (count + kinds * probability) / (followed + kinds)
                if child == NOWHERE and grows:
                    child = num_nodes
                    keys[place], children[place] = key, child
                    num_nodes += 1
                if child != NOWHERE and counts:
                    nodes[node, KINDS] += nodes[child, COUNT] == 0
                    nodes[node, FOLLOWED] += 1
                    nodes[child, COUNT] += 1
            if length + 1 < len(contexts):
                node, contexts[length + 1] = contexts[length + 1], child
        if time < len(costs):
            costs[time] = -np.log(probability)
    return num_nodes


@_compiled
def predict(num_symbols, contexts, keys, children, nodes):
    """Return the probability of each symbol after the contexts."""
    probabilities = np.full(num_symbols, 1 / num_symbols)
    for node in contexts:
        if node == NOWHERE or nodes[node, KINDS] == 0:
            continue
        followed, kinds = nodes[node, FOLLOWED], nodes[node, KINDS]
        for symbol in range(num_symbols):
            place = _place(keys, node * num_symbols + symbol)
            count = nodes[children[place], COUNT] if keys[place] != NOWHERE else 0
            probabilities[symbol] = (count + kinds * probabilities[symbol]) / (followed + kinds)
    return probabilities
