"""The exceptions of Clarke: each is a `ClarkeError` and, where Python has one, the exception that Python would raise.

Which error of the library is which class is said in the native half.
"""

from __future__ import annotations

__all__ = [
    "CallError",
    "ClarkeError",
    "DiscontinuousError",
    "DtypeError",
    "GuaranteeWarning",
    "InputError",
    "NoDerivativeError",
    "NotFiniteError",
    "NotLipschitzError",
    "TextError",
    "UnsupportedError",
]


class ClarkeError(Exception):
    """An error of the library. Where it arose in the user's code is in the text, and in these attributes.

    Attributes
    ----------
    file, line : str, int or None
        Where the operator at fault was written, in a file of Python.
    text, span : str, (int, int) or None
        The program's text and the bytes of it at fault, for a program read from text.
    """

    file: str | None = None
    line: int | None = None
    text: str | None = None
    span: tuple[int, int] | None = None


class InputError(ClarkeError, ValueError):
    """An array, a shape or a setting that the program or an operator does not take."""


class CallError(ClarkeError, TypeError):
    """An operator or a program called with other arguments than it has."""


class DtypeError(ClarkeError, TypeError):
    """A value that is no real number or array of such."""


class UnsupportedError(ClarkeError, TypeError):
    """A function of numpy that has no operator yet, or a use of a traced value that cannot be traced."""


class TextError(ClarkeError, ValueError):
    """Program text that cannot be read."""


class NoDerivativeError(ClarkeError, ValueError):
    """An operator without derivative at this point."""


class NotLipschitzError(NoDerivativeError):
    """The function is not locally Lipschitz at the point: no derivative, however generalized, is finite there."""


class DiscontinuousError(NoDerivativeError):
    """The function jumps at the point."""


class NotFiniteError(ClarkeError, ArithmeticError):
    """A value that is not a finite number."""


class GuaranteeWarning(UserWarning):
    """A condition of the theory that a run does not meet, with what to do."""
