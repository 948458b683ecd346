"""Compiled code of the fused engine: equations 2-9, forward and backward, over blocks of sequences.

How arrays lie in memory, here and in ``fused.py``: the memory is transposed, ``[width slots]``, so that
every inner loop runs over contiguous slots. ``wide`` axes are contiguous hidden units. Products with a matrix
use its rows, so a matrix comes as ``[inputs outputs]`` going forward and ``[outputs inputs]`` going back.

Heads are numbered with the write heads first: ``0 .. heads-1`` write, ``heads .. 2*heads-1`` read. For each of
them and each step four rows over the slots are kept: similarity, content, shifted and final weighting.

The derivation of the backward pass is in ``docs/decisions/0005-fused-engine.md``. Numba promotes ``float32``
mixed with a plain number to ``float64``; hence ``one``, ``floor`` and the like, which have the array's own type.
"""

import math
from functools import partial

import numpy as np
from numba import types
from numba.extending import overload

from ntmlib.engines.compilation import compiled as _compiled
from ntmlib.engines.compilation import use_widest_vectors
from ntmlib.engines.products import add_outer, add_product, add_products, add_rows

SQUARED_NORM_FLOOR = 1e-4  # as in ntmlib.machine.addressing; tests hold them equal
WEIGHT_FLOOR = 1e-12

SIMILARITY, CONTENT, SHIFTED, FINAL = 0, 1, 2, 3  # rows kept for each head and step

# ---------------------------------------------------------------------------------------------------------
# exp, log and tanh that vectorise. float32: polynomials after range reduction; tests/test_kernels.py holds them to
# within 5 units in the last place of the true value. float64, which is for proofs rather than for speed: the C
# library's. A NaN stays one in all three.


def exp(x):  # noqa: D103
    return math.exp(x)


@overload(exp)
def _exp(x):
    """Exponential; in float32 kept between the smallest and the largest normal number."""
    if x != types.float32:
        return lambda x: math.exp(x)
    log2_e, high, low = np.float32(1.44269504), np.float32(0.693359375), np.float32(-2.12194440e-4)
    top, bottom, half, one = (np.float32(v) for v in (127.0, -126.0, 0.5, 1.0))
    c2, c3, c4, c5, c6, c7 = (
        np.float32(v)
        for v in (5.0000001201e-1, 1.6666665459e-1, 4.1665795894e-2, 8.3334519073e-3, 1.3981999507e-3, 1.9875691500e-4)
    )
    bias, shift = np.int32(127), np.int32(23)

    def fast(x):
        power = np.floor(min(max(x * log2_e, bottom), top) + half)
        rest = min(max(x, np.float32(-87.33654)), np.float32(88.37626)) - power * high - power * low
        curve = (((((c7 * rest + c6) * rest + c5) * rest + c4) * rest + c3) * rest + c2) * rest * rest + rest + one
        scale = np.int32((np.int32(power) + bias) << shift).view(np.float32)
        return curve * scale if x == x else x

    return fast


def log(x):  # noqa: D103
    return math.log(x)


@overload(log)
def _log(x):
    """Natural logarithm of a positive, normal number; NaN for a negative one."""
    if x != types.float32:
        return lambda x: math.log(x)
    mantissa, half_exponent, shift, bias = np.int32(0x007FFFFF), np.int32(0x3F000000), np.int32(23), np.int32(126)
    root, one, half, zero, nan = (np.float32(v) for v in (0.70710678, 1.0, 0.5, 0.0, math.nan))
    high, low = np.float32(0.693359375), np.float32(-2.12194440e-4)
    c0, c1, c2, c3, c4, c5, c6, c7, c8 = (
        np.float32(v)
        for v in (
            7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
            -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
        )
    )  # fmt: skip

    def fast(x):
        bits = np.float32(x).view(np.int32)
        power = np.float32((bits >> shift) - bias)
        m = np.int32((bits & mantissa) | half_exponent).view(np.float32)  # in [0.5, 1)
        small = m < root
        power = power - one if small else power
        m = m + m - one if small else m - one
        square = m * m
        curve = c0 * m + c1
        curve = ((((((curve * m + c2) * m + c3) * m + c4) * m + c5) * m + c6) * m + c7) * m + c8
        found = m + (curve * m * square - half * square + power * low) + power * high
        return found + x * zero if x >= zero else nan  # x * zero: infinity becomes a NaN rather than a plain number

    return fast


