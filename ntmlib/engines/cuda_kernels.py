"""Triton code of the cuda engine: equations 2-9, forward and backward, one sequence a program.

A program runs a sequence from its first step to its last with the memory, ``[slots width]``, in registers; all else is
small and lies in the GPU's memory, which its caches hold. What is one matrix product over all steps (the input's share
of the controller, the outputs, the gradients of the parameters) is left to torch, in ``cuda.py``.

Heads are numbered with the write heads first: ``0 .. HEADS-1`` write, ``HEADS .. 2*HEADS-1`` read. Names in capitals
are known when the code is compiled; ``_P`` marks a size padded to a power of two, as Triton's arrays need it.

The backward pass is derived in ``docs/decisions/0005-fused-engine.md``. Threads of a program share what lies in the
GPU's memory, so between a store and a load of the same place there is always a barrier.
"""

import triton
import triton.language as tl

SQUARED_NORM_FLOOR = tl.constexpr(1e-4)  # as in ntmlib.machine.addressing; tests hold them equal
WEIGHT_FLOOR = tl.constexpr(1e-12)

# ---------------------------------------------------------------------------------------------------------
# Ranges of section 3.3, and their slopes as functions of the value after squashing.


@triton.jit
def _sigmoid(x):
    return 1.0 / (1.0 + tl.exp(-x))


@triton.jit
def _tanh(x):
    far = 1.0 - 2.0 / (tl.exp(2.0 * x) + 1.0)
    square = x * x  # near zero ``far`` would lose all digits
    curve = ((-5.70498872745e-3 * square + 2.06390887954e-2) * square - 5.37397155531e-2) * square + 1.33314422036e-1
    near = (curve * square - 3.33332819422e-1) * square * x + x
    # In float64 the polynomial is not good enough, but ``far`` is: it keeps 16 digits of 1.
    return tl.where(square < 0.390625, near, far) if x.dtype == tl.float32 else far


@triton.jit
def _softplus(x):
    """``log(1 + e^x)``; ``x`` itself above 20, as torch has it. What rounding takes from 1 + e is put back."""
    e = tl.exp(-tl.abs(x))
    u = 1.0 + e
    log1p = tl.where(u == 1.0, e, tl.log(u) * e / tl.where(u == 1.0, 1.0, u - 1.0))
    return tl.where(x > 20.0, x, tl.where(x > 0.0, x, 0.0) + log1p)


@triton.jit
def _softplus_slope(y):
    """Slope of ``_softplus`` where its value is ``y``: ``1 - e^-y``, for small ``y`` without losing digits."""
    u = tl.exp(-y)
    safe = (u == 1.0) | (y > 20.0)
    expm1 = (u - 1.0) * -y / tl.log(tl.where(safe, 0.5, u))
    return tl.where(y > 20.0, 1.0, tl.where(u == 1.0, y, -expm1))


@triton.jit
def _softmax(x, inside):
    """Softmax over the entries that are inside; 0 elsewhere."""
    e = tl.where(inside, tl.exp(x - tl.max(tl.where(inside, x, float("-inf")), 0)), 0.0)
    return e / tl.sum(e, 0)


@triton.jit
def _entry(vector, index, k):
    """Take one number out of a vector."""
    return tl.sum(tl.where(index == k, vector, 0.0), 0)


# ---------------------------------------------------------------------------------------------------------
# Products of a matrix ``[rows columns]`` and a vector.


@triton.jit
def _rows_dot(matrix, vector, first, ROWS: tl.constexpr, COLUMNS: tl.constexpr, ROWS_AT_ONCE: tl.constexpr,
              COLUMNS_P: tl.constexpr):  # fmt: skip
    """``matrix[first : first + ROWS_AT_ONCE] @ vector``."""
    r, k = first + tl.arange(0, ROWS_AT_ONCE), tl.arange(0, COLUMNS_P)
    inside = (r < ROWS)[:, None] & (k < COLUMNS)[None, :]
    values = tl.load(matrix + r[:, None] * COLUMNS + k[None, :], mask=inside, other=0.0)
    return tl.sum(values * tl.load(vector + k, mask=k < COLUMNS, other=0.0)[None, :], 1)


