"""The Neural Turing Machine once more, in plain numpy and loops, written from the paper's equations.

It shares no code with the library: one sequence at a time, one slot at a time, powers where the paper has powers. The
two constants below are the library's documented departures from eq. 6 and 9 (docs/decisions/0002-stable-addressing.md).
"""

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SQUARED_NORM_FLOOR = 1e-4
WEIGHT_FLOOR = 1e-12


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.log(1 + np.exp(x))


def softmax(x):
    return np.exp(x) / np.exp(x).sum()


def find(key, strength, gate, shifts, gamma, memory, previous):
    """Eq. 5-9: the weighting of one head."""
    slots, reach = len(memory), len(shifts) // 2
    content = np.zeros(slots)
    for i in range(slots):  # eq. 6, then the numerator of eq. 5
        product = sum(key[m] * memory[i][m] for m in range(len(key)))
        lengths = math.sqrt(key @ key + SQUARED_NORM_FLOOR) * math.sqrt(memory[i] @ memory[i] + SQUARED_NORM_FLOOR)
        content[i] = math.exp(strength * product / lengths)
    content /= content.sum()
    gated = [gate * content[i] + (1 - gate) * previous[i] for i in range(slots)]  # eq. 7
    shifted = [0.0] * slots
    for i in range(slots):  # eq. 8
        for j in range(slots):
            offset = (i - j + slots // 2) % slots - slots // 2  # how far i lies ahead of j on the ring
            if abs(offset) <= reach:
                shifted[i] += gated[j] * shifts[offset + reach]
    powers = [(weight + WEIGHT_FLOOR) ** gamma for weight in shifted]  # eq. 9
    return np.array(powers) / sum(powers)


def addressing(raw, width, num_shifts):
    """Cut the raw numbers of one head into the arguments of eq. 5-9."""
    key, rest = np.tanh(raw[:width]), raw[width:]
    return key, softplus(rest[0]), sigmoid(rest[1]), softmax(rest[2 : 2 + num_shifts]), 1 + softplus(rest[-1])


def control(parameters, num_layers, is_lstm, seen, state):
    """One step of the controller; the state is a list of (hidden, cell), one for each layer."""
    new_state = []
    for layer in range(num_layers):
        if not is_lstm:
            name = f"controller.layers.{layer}"
            seen = np.tanh(parameters[f"{name}.weight"] @ seen + parameters[f"{name}.bias"])
            continue
        hidden, cell = state[layer]
        name = f"controller.layers.{layer}.gates"
        gates = parameters[f"{name}.weight"] @ np.concatenate([seen, hidden]) + parameters[f"{name}.bias"]
        i, f, g, o = gates.reshape(4, -1)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
        seen = sigmoid(o) * np.tanh(cell)
        new_state.append((seen, cell))
    return seen, new_state


def run(parameters: dict[str, Array], config, inputs: Array) -> tuple[Array, Array, Array]:
    """Run one sequence from the constant, one-hot start.

    Returns logits ``[time outputs]``, the last memory ``[slots width]`` and all read weightings ``[time heads slots]``.
    """
    heads, slots, width, shifts = config.num_heads, config.slots, config.width, config.num_shifts
    memory = np.full((slots, width), 1e-6)
    read_weightings = [np.eye(slots)[0] for _ in range(heads)]
    write_weightings = [np.eye(slots)[0] for _ in range(heads)]
    reads = parameters["initial_read_vector"].reshape(-1)
    is_lstm = config.controller == "lstm"
    state = []
    if is_lstm:
        state = list(zip(parameters["controller.initial_hidden"], parameters["controller.initial_cell"], strict=True))
    all_logits, all_read_weightings = [], []
    for features in inputs:
        seen = np.concatenate([features, reads])
        hidden, state = control(parameters, config.num_layers, is_lstm, seen, state)
        raw = parameters["heads.weight"] @ hidden + parameters["heads.bias"]
        pairs = raw.reshape(heads, -1)
        one = width + 3 + shifts
        for h in range(heads):  # every write head looks at the memory of the step before
            write_weightings[h] = find(*addressing(pairs[h][one : 2 * one], width, shifts), memory, write_weightings[h])
        new_memory = memory.copy()
        for i in range(slots):
            for h in range(heads):  # eq. 3
                new_memory[i] *= 1 - write_weightings[h][i] * sigmoid(pairs[h][2 * one : 2 * one + width])
            for h in range(heads):  # eq. 4
                new_memory[i] += write_weightings[h][i] * np.tanh(pairs[h][2 * one + width :])
        memory = new_memory
        vectors = []
        for h in range(heads):
            read_weightings[h] = find(*addressing(pairs[h][:one], width, shifts), memory, read_weightings[h])
            vectors.append(sum(read_weightings[h][i] * memory[i] for i in range(slots)))  # eq. 2
        reads = np.concatenate(vectors)
        all_logits.append(parameters["output.weight"] @ np.concatenate([hidden, reads]) + parameters["output.bias"])
        all_read_weightings.append(np.array(read_weightings))
    return np.array(all_logits), memory, np.array(all_read_weightings)