def tanh(x):  # noqa: D103
    return math.tanh(x)


@overload(tanh, inline="always")
def _tanh(x):
    if x != types.float32:
        return lambda x: math.tanh(x)
    one, two, near = np.float32(1), np.float32(2), np.float32(0.625 * 0.625)
    c3, c5, c7, c9, c11 = (
        np.float32(v)
        for v in (-3.33332819422e-1, 1.33314422036e-1, -5.37397155531e-2, 2.06390887954e-2, -5.70498872745e-3)
    )

    def fast(x):
        square = x * x
        far = one - two / (exp(two * x) + one)  # near zero this would lose all digits
        curve = (((c11 * square + c9) * square + c7) * square + c5) * square + c3
        return curve * square * x + x if square < near else far

    return fast


@_compiled
def copy(values, out):
    """``out = values``; a slice assignment would make room for values that overlap."""
    use_widest_vectors()
    for i in range(out.shape[0]):
        out[i] = values[i]


@partial(_compiled, relaxed=frozenset({"nnan"}))
def largest_of(values):
    """Return the largest value. A NaN may be passed over: the sum taken right afterwards has it."""
    size = values.shape[0]
    full = size - size % 8
    a = b = c = d = e = f = g = h = values[0]
    for i in range(0, full, 8):  # eight at a time, because each comparison would wait for the one before
        a, b, c, d = max(a, values[i]), max(b, values[i + 1]), max(c, values[i + 2]), max(d, values[i + 3])
        e, f, g, h = max(e, values[i + 4]), max(f, values[i + 5]), max(g, values[i + 6]), max(h, values[i + 7])
    for i in range(full, size):
        a = max(a, values[i])
    return max(max(max(a, b), max(c, d)), max(max(e, f), max(g, h)))


@_compiled
def squash(values, kind):
    """Apply tanh (kind 0) or the logistic function (kind 1) in place."""
    use_widest_vectors()
    one = values.dtype.type(1)
    if kind == 0:
        for i in range(values.shape[0]):
            values[i] = tanh(values[i])
    else:
        for i in range(values.shape[0]):
            values[i] = one / (one + exp(-values[i]))


@_compiled
def softplus(x):
    """``log(1 + e^x)``; ``x`` itself above 20, as torch has it."""
    return x if x > 20.0 else max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@_compiled
def softplus_slope(y):
    """Slope of ``softplus`` where its value is ``y``."""
    return 1.0 if y > 20.0 else -math.expm1(-y)


# ---------------------------------------------------------------------------------------------------------
# What the heads are told (section 3.3): raw numbers to ranges and back, in place. One pair of heads.


@_compiled
def _squash_addressing(raw, width, shifts):
    one = raw.dtype.type(1)
    squash(raw[:width], 0)  # key
    raw[width] = softplus(raw[width])  # key strength
    squash(raw[width + 1 : width + 2], 1)  # gate
    s = raw[width + 2 : width + 2 + shifts]
    largest = largest_of(s)
    total = raw.dtype.type(0)
    for i in range(shifts):
        s[i] = math.exp(s[i] - largest)
        total += s[i]
    for i in range(shifts):
        s[i] /= total
    raw[width + 2 + shifts] = one + softplus(raw[width + 2 + shifts])  # sharpening


@_compiled
def squash_pair(raw, width, shifts):
    """Bring the raw numbers of a read and a write head into their ranges (``HeadLayout.instructions``)."""
    size = width + 3 + shifts
    _squash_addressing(raw[:size], width, shifts)
    _squash_addressing(raw[size : 2 * size], width, shifts)
    squash(raw[2 * size : 2 * size + width], 1)  # erase
    squash(raw[2 * size + width :], 0)  # add


