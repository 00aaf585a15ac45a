# %% [markdown]
# # Robust regression, with a certificate
#
# Least absolute deviations with an ℓ₁ penalty: the mean of |residual| has a kink for each of 442 patients, the penalty one for
# each of ten weights, and the minimum lies on many of them. A smooth method does not know when it has arrived. Here the
# answer comes with what proves it.
#
# Run from anywhere: `python examples/python/robust_regression.py`. All that is printed is asserted.

# %%
from pathlib import Path

import clarke as ck
import numpy as np

DATA = Path(__file__).resolve().parents[2] / "data" / "diabetes.csv"
names = DATA.read_text().splitlines()[0].split(",")[:-1]
table = np.loadtxt(DATA, delimiter=",", skiprows=1)
X, y = table[:, :-1], table[:, -1]
X = (X - X.mean(axis=0)) / X.std(axis=0)
print(f"{len(y)} patients, {len(names)} measurements")
assert (len(y), len(names)) == (442, 10)


# %% [markdown]
# ## The loss, as one writes it in numpy
#
# The parameters are a dict; gradients and minimizers are dicts too.


# %%
@ck.program
def loss(model):
    residuals = X @ model["w"] + model["b"] - y
    return np.abs(residuals).mean() + 0.01 * np.abs(model["w"]).sum()


start = {"w": np.zeros(10), "b": np.median(y)}
print(f"at the start: {loss(start):.4f}, ties met: {len(loss.ties(start))}")
# Ten weights are 0; no patient has the median of an even number.
assert len(loss.ties(start)) == 10 + np.count_nonzero(y == np.median(y))

# %% [markdown]
# ## Minimize
#
# The optimum of this problem, computed as a linear program, is 44.233825443498 (`data/README.md`).

# %%
OPTIMUM = 44.233825443498
found = ck.minimize(loss, start, method="bundle", convex=True)
print(f"{found.message}: {found.fun:.9f} after {found.nit} steps")
print(f"guarantee: {found.guarantee}")
assert abs(found.fun - OPTIMUM) < 1e-4 * OPTIMUM
for name, weight in zip(names, found.x["w"]):
    print(f"  {name:4} {weight:10.4f}")
assert set(found.x) == {"w", "b"}

# %% [markdown]
# ## What proves it
#
# A computed minimum meets its ties up to rounding. It is moved onto them, and judged there: 0 is an average of gradients at
# nearby points. For a convex function that is a proof, and the certificate keeps the elements and their weights.

# %%
print(f"ties at the minimum: {found.polished.active}, met within {found.polished.tolerance:.0e}")
# As many as there are unknowns: each weight that is 0 is one, and each patient who is met exactly.
assert found.polished.active == 11
print(f"verdict: {found.verdict}; the element of least norm has norm {found.verdict.clarke_min.distance:.0e}")
assert found.verdict == "clarke critical"
assert found.verdict.clarke_min.distance < 1e-9
certificate = found.verdict.certificate
print(f"{certificate!r}, {len(certificate.text)} characters; checked again: {certificate.check().outcome}")
assert certificate.check().outcome == "verified"

# %% [markdown]
# At the start there is no such proof, but one of the contrary: a direction in which the loss falls.

# %%
first = loss.verdict(start)
print(f"at the start: {first!r}")
assert first == "not critical"
down = first.descent.direction
assert loss({name: start[name] + 1e-3 * down[name] for name in start}) < loss(start)

# %% [markdown]
# ## Fewer promises
#
# The subgradient method needs no memory of the past, and gets less far in its steps.

# %%
slow = ck.minimize(loss, start, method="subgradient", steps=2000, certify=False)
print(f"subgradient method: {slow.fun:.6f} after {slow.nit} steps, {slow.fun / OPTIMUM - 1:.1e} above the optimum")
assert OPTIMUM <= slow.fun < 1.01 * OPTIMUM
