"""What all answers at a point share: the form of the variables, budgets, plain data, pages for notebooks."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import Any, Callable, Sequence

import numpy as np
import numpy.typing as npt

from . import _tree
from ._errors import InputError

__all__ = ["Budget", "Form", "budget", "page", "plain"]

#: Tolerance, vertices, evaluations, seed: how the native half takes them.
Budget = tuple[float, int, int, int]


def budget(tol: float, vertices: int, evaluations: int, seed: int) -> Budget:
    """The options of questions about sets, as the native half takes them."""
    return float(tol), int(vertices), int(evaluations), int(seed)


@dataclass(frozen=True, slots=True)
class Form:
    """How the numbers of the variables are put together: an element of a set has the form of the arguments that vary.

    Attributes
    ----------
    layout : list of (str, shape)
        The variables' names, and the shapes that derivatives in them have.
    put : callable
        Puts one array for each variable together.
    """

    layout: list[tuple[str, tuple[int, ...]]]
    put: Callable[[Sequence[Any]], Any]

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return sum(math.prod(shape) for _, shape in self.layout)

    def element(self, arrays: Sequence[Any]) -> Any:
        """Arrays in the form of the arguments; single numbers as numpy's scalars."""
        return self.put([a[()] for a in arrays])

    def arrays(self, value: Any, what: str) -> list[npt.NDArray[np.float64]]:
        """A value in the form of the arguments as one array for each variable.

        Raises
        ------
        InputError
            Another structure; an array of another shape.
        """
        template = _tree.flatten(self.put([np.zeros(shape) for _, shape in self.layout]))[1]
        leaves = [value] if template.kind == "leaf" else _tree.flatten(value)[0]
        if len(leaves) != len(self.layout):
            parts = ", ".join(name for name, _ in self.layout)
            raise InputError(f"the {what} has the form of the argument: an array for each of {parts}")
        arrays = [np.asarray(leaf, dtype=np.float64) for leaf in leaves]
        for (name, shape), array in zip(self.layout, arrays, strict=True):
            if array.shape != tuple(shape):
                raise InputError(f"the {what} has shape {list(array.shape)} in {name}, and {list(shape)} is needed")
        return arrays

    def named(self, arrays: Sequence[Any]) -> dict[str, Any]:
        """Arrays as plain data: nested lists of numbers by the variables' names."""
        return {name: plain(array) for (name, _), array in zip(self.layout, arrays, strict=True)}


def plain(value: Any) -> Any:
    """A value as plain data: arrays as nested lists, structures as dicts and lists, all else as it is."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def page(text: str, picture: str | None = None) -> str:
    """A text, and perhaps a picture as SVG, as a fragment of HTML."""
    style = "margin:0;line-height:1.35;background:none;color:inherit"
    shown = f'<pre style="{style}">{html.escape(text.rstrip())}</pre>'
    return f"<div>{shown}{picture or ''}</div>"
