"""Functions of arrays, traced once for each signature: `Function`, and what `program` makes of a function of Python."""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Sequence, overload

import numpy as np

from . import _clarke, _tree
from ._arrays import as_arrays, foreign, is_double
from ._errors import CallError, ClarkeError, InputError
from ._questions import Questions
from ._trace import Var, constant, shape_of, tracer_of
from ._tree import Tree

if TYPE_CHECKING:
    from ._derivatives import Derivative

__all__ = ["Argnums", "Function", "PolicyLike", "parse", "program"]

#: Which arguments vary: a position, a name, or several.
Argnums = int | str | Sequence[int | str]

#: A rule that picks a selection at every tie: a text such as ``"jax"``, a number for ``step``, or a policy.
PolicyLike = str | float | _clarke.Policy

#: How many signatures a function remembers: the least recently used ones are traced again.
REMEMBERED = 256


@functools.lru_cache(maxsize=256)
def _named_policy(rule: str | float) -> _clarke.Policy:
    return _clarke.Policy(rule)


def policy_of(rule: PolicyLike | None) -> _clarke.Policy:
    """The policy that is meant; None is the element of least norm."""
    if isinstance(rule, _clarke.Policy):
        return rule
    return _named_policy("min-norm" if rule is None else rule)


@dataclass(frozen=True, slots=True)
class Item:
    """An argument of one call: its name, its leaves, and how it is put together."""

    name: str
    leaves: list[Any]
    tree: Tree