@triton.jit
def _columns_dot(matrix, vector, ROWS: tl.constexpr, COLUMNS: tl.constexpr, ROWS_AT_ONCE: tl.constexpr,
                 COLUMNS_P: tl.constexpr):  # fmt: skip
    """``vector @ matrix``."""
    k = tl.arange(0, COLUMNS_P)
    total = tl.zeros([ROWS_AT_ONCE, COLUMNS_P], matrix.dtype.element_ty)
    for first in range(0, ROWS, ROWS_AT_ONCE):
        r = first + tl.arange(0, ROWS_AT_ONCE)
        inside = (r < ROWS)[:, None] & (k < COLUMNS)[None, :]
        values = tl.load(matrix + r[:, None] * COLUMNS + k[None, :], mask=inside, other=0.0)
        total += values * tl.load(vector + r, mask=r < ROWS, other=0.0)[:, None]
    return tl.sum(total, 0)


# ---------------------------------------------------------------------------------------------------------
# Addressing (eq. 5-9) of one head.


@triton.jit
def _norms(memory):
    """Length of each slot's vector, floor included (eq. 6)."""
    return tl.sqrt(tl.sum(memory * memory, 1) + SQUARED_NORM_FLOOR)


@triton.jit
def _around(values, ring, s, DIRECTION: tl.constexpr, SLOTS: tl.constexpr, SHIFTS: tl.constexpr,
            SLOTS_P: tl.constexpr, SHIFTS_P: tl.constexpr):  # fmt: skip
    """Circular convolution (eq. 8), or with ``DIRECTION`` -1 its transpose; ``ring`` takes the values to be moved."""
    i, k = tl.arange(0, SLOTS_P), tl.arange(0, SHIFTS_P)
    tl.store(ring + i, values, mask=i < SLOTS)
    tl.debug_barrier()
    moved = tl.zeros([SLOTS_P], values.dtype)
    for n in tl.static_range(SHIFTS):
        moved += _entry(s, k, n) * tl.load(ring + (i - DIRECTION * (n - SHIFTS // 2) + SLOTS) % SLOTS)
    return tl.where(i < SLOTS, moved, 0.0)


@triton.jit
def _address(memory, norms, key, strength, gate, s, previous, ring, SLOTS: tl.constexpr, SHIFTS: tl.constexpr,
             SLOTS_P: tl.constexpr, SHIFTS_P: tl.constexpr):  # fmt: skip
    """Content, interpolation, shift (eq. 5-8); returns also what the way back needs."""
    i = tl.arange(0, SLOTS_P)
    scale = 1.0 / tl.sqrt(tl.sum(key * key, 0) + SQUARED_NORM_FLOOR)
    unit = key * scale
    similarity = tl.sum(memory * unit[None, :], 1) / norms  # eq. 6
    content = _softmax(strength * similarity, i < SLOTS)  # eq. 5
    gated = gate * content + (1.0 - gate) * previous  # eq. 7
    shifted = _around(gated, ring, s, 1, SLOTS, SHIFTS, SLOTS_P, SHIFTS_P)  # eq. 8
    return scale, unit, similarity, content, shifted


@triton.jit
def _told(told, WIDTH: tl.constexpr, SHIFTS: tl.constexpr, WIDTH_P: tl.constexpr, SHIFTS_P: tl.constexpr):
    """Load what a head was told: key, strength, gate, shift weighting, sharpening."""
    j, k = tl.arange(0, WIDTH_P), tl.arange(0, SHIFTS_P)
    key = tl.load(told + j, mask=j < WIDTH, other=0.0)
    s = tl.load(told + WIDTH + 2 + k, mask=k < SHIFTS, other=0.0)
    return key, tl.load(told + WIDTH), tl.load(told + WIDTH + 1), s, tl.load(told + WIDTH + 2 + SHIFTS)


@triton.jit
def _focus(memory, raw, told, previous, ring, SLOTS: tl.constexpr, WIDTH: tl.constexpr, SHIFTS: tl.constexpr,
           SLOTS_P: tl.constexpr, WIDTH_P: tl.constexpr, SHIFTS_P: tl.constexpr):  # fmt: skip
    """Squash what a head is told, keep it in ``told``, and find the head's weighting (eq. 5-9)."""
    j, k = tl.arange(0, WIDTH_P), tl.arange(0, SHIFTS_P)
    key, strength, gate, s, sharpening = _told(raw, WIDTH, SHIFTS, WIDTH_P, SHIFTS_P)
    key, strength, gate = _tanh(key), _softplus(strength), _sigmoid(gate)
    s, sharpening = _softmax(s, k < SHIFTS), 1.0 + _softplus(sharpening)
    tl.store(told + j, key, mask=j < WIDTH)
    tl.store(told + WIDTH, strength)
    tl.store(told + WIDTH + 1, gate)
    tl.store(told + WIDTH + 2 + k, s, mask=k < SHIFTS)
    tl.store(told + WIDTH + 2 + SHIFTS, sharpening)
    _, _, _, _, shifted = _address(
        memory, _norms(memory), key, strength, gate, s, previous, ring, SLOTS, SHIFTS, SLOTS_P, SHIFTS_P
    )
    return _softmax(sharpening * tl.log(shifted + WEIGHT_FLOOR), tl.arange(0, SLOTS_P) < SLOTS)  # eq. 9


@triton.jit
def _focus_back(memory, d_memory, told, d_raw, previous, final, d_final, ring, SLOTS: tl.constexpr,
                WIDTH: tl.constexpr, SHIFTS: tl.constexpr, SLOTS_P: tl.constexpr, WIDTH_P: tl.constexpr,
                SHIFTS_P: tl.constexpr):  # fmt: skip
    """Go back through a head's four stages.

    Takes the gradient of the final weighting; stores that of the raw numbers; returns that of the memory, added to
    what it was, and that of the previous weighting.
    """
    i, j, k = tl.arange(0, SLOTS_P), tl.arange(0, WIDTH_P), tl.arange(0, SHIFTS_P)
    key, strength, gate, s, sharpening = _told(told, WIDTH, SHIFTS, WIDTH_P, SHIFTS_P)
    norms = _norms(memory)
    scale, unit, similarity, content, shifted = _address(
        memory, norms, key, strength, gate, s, previous, ring, SLOTS, SHIFTS, SLOTS_P, SHIFTS_P
    )
    d = final * (d_final - tl.sum(final * d_final, 0))  # eq. 9
    level = shifted + WEIGHT_FLOOR
    d_sharpening = tl.sum(d * tl.log(level), 0)
    d_shifted = tl.where(i < SLOTS, d * sharpening / level, 0.0)

    d_s = tl.zeros([SHIFTS_P], memory.dtype)  # eq. 8; ``ring`` has the gated weighting from _address
    for n in tl.static_range(SHIFTS):
        slope = tl.sum(d_shifted * tl.load(ring + (i - (n - SHIFTS // 2) + SLOTS) % SLOTS), 0)
        d_s += tl.where(k == n, slope, 0.0)
    d_gated = _around(d_shifted, ring + SLOTS, s, -1, SLOTS, SHIFTS, SLOTS_P, SHIFTS_P)

    d_gate = tl.sum(d_gated * (content - previous), 0)  # eq. 7
    d = gate * content * (d_gated - tl.sum(content * d_gated, 0))  # eq. 5
    d_strength = tl.sum(d * similarity, 0)
    along = strength * d / norms  # eq. 6
    across = along * similarity / norms
    d_unit = tl.sum(along[:, None] * memory, 0)
    d_memory += along[:, None] * unit[None, :] - across[:, None] * memory
    d_key = scale * (d_unit - tl.sum(d_unit * unit, 0) * unit)

    tl.store(d_raw + j, d_key * (1.0 - key * key), mask=j < WIDTH)
    tl.store(d_raw + WIDTH, d_strength * _softplus_slope(strength))
    tl.store(d_raw + WIDTH + 1, d_gate * gate * (1.0 - gate))
    tl.store(d_raw + WIDTH + 2 + k, s * (d_s - tl.sum(s * d_s, 0)), mask=k < SHIFTS)
    tl.store(d_raw + WIDTH + 2 + SHIFTS, d_sharpening * _softplus_slope(sharpening - 1.0))
    return d_memory, (1.0 - gate) * d_gated


# ---------------------------------------------------------------------------------------------------------
# Writing (eq. 3, 4) with all heads.


@triton.jit
def _erased(memory, told, weightings, spared, HEADS: tl.constexpr, SLOTS: tl.constexpr,
            WIDTH: tl.constexpr, PAIR: tl.constexpr, SLOTS_P: tl.constexpr, WIDTH_P: tl.constexpr):  # fmt: skip
    """Erase with every head but the one that is spared (eq. 3)."""
    i, j = tl.arange(0, SLOTS_P), tl.arange(0, WIDTH_P)
    for h in range(HEADS):
        w = tl.load(weightings + h * SLOTS + i, mask=(i < SLOTS) & (h != spared), other=0.0)
        e = tl.load(told + h * PAIR + PAIR - 2 * WIDTH + j, mask=j < WIDTH, other=0.0)
        memory *= 1.0 - w[:, None] * e[None, :]
    return memory


@triton.jit
def _written(memory, told, weightings, HEADS: tl.constexpr, SLOTS: tl.constexpr, WIDTH: tl.constexpr,
             PAIR: tl.constexpr, SLOTS_P: tl.constexpr, WIDTH_P: tl.constexpr):  # fmt: skip
    """Erase with every head, then add with every head (eq. 3, 4)."""
    i, j = tl.arange(0, SLOTS_P), tl.arange(0, WIDTH_P)
    memory = _erased(memory, told, weightings, -1, HEADS, SLOTS, WIDTH, PAIR, SLOTS_P, WIDTH_P)
    for h in range(HEADS):
        w = tl.load(weightings + h * SLOTS + i, mask=i < SLOTS, other=0.0)
        a = tl.load(told + h * PAIR + PAIR - WIDTH + j, mask=j < WIDTH, other=0.0)
        memory += w[:, None] * a[None, :]
    return memory


@triton.jit
def _write_back(before, d_memory, told, d_raw, weightings, d_weightings, HEADS: tl.constexpr, SLOTS: tl.constexpr,
                WIDTH: tl.constexpr, PAIR: tl.constexpr, SLOTS_P: tl.constexpr, WIDTH_P: tl.constexpr):  # fmt: skip
    """Go back through the write: returns the gradient of the memory before it, adds to those of the weightings."""
    i, j = tl.arange(0, SLOTS_P), tl.arange(0, WIDTH_P)
    for h in range(HEADS):
        instructions = h * PAIR + PAIR - 2 * WIDTH
        w = tl.load(weightings + h * SLOTS + i, mask=i < SLOTS, other=0.0)
        e = tl.load(told + instructions + j, mask=j < WIDTH, other=0.0)
        a = tl.load(told + instructions + WIDTH + j, mask=j < WIDTH, other=0.0)
        through = d_memory * _erased(before, told, weightings, h, HEADS, SLOTS, WIDTH, PAIR, SLOTS_P, WIDTH_P)
        d_a = tl.sum(d_memory * w[:, None], 0)
        d_e = -tl.sum(through * w[:, None], 0)
        d_w = tl.load(d_weightings + h * SLOTS + i, mask=i < SLOTS, other=0.0)
        d_w += tl.sum(d_memory * a[None, :] - through * e[None, :], 1)
        tl.debug_barrier()
        tl.store(d_weightings + h * SLOTS + i, d_w, mask=i < SLOTS)
        tl.store(d_raw + instructions + j, d_e * e * (1.0 - e), mask=j < WIDTH)
        tl.store(d_raw + instructions + WIDTH + j, d_a * (1.0 - a * a), mask=j < WIDTH)
    return _erased(d_memory, told, weightings, -1, HEADS, SLOTS, WIDTH, PAIR, SLOTS_P, WIDTH_P)


# ---------------------------------------------------------------------------------------------------------
# Whole sequences.


@triton.jit(do_not_specialize=["time", "every", "per_machine"])
def forward(
    lengths, from_input, w_read, w_up, b_up, w_back, w_head, b_head,
    hidden, cells, gates, raw_gates, raw, told, kept, reads, memory, marks, ring, time, every, per_machine,
    LSTM: tl.constexpr, LAYERS: tl.constexpr, UNITS: tl.constexpr, HEADS: tl.constexpr, SLOTS: tl.constexpr,
    WIDTH: tl.constexpr, SHIFTS: tl.constexpr, UNITS_P: tl.constexpr, READS_P: tl.constexpr, SLOTS_P: tl.constexpr,
    WIDTH_P: tl.constexpr, SHIFTS_P: tl.constexpr, ROWS: tl.constexpr, KEEP: tl.constexpr,
):  # fmt: skip
    """Run one sequence, keeping what ``backward`` needs.

    ``marks`` are copies of the memory, one in ``every`` so many steps, from which ``backward`` replays the rest. Each
    ``per_machine`` sequences share the weights of one machine.
    """
    b = tl.program_id(0).to(tl.int64)
    machine = b // per_machine
    GATES: tl.constexpr = 4 * UNITS if LSTM else UNITS
    READS: tl.constexpr = HEADS * WIDTH
    ADDRESSING: tl.constexpr = WIDTH + 3 + SHIFTS
    PAIR: tl.constexpr = 2 * ADDRESSING + 2 * WIDTH
    TOLD: tl.constexpr = HEADS * PAIR
    i, j, u = tl.arange(0, SLOTS_P), tl.arange(0, WIDTH_P), tl.arange(0, UNITS_P)
    tile = i[:, None] * WIDTH + j[None, :]
    inside = (i < SLOTS)[:, None] & (j < WIDTH)[None, :]
    sequences = tl.num_programs(0).to(tl.int64)

    m = tl.load(memory + b * SLOTS * WIDTH + tile, mask=inside, other=0.0)
    raw, raw_gates, ring = raw + b * TOLD, raw_gates + b * GATES, ring + b * 2 * SLOTS
    for t in range(tl.load(lengths + b)):
        here, there = b * time + t, b * (time + 1) + t  # this step in arrays of steps, and in those of states
        for layer in tl.static_range(LAYERS):  # the controller
            states = (layer * sequences * (time + 1) + there) * UNITS
            squashed = (layer * sequences * time + here) * GATES
            for first in range(0, GATES, ROWS):
                r = first + tl.arange(0, ROWS)
                if layer == 0:
                    x = tl.load(from_input + here * GATES + r, mask=r < GATES, other=0.0)
                    x += _rows_dot(
                        w_read + machine * GATES * READS, reads + there * READS, first, GATES, READS, ROWS, READS_P
                    )
                else:
                    above = machine * (LAYERS - 1) + layer - 1
                    x = tl.load(b_up + above * GATES + r, mask=r < GATES, other=0.0)
                    below = hidden + ((layer - 1) * sequences * (time + 1) + there + 1) * UNITS
                    x += _rows_dot(w_up + above * GATES * UNITS, below, first, GATES, UNITS, ROWS, UNITS_P)
                if LSTM:
                    x += _rows_dot(
                        w_back + (machine * LAYERS + layer) * GATES * UNITS, hidden + states,
                        first, GATES, UNITS, ROWS, UNITS_P,
                    )  # fmt: skip
                    tl.store(raw_gates + r, x, mask=r < GATES)
                else:
                    tl.store(hidden + states + UNITS + r, _tanh(x), mask=r < GATES)
            tl.debug_barrier()
            if LSTM:
                real = u < UNITS
                input_gate = _sigmoid(tl.load(raw_gates + u, mask=real, other=0.0))
                forget = _sigmoid(tl.load(raw_gates + UNITS + u, mask=real, other=0.0))
                candidate = _tanh(tl.load(raw_gates + 2 * UNITS + u, mask=real, other=0.0))
                output_gate = _sigmoid(tl.load(raw_gates + 3 * UNITS + u, mask=real, other=0.0))
                cell = forget * tl.load(cells + states + u, mask=real, other=0.0) + input_gate * candidate
                tl.store(gates + squashed + u, input_gate, mask=real)
                tl.store(gates + squashed + UNITS + u, forget, mask=real)
                tl.store(gates + squashed + 2 * UNITS + u, candidate, mask=real)
                tl.store(gates + squashed + 3 * UNITS + u, output_gate, mask=real)
                tl.store(cells + states + UNITS + u, cell, mask=real)
                tl.store(hidden + states + UNITS + u, output_gate * _tanh(cell), mask=real)
                tl.debug_barrier()

        top = hidden + ((LAYERS - 1) * sequences * (time + 1) + there + 1) * UNITS
        for first in range(0, TOLD, ROWS):  # what it tells the heads
            r = first + tl.arange(0, ROWS)
            x = tl.load(b_head + machine * TOLD + r, mask=r < TOLD, other=0.0)
            x += _rows_dot(w_head + machine * TOLD * UNITS, top, first, TOLD, UNITS, ROWS, UNITS_P)
            tl.store(raw + r, x, mask=r < TOLD)
        tl.debug_barrier()

        if KEEP:  # noqa: SIM102  # this is decided when the code is compiled
            if t % every == 0:
                mark = b * tl.cdiv(time, every) + t // every
                tl.store(marks + mark * SLOTS * WIDTH + tile, m, mask=inside)
        now, before = kept + (there + 1) * 2 * HEADS * SLOTS, kept + there * 2 * HEADS * SLOTS
        says = told + here * TOLD
        for h in range(HEADS):  # write heads, on the memory as it was
            previous = tl.load(before + h * SLOTS + i, mask=i < SLOTS, other=0.0)
            w = _focus(
                m, raw + h * PAIR + ADDRESSING, says + h * PAIR + ADDRESSING, previous, ring,
                SLOTS, WIDTH, SHIFTS, SLOTS_P, WIDTH_P, SHIFTS_P,
            )  # fmt: skip
            tl.store(now + h * SLOTS + i, w, mask=i < SLOTS)
            start = h * PAIR + 2 * ADDRESSING
            e = _sigmoid(tl.load(raw + start + j, mask=j < WIDTH, other=0.0))
            a = _tanh(tl.load(raw + start + WIDTH + j, mask=j < WIDTH, other=0.0))
            tl.store(says + start + j, e, mask=j < WIDTH)
            tl.store(says + start + WIDTH + j, a, mask=j < WIDTH)
            tl.debug_barrier()
        m = _written(m, says, now, HEADS, SLOTS, WIDTH, PAIR, SLOTS_P, WIDTH_P)
        for h in range(HEADS):  # read heads, on what the write left
            previous = tl.load(before + (HEADS + h) * SLOTS + i, mask=i < SLOTS, other=0.0)
            w = _focus(
                m, raw + h * PAIR, says + h * PAIR, previous, ring, SLOTS, WIDTH, SHIFTS, SLOTS_P, WIDTH_P, SHIFTS_P
            )
            tl.store(now + (HEADS + h) * SLOTS + i, w, mask=i < SLOTS)
            read = tl.sum(w[:, None] * m, 0)  # eq. 2
            tl.store(reads + (there + 1) * READS + h * WIDTH + j, read, mask=j < WIDTH)
            tl.debug_barrier()
    tl.store(memory + b * SLOTS * WIDTH + tile, m, mask=inside)


@triton.jit(do_not_specialize=["time", "every", "per_machine"])
def backward(
    lengths, w_read, w_up, w_back, w_head, cells, gates, hidden, told, kept, marks,
    d_top, d_reads_out, d_hidden, d_cells, d_reads, d_weightings, d_memory, d_raw, d_gates, replay, ring,
    time, every, per_machine,
    LSTM: tl.constexpr, LAYERS: tl.constexpr, UNITS: tl.constexpr, HEADS: tl.constexpr, SLOTS: tl.constexpr,
    WIDTH: tl.constexpr, SHIFTS: tl.constexpr, UNITS_P: tl.constexpr, READS_P: tl.constexpr, SLOTS_P: tl.constexpr,
    WIDTH_P: tl.constexpr, SHIFTS_P: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Go back through one sequence.

    ``d_top`` and ``d_reads_out`` are what the outputs ask of each step's hidden units and read vectors. ``d_hidden``,
    ``d_cells``, ``d_reads``, ``d_weightings`` and ``d_memory`` come as the gradients of the state after the last step
    and leave as those of the state before the first. ``d_raw`` and ``d_gates`` become those of the numbers before
    squashing, at every step. ``replay`` takes the memories of one segment.
    """
    b = tl.program_id(0).to(tl.int64)
    machine = b // per_machine
    GATES: tl.constexpr = 4 * UNITS if LSTM else UNITS
    READS: tl.constexpr = HEADS * WIDTH
    ADDRESSING: tl.constexpr = WIDTH + 3 + SHIFTS
    PAIR: tl.constexpr = 2 * ADDRESSING + 2 * WIDTH
    TOLD: tl.constexpr = HEADS * PAIR
    i, j, u, v = tl.arange(0, SLOTS_P), tl.arange(0, WIDTH_P), tl.arange(0, UNITS_P), tl.arange(0, READS_P)
    tile = i[:, None] * WIDTH + j[None, :]
    inside = (i < SLOTS)[:, None] & (j < WIDTH)[None, :]
    real = u < UNITS
    sequences = tl.num_programs(0).to(tl.int64)

    d_m = tl.load(d_memory + b * SLOTS * WIDTH + tile, mask=inside, other=0.0)
    ring, replay = ring + b * 2 * SLOTS, replay + b * every * SLOTS * WIDTH
    d_hidden, d_cells = d_hidden + b * LAYERS * UNITS, d_cells + b * LAYERS * UNITS
    d_reads, d_weightings = d_reads + b * READS, d_weightings + b * 2 * HEADS * SLOTS
    length = tl.load(lengths + b)
    for back in range(tl.cdiv(length, every)):
        segment = tl.cdiv(length, every) - 1 - back
        begin = segment * every
        end = tl.minimum(begin + every, length)
        mark = b * tl.cdiv(time, every) + segment
        m = tl.load(marks + mark * SLOTS * WIDTH + tile, mask=inside, other=0.0)
        for t in range(begin, end):  # write once more, from the mark on
            tl.store(replay + (t - begin) * SLOTS * WIDTH + tile, m, mask=inside)
            says, now = told + (b * time + t) * TOLD, kept + (b * (time + 1) + t + 1) * 2 * HEADS * SLOTS
            m = _written(m, says, now, HEADS, SLOTS, WIDTH, PAIR, SLOTS_P, WIDTH_P)
        tl.debug_barrier()
        for ago in range(end - begin):
            t = end - 1 - ago
            here, there = b * time + t, b * (time + 1) + t
            now, before = kept + (there + 1) * 2 * HEADS * SLOTS, kept + there * 2 * HEADS * SLOTS
            says, d_says = told + here * TOLD, d_raw + here * TOLD
            old = tl.load(replay + (t - begin) * SLOTS * WIDTH + tile, mask=inside, other=0.0)
            new = _written(old, says, now, HEADS, SLOTS, WIDTH, PAIR, SLOTS_P, WIDTH_P)

            for h in range(HEADS):  # read heads
                w = tl.load(now + (HEADS + h) * SLOTS + i, mask=i < SLOTS, other=0.0)
                previous = tl.load(before + (HEADS + h) * SLOTS + i, mask=i < SLOTS, other=0.0)
                d_read = tl.load(d_reads + h * WIDTH + j, mask=j < WIDTH, other=0.0)
                d_read += tl.load(d_reads_out + here * READS + h * WIDTH + j, mask=j < WIDTH, other=0.0)
                d_w = tl.load(d_weightings + (HEADS + h) * SLOTS + i, mask=i < SLOTS, other=0.0)
                d_w += tl.sum(new * d_read[None, :], 1)  # eq. 2
                d_m += w[:, None] * d_read[None, :]
                d_m, d_previous = _focus_back(
                    new, d_m, says + h * PAIR, d_says + h * PAIR, previous, w, d_w, ring,
                    SLOTS, WIDTH, SHIFTS, SLOTS_P, WIDTH_P, SHIFTS_P,
                )  # fmt: skip
                tl.debug_barrier()
                tl.store(d_weightings + (HEADS + h) * SLOTS + i, d_previous, mask=i < SLOTS)

            d_m = _write_back(
                old, d_m, says, d_says, now, d_weightings, HEADS, SLOTS, WIDTH, PAIR, SLOTS_P, WIDTH_P
            )  # fmt: skip
            tl.debug_barrier()
            for h in range(HEADS):  # write heads
                w = tl.load(now + h * SLOTS + i, mask=i < SLOTS, other=0.0)
                previous = tl.load(before + h * SLOTS + i, mask=i < SLOTS, other=0.0)
                d_w = tl.load(d_weightings + h * SLOTS + i, mask=i < SLOTS, other=0.0)
                d_m, d_previous = _focus_back(
                    old, d_m, says + h * PAIR + ADDRESSING, d_says + h * PAIR + ADDRESSING, previous, w, d_w, ring,
                    SLOTS, WIDTH, SHIFTS, SLOTS_P, WIDTH_P, SHIFTS_P,
                )  # fmt: skip
                tl.debug_barrier()
                tl.store(d_weightings + h * SLOTS + i, d_previous, mask=i < SLOTS)
            tl.debug_barrier()

            d_h = tl.load(d_top + here * UNITS + u, mask=real, other=0.0)  # the controller, from its top
            d_h += _columns_dot(w_head + machine * TOLD * UNITS, d_says, TOLD, UNITS, ROWS, UNITS_P)
            for layer in tl.static_range(LAYERS - 1, -1, -1):
                states = (layer * sequences * (time + 1) + there) * UNITS
                squashed = (layer * sequences * time + here) * GATES
                d_pre = d_gates + squashed
                d_h += tl.load(d_hidden + layer * UNITS + u, mask=real, other=0.0)
                if LSTM:
                    input_gate = tl.load(gates + squashed + u, mask=real, other=0.0)
                    forget = tl.load(gates + squashed + UNITS + u, mask=real, other=0.0)
                    candidate = tl.load(gates + squashed + 2 * UNITS + u, mask=real, other=0.0)
                    output_gate = tl.load(gates + squashed + 3 * UNITS + u, mask=real, other=0.0)
                    cell = tl.load(cells + states + u, mask=real, other=0.0)
                    out = _tanh(tl.load(cells + states + UNITS + u, mask=real, other=0.0))
                    d_cell = tl.load(d_cells + layer * UNITS + u, mask=real, other=0.0)
                    d_cell += d_h * output_gate * (1.0 - out * out)
                    d_output = d_h * out * output_gate * (1.0 - output_gate)
                    tl.store(d_pre + u, d_cell * candidate * input_gate * (1.0 - input_gate), mask=real)
                    tl.store(d_pre + UNITS + u, d_cell * cell * forget * (1.0 - forget), mask=real)
                    tl.store(d_pre + 2 * UNITS + u, d_cell * input_gate * (1.0 - candidate * candidate), mask=real)
                    tl.store(d_pre + 3 * UNITS + u, d_output, mask=real)
                    tl.debug_barrier()
                    tl.store(d_cells + layer * UNITS + u, d_cell * forget, mask=real)
                    back_in_time = w_back + (machine * LAYERS + layer) * GATES * UNITS
                    d_h = _columns_dot(back_in_time, d_pre, GATES, UNITS, ROWS, UNITS_P)
                    tl.store(d_hidden + layer * UNITS + u, d_h, mask=real)
                else:
                    out = tl.load(hidden + states + UNITS + u, mask=real, other=0.0)
                    tl.store(d_pre + u, d_h * (1.0 - out * out), mask=real)
                    tl.debug_barrier()
                    tl.store(d_hidden + layer * UNITS + u, tl.zeros([UNITS_P], d_h.dtype), mask=real)
                if layer > 0:
                    up = w_up + (machine * (LAYERS - 1) + layer - 1) * GATES * UNITS
                    d_h = _columns_dot(up, d_pre, GATES, UNITS, ROWS, UNITS_P)
                else:
                    d_read = _columns_dot(w_read + machine * GATES * READS, d_pre, GATES, READS, ROWS, READS_P)
                    tl.store(d_reads + v, d_read, mask=v < READS)
            tl.debug_barrier()
    tl.store(d_memory + b * SLOTS * WIDTH + tile, d_m, mask=inside)
