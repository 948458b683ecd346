"""Products of matrices for the fused engine: few rows at a time, every sum in a fixed order.

A library chooses the order of a sum by the sizes. Here each number of a result is one chain of fused
multiplications and additions, in the order of ``k``; tiles decide only how many chains run side by side. So a sequence
gets the same bits alone and among others.
"""

from functools import partial
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ntmlib.engines.compilation import compiled as _compiled
from ntmlib.engines.compilation import use_widest_vectors

BYTE, INDEX, WORD = ir.IntType(8), ir.IntType(32), ir.IntType(64)
VECTOR_BYTES = 64 if binding.get_host_cpu_features().get("avx512f") else 32


def _tile(height: int, vectors: int) -> Any:
    """Return ``tile(left, rows, out, s, start, done)``, which finds a part of ``out += left @ rows`` in registers.

    The part is ``height`` rows from row ``s`` on by ``vectors`` vectors of columns from ``start`` on. The first
    ``done`` columns stay as they are: the last tile of a row overlaps the one before it.
    """

    @intrinsic
    def tile(_: Any, left: Any, rows: Any, out: Any, s: Any, start: Any, done: Any) -> Any:
        def call(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
            types_and_values = zip(signature.args[:3], arguments[:3], strict=True)
            arrays = [context.make_array(kind)(context, builder, value) for kind, value in types_and_values]
            strides = [cgutils.unpack_tuple(builder, array.strides, 2) for array in arrays]
            depth, _ = cgutils.unpack_tuple(builder, arrays[1].shape, 2)
            function = _tile_function(builder.module, context.get_data_type(out.dtype), height, vectors)
            pointers = [builder.bitcast(array.data, BYTE.as_pointer()) for array in arrays]
            builder.call(function, [*pointers, *strides[0], strides[1][0], strides[2][0], depth, *arguments[3:]])
            return context.get_dummy_value()

        return types.void(left, rows, out, types.int64, types.int64, types.int64), call

    return tile


def _tile_function(module: ir.Module, number: ir.Type, height: int, vectors: int) -> ir.Function:
    """Write a tile's code into ``module``. Numba's own loops would keep the sums in memory, not in registers."""
    name = f"ntmlib_tile_{number}_{height}_{vectors}"
    if name in module.globals:
        return module.globals[name]
    itemsize = 8 if number == ir.DoubleType() else 4
    lanes = VECTOR_BYTES // itemsize
    vector, heights, widths = ir.VectorType(number, lanes), range(height), range(vectors)
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [BYTE.as_pointer()] * 3 + [WORD] * 8), name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    # Else LLVM takes half of the widest registers; llvmlite does not know this attribute.
    set.add(function.attributes, f'"min-legal-vector-width"="{8 * VECTOR_BYTES}"')
    left, rows, out, left_s, left_k, rows_k, out_s, depth, s, start, done = function.args
    before, loop, after = (function.append_basic_block(label) for label in ("before", "loop", "after"))

    def at(builder: ir.IRBuilder, base: ir.Value, offset: ir.Value, kind: ir.Type) -> ir.Value:
        return builder.bitcast(builder.gep(base, [offset]), kind.as_pointer())

    def spread(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
        none = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
        first = builder.insert_element(none, value, INDEX(0))
        return builder.shuffle_vector(first, none, ir.Constant(ir.VectorType(INDEX, lanes), [0] * lanes))

    b = ir.IRBuilder(before)
    columns = [b.add(b.mul(start, WORD(itemsize)), WORD(v * VECTOR_BYTES)) for v in widths]
    lines = [b.add(s, WORD(r)) for r in heights]
    factors = [b.gep(left, [b.mul(line, left_s)]) for line in lines]
    places = [[at(b, out, b.add(b.mul(line, out_s), column), vector) for column in columns] for line in lines]
    old = [[b.load(place, align=itemsize) for place in row] for row in places]
    b.cbranch(b.icmp_signed(">", depth, WORD(0)), loop, after)

    b = ir.IRBuilder(loop)
    k, left_at, rows_at = b.phi(WORD), b.phi(WORD), b.phi(WORD)
    sums = [[b.phi(vector) for _ in widths] for _ in heights]
    row = [b.load(at(b, rows, b.add(rows_at, column), vector), align=itemsize) for column in columns]
    factor = [spread(b, b.load(at(b, factors[r], left_at, number))) for r in heights]
    new = [[_fused(b, sums[r][v], factor[r], row[v]) for v in widths] for r in heights]
    ends = [(k, WORD(0), b.add(k, WORD(1))), (left_at, WORD(0), b.add(left_at, left_k))]
    ends += [(rows_at, WORD(0), b.add(rows_at, rows_k))]
    ends += [(sums[r][v], old[r][v], new[r][v]) for r in heights for v in widths]
    for phi, first, following in ends:
        phi.add_incoming(first, before)
        phi.add_incoming(following, loop)
    b.cbranch(b.icmp_signed("<", ends[0][2], depth), loop, after)

    b = ir.IRBuilder(after)
    found = [[b.phi(vector) for _ in widths] for _ in heights]
    stays = b.icmp_signed("<", ir.Constant(ir.VectorType(WORD, lanes), list(range(lanes))), spread(b, done))
    for r in heights:
        for v in widths:
            found[r][v].add_incoming(old[r][v], before)
            found[r][v].add_incoming(new[r][v], loop)
    for r in heights:
        b.store(b.select(stays, old[r][0], found[r][0]), places[r][0], align=itemsize)
        for v in widths[1:]:
            b.store(found[r][v], places[r][v], align=itemsize)
    b.ret_void()
    return function


def _fused(builder: ir.IRBuilder, total: ir.Value, factor: ir.Value, row: ir.Value) -> ir.Value:
    """``total + factor * row``, in one operation where the processor has it."""
    return builder.fadd(total, builder.fmul(factor, row, flags=("contract",)), flags=("contract",))


_wide_tile, _narrow_tile = _tile(4, 2), _tile(4, 1)


@partial(_compiled, ordered=True)
def _add_tiles(left, rows, out, count):
    """``out += left @ rows`` in the first ``count`` rows, a multiple of four; at least a vector wide."""
    wide, lanes = rows.shape[1], VECTOR_BYTES // out.itemsize
    for s in range(0, count, 4):
        start = 0
        while start + 2 * lanes <= wide:
            _wide_tile(left, rows, out, s, start, 0)
            start += 2 * lanes
        while start < wide:
            _narrow_tile(left, rows, out, s, min(start, wide - lanes), max(0, start + lanes - wide))
            start += lanes


@partial(_compiled, ordered=True)
def add_product(vector, rows, out):
    """``out += vector @ rows``. Eight rows at a time: one pass over the result for eight multiplications."""
    use_widest_vectors()
    wide, full = out.shape[0], rows.shape[0] - rows.shape[0] % 8
    for k in range(0, full, 8):
        a, b, c, d = vector[k], vector[k + 1], vector[k + 2], vector[k + 3]
        e, f, g, h = vector[k + 4], vector[k + 5], vector[k + 6], vector[k + 7]
        ra, rb, rc, rd = rows[k], rows[k + 1], rows[k + 2], rows[k + 3]
        re, rf, rg, rh = rows[k + 4], rows[k + 5], rows[k + 6], rows[k + 7]
        for i in range(wide):
            total = out[i] + a * ra[i] + b * rb[i] + c * rc[i] + d * rd[i]
            out[i] = total + e * re[i] + f * rf[i] + g * rg[i] + h * rh[i]
    for k in range(full, rows.shape[0]):
        a, ra = vector[k], rows[k]
        for i in range(wide):
            out[i] += a * ra[i]


@partial(_compiled, ordered=True)
def add_products(vectors, i, rows, out, j, count):
    """``out[b, j] += vectors[b, i] @ rows`` for the first ``count`` sequences."""
    tiled = count - count % 4 if rows.shape[1] >= VECTOR_BYTES // out.itemsize else 0
    _add_tiles(vectors[:, i], rows, out[:, j], tiled)
    for b in range(tiled, count):
        add_product(vectors[b, i], rows, out[b, j])


@partial(_compiled, ordered=True)
def add_outer(left, right, out):
    """``out += left.T @ right``, rows being steps: the gradient of a matrix from all steps at once."""
    turned = left.T
    count = turned.shape[0]
    tiled = count - count % 4 if right.shape[1] >= VECTOR_BYTES // out.itemsize else 0
    _add_tiles(turned, right, out, tiled)
    for n in range(tiled, count):
        add_product(turned[n], right, out[n])


@_compiled
def add_rows(rows, out):
    """``out += rows.sum(0)``."""
    use_widest_vectors()
    for t in range(rows.shape[0]):
        row = rows[t]
        for i in range(out.shape[0]):
            out[i] += row[i]