@_compiled
def _unsquash_addressing(told, d, width, shifts):
    one, zero = told.dtype.type(1), told.dtype.type(0)
    for j in range(width):
        d[j] *= one - told[j] * told[j]
    d[width] *= softplus_slope(told[width])
    d[width + 1] *= told[width + 1] * (one - told[width + 1])
    mean = zero
    for i in range(width + 2, width + 2 + shifts):
        mean += told[i] * d[i]
    for i in range(width + 2, width + 2 + shifts):
        d[i] = told[i] * (d[i] - mean)
    last = width + 2 + shifts
    d[last] *= softplus_slope(told[last] - one)


@_compiled
def unsquash_pair(told, d, width, shifts):
    """Turn the gradient of the instructions into that of the raw numbers."""
    one, size = told.dtype.type(1), width + 3 + shifts
    _unsquash_addressing(told[:size], d[:size], width, shifts)
    _unsquash_addressing(told[size : 2 * size], d[size : 2 * size], width, shifts)
    for j in range(2 * size, 2 * size + width):
        d[j] *= told[j] * (one - told[j])
        d[j + width] *= one - told[j + width] * told[j + width]


# ---------------------------------------------------------------------------------------------------------
# Addressing (eq. 5-9) of one head.


@_compiled
def unit_key(key, unit):
    """Scale a key to length one (eq. 6); return the factor."""
    one, total = key.dtype.type(1), key.dtype.type(SQUARED_NORM_FLOOR)
    for j in range(key.shape[0]):
        total += key[j] * key[j]
    scale = one / math.sqrt(total)
    for j in range(key.shape[0]):
        unit[j] = key[j] * scale
    return scale


@_compiled
def _shift(padded, shift_weighting, out):
    """Circular convolution (eq. 8); ``padded`` has the ring continued on both sides."""
    use_widest_vectors()
    shifts = shift_weighting.shape[0]
    if shifts == 3:  # the usual case, in one pass
        back, stay, forth = shift_weighting[0], shift_weighting[1], shift_weighting[2]
        before, after = padded[1:], padded[2:]
        for i in range(out.shape[0]):
            out[i] = back * after[i] + stay * before[i] + forth * padded[i]
        return
    out[:] = out.dtype.type(0)
    for k in range(shifts):
        share, moved = shift_weighting[k], padded[shifts - 1 - k :]
        for i in range(out.shape[0]):
            out[i] += share * moved[i]


@_compiled
def _pad(values, padded, reach):
    """Continue a ring of slots on both sides."""
    use_widest_vectors()
    slots = values.shape[0]
    middle = padded[reach:]
    for i in range(slots):
        middle[i] = values[i]
    for i in range(reach):
        padded[i] = values[slots - reach + i]
        padded[reach + slots + i] = values[i]


