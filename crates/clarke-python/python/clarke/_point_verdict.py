"""What is said of a point: `Tie`, `Verdict` with its `Certificate`, `Explanation`."""

from __future__ import annotations

import json
import linecache
import pathlib
from dataclasses import asdict, dataclass
from typing import Any, Sequence

from . import _clarke
from ._errors import InputError
from ._point_form import Form, page
from ._point_set import Nearest, Set, nearest_of, picture_of

__all__ = ["Certificate", "Checked", "Descent", "Explanation", "Tie", "Verdict"]


@dataclass(frozen=True, slots=True)
class Tie:
    """A tie that a function meets at a point: an elementary operator with several pieces there.

    Attributes
    ----------
    op : str
        The operator.
    source : str
        Its expression.
    file, line : str, int or None
        Where it was written, for a function of Python.
    span : (int, int) or None
        Which bytes of the text it is, for a function read from text.
    index : tuple of int or None
        Which element of the operator's argument (which slice, for a tie along axes) is tied; None for a single number.
    pieces : int or None
        How many pieces meet; None if infinitely many.
    distance : float
        How far the furthest element counted as tied is from an exact tie: 0 unless a tolerance was given.
    beyond : float
        How far the nearest piece is that does not take part; infinite if all do.
    """

    op: str
    source: str
    file: str | None
    line: int | None
    span: tuple[int, int] | None
    index: tuple[int, ...] | None
    pieces: int | None
    distance: float
    beyond: float

    @property
    def code(self) -> str | None:
        """The line of code that wrote the operator, if it can be read."""
        if self.file is None or self.line is None:
            return None
        return linecache.getline(self.file, self.line).strip() or None

    def __repr__(self) -> str:
        at = "" if self.file is None else f" at {pathlib.PurePath(self.file).name}:{self.line}"
        index = "" if self.index is None else f", index {list(self.index)}"
        pieces = "infinitely many" if self.pieces is None else self.pieces
        away = f", {self.distance:.1e} away" if self.distance else ""
        return f"<clarke.Tie {self.op}{at}{index}: {pieces} pieces{away}>"

    def __str__(self) -> str:
        where = self.code or self.source
        return f"{self!r} in {where}"

    def _repr_html_(self) -> str:
        return page(str(self))

    def to_dict(self) -> dict[str, Any]:
        """The tie as plain data."""
        return {**asdict(self), "code": self.code}


