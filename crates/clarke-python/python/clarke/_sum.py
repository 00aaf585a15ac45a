"""Functions that are means of a loss over samples: evaluated where the samples lie, batch by batch."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Callable, Sequence

import numpy as np

from . import _clarke, _tree
from ._arrays import as_arrays, foreign
from ._errors import InputError
from ._function import PolicyLike, policy_of, program
from ._trace import shape_of

__all__ = ["FiniteSum"]

#: How many forms of the variable a sum remembers.
_REMEMBERED = 8


class FiniteSum:
    """The mean ``(1/n) Σ loss(theta, *sample_i, *shared)`` of a loss over n samples.

    Parameters
    ----------
    loss : callable
        The loss of one sample: ``loss(theta, *sample, *shared)``, one number; traced once, on a sample's shapes.
    *samples : array, or tree of arrays
        What differs from sample to sample: the first axis of every array counts the samples. Arrays of float64 in row-major
        order are read where they are, also from a file (`numpy.memmap`), so that data need not fit into memory.
    shared : sequence
        What is the same for all samples.

    Raises
    ------
    InputError
        Arrays of different numbers of samples, or of none.

    Notes
    -----
    Evaluated in blocks of consecutive samples, each by one compiled program; memory does not grow with n, and results are the
    same on every run. Errors name indices inside of the block where they arose.

    Examples
    --------
    >>> import clarke as ck
    >>> import numpy as np
    >>> X, y = np.array([[1.0, 2.0], [0.0, 1.0], [2.0, -1.0]]), np.array([1.0, 3.0, 2.0])
    >>> f = ck.FiniteSum(lambda w, x, y: np.abs(x @ w - y), X, y)
    >>> w = np.array([1.0, 1.0])
    >>> f(w)
    np.float64(1.6666666666666667)
    >>> f.value_and_grad(w, batch=[2])
    (np.float64(1.0), array([-2.,  1.]))
    """

    def __init__(self, loss: Callable[..., Any], *samples: Any, shared: Sequence[Any] = ()) -> None:
        self._loss = program(loss)
        self._shared = tuple(shared)
        self._samples: list[tuple[list[Any], _tree.Tree]] = []
        counts = set()
        for sample in samples:
            leaves, tree = _tree.flatten(sample)
            kept = as_arrays([foreign(leaf) for leaf in leaves], True)
            for leaf in kept:
                if not shape_of(leaf):
                    raise InputError("samples: a number has no axis that counts samples; give it as shared=")
                counts.add(leaf.shape[0])
            self._samples.append((kept, tree))
        if len(counts) != 1 or counts == {0}:
            found = "none" if not counts - {0} else ", ".join(map(str, sorted(counts)))
            raise InputError(f"samples: all arrays need the same number of them along the first axis; found {found}")
        self._count: int = counts.pop()
        self._made: OrderedDict[Any, _clarke.FiniteSum] = OrderedDict()

    def __repr__(self) -> str:
        return f"<clarke.FiniteSum of {self._loss.name} over {self._count} samples>"

    def __len__(self) -> int:
        return self._count

    def _at(self, theta: Any) -> tuple[_clarke.FiniteSum, list[Any], Callable[[Sequence[Any]], Any]]:
        """The sum for variables of this form, the leaves of theta, and what gives leaves that form."""
        leaves, tree = _tree.flatten(theta)
        leaves = as_arrays([foreign(leaf) for leaf in leaves], True)
        key = tree, tuple(shape_of(leaf) for leaf in leaves)
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = self._make(theta)
            if len(self._made) > _REMEMBERED:
                self._made.popitem(last=False)
        return found, leaves, lambda parts: _tree.unflatten(tree, parts)

    def _make(self, theta: Any) -> _clarke.FiniteSum:
        """The loss of one sample, traced on stand-ins of a sample's shapes, with the arrays of all samples."""
        ones = [
            _tree.unflatten(tree, [np.broadcast_to(np.float64(0.0), leaf.shape[1:]) for leaf in leaves])
            for leaves, tree in self._samples
        ]
        call = self._loss._bind((theta, *ones, *self._shared), {})
        at = self._loss._specialize(call)
        first = len(self._samples) + 1
        varying = at.varying([0])
        samples = [
            (at.names[k], leaf)
            for item, (leaves, _) in enumerate(self._samples, start=1)
            for k, leaf in zip(at.of(item), leaves, strict=True)
        ]
        rest = [k for item in range(first, len(call.items)) for k in at.of(item)]
        values = as_arrays([call.leaves[k] for k in rest], True)
        shared = [(at.names[k], value) for k, value in zip(rest, values, strict=True)]
        return _clarke.FiniteSum(varying, samples, shared)

    def __call__(self, theta: Any) -> Any:
        """The mean over all samples, in float64."""
        made, leaves, _ = self._at(theta)
        return made.value(leaves, policy_of(None))

    def value_and_grad(
        self, theta: Any, *, batch: Sequence[int] | None = None, policy: PolicyLike | None = None
    ) -> tuple[Any, Any]:
        """The mean and its gradient in theta, over all samples or over those of a batch, each as often as it is named.

        Raises
        ------
        InputError
            An empty batch, or an index that is no sample.
        NotLipschitzError, NotFiniteError, …
            As for `grad`.
        """
        made, leaves, unflatten = self._at(theta)
        terms = None if batch is None else [int(k) for k in batch]
        if terms is not None and any(k < 0 for k in terms):
            raise InputError("a batch names samples by their positions, from 0 on")
        value, gradient = made.value_and_gradient(leaves, policy_of(policy), terms)
        return value, unflatten(gradient)

    def grad(self, theta: Any, *, batch: Sequence[int] | None = None, policy: PolicyLike | None = None) -> Any:
        """The gradient alone, see `value_and_grad`."""
        return self.value_and_grad(theta, batch=batch, policy=policy)[1]