@_compiled
def focus(told, width, shifts, memory, inverse_norm, previous, kept, unit, gated, padded):
    """Find a head's weighting: content, interpolation, shift, sharpening (eq. 5-9)."""
    use_widest_vectors()
    zero, one, floor = memory.dtype.type(0), memory.dtype.type(1), memory.dtype.type(WEIGHT_FLOOR)
    slots = memory.shape[1]
    strength, gate, sharpening = told[width], told[width + 1], told[width + 2 + shifts]
    similarity, content, shifted, final = kept[SIMILARITY], kept[CONTENT], kept[SHIFTED], kept[FINAL]

    unit_key(told[:width], unit)
    similarity[:] = zero
    add_product(unit, memory, similarity)
    for i in range(slots):
        similarity[i] *= inverse_norm[i]  # eq. 6
    largest, total = largest_of(similarity), zero
    for i in range(slots):
        content[i] = exp(strength * (similarity[i] - largest))
        total += content[i]
    share, rest = one / total, one - gate
    for i in range(slots):
        content[i] *= share  # eq. 5
        gated[i] = gate * content[i] + rest * previous[i]  # eq. 7
    _pad(gated, padded, shifts // 2)
    _shift(padded, told[width + 2 : width + 2 + shifts], shifted)  # eq. 8
    for i in range(slots):
        final[i] = log(shifted[i] + floor)
    largest, total = largest_of(final), zero
    for i in range(slots):
        final[i] = exp(sharpening * (final[i] - largest))
        total += final[i]
    share = one / total
    for i in range(slots):
        final[i] *= share  # eq. 9


@_compiled
def focus_back(told, d_told, width, shifts, memory, inverse_norm, previous, kept, d_final, d_previous, d_memory, room):
    """Go back through a head's four stages.

    Takes the gradient of the final weighting; adds to the gradients of the instructions and of the memory, and
    overwrites that of the previous weighting.
    """
    use_widest_vectors()
    zero, one, floor = memory.dtype.type(0), memory.dtype.type(1), memory.dtype.type(WEIGHT_FLOOR)
    slots, reach = memory.shape[1], shifts // 2
    strength, gate, sharpening = told[width], told[width + 1], told[width + 2 + shifts]
    similarity, content, shifted, final = kept[SIMILARITY], kept[CONTENT], kept[SHIFTED], kept[FINAL]
    d_shifted, d_gated, along, across = room[0, :slots], room[1, :slots], room[2, :slots], room[3, :slots]
    padded = room[4, : slots + 2 * reach]

    mean = zero  # eq. 9: a softmax of sharpening * log(shifted)
    for i in range(slots):
        mean += final[i] * d_final[i]
    slope = zero
    for i in range(slots):
        d = final[i] * (d_final[i] - mean)
        level = shifted[i] + floor
        slope += d * log(level)
        d_shifted[i] = d * sharpening / level
    d_told[width + 2 + shifts] += slope

    rest = one - gate  # eq. 8
    for i in range(slots):
        d_gated[i] = gate * content[i] + rest * previous[i]  # the gated weighting once more, before its gradient
    _pad(d_gated, padded, reach)
    for k in range(shifts):
        moved, slope = padded[shifts - 1 - k :], zero
        for i in range(slots):
            slope += moved[i] * d_shifted[i]
        d_told[width + 2 + k] += slope
    _pad(d_shifted, padded, reach)
    d_gated[:] = zero
    for k in range(shifts):
        share, moved = told[width + 2 + k], padded[k:]
        for i in range(slots):
            d_gated[i] += share * moved[i]

    slope, mean = zero, zero  # eq. 7, and the mean that the softmax of eq. 5 asks for
    for i in range(slots):
        slope += d_gated[i] * (content[i] - previous[i])
        mean += content[i] * d_gated[i]
        d_previous[i] = rest * d_gated[i]
    d_told[width + 1] += slope

    slope = zero  # eq. 5 and 6
    for i in range(slots):
        d = gate * content[i] * (d_gated[i] - mean)
        slope += d * similarity[i]
        along[i] = strength * d * inverse_norm[i]
        across[i] = along[i] * similarity[i] * inverse_norm[i]
    d_told[width] += slope
    unit, d_unit = room[5, :width], room[6, :width]
    scale = unit_key(told[:width], unit)
    inner = zero
    for j in range(width):
        row, d_row, u, slope = memory[j], d_memory[j], unit[j], zero
        for i in range(slots):
            slope += along[i] * row[i]
            d_row[i] += u * along[i] - across[i] * row[i]
        d_unit[j] = slope
        inner += slope * u
    for j in range(width):
        d_told[j] += scale * (d_unit[j] - inner * unit[j])


# ---------------------------------------------------------------------------------------------------------
# Reading and writing (eq. 2-4) with all heads.


@_compiled
def inverse_norms(memory, out):
    """One over the length of each slot's vector, floor included (eq. 6)."""
    use_widest_vectors()
    one = memory.dtype.type(1)
    out[:] = memory.dtype.type(SQUARED_NORM_FLOOR)
    for j in range(memory.shape[0]):
        row = memory[j]
        for i in range(row.shape[0]):
            out[i] += row[i] * row[i]
    for i in range(out.shape[0]):
        out[i] = one / math.sqrt(out[i])


@_compiled
def write(memory, told, kept, heads, width, shifts):
    """Erase with every head, then add with every head (eq. 3, 4), in place."""
    use_widest_vectors()
    one = memory.dtype.type(1)
    pair, start = 2 * (width + 3 + shifts) + 2 * width, 2 * (width + 3 + shifts)
    slots = memory.shape[1]
    for j in range(width):
        row = memory[j]
        if heads == 1:
            e, a, w = told[start + j], told[start + width + j], kept[0, FINAL]
            for i in range(slots):
                row[i] = row[i] * (one - w[i] * e) + w[i] * a
            continue
        for h in range(heads):
            e, w = told[h * pair + start + j], kept[h, FINAL]
            for i in range(slots):
                row[i] *= one - w[i] * e
        for h in range(heads):
            a, w = told[h * pair + start + width + j], kept[h, FINAL]
            for i in range(slots):
                row[i] += w[i] * a


@_compiled
def write_back(before, d_memory, told, d_told, kept, d_weighting, heads, width, shifts, room):
    """Go back through the write: ``d_memory`` turns from the gradient after it into that before it."""
    use_widest_vectors()
    zero, one = before.dtype.type(0), before.dtype.type(1)
    pair, start = 2 * (width + 3 + shifts) + 2 * width, 2 * (width + 3 + shifts)
    slots = before.shape[1]
    for j in range(width):
        old, d_row = before[j], d_memory[j]
        if heads == 1:
            e, a, w, d_w = told[start + j], told[start + width + j], kept[0, FINAL], d_weighting[0]
            d_e, d_a = zero, zero
            for i in range(slots):
                through = d_row[i] * old[i]
                d_a += d_row[i] * w[i]
                d_e -= through * w[i]
                d_w[i] += d_row[i] * a - through * e
                d_row[i] *= one - w[i] * e
            d_told[start + j] += d_e
            d_told[start + width + j] += d_a
            continue
        for h in range(heads):
            d_a, a, w, d_w = zero, told[h * pair + start + width + j], kept[h, FINAL], d_weighting[h]
            for i in range(slots):
                d_a += d_row[i] * w[i]
                d_w[i] += d_row[i] * a
            d_told[h * pair + start + width + j] += d_a
        product = room[0, :slots]
        for h in range(heads):  # the erase of this head, times what all the others left
            product[:] = one
            for g in range(heads):
                if g != h:
                    e, w = told[g * pair + start + j], kept[g, FINAL]
                    for i in range(slots):
                        product[i] *= one - w[i] * e
            d_e, e, w, d_w = zero, told[h * pair + start + j], kept[h, FINAL], d_weighting[h]
            for i in range(slots):
                through = d_row[i] * old[i] * product[i]
                d_e -= through * w[i]
                d_w[i] -= through * e
            d_told[h * pair + start + j] += d_e
        for h in range(heads):
            e, w = told[h * pair + start + j], kept[h, FINAL]
            for i in range(slots):
                d_row[i] *= one - w[i] * e


@_compiled
def add_dots(rows, vector, out):
    """``out += rows @ vector``; with the memory and a weighting, this is reading (eq. 2)."""
    use_widest_vectors()
    for j in range(rows.shape[0]):
        row, total = rows[j], rows.dtype.type(0)
        for i in range(row.shape[0]):
            total += row[i] * vector[i]
        out[j] += total


# ---------------------------------------------------------------------------------------------------------
# Steps ``begin`` to ``end`` of a block of sequences, side by side. Sequences come longest first. What is kept of
# step ``t`` stands at ``k = t - begin``; the state before the window stands at 0, where there is one.


@_compiled
def forward(
    begin, end, lstm, heads, width, shifts, every, lengths, inputs,
    w_in, w_read, w_up, w_back, bias, w_head, b_head, w_out, v_out, b_out,
    memory, weighting, read, last_hidden, last_cell,
    hidden, cells, gates, told, kept, norms, reads, start, marks, want_logits, logits, room,
):  # fmt: skip
    """Run steps ``begin`` to ``end``, keeping what ``backward`` needs.

    ``memory`` to ``last_cell`` are the state: they come as it was before the window and leave as it is after it.
    ``marks`` are copies of the memory, one in ``every`` so many steps, from which ``backward`` replays the rest.
    ``room`` has rows to work in.
    """
    layers, units, slots = hidden.shape[0], hidden.shape[3], memory.shape[2]
    pair, size = told.shape[2] // heads, width + 3 + shifts
    unit, gated, padded = room[0, :width], room[1, :slots], room[2, : slots + shifts - 1]
    active = lengths.shape[0]
    while lengths[active - 1] <= begin:
        active -= 1
    for b in range(active):
        inverse_norms(memory[b], norms[b, 0])
        copy(read[b, 0], reads[b, 0])
        for h in range(2 * heads):
            copy(weighting[b, h], start[b, h])
        if lstm:
            for layer in range(layers):
                copy(last_hidden[b, layer], hidden[layer, b, 0])
                copy(last_cell[b, layer], cells[layer, b, 0])
    going = active
    for t in range(begin, min(end, lengths[0])):
        k = t - begin
        while lengths[going - 1] <= t:
            going -= 1
        for layer in range(layers):  # the controller
            out, at = (gates[layer], k) if lstm else (hidden[layer], k + 1)
            for b in range(going):
                copy(bias[layer], out[b, at])
            if layer == 0:
                add_products(inputs, t, w_in, out, at, going)
                add_products(reads, k, w_read, out, at, going)
            else:
                add_products(hidden[layer - 1], k + 1, w_up[layer - 1], out, at, going)
            if lstm:
                add_products(hidden[layer], k, w_back[layer], out, at, going)
            for b in range(going):
                if lstm:
                    lstm_step(out[b, k], cells[layer, b, k], cells[layer, b, k + 1], hidden[layer, b, k + 1], units)
                else:
                    squash(out[b, k + 1], 0)
        for b in range(going):  # what it tells the heads
            copy(b_head, told[b, k])
        add_products(hidden[layers - 1], k + 1, w_head, told, k, going)
        for b in range(going):
            for h in range(heads):
                squash_pair(told[b, k, h * pair : (h + 1) * pair], width, shifts)
        for b in range(going):  # write, then read
            if k % every == 0:
                for j in range(width):
                    copy(memory[b, j], marks[b, k // every, j])
            for h in range(2 * heads):
                if h == heads:
                    write(memory[b], told[b, k], kept[b, k], heads, width, shifts)
                    inverse_norms(memory[b], norms[b, k + 1])
                previous = kept[b, k - 1, h, FINAL] if k > 0 else start[b, h]
                order = (h % heads) * pair + (0 if h >= heads else size)
                focus(
                    told[b, k, order : order + size], width, shifts, memory[b],
                    norms[b, k + 1 if h >= heads else k], previous, kept[b, k, h], unit, gated, padded,
                )  # fmt: skip
            reads[b, k + 1, :] = memory.dtype.type(0)
            for h in range(heads):
                add_dots(memory[b], kept[b, k, heads + h, FINAL], reads[b, k + 1, h * width : (h + 1) * width])
            if want_logits:
                copy(b_out, logits[b, t])
                add_dots(w_out, hidden[layers - 1, b, k + 1], logits[b, t])
                add_dots(v_out, reads[b, k + 1], logits[b, t])
    for b in range(active):
        k = min(end, lengths[b]) - begin
        copy(reads[b, k], read[b, 0])
        for h in range(2 * heads):
            copy(kept[b, k - 1, h, FINAL], weighting[b, h])
        if lstm:
            for layer in range(layers):
                copy(hidden[layer, b, k], last_hidden[b, layer])
                copy(cells[layer, b, k], last_cell[b, layer])


@_compiled
def lstm_step(gates, cell, new_cell, new_hidden, units):
    """Input, forget, cell and output gates to a new cell and hidden vector."""
    use_widest_vectors()
    squash(gates[: 2 * units], 1)
    squash(gates[2 * units : 3 * units], 0)
    squash(gates[3 * units :], 1)
    i, f, g, o = gates[:units], gates[units : 2 * units], gates[2 * units : 3 * units], gates[3 * units :]
    for n in range(units):
        new_cell[n] = f[n] * cell[n] + i[n] * g[n]
        new_hidden[n] = new_cell[n]
    squash(new_hidden, 0)
    for n in range(units):
        new_hidden[n] *= o[n]


@_compiled
def lstm_step_back(gates, cell, new_cell, d_hidden, d_cell, d_gates, squashed, units):
    """Go back through ``lstm_step``; ``d_cell`` turns from the gradient of the new cell into that of the old."""
    use_widest_vectors()
    one = gates.dtype.type(1)
    i, f, g, o = gates[:units], gates[units : 2 * units], gates[2 * units : 3 * units], gates[3 * units :]
    d_i, d_f = d_gates[:units], d_gates[units : 2 * units]
    d_g, d_o = d_gates[2 * units : 3 * units], d_gates[3 * units :]
    copy(new_cell, squashed)
    squash(squashed, 0)
    for n in range(units):
        d_o[n] = d_hidden[n] * squashed[n] * o[n] * (one - o[n])
        d_cell[n] += d_hidden[n] * o[n] * (one - squashed[n] * squashed[n])
    for n in range(units):
        d_i[n] = d_cell[n] * g[n] * i[n] * (one - i[n])
        d_g[n] = d_cell[n] * i[n] * (one - g[n] * g[n])
        d_f[n] = d_cell[n] * cell[n] * f[n] * (one - f[n])
        d_cell[n] *= f[n]


@_compiled
def backward(
    begin, end, lstm, heads, width, shifts, every, lengths, inputs,
    w_in, w_read, w_up, w_back, w_head, w_out, v_out,
    hidden, cells, gates, told, kept, norms, reads, start, marks,
    d_logits, d_memory, d_weighting, d_reads, d_hidden, d_cell, d_told, d_gates, d_inputs, want_inputs,
    dw_in, dw_read, dw_up, dw_back, d_bias, dw_head, db_head, dw_out, dv_out, db_out, replay, room,
):  # fmt: skip
    """Go back through steps ``begin`` to ``end``.

    ``d_memory`` to ``d_cell`` come as the gradients of the state after the window and leave as those of the state
    before it. The gradients of the parameters are added to. ``replay`` takes the memories of one segment, ``room``
    has rows to work in.
    """
    use_widest_vectors()
    layers, units, slots = hidden.shape[0], hidden.shape[3], d_memory.shape[2]
    pair, size = told.shape[2] // heads, width + 3 + shifts
    zero, one = d_memory.dtype.type(0), d_memory.dtype.type(1)
    d_previous, squashed = room[7, :slots], room[8, :units]
    active = lengths.shape[0]
    while lengths[active - 1] <= begin:
        active -= 1
    longest = min(end, lengths[0]) - begin
    for segment in range((longest - 1) // every, -1, -1):
        first = segment * every
        for b in range(active):
            for k in range(first, min(first + every, lengths[b] - begin, longest)):
                before, after = replay[b, k - first], replay[b, k - first + 1]
                for j in range(width):
                    if k == first:
                        copy(marks[b, segment, j], before[j])
                    copy(before[j], after[j])
                write(after, told[b, k], kept[b, k], heads, width, shifts)
        going = 0
        for k in range(min(first + every, longest) - 1, first - 1, -1):
            t = begin + k
            while going < active and lengths[going] > t:
                going += 1
            add_products(d_logits, t, w_out, d_hidden, layers - 1, going)
            add_products(d_logits, t, v_out, d_reads, 0, going)
            for b in range(going):
                before, after = replay[b, k - first], replay[b, k - first + 1]
                d_told[b, k, :] = zero
                for h in range(2 * heads - 1, -1, -1):  # read heads, the write, write heads
                    reading, d_w = h >= heads, d_weighting[b, h]
                    if reading:
                        d_r = d_reads[b, 0, (h - heads) * width : (h - heads + 1) * width]
                        add_product(d_r, after, d_w)
                        for j in range(width):
                            d_row, w, d = d_memory[b, j], kept[b, k, h, FINAL], d_r[j]
                            for i in range(slots):
                                d_row[i] += d * w[i]
                    elif h == heads - 1:
                        write_back(
                            before, d_memory[b], told[b, k], d_told[b, k], kept[b, k], d_weighting[b],
                            heads, width, shifts, room,
                        )  # fmt: skip
                    previous = kept[b, k - 1, h, FINAL] if k > 0 else start[b, h]
                    order = (h % heads) * pair + (0 if reading else size)
                    focus_back(
                        told[b, k, order : order + size], d_told[b, k, order : order + size], width, shifts,
                        after if reading else before, norms[b, k + 1 if reading else k], previous, kept[b, k, h],
                        d_w, d_previous, d_memory[b], room,
                    )  # fmt: skip
                    copy(d_previous, d_w)
                for h in range(heads):
                    low, high = h * pair, (h + 1) * pair
                    unsquash_pair(told[b, k, low:high], d_told[b, k, low:high], width, shifts)
                d_reads[b, 0, :] = zero
            add_products(d_told, k, w_head, d_hidden, layers - 1, going)
            for layer in range(layers - 1, -1, -1):
                for b in range(going):
                    d_h, d_pre = d_hidden[b, layer], d_gates[layer, b, k]
                    if lstm:
                        lstm_step_back(
                            gates[layer, b, k], cells[layer, b, k], cells[layer, b, k + 1], d_h, d_cell[b, layer],
                            d_pre, squashed, units,
                        )  # fmt: skip
                    else:
                        for n in range(units):
                            out = hidden[layer, b, k + 1, n]
                            d_pre[n] = d_h[n] * (one - out * out)
                    d_h[:] = zero
                if lstm:
                    add_products(d_gates[layer], k, w_back[layer], d_hidden, layer, going)
                if layer > 0:
                    add_products(d_gates[layer], k, w_up[layer - 1], d_hidden, layer - 1, going)
                else:
                    add_products(d_gates[0], k, w_read, d_reads, 0, going)
                    if want_inputs:
                        add_products(d_gates[0], k, w_in, d_inputs, t, going)
    for b in range(active):  # all steps at once
        n = min(end, lengths[b]) - begin
        told_, logits_, pre = d_told[b, :n], d_logits[b, begin : begin + n], d_gates[0, b, :n]
        add_outer(told_, hidden[layers - 1, b, 1 : n + 1], dw_head)
        add_rows(told_, db_head)
        add_outer(logits_, hidden[layers - 1, b, 1 : n + 1], dw_out)
        add_outer(logits_, reads[b, 1 : n + 1], dv_out)
        add_rows(logits_, db_out)
        add_outer(inputs[b, begin : begin + n], pre, dw_in)
        add_outer(reads[b, :n], pre, dw_read)
        for layer in range(layers):
            pre = d_gates[layer, b, :n]
            add_rows(pre, d_bias[layer])
            if layer > 0:
                add_outer(pre, hidden[layer - 1, b, 1 : n + 1], dw_up[layer - 1])
            if lstm:
                add_outer(pre, hidden[layer, b, :n], dw_back[layer])