def tie_of(row: Any) -> Tie:
    """A tie from what the native half says of it."""
    op, source, (file, line, span), index, pieces, distance, beyond = row
    return Tie(op, source, file, line, span, None if index is None else tuple(index), pieces, distance, beyond)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check of a certificate found. True where all of it holds.

    Attributes
    ----------
    outcome : str
        ``"verified"``; ``"refuted"``: something in it is not so; ``"unverified"``: what could be checked holds.
    why : str or None
        What is not so, or could not be checked.
    """

    outcome: str
    why: str | None = None

    def __bool__(self) -> bool:
        return self.outcome == "verified"


class Certificate:
    """A verdict as data that a small slow function checks again.

    Examples
    --------
    >>> import clarke as ck
    >>> certificate = ck.parse("abs(x)").verdict(0.0).certificate
    >>> certificate.check()
    Checked(outcome='verified', why=None)
    """

    def __init__(self, native: _clarke.Certificate, program: _clarke.Program | None = None) -> None:
        self._native = native
        self._program = program

    @staticmethod
    def parse(text: str) -> Certificate:
        """A certificate from its text, which is JSON.

        Raises
        ------
        TextError
            A text that is no certificate.
        """
        return Certificate(_clarke.Certificate.parse(text))

    @property
    def verdict(self) -> str:
        """The verdict that it proves."""
        return self._native.verdict

    @property
    def text(self) -> str:
        """All of it as JSON: `clarke verify` and `Certificate.parse` read it."""
        return self._native.text()

    def check(self, program: _clarke.Program | None = None) -> Checked:
        """Checks it against a program: by default the one that it was made of.

        Elements are computed anew, weights added up, directions followed, and bounds shown by trying all choices.

        Parameters
        ----------
        program : Program, optional
            What `Function.specialize` returns, with the same variables.

        Raises
        ------
        InputError
            No program is given, and none is known.
        """
        program = program or self._program
        if program is None:
            raise InputError("a certificate read from text is checked against a program: give f.specialize(…)")
        return Checked(*self._native.check(program))

    def __reduce__(self) -> Any:
        # Programs stay in their process; what is pickled is the text.
        return Certificate.parse, (self.text,)

    def __repr__(self) -> str:
        return f"<clarke.Certificate of {self.verdict!r}>"

    def to_dict(self) -> dict[str, Any]:
        """The certificate as plain data."""
        data: dict[str, Any] = json.loads(self.text)
        return data


@dataclass(frozen=True, slots=True)
class Descent:
    """A direction in which a function descends.

    Attributes
    ----------
    direction : object
        Of norm 1, in the form of the argument.
    bound : float
        An upper bound, below 0, of the generalized directional derivative along it; for a point that is not critical even
        of all ⟨v, d⟩ over the conservative gradient.
    """

    direction: Any
    bound: float


class Verdict(str):
    """What a point is to a function: a text, with what proves it.

    ``"smooth"`` (no tie is met), ``"clarke critical"``, ``"spurious critical"`` (0 lies in the conservative gradient of the
    formula, and not in the Clarke subdifferential of the function), ``"not critical"`` or ``"undecided"``.

    Attributes
    ----------
    conservative, clarke : Set
        Both sets.
    conservative_critical, clarke_critical : bool or None
        Whether 0 is in each; None if undecided.
    conservative_min, clarke_min : Nearest
        The element of least norm of each.
    descent : Descent or None
        A direction of descent, where 0 was separated from a set.
    certificate : Certificate or None
        The verdict as data that can be checked again; None if undecided.

    Examples
    --------
    >>> import clarke as ck
    >>> verdict = ck.parse("x - (relu(-x) + x - relu(x))").verdict(0.0)
    >>> verdict
    <clarke.Verdict 'spurious critical': descends by at least 1 along a direction>
    >>> verdict == "spurious critical", verdict.descent
    (True, Descent(direction=np.float64(-1.0), bound=-1.0))
    """

    conservative: Set
    clarke: Set
    conservative_critical: bool | None
    clarke_critical: bool | None
    conservative_min: Nearest
    clarke_min: Nearest
    descent: Descent | None
    certificate: Certificate | None
    _direction: dict[str, Any] | None

    def __new__(cls, native: _clarke.Judgement, form: Form, program: _clarke.Program) -> Verdict:
        self = super().__new__(cls, native.verdict)
        self.conservative = Set(native.conservative, form, "conservative")
        self.clarke = Set(native.clarke, form, "clarke")
        self.conservative_critical = native.conservative_critical
        self.clarke_critical = native.clarke_critical
        self.conservative_min = nearest_of(form, native.conservative_min)
        self.clarke_min = nearest_of(form, native.clarke_min)
        found, certificate = native.descent, native.certificate
        self.descent = None if found is None else Descent(form.element(found[0]), found[1])
        self._direction = None if found is None else form.named(found[0])
        self.certificate = None if certificate is None else Certificate(certificate, program)
        return self

    def __reduce__(self) -> Any:
        # Sets stay in their process; what is pickled is the text.
        return str, (str.__str__(self),)

    def __repr__(self) -> str:
        more = ""
        if self.descent is not None:
            more = f": descends by at least {-self.descent.bound:.6g} along a direction"
        return f"<clarke.Verdict {str.__repr__(self)}{more}>"

    def _repr_html_(self) -> str:
        return page(f"{str.__str__(self)}\n\n{self.conservative!r}\n{self.clarke!r}")

    def to_dict(self) -> dict[str, Any]:
        """The verdict as plain data."""
        descent = None
        if self.descent is not None:
            descent = {"direction": self._direction, "bound": self.descent.bound}
        return {
            "verdict": str.__str__(self),
            "conservative": self.conservative.to_dict(),
            "clarke": self.clarke.to_dict(),
            "descent": descent,
            "certificate": None if self.certificate is None else self.certificate.to_dict(),
        }


class Explanation:
    """A function at a point, explained: what `clarke explain` says of it.

    Its repr and its text are the page that people read; a notebook shows it with the picture of a function of one or two
    numbers.

    Attributes
    ----------
    verdict : Verdict or None
        The verdict with both sets; None where there is none (the page says why).
    """

    def __init__(self, native: _clarke.Explained, form: Form, program: _clarke.Program) -> None:
        self._native = native
        judged = native.judgement
        self.verdict = None if judged is None else Verdict(judged, form, program)

    def __repr__(self) -> str:
        return self._native.text().rstrip()

    def _repr_html_(self) -> str:
        return self._native.html()

    def to_dict(self) -> dict[str, Any]:
        """All that the page says as plain data, and all that it leaves out."""
        data: dict[str, Any] = json.loads(self._native.json())
        return data

    @property
    def artifact(self) -> bool | None:
        """Whether the gradient under the policy lies outside of the Clarke subdifferential; None if undecided."""
        found: bool | None = self.to_dict().get("artifact")
        return found

    def picture(self, *ranges: Sequence[float], format: str = "svg") -> str | bytes:
        """The picture of a function of one or two numbers: as SVG (a text), or as PNG (bytes).

        Parameters
        ----------
        *ranges : (float, float)
            What is drawn: one range for each number, or one for both; by default 1 to both sides of the point.

        Raises
        ------
        InputError
            A function of more numbers; a range that cannot be drawn.
        """
        ends = [(float(low), float(high)) for low, high in ranges]
        return picture_of(format, lambda png: self._native.picture(ends, png))

    def save(self, path: str | pathlib.Path, *ranges: Sequence[float]) -> None:
        """Writes the picture to a file: PNG if its name ends so, else SVG."""
        path = pathlib.Path(path)
        drawn = self.picture(*ranges, format="png" if path.suffix.lower() == ".png" else "svg")
        path.write_bytes(drawn.encode() if isinstance(drawn, str) else drawn)
