"""Indexing of traced values: numpy's, with indices that are known while tracing."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._errors import InputError
from ._trace import Condition, Var, fail, record, reshaped, tracer_of

__all__ = ["getitem", "integers", "take"]


def integers(what: str, indices: Any) -> np.ndarray[Any, Any]:
    """Indices as an array of integers, or an error."""
    if tracer_of(indices) is not None:
        fail(f"{what} must be integers known while tracing, not traced values")
    array = np.asarray(indices)
    if array.dtype == bool:
        fail(f"{what} must be integers, not booleans")
    if array.size == 0 and not isinstance(indices, np.ndarray):
        return array.astype(np.intp)
    if array.dtype.kind not in "iu":
        fail(f"{what} must be integers, not of dtype {array.dtype}", InputError)
    return array


def take(x: Var, indices: np.ndarray[Any, Any], axis: int | None) -> Var:
    """The entries at these positions along an axis, or of the flat array."""
    if indices.size == 0:
        shape = indices.shape if axis is None else (*x.shape[:axis], *indices.shape, *x.shape[axis:][1:])
        return reshaped(record("getitem", record("ravel", x), (slice(0, 0),)), shape)
    return record("take", x, indices.tolist(), axis=axis)


def getitem(x: Var, index: Any) -> Var:
    """`x[index]`."""
    if type(index) is int:
        return record("getitem", x, (index,))
    entries = index if isinstance(index, tuple) else (index,)
    plain: list[Any] = []
    for entry in entries:
        if isinstance(entry, (Condition, Var)) or tracer_of(entry) is not None:
            _refuse(entry)
        if entry is None or entry is Ellipsis:
            plain.append(entry)
        elif isinstance(entry, slice):
            plain.append(slice(*(None if e is None else e.__index__() for e in (entry.start, entry.stop, entry.step))))
        elif isinstance(entry, (int, np.integer)) and not isinstance(entry, bool):
            plain.append(int(entry))
        else:
            return _advanced(x, entries)
    return record("getitem", x, tuple(plain))


def _refuse(entry: Any) -> None:
    if isinstance(entry, Condition):
        fail(
            "x[condition] has a shape that depends on values not known while tracing; use np.where(condition, x, 0), or "
            "an array of integers that is known"
        )
    fail(
        "an index must be known while tracing; to pick by value use clarke.gather_argmax, np.take_along_axis of known "
        "indices, or np.where"
    )


def _advanced(x: Var, entries: tuple[Any, ...]) -> Var:
    """Indexing with arrays: numpy says which entries are meant, and where they go."""
    arrays = [k for k, e in enumerate(entries) if isinstance(e, (list, np.ndarray, tuple)) or isinstance(e, bool)]
    whole = [e is Ellipsis or (isinstance(e, slice) and e == slice(None)) for e in entries]
    if len(arrays) == 1 and sum(whole) == len(entries) - 1 and sum(e is Ellipsis for e in entries) <= 1:
        # Along one axis: no list of all positions is needed.
        k = arrays[0]
        after = len(entries) - 1 - k
        axis = len(x.shape) - 1 - after if Ellipsis in entries[:k] else k
        chosen = np.asarray(entries[k])
        if chosen.dtype.kind in "iu" and chosen.ndim > 0 and 0 <= axis < len(x.shape):
            return take(x, chosen, axis)
    positions = np.arange(x.size).reshape(x.shape)
    try:
        chosen = positions[
            tuple(np.asarray(e, dtype=None if np.size(e) else np.intp) if isinstance(e, list) else e for e in entries)
        ]
    except IndexError as error:
        fail(f"{error}", InputError)
    return take(x, np.asarray(chosen), None)
