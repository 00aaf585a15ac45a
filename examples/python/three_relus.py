# %% [markdown]
# # What is the derivative of relu at 0?
#
# The story of conservative gradients in seven cells, after the slides of Edouard Pauwels, "Nonsmooth differential calculus
# and optimization, the conservative gradient approach" (2022). All that is printed is asserted.

# %%
import clarke as ck
import numpy as np


@ck.program
def relu1(x):
    return ck.relu(x)


@ck.program
def relu2(x):
    return ck.relu(-x) + x


@ck.program
def zero(x):
    return relu2(x) - relu1(x)


for x in (-1.5, 0.0, 2.0):
    assert relu1(x) == relu2(x) == max(x, 0.0)
    assert zero(x) == 0.0
print("relu1 and relu2 are the same function, and zero is the constant 0")

# %% [markdown]
# ## 1. Backpropagation differentiates formulas
#
# At 0 the two pieces of relu, 0 and x, meet: a *tie*. Frameworks take the slope 0 there, and what they return for one
# function depends on how it is written.

# %%
for f, expected in [(relu1, 0.0), (relu2, 1.0), (zero, 1.0)]:
    gradient = f.grad(0.0, policy="pytorch")
    print(f"{f.name}: the gradient at 0, as PyTorch takes it, is {gradient}")
    assert gradient == expected

# %% [markdown]
# ## 2. A policy chooses, and is never hidden
#
# The slope at a tie is any number of [0, 1]. Which one is taken is an argument. Each tie knows the line that it was written
# in.

# %%
by_step = [float(zero.grad(0.0, policy=step)) for step in (0.0, 0.25, 0.5, 1.0)]
print(f"zero under steps 0, 1/4, 1/2, 1: {by_step}")
assert by_step == [1.0, 0.5, 0.0, -1.0]
ties = zero.ties(0.0)
for tie in ties:
    print(tie)
assert [tie.op for tie in ties] == ["relu", "relu"]
assert [tie.code for tie in ties] == ["return ck.relu(-x) + x", "return ck.relu(x)"]

# %% [markdown]
# ## 3. Two sets
#
# All choices together give the *conservative gradient* of the formula. The *Clarke subdifferential* belongs to the function,
# however it is written: the averages of the limits of gradients at nearby points.

# %%
for f, conservative, clarke in [(relu1, [0, 1], [0, 1]), (relu2, [0, 1], [0, 1]), (zero, [-1, 1], [0])]:
    d, c = f.conservative(0.0), f.clarke(0.0)
    print(f"{f.name}: {d!r}, {c!r}")
    assert (d.known, c.known) == ("exact", "exact")
    assert sorted(map(float, d.vertices)) == conservative
    assert sorted(map(float, c.vertices)) == clarke

# %% [markdown]
# ## 4. Artifacts
#
# A gradient outside of the Clarke subdifferential is an *artifact* of the formula: no average of gradients nearby.

# %%
explained = zero.explain(0.0, policy="pytorch")
print(explained)
assert explained.artifact
assert 1.0 in zero.conservative(0.0)
assert 1.0 not in zero.clarke(0.0)
assert not relu1.explain(0.0, policy="pytorch").artifact

# %% [markdown]
# ## 5. What a point is
#
# At a minimum 0 is in both sets. It may be in the conservative gradient alone: the identity, written as x − zero(x), may get
# the gradient 0 where it descends. Such a point is *spurious*, and the verdict names a direction of descent.


# %%
@ck.program
def identity(x):
    return x - zero(x)


assert identity.grad(0.0, policy="pytorch") == 0.0
verdict = identity.verdict(0.0)
print(f"identity at 0: {verdict!r}")
assert verdict == "spurious critical"
assert verdict.descent.direction == -1.0 and verdict.descent.bound == -1.0
assert verdict.certificate.check()
assert ck.parse("abs(x) + relu(x)/2").verdict(0.0) == "clarke critical"

# %% [markdown]
# ## 6. Why training works all the same
#
# Away from a set of measure 0 all choices agree; and along curves the chain rule holds for every choice, also inside of ties.

# %%
points = np.random.default_rng(0).uniform(-1.0, 1.0, size=200)
assert all(zero.conservative(x).is_single for x in points)
report = ck.check_conservative(zero, "pytorch", 0.0)
print(report)
assert report.passes

# %% [markdown]
# ## 7. An element for certain
#
# A random direction decides every tie, and the gradient of the piece next to the point is an element of the Clarke
# subdifferential (Kakade and Lee 2018; Khan and Barton 2013), at the cost of a gradient.

# %%
for f in (relu1, relu2, zero, identity):
    element = f.at(0.0).clarke_element()
    print(f"{f.name}: {element}")
    assert element in f.clarke(0.0)