class Call:
    """The arguments of one call, taken apart."""

    __slots__ = ("items", "leaves", "positional")

    def __init__(self, positional: Sequence[tuple[str, Any]], keywords: Sequence[tuple[str, Any]] = ()) -> None:
        self.items: list[Item] = []
        self.positional = len(positional)
        for name, value in (*positional, *keywords):
            leaves, tree = _tree.flatten(value)
            self.items.append(Item(name, [foreign(leaf) for leaf in leaves], tree))
        self.leaves = [leaf for item in self.items for leaf in item.leaves]

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for calls that are the same program."""
        trees = tuple((item.name, item.tree) for item in self.items)
        return self.positional, trees, tuple(shape_of(leaf) for leaf in self.leaves)

    def rebuilt(self, leaves: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        """Arguments with other leaves, as they are given to the function."""
        values, rest = [], iter(leaves)
        for item in self.items:
            values.append(_tree.unflatten(item.tree, [next(rest) for _ in item.leaves]))
        names = [item.name for item in self.items]
        return values[: self.positional], dict(zip(names[self.positional :], values[self.positional :], strict=True))

    def chosen(self, argnums: Argnums | None) -> list[int]:
        """Which items are meant.

        Raises
        ------
        CallError
            A position or a name that is no argument, or one without numbers.
        """
        if argnums is None:
            return [k for k, item in enumerate(self.items) if item.leaves]
        chosen = []
        for which in (argnums,) if isinstance(argnums, (int, str)) else argnums:
            names = [item.name for item in self.items]
            if isinstance(which, str) and which in names:
                k = names.index(which)
            elif isinstance(which, int) and -len(names) <= which < len(names):
                k = which % len(names)
            else:
                raise CallError(f"argnums: there is no argument {which!r}; the arguments are {', '.join(names)}")
            if not self.items[k].leaves:
                raise CallError(f"argnums: the argument {names[k]} holds no number")
            chosen.append(k)
        if len(set(chosen)) < len(chosen):
            raise CallError("argnums: an argument is named twice")
        return chosen


class Specialized:
    """A function at one signature: its program, and what was compiled of it."""

    __slots__ = ("_executables", "_parts", "counts", "names", "out", "program")

    def __init__(self, program: _clarke.Program, counts: list[int], out: Tree) -> None:
        self.program = program
        #: How many leaves each argument has.
        self.counts = counts
        #: The tree of the result.
        self.out = out
        self.names = [name for name, _, _ in program.inputs]
        self._executables: dict[Any, _clarke.Executable] = {}
        self._parts: dict[int, Specialized] = {}

    def output(self, k: int) -> Specialized:
        """The function that returns the k-th leaf of the result only."""
        if len(self.program.outputs) == 1:
            return self
        if k not in self._parts:
            tracer = _clarke.Tracer()
            nodes = [_clarke.Node(tracer, tracer.input(name, shape)) for name, shape, _ in self.program.inputs]
            one = tracer.finish([tracer.inline(self.program, nodes)[k]])
            self._parts[k] = Specialized(one, self.counts, _tree.LEAF)
        return self._parts[k]

    def of(self, item: int) -> range:
        """The inputs that an argument is."""
        start = sum(self.counts[:item])
        return range(start, start + self.counts[item])

    def varying(self, items: Sequence[int]) -> _clarke.Program:
        """The program with these arguments, and no others, as variables."""
        return self.program.varying([self.names[k] for item in items for k in self.of(item)])

    def executable(self, mode: str | None, items: tuple[int, ...], policy: _clarke.Policy, double: bool) -> Any:
        """The program, or a derivative of it in these arguments, compiled; once."""
        key = (mode, items, policy, double)
        found = self._executables.get(key)
        if found is None:
            program = self.program if mode is None else self.varying(items)
            found = self._executables.setdefault(key, _clarke.Executable(program, mode, policy, double))
        return found

    def derivative(self, mode: str, items: Sequence[int], policy: _clarke.Policy) -> _clarke.Program:
        """The program of a derivative, its selections filled."""
        return self.varying(items).derivative(mode).filled(policy)

    def run(
        self, mode: str | None, items: Sequence[int], policy: _clarke.Policy, leaves: Sequence[Any]
    ) -> list[Any]:
        """The results of the program, or of a derivative, at these leaves: computed, or recorded where they are traced."""
        if tracer := tracer_of(*leaves):
            return inlined(tracer, self.program if mode is None else self.derivative(mode, items, policy), leaves)
        double = is_double(leaves)
        results: list[Any] = self.executable(mode, tuple(items), policy, double).run(as_arrays(leaves, double))
        return results


class Function(Questions, _clarke.Dispatcher):
    """A function of arrays, traced once for each signature of its arguments and compiled.

    Made by `program` from a function of Python, or by `parse` from text. Called with numbers and arrays (or dicts, lists,
    tuples and dataclasses of such) it returns what the function returns, as numpy's arrays and scalars: float32 if all
    arrays are float32, else float64. Arrays in row-major order are read where they are. Called with values that are being
    traced it becomes part of that trace.

    At ties: the value has none; derivatives pick an element by ``policy=``.

    Raises
    ------
    ClarkeError
        The first mistake in the function, with its file and line.

    Warns
    -----
    RuntimeWarning
        A value that is not finite although the arguments are, with the operator that made it.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        functools.update_wrapper(self, function)
        self._function = function
        self._signature = inspect.signature(function)
        self._specialized: OrderedDict[Any, Specialized] = OrderedDict()

    def __repr__(self) -> str:
        return f"<clarke.Function {self.name}{self._signature}>"

    @property
    def name(self) -> str:
        """The function's name."""
        return getattr(self._function, "__name__", type(self._function).__name__)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __reduce__(self) -> Any:
        module = sys.modules.get(getattr(self._function, "__module__", ""))
        name = getattr(self._function, "__qualname__", "")
        found: Any = functools.reduce(lambda at, part: getattr(at, part, None), name.split("."), module)
        # A function that its module holds is pickled by name, as Python's own are.
        return name if found is self else (Function, (self._function,))

    def _bind(self, args: Sequence[Any], keywords: dict[str, Any]) -> Call:
        """The arguments by name."""
        try:
            bound = self._signature.bind(*args, **keywords)
        except TypeError as error:
            raise CallError(f"{self.name}: {error}") from None
        bound.apply_defaults()
        positional: list[tuple[str, Any]] = []
        named: list[tuple[str, Any]] = []
        for name, value in bound.arguments.items():
            match self._signature.parameters[name].kind:
                case inspect.Parameter.VAR_POSITIONAL:
                    positional += [(f"{name}{k}", v) for k, v in enumerate(value)]
                case inspect.Parameter.VAR_KEYWORD:
                    named += value.items()
                case inspect.Parameter.KEYWORD_ONLY:
                    named.append((name, value))
                case _:
                    positional.append((name, value))
        return Call(positional, named)

    def _trace(self, call: Call) -> tuple[_clarke.Program, Tree]:
        """The program of one signature, and the tree of its result."""
        tracer = _clarke.Tracer()
        shapes = [shape_of(leaf) for leaf in call.leaves]
        labels = [name for item in call.items for name in _tree.names(item.tree, item.name)]
        inputs = [Var(tracer, tracer.input(name, shape)) for name, shape in zip(labels, shapes, strict=True)]
        args, keywords = call.rebuilt(inputs)
        result = self._function(*args, **keywords)
        leaves, tree = _tree.flatten(result)
        if not leaves:
            raise InputError(f"{self.name} returns {result!r}, and no number: return a value made of the arguments")
        return tracer.finish([node_of(tracer, leaf) for leaf in leaves]), tree

    def _specialize(self, call: Call) -> Specialized:
        """The function at the signature of a call; traced if it is new."""
        key = call.key
        found = self._specialized.get(key)
        if found is not None:
            try:
                self._specialized.move_to_end(key)
            except KeyError:  # another thread forgot it meanwhile
                pass
            return found
        program, out = self._trace(call)
        made = self._specialized[key] = Specialized(program, [len(item.leaves) for item in call.items], out)
        if len(self._specialized) > REMEMBERED:
            self._specialized.popitem(last=False)
        return made

    def specialize(self, *args: Any, **keywords: Any) -> _clarke.Program:
        """The program of a call with these arguments: a function of fixed shapes, as data.

        Examples
        --------
        >>> import clarke as ck
        >>> print(ck.parse("max(abs(x), 1)").specialize(2.0).text())
        def f(x: []):
            return maximum(abs(x), 1.0)
        <BLANKLINE>
        """
        return self._specialize(self._bind(args, keywords)).program

    @functools.cached_property
    def grad(self) -> Derivative:
        """The gradient in the first argument, see `clarke.grad`; ``argnums=`` and ``policy=`` in the call change it."""
        from ._derivatives import grad

        return grad(self)

    @functools.cached_property
    def value_and_grad(self) -> Derivative:
        """Value and gradient, see `clarke.value_and_grad`."""
        from ._derivatives import value_and_grad

        return value_and_grad(self)

    @functools.cached_property
    def jacobian(self) -> Derivative:
        """The Jacobian, see `clarke.jacobian`."""
        from ._derivatives import jacobian

        return jacobian(self)

    def jvp(
        self, primals: Any, tangents: Any, *, argnums: Argnums | None = None, policy: PolicyLike | None = None
    ) -> tuple[Any, Any]:
        """Value and product of the Jacobian with tangents, see `clarke.jvp`."""
        from ._derivatives import jvp

        return jvp(self, primals, tangents, argnums=argnums, policy=policy)

    def vjp(
        self, *primals: Any, argnums: Argnums | None = None, policy: PolicyLike | None = None
    ) -> tuple[Any, Callable[[Any], Any]]:
        """Value and product of the transposed Jacobian with a cotangent, see `clarke.vjp`."""
        from ._derivatives import vjp

        return vjp(self, *primals, argnums=argnums, policy=policy)

    def hvp(
        self, primals: Any, tangents: Any, *, argnums: Argnums | None = None, policy: PolicyLike | None = None
    ) -> Any:
        """The product of the Hessian with tangents, see `clarke.hvp`."""
        from ._derivatives import hvp

        return hvp(self, primals, tangents, argnums=argnums, policy=policy)

    def batch(self, in_axes: int | None | Sequence[int | None] = 0, out_axes: int = 0) -> Function:
        """The function over an additional axis of its arguments, see `clarke.batch`."""
        from ._derivatives import batch

        return batch(self, in_axes, out_axes)

    def _miss(self, args: tuple[Any, ...], keywords: dict[str, Any] | None) -> Any:
        """A call that the native half does not know yet."""
        call = self._bind(args, keywords or {})
        at = self._specialize(call)
        results = at.run(None, (), policy_of(None), call.leaves)
        if not keywords and plain(call, args) and is_flat(at.out):
            executable = at.executable(None, (), policy_of(None), is_double(call.leaves))
            self._know(args, executable, at.out.kind == "tuple", 0)
        return _tree.unflatten(at.out, results)

    def _point(self, args: Sequence[Any], keywords: dict[str, Any], argnums: Argnums | None) -> Any:
        """For questions about a point: the program in the arguments that vary, its inputs' numbers in float64, and what
        puts an element (an array for each variable) into the form of those arguments."""
        call = self._bind(args, keywords)
        at = self._specialize(call)
        items = call.chosen(argnums)
        if tracer_of(*call.leaves):
            raise InputError(f"{self.name}: sets and ties are asked for at a point, not inside of a trace")

        def unflatten(element: Sequence[Any]) -> Any:
            return shaped(call, items, argnums, element)

        return at.varying(items), as_arrays(call.leaves, True), unflatten


