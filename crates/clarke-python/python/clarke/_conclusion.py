"""What is known of the point where a run ended: `Conclusion`, with its active ties, proof and bound."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from . import _clarke
from ._point_form import page
from ._point_verdict import Certificate

__all__ = ["Active", "Bound", "Conclusion", "Proof"]


@dataclass(frozen=True, slots=True)
class Active:
    """A tie that counts as met.

    Attributes
    ----------
    op, source, place : str
        The operator, its text, and where it stands.
    index : tuple of int or None
        Which element of its argument (which slice, for a tie along axes); None for a single number.
    pieces : int or None
        How many pieces meet; None if infinitely many.
    difference : float
        How far the furthest of its differences that count as active is from 0.
    weights : tuple of float
        What the combination of least norm takes there.
    """

    op: str
    source: str
    place: str
    index: tuple[int, ...] | None
    pieces: int | None
    difference: float
    weights: tuple[float, ...]


class Proof(NamedTuple):
    """What interval arithmetic proves: exactly one point is within `radius` of the solution in every variable at which all
    active differences are 0 and the weighted gradients combine to 0; its value lies between `low` and `high`.
    """

    radius: float
    low: float
    high: float


class Bound(NamedTuple):
    """What is missing to the least value at most, if the function is convex: over the ball of this radius around the
    solution; everywhere where that is None.
    """

    missing: float
    radius: float | None


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What is known of the point where a run ended.

    Attributes
    ----------
    verdict : str or None
        What the point is, see `Verdict`; None if it was not judged.
    unjudged : str or None
        Why it was not.
    critical : bool or None
        Whether 0 is in the Clarke subdifferential; None if that is undecided.
    norm : float or None
        The norm of the combination of least norm of limiting gradients.
    precision : str
        How the ties are met: ``exact`` if every active difference is 0 in the arithmetic; ``exact within r`` if a critical
        point at which they are is proved to lie within r; else ``polished(τ)`` with the largest difference.
    largest : float
        The largest active difference.
    active : tuple of Active
        The ties that count as met.
    proof : Proof or None
        How near a critical point was proved to lie.
    bound : Bound or None
        What is missing to the least value, for a function said to be convex.
    certificate : Certificate or None
        All of it as data that can be checked again.
    text : str
        All of it in words.
    """

    verdict: str | None
    unjudged: str | None
    critical: bool | None
    norm: float | None
    precision: str
    largest: float
    active: tuple[Active, ...]
    proof: Proof | None
    bound: Bound | None
    certificate: Certificate | None
    text: str

    def __repr__(self) -> str:
        if self.verdict is None:
            return f"<clarke.Conclusion: no verdict, {self.unjudged}>"
        return f"<clarke.Conclusion {self.verdict!r}: {len(self.active)} active ties, {self.precision}>"

    def __str__(self) -> str:
        return self.text.rstrip()

    def _repr_html_(self) -> str:
        return page(self.text.rstrip())

    def to_dict(self) -> dict[str, Any]:
        """The conclusion as plain data, without the words."""
        names = ("verdict", "unjudged", "critical", "norm", "precision", "largest")
        kept: dict[str, Any] = {name: getattr(self, name) for name in names}
        kept["active"] = [asdict(a) for a in self.active]
        kept["proof"] = None if self.proof is None else self.proof._asdict()
        kept["bound"] = None if self.bound is None else self.bound._asdict()
        kept["certificate"] = None if self.certificate is None else self.certificate.to_dict()
        return kept


def conclusion_of(native: _clarke.Conclusion, program: _clarke.Program | None) -> Conclusion:
    """A conclusion from the native one, with the program that its certificate is of, where that is known."""
    active = tuple(
        Active(op, source, place, None if index is None else tuple(index), pieces, difference, tuple(weights))
        for op, source, place, index, pieces, difference, weights in native.active
    )
    certificate = native.certificate
    return Conclusion(
        verdict=native.verdict,
        unjudged=native.unjudged,
        critical=native.critical,
        norm=native.norm,
        precision=native.precision,
        largest=native.largest,
        active=active,
        proof=None if native.proof is None else Proof(*native.proof),
        bound=None if native.bound is None else Bound(*native.bound),
        certificate=None if certificate is None else Certificate(certificate, program),
        text=native.text,
    )
