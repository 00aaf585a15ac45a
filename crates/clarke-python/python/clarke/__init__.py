"""Clarke: differentiation and optimization of programs that are not smooth, and what the derivatives mean.

A function of numpy code becomes a program, its derivative a set wherever pieces meet (a *tie*), and a gradient an element
of that set, picked by a *policy*:

>>> import clarke as ck
>>> import numpy as np
>>> @ck.program
... def f(x):
...     return np.abs(x).sum() + np.maximum(x, 0).max()
>>> x = np.array([0.0, -2.0])
>>> f(x)
np.float64(2.0)
>>> f.grad(x, policy="jax"), f.grad(x, policy="pytorch")
(array([ 1.25, -1.  ]), array([ 0.25, -1.  ]))
"""

from __future__ import annotations

from . import _numpy as _numpy  # Traced values learn what numpy's functions do to them.
from . import _ops
from ._check import Agreement, Audit, CheckReport, Finding, audit, check_conservative
from ._clarke import Policy, Program, __version__
from ._conclusion import Conclusion
from ._cost import Cost, GradientCost
from ._derivatives import Derivative, batch, grad, hvp, jacobian, jvp, value_and_grad, vjp
from ._errors import (
    CallError,
    ClarkeError,
    DiscontinuousError,
    DtypeError,
    GuaranteeWarning,
    InputError,
    NoDerivativeError,
    NotFiniteError,
    NotLipschitzError,
    TextError,
    UnsupportedError,
)
from ._function import Function, parse, program
from ._jax import to_jax
from ._operator import Operator, op, step
from ._ops import *  # noqa: F403  (every operator of the table, under its name)
from ._ops import Entry, operators
from ._optimize import Measure, Method, OptimizeResult, Polished, methods, minimize
from ._point import At, Dependence, at, bounds, clarke, conservative, directional, explain, ties, verdict
from ._point_set import Bounds, Containment, Nearest, Set, Support
from ._point_verdict import Certificate, Checked, Descent, Explanation, Tie, Verdict
from ._scipy import ForScipy, to_scipy
from ._sum import FiniteSum
from ._torch import to_torch
from ._trace import Condition, Var

__all__ = [
    "__version__",
    "Agreement",
    "At",
    "at",
    "Audit",
    "audit",
    "batch",
    "Bounds",
    "bounds",
    "CallError",
    "Certificate",
    "check_conservative",
    "Checked",
    "CheckReport",
    "clarke",
    "ClarkeError",
    "Conclusion",
    "Condition",
    "conservative",
    "Containment",
    "Cost",
    "Dependence",
    "Derivative",
    "Descent",
    "directional",
    "DiscontinuousError",
    "DtypeError",
    "Entry",
    "explain",
    "Explanation",
    "Finding",
    "FiniteSum",
    "ForScipy",
    "Function",
    "grad",
    "GradientCost",
    "GuaranteeWarning",
    "hvp",
    "InputError",
    "jacobian",
    "jvp",
    "Measure",
    "Method",
    "methods",
    "minimize",
    "Nearest",
    "NoDerivativeError",
    "NotFiniteError",
    "NotLipschitzError",
    "op",
    "Operator",
    "OptimizeResult",
    "parse",
    "Policy",
    "Polished",
    "Program",
    "program",
    "Set",
    "step",
    "Support",
    "TextError",
    "Tie",
    "ties",
    "to_jax",
    "to_scipy",
    "to_torch",
    "UnsupportedError",
    "value_and_grad",
    "Var",
    "Verdict",
    "verdict",
    "vjp",
]
__all__ += _ops.__all__
