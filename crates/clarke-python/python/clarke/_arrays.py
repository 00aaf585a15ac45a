"""Leaves as arrays that the native half reads, without a copy where there is nothing to change."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from ._errors import DtypeError

__all__ = ["as_array", "as_arrays", "dtype_name", "foreign", "is_double"]


def foreign(leaf: Any) -> Any:
    """An array of another library on the CPU as one of numpy, which shares its memory; all else as it is."""
    if isinstance(leaf, (np.ndarray, float, int, np.number)) or not hasattr(leaf, "__dlpack__"):
        return leaf
    try:
        return np.from_dlpack(leaf)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        kind = type(leaf).__name__
        raise DtypeError(f"a {kind} cannot be read as an array: {error}; detach it and move it to the CPU") from None


def dtype_name(leaf: Any) -> str:
    """The name of a leaf's dtype, whatever library it is of; empty for numbers of Python."""
    return str(getattr(leaf, "dtype", "")).rpartition(".")[2]


def is_double(leaves: Sequence[Any]) -> bool:
    """Whether a program is computed in 64 bits: unless all arrays are float32. Numbers of Python take either."""
    strong = [leaf for leaf in leaves if isinstance(leaf, (np.ndarray, np.generic))]
    return not strong or any(leaf.dtype != np.float32 for leaf in strong)


def as_arrays(leaves: Sequence[Any], double: bool) -> list[Any]:
    """Leaves as the native half reads them, see `as_array`."""
    dtype: type[np.floating[Any]] = np.float64 if double else np.float32
    return [as_array(leaf, dtype) for leaf in leaves]


def as_array(leaf: Any, dtype: type[np.floating[Any]]) -> Any:
    """A leaf as an array of a dtype in row-major order, itself if it is one; a number of Python as it is.

    Raises
    ------
    DtypeError
        Complex numbers, texts, objects; masked arrays and matrices, which mean more than their numbers.
    """
    if isinstance(leaf, (float, int)) and not isinstance(leaf, np.generic):
        return leaf
    if isinstance(leaf, np.ndarray) and type(leaf) is not np.ndarray and not isinstance(leaf, np.memmap):
        kind = type(leaf).__name__
        raise DtypeError(f"an array of type {kind} cannot be an argument; give a plain array (numpy.asarray)")
    if leaf.dtype.kind not in "fiub":
        raise DtypeError(f"an array of dtype {leaf.dtype} cannot be an argument: Clarke computes with real numbers")
    return np.asarray(leaf, dtype=dtype, order="C")