def is_flat(out: Tree) -> bool:
    """Whether a result is one array, or a tuple of arrays."""
    return out.kind == "leaf" or (out.kind == "tuple" and all(child.kind == "leaf" for child in out.children))


def plain(call: Call, args: Sequence[Any]) -> bool:
    """Whether each argument of a call is one number or one array of numpy, and no other was filled in."""
    whole = len(args) == len(call.items) and all(item.tree.kind == "leaf" for item in call.items)
    return whole and all(type(arg) in (np.ndarray, float, int) for arg in args)


def shaped(call: Call, items: Sequence[int], argnums: Argnums | None, leaves: Sequence[Any]) -> Any:
    """Leaves of the arguments that vary in their form: one argument's, or a tuple."""
    rest = iter(leaves)
    values = [_tree.unflatten(call.items[k].tree, [next(rest) for _ in call.items[k].leaves]) for k in items]
    return values[0] if isinstance(argnums, (int, str)) else tuple(values)


def inlined(tracer: _clarke.Tracer, program: _clarke.Program, leaves: Sequence[Any]) -> list[Any]:
    """The results of a program as part of a trace."""
    nodes = [_clarke.Node(tracer, node_of(tracer, leaf)) for leaf in leaves]
    return [Var(tracer, node) for node in tracer.inline(program, nodes)]


