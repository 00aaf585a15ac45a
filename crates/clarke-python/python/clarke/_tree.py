"""Arguments and results with structure: dicts, lists, tuples, named tuples and dataclasses of numbers and arrays.

A value is taken apart into its *leaves*, the numbers and arrays that a program computes with, and a `Tree`, which says how
they were put together. Whatever else a value holds (texts, flags, None, functions) is part of the tree: it is the same in
every call of a program, and another one makes another program.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Hashable, Iterable, Iterator

import numpy as np

from . import _clarke
from ._errors import DtypeError

__all__ = ["Tree", "flatten", "is_leaf", "names", "unflatten"]


@dataclasses.dataclass(frozen=True, slots=True)
class Tree:
    """How leaves are put together. Equal trees hash equally.

    Attributes
    ----------
    kind : str
        ``leaf``, ``static``, ``dict``, ``list``, ``tuple``, ``named`` (a named tuple) or ``data`` (a dataclass).
    what : object
        The static value; the keys of a dict; the class of a named tuple, or of a dataclass with its fields' names.
    children : tuple of Tree
        The parts, in order.
    """

    kind: str
    what: Hashable = None
    children: tuple[Tree, ...] = ()

    @property
    def leaves(self) -> int:
        """How many leaves it has."""
        return 1 if self.kind == "leaf" else sum(child.leaves for child in self.children)


LEAF = Tree("leaf")


def is_leaf(value: Any) -> bool:
    """Whether a value is a number or an array, perhaps one of another library."""
    if isinstance(value, (bool, np.bool_)):
        return False
    return isinstance(value, (np.ndarray, float, int, np.number, _clarke.Node)) or hasattr(value, "__dlpack__")


def flatten(value: Any) -> tuple[list[Any], Tree]:
    """The leaves of a value, and its tree.

    Dicts are read in the order of their keys where those can be sorted, so that equal dicts have equal trees.

    Raises
    ------
    DtypeError
        A part that is neither structure nor number, and cannot be hashed.

    Examples
    --------
    >>> leaves, tree = flatten({"w": 1.0, "b": [2.0, None]})
    >>> leaves
    [2.0, 1.0]
    >>> unflatten(tree, [3.0, 4.0])
    {'b': [3.0, None], 'w': 4.0}
    """
    leaves: list[Any] = []
    return leaves, _flatten(value, leaves)


def _flatten(value: Any, leaves: list[Any]) -> Tree:
    def all_of(values: Iterable[Any]) -> tuple[Tree, ...]:
        return tuple(_flatten(v, leaves) for v in values)

    if is_leaf(value):
        leaves.append(value)
        return LEAF
    if isinstance(value, dict):
        keys = tuple(_sorted(value))
        return Tree("dict", (type(value), keys), all_of(value[k] for k in keys))
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return Tree("named", type(value), all_of(value))
    if type(value) is tuple:
        return Tree("tuple", None, all_of(value))
    if type(value) is list:
        return Tree("list", None, all_of(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = tuple(f.name for f in dataclasses.fields(value) if f.init)
        return Tree("data", (type(value), fields), all_of(getattr(value, name) for name in fields))
    try:
        hash(value)
    except TypeError:
        kind = type(value).__name__
        raise DtypeError(
            f"a value of type {kind} cannot be an argument of a program; give numbers, arrays, or dicts, lists, tuples "
            "and dataclasses of such"
        ) from None
    return Tree("static", _Static(value))


def _sorted(keys: Iterable[Any]) -> list[Any]:
    keys = list(keys)
    try:
        return sorted(keys)
    except TypeError:
        return keys


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Static:
    """A value that is part of a tree. Equal only to one of the same type: True is not 1."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Static) and type(self.value) is type(other.value) and bool(self.value == other.value)

    def __hash__(self) -> int:
        return hash(self.value)


def unflatten(tree: Tree, leaves: Iterable[Any]) -> Any:
    """The value with this tree and these leaves, in order."""
    return _unflatten(tree, iter(leaves))


def _unflatten(tree: Tree, leaves: Iterator[Any]) -> Any:
    what: Any = tree.what
    match tree.kind:
        case "leaf":
            return next(leaves)
        case "static":
            return what.value
        case "list":
            return [_unflatten(child, leaves) for child in tree.children]
        case "tuple":
            return tuple(_unflatten(child, leaves) for child in tree.children)
        case "named":
            return what(*(_unflatten(child, leaves) for child in tree.children))
        case "data":
            kind, fields = what
            return kind(**{name: _unflatten(c, leaves) for name, c in zip(fields, tree.children, strict=True)})
        case _:
            kind, keys = what
            items = {key: _unflatten(child, leaves) for key, child in zip(keys, tree.children, strict=True)}
            return items if kind is dict else _as_dict(kind, items)


def _as_dict(kind: Callable[[dict[Any, Any]], Any], items: dict[Any, Any]) -> Any:
    """A dict of another class, if it is made from one; else a plain one."""
    try:
        return kind(items)
    except TypeError:
        return items


def names(tree: Tree, name: str) -> list[str]:
    """A name for each leaf: that of the whole, with the keys and positions on the way to the leaf.

    Examples
    --------
    >>> names(flatten({"w": 1.0, "b": [2.0, 3.0]})[1], "params")
    ['params_b_0', 'params_b_1', 'params_w']
    """
    if tree.kind == "leaf":
        return [name]
    what: Any = tree.what
    match tree.kind:
        case "dict" | "data":
            keys = what[1]
        case "named":
            keys = what._fields
        case _:
            keys = range(len(tree.children))
    pairs = zip(keys, tree.children, strict=True) if tree.children else ()
    return [leaf for key, child in pairs for leaf in names(child, f"{name}_{_word(key)}")]


def _word(key: object) -> str:
    """A key as part of a name: letters, digits and underscores."""
    return "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in str(key))
