"""Compiled loops over residues of the two primes: share, combine, add, reduce.

All loops release the interpreter lock and run over blocks of `BLOCK` columns, so that the
rows of a block are read from memory once and from the cache for every further holder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from .field import P31, P61, Residues

BLOCK = 4096  # 32 KB of partial sums: they stay in the L1 cache, the rows in L2

_U32, _U64 = np.uint32, np.uint64
_M31, _S31 = np.uint64(P31.modulus), np.uint64(31)
_M31_WORD = np.uint32(P31.modulus)
_M61, _S61 = np.uint64(P61.modulus), np.uint64(61)
_LOW32, _S32 = np.uint64(2**32 - 1), np.uint64(32)
_LOW29, _S29 = np.uint64(2**29 - 1), np.uint64(29)
_S3 = np.uint64(3)
_LOW31, _LOW30, _S30, _S1 = np.uint64(2**31 - 1), np.uint64(2**30 - 1), np.uint64(30), np.uint64(1)

Loop = TypeVar("Loop", bound=Callable[..., object])


def _compiled(function: Loop) -> Loop:
    # Compiled at the first call; the machine code is kept beside the module for later starts.
    try:
        return cast(Loop, numba.njit(nogil=True, cache=True)(function))
    except RuntimeError:  # a read-only installation has no place for numba's cache
        return cast(Loop, numba.njit(nogil=True)(function))


# --- p31 ------------------------------------------------------------------------------
# Three products below 2^62 and a folded rest below 2^34 fit in 64 bits; folding keeps the
# value modulo p, as 2^31 = 1 there.


@_compiled
def _fold31(value: np.uint64) -> np.uint64:
    return (value & _M31) + (value >> _S31)


@_compiled
def _reduced31(value: np.uint64) -> np.uint32:
    # Two folds leave at most p + 8; of x and x - p (which wraps) the smaller is the residue.
    word = _U32(_fold31(_fold31(value)))
    return min(word, _U32(word - _M31_WORD))


@_compiled
def _combine31(weights: Residues, rows: Residues, out: Residues) -> None:
    # weights (m, T), T a multiple of three, zero from the t-th column; rows (t, d); out (m, d).
    last, d = rows.shape[0] - 1, rows.shape[1]
    partial = np.empty(BLOCK, np.uint64)
    for start in range(0, d, BLOCK):
        stop = min(start + BLOCK, d)
        for i in range(weights.shape[0]):
            partial[:] = 0
            shares = out[i, start:stop]
            for k in range(0, weights.shape[1], 3):
                w0, w1, w2 = _U64(weights[i, k]), _U64(weights[i, k + 1]), _U64(weights[i, k + 2])
                r0 = rows[k, start:stop]
                r1 = rows[min(k + 1, last), start:stop]
                r2 = rows[min(k + 2, last), start:stop]
                if k + 3 < weights.shape[1]:
                    for j in range(stop - start):
                        products = _U64(r0[j]) * w0 + _U64(r1[j]) * w1 + _U64(r2[j]) * w2
                        partial[j] = _fold31(partial[j]) + products
                else:
                    for j in range(stop - start):
                        products = _U64(r0[j]) * w0 + _U64(r1[j]) * w1 + _U64(r2[j]) * w2
                        shares[j] = _reduced31(_fold31(partial[j]) + products)


@_compiled
def _add31(accumulator: NDArray[np.uint64], row: Residues) -> None:
    for j in range(row.size):
        accumulator[j] += _U64(row[j])


@_compiled
def _reduce31(accumulator: NDArray[np.uint64], out: Residues) -> None:
    for j in range(out.size):
        out[j] = _reduced31(_fold31(accumulator[j]))


def _padded(
    weights: Sequence[Sequence[int]], step: int, word: type[np.unsignedinteger]
) -> Residues:
    terms = len(weights[0])
    padded = np.zeros((len(weights), -(-terms // step) * step), dtype=word)
    padded[:, :terms] = weights
    return padded


def _split31(rows: Residues, holders: int) -> Residues:
    t, d = rows.shape
    powers = [[pow(point, k, P31.modulus) for k in range(t)] for point in range(1, holders + 1)]
    shares = np.empty((holders, d), dtype=np.uint32)
    _combine31(_padded(powers, 3, _U32), rows, shares)
    return shares


def _sum31(weights: Sequence[int], rows: Residues) -> Residues:
    row: Residues = _times31([weights], rows)[0]
    return row


def _times31(matrix: Sequence[Sequence[int]], rows: Residues) -> Residues:
    product = np.empty((len(matrix), rows.shape[1]), dtype=np.uint32)
    _combine31(_padded(matrix, 3, _U32), rows, product)
    return product


# --- p61 ------------------------------------------------------------------------------
# For small points, halves of 32 and 29 bits: 2^32 · m = (m >> 29) + ((m mod 2^29) << 32) modulo p.


@_compiled
def _fold61(value: np.uint64) -> np.uint64:
    return (value & _M61) + (value >> _S61)


@_compiled
def _reduced61(value: np.uint64) -> np.uint64:
    word = _fold61(value)
    return min(word, word - _M61)


@_compiled
def _horner61(rows: Residues, out: Residues) -> None:
    # rows (t, d), out (n, d). Points up to 64: the step stays below 2^61 + 2^61 + 2^39.
    t, d = rows.shape
    for start in range(0, d, BLOCK):
        stop = min(start + BLOCK, d)
        for i in range(out.shape[0]):
            point = _U64(i + 1)
            shares = out[i, start:stop]
            row = rows[t - 1, start:stop]
            # Not `shares[:] = row`: numba takes a second and a half to compile that.
            for j in range(stop - start):
                shares[j] = row[j]
            for k in range(t - 2, -1, -1):
                row = rows[k, start:stop]
                for j in range(stop - start):
                    high = (shares[j] >> _S32) * point
                    low = (shares[j] & _LOW32) * point
                    step = (high >> _S29) + ((high & _LOW29) << _S32) + low + row[j]
                    shares[j] = _fold61(step)
            for j in range(stop - start):
                shares[j] = _reduced61(shares[j])


@_compiled
def _combine61(weights: Residues, rows: Residues, out: Residues) -> None:
    # weights (m, T), T a multiple of four, zero from the t-th column; rows (t, d); out (m, d).
    # Halves of 31 and 30 bits: of four terms `low` and `middle` stay below 2^64, `high` below
    # 2^62, and 2^31 · m = (m >> 30) + ((m mod 2^30) << 31), 2^62 = 2 modulo p.
    last, d = rows.shape[0] - 1, rows.shape[1]
    for start in range(0, d, BLOCK):
        stop = min(start + BLOCK, d)
        for i in range(weights.shape[0]):
            total = out[i, start:stop]
            for j in range(stop - start):
                total[j] = 0
            for k in range(0, weights.shape[1], 4):
                a0, a1 = weights[i, k] & _LOW31, weights[i, k] >> _S31
                b0, b1 = weights[i, k + 1] & _LOW31, weights[i, k + 1] >> _S31
                c0, c1 = weights[i, k + 2] & _LOW31, weights[i, k + 2] >> _S31
                d0, d1 = weights[i, k + 3] & _LOW31, weights[i, k + 3] >> _S31
                x, y = rows[k, start:stop], rows[min(k + 1, last), start:stop]
                z, w = rows[min(k + 2, last), start:stop], rows[min(k + 3, last), start:stop]
                for j in range(stop - start):
                    x0, x1, y0, y1 = x[j] & _LOW31, x[j] >> _S31, y[j] & _LOW31, y[j] >> _S31
                    z0, z1, w0, w1 = z[j] & _LOW31, z[j] >> _S31, w[j] & _LOW31, w[j] >> _S31
                    low = x0 * a0 + y0 * b0 + z0 * c0 + w0 * d0
                    middle = x0 * a1 + x1 * a0 + y0 * b1 + y1 * b0
                    middle += z0 * c1 + z1 * c0 + w0 * d1 + w1 * d0
                    high = x1 * a1 + y1 * b1 + z1 * c1 + w1 * d1
                    carried = (middle >> _S30) + ((middle & _LOW30) << _S31) + (high << _S1)
                    total[j] = _fold61(total[j] + _fold61(low) + carried)
            for j in range(stop - start):
                total[j] = _reduced61(total[j])


@_compiled
def _add61(accumulator: NDArray[np.uint64], row: Residues) -> None:
    for j in range(row.size):
        accumulator[j] = _reduced61(accumulator[j] + row[j])


@_compiled
def _square61(row: Residues, out: Residues) -> None:
    for j in range(row.size):
        low, high = row[j] & _LOW32, row[j] >> _S32
        middle = _U64(2) * low * high
        carried = (middle >> _S29) + ((middle & _LOW29) << _S32)
        out[j] = _reduced61(((high * high) << _S3) + carried + _fold61(low * low))


def squares61(row: Residues) -> Residues:
    """Return the square of each residue of p61, modulo p. Time O(d)."""
    out = np.empty(row.size, dtype=np.uint64)
    _square61(np.ascontiguousarray(row), out)
    return out


def _split61(rows: Residues, holders: int) -> Residues:
    shares = np.empty((holders, rows.shape[1]), dtype=np.uint64)
    _horner61(rows, shares)
    return shares


def _sum61(weights: Sequence[int], rows: Residues) -> Residues:
    row: Residues = _times61([weights], rows)[0]
    return row


def _times61(matrix: Sequence[Sequence[int]], rows: Residues) -> Residues:
    product = np.empty((len(matrix), rows.shape[1]), dtype=np.uint64)
    _combine61(_padded(matrix, 4, _U64), rows, product)
    return product


def _reduced_copy31(accumulator: NDArray[np.uint64]) -> Residues:
    reduced = np.empty(accumulator.size, dtype=np.uint32)
    _reduce31(accumulator, reduced)
    return reduced


def _reduced_copy61(accumulator: NDArray[np.uint64]) -> Residues:
    return accumulator.copy()


@dataclass(frozen=True, slots=True)
class Kernels:
    """The loops of one field. They check nothing: `shamir` and `suites` do that.

    Attributes:
        split: (rows residues[t, d], n <= 64) -> residues[n, d]; row i is the polynomial with
            the coefficients `rows` (constant first) at i + 1. Time O(n·t·d).
        combine: (weights < p [t <= 64], rows residues[t, d]) -> residues[d], the weighted sum.
        times: (matrix < p [m, t <= 64], rows residues[t, d]) -> residues[m, d], m weighted sums
            for which the rows are read from memory once. Time O(m·t·d).
        add: (accumulator uint64[d], row residues[d]), in place. For p31 it is not reduced and
            takes 2^33 rows, far above any round; for p61 it stays reduced.
        reduce: accumulator uint64[d] -> residues[d].
    """

    split: Callable[[Residues, int], Residues]
    combine: Callable[[Sequence[int], Residues], Residues]
    times: Callable[[Sequence[Sequence[int]], Residues], Residues]
    add: Callable[[NDArray[np.uint64], Residues], None]
    reduce: Callable[[NDArray[np.uint64]], Residues]


KERNELS: Mapping[str, Kernels] = MappingProxyType(
    {
        P31.name: Kernels(_split31, _sum31, _times31, _add31, _reduced_copy31),
        P61.name: Kernels(_split61, _sum61, _times61, _add61, _reduced_copy61),
    }
)
"""By the name of the field."""