def node_of(tracer: _clarke.Tracer, leaf: Any) -> int:
    """The node of a value in a trace; a number or an array becomes a constant."""
    if not isinstance(leaf, _clarke.Node):
        return constant(tracer, leaf).node
    if leaf.tracer is not tracer:
        raise InputError("a value of another trace was used: a traced function must not keep its values for later")
    return leaf.node


class TextFunction(Function):
    """A function read from text: its arguments are the names in it, in the order of their first use."""

    def __init__(self, text: str) -> None:
        names, whole = _names(text)
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        signature = inspect.Signature([inspect.Parameter(name, kind) for name in names])

        def function(*_: Any) -> Any:
            raise ClarkeError("a function from text is read, not called")

        function.__name__ = function.__qualname__ = text if "\n" not in text.strip() else "f"
        function.__doc__ = f"The function `{text.strip()}`."
        super().__init__(function)
        self._signature = signature
        self.text = text
        self._whole = whole

    def __repr__(self) -> str:
        return f"clarke.parse({self.text!r})"

    def __reduce__(self) -> Any:
        return parse, (self.text,)

    def _trace(self, call: Call) -> tuple[_clarke.Program, Tree]:
        for item in call.items:
            if item.tree.kind != "leaf":
                raise InputError(f"{item.name}: a function from text takes a number or an array for each of its names")
        inputs = [(item.name, list(shape_of(item.leaves[0]))) for item in call.items]
        if self._whole is None:
            program = _clarke.parse(self.text, inputs)
        else:
            program = self._whole
            for (name, shape), (_, wanted, _) in zip(inputs, program.inputs, strict=True):
                if shape != list(wanted):
                    raise InputError(f"input `{name}` has shape {list(wanted)}, but was given {shape}")
        count = len(program.outputs)
        return program, _tree.LEAF if count == 1 else Tree("tuple", None, (_tree.LEAF,) * count)


def _names(text: str) -> tuple[list[str], _clarke.Program | None]:
    """The arguments of a text, and its program if the text is a whole `def` with shapes."""
    if text.lstrip().startswith("def "):
        whole = _clarke.parse(text, None)
        return [name for name, _, role in whole.inputs if role != "selection"], whole
    return _clarke.names(text), None


def parse(text: str) -> Function:
    """A function from text: an expression in Python's syntax over the operators (`clarke.operators`), or a whole `def`.

    Parameters
    ----------
    text : str
        As ``"max(abs(x), 1)"``. The arguments are its names, in the order of their first use. Statements may come first,
        separated by semicolons or line ends. A `def` has its shapes written out: ``def f(x: [3]): return sum(abs(x))``.

    Raises
    ------
    TextError
        Text that cannot be read, with the place in it.

    Examples
    --------
    >>> import clarke as ck
    >>> f = ck.parse("relu(-x) + x - relu(x)")
    >>> f(3.0), f.grad(0.0, policy="pytorch")
    (np.float64(0.0), np.float64(1.0))
    """
    return TextFunction(text)


@overload
def program(function: Callable[..., Any]) -> Function: ...
@overload
def program() -> Callable[[Callable[..., Any]], Function]: ...
def program(function: Callable[..., Any] | None = None) -> Any:
    """A function of numpy code as one that Clarke traces, compiles and differentiates: a decorator.

    Parameters
    ----------
    function : callable
        Takes and returns numbers and arrays, or dicts, lists, tuples and dataclasses of such. It is run once for each
        signature, on values that record what is done to them; what it does besides happens then.

    Examples
    --------
    >>> import clarke as ck
    >>> import numpy as np
    >>> @ck.program
    ... def f(x):
    ...     return np.abs(x).sum() + np.maximum(x, 0).max()
    >>> f(np.array([1.0, -2.0]))
    np.float64(4.0)
    >>> f.grad(np.array([1.0, -2.0]))
    array([ 2., -1.])
    """
    if function is None:
        return program
    return function if isinstance(function, Function) else Function(function)
