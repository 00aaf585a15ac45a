"""Functions of arrays one after the other, without structure: what other libraries differentiate through."""

from __future__ import annotations

import importlib
from typing import Any, Callable, Sequence

from . import _clarke, _tree
from ._arrays import dtype_name
from ._errors import ClarkeError, InputError
from ._function import Function, PolicyLike, policy_of, program
from ._tree import Tree

__all__ = ["Adapter", "Flat", "number_dtype", "required"]


def required(name: str, package: str) -> Any:
    """A module of another library, which an adapter cannot do without.

    Raises
    ------
    ClarkeError
        It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ClarkeError(f"this adapter needs {package}, which cannot be imported here: {error}") from error


def number_dtype(leaves: Sequence[Any]) -> str:
    """The dtype that numbers of Python take beside arrays of any library: float32 if all of those are, else float64."""
    names = {dtype_name(leaf) for leaf in leaves if hasattr(leaf, "dtype")}
    return "float32" if names == {"float32"} else "float64"


class Flat:
    """A function of `inputs` arrays that returns a tuple of arrays, and its products with cotangents under a policy.

    It is equal only to itself, so that other libraries can keep what they compiled for it.
    """

    def __init__(self, function: Callable[..., Any], inputs: int, policy: _clarke.Policy) -> None:
        self.function = function if isinstance(function, Function) else Function(function)
        self.inputs = inputs
        self.policy = policy
        self._batches: dict[tuple[bool, ...], Flat] = {}
        self._pulled: dict[int, Flat] = {}

    def shapes(self, *arrays: Any) -> list[tuple[int, ...]]:
        """The shapes of the results for arguments of these shapes; nothing is computed."""
        at = self.function._specialize(self.function._bind(arrays, {}))
        return [tuple(shape) for shape in at.program.outputs]

    def value(self, *arrays: Any) -> tuple[Any, ...]:
        """The results."""
        results: tuple[Any, ...] = self.function(*arrays)
        return results

    def pull(self, *arrays: Any) -> tuple[Any, ...]:
        """The arguments and then a cotangent for each result, to an array for each argument: the product of the
        transposed Jacobian with the cotangents."""
        _, pullback = self.function.vjp(*arrays[: self.inputs], policy=self.policy)
        pulled: tuple[Any, ...] = pullback(arrays[self.inputs :])
        return pulled

    def batch(self, mapped: Sequence[bool]) -> Flat:
        """The function over a leading axis of the arguments marked, and of its results."""
        key = tuple(mapped)
        if key not in self._batches:
            batched = self.function.batch([0 if axis else None for axis in key])
            self._batches[key] = Flat(batched, self.inputs, self.policy)
        return self._batches[key]

    def pulled(self, outputs: int) -> Flat:
        """`pull` as a function itself, of a function with so many results.

        Its derivative is the second one of the pieces that the policy selects.
        """
        if outputs not in self._pulled:
            self._pulled[outputs] = Flat(self.pull, self.inputs + outputs, self.policy)
        return self._pulled[outputs]


class Adapter:
    """A function of arguments with structure, taken apart for another library.

    Parameters
    ----------
    function : callable
        A `Function`, or a function of Python.
    policy : str, float or Policy, optional
        What is picked at ties, see `clarke.grad`.
    """

    def __init__(self, function: Callable[..., Any], policy: PolicyLike | None) -> None:
        self.function = program(function)
        self.policy = policy_of(policy)
        self._flat: dict[Tree, tuple[Flat, list[Tree]]] = {}

    def __repr__(self) -> str:
        return f"<clarke adapter of {self.function.name}, policy {self.policy}>"

    def named(self, adapted: Callable[..., Any], library: str) -> Callable[..., Any]:
        """The adapted function under the name of the function."""
        adapted.__name__ = adapted.__qualname__ = self.function.name
        adapted.__doc__ = f"`{self.function.name}` as a function of {library}, under the policy {self.policy}."
        return adapted

    def flat(self, args: Sequence[Any]) -> tuple[Flat, list[Any], Callable[[Sequence[Any]], Any]]:
        """The function of the leaves of these arguments; the leaves; what puts results together.

        The last may be asked once the function has been traced.
        """
        leaves, tree = _tree.flatten(tuple(args))
        if not leaves:
            raise InputError(f"{self.function.name}: none of the arguments holds a number")
        if tree not in self._flat:
            found: list[Tree] = []

            def flattened(*arrays: Any) -> tuple[Any, ...]:
                results, out = _tree.flatten(self.function(*_tree.unflatten(tree, arrays)))
                found[:] = [out]
                return tuple(results)

            flattened.__name__ = flattened.__qualname__ = self.function.name
            self._flat[tree] = Flat(flattened, len(leaves), self.policy), found
        flat, out = self._flat[tree]
        return flat, leaves, lambda results: _tree.unflatten(out[0], results)
