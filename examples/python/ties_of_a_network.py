# %% [markdown]
# # Reading a relu network's ties
#
# A small network with relus is piecewise linear in its input, and in each layer's weights. Where a unit's input is exactly 0, a
# tie is met. This is rarer than one thinks in float64, and common where weights or inputs are 0, rounded or equal. What
# do ties do to the gradient?

# %%
import clarke as ck
import numpy as np


@ck.program
def network(params, x):
    hidden = ck.relu(x @ params["W1"] + params["b1"])
    hidden = ck.relu(hidden @ params["W2"] + params["b2"])
    return hidden @ params["w3"]


@ck.program
def loss(params, x, y):
    return np.abs(network.batch((None, 0))(params, x) - y).mean()


rng = np.random.default_rng(1)
sizes = (4, 6, 5)
params = {
    "W1": rng.normal(size=sizes[:2]),
    "b1": np.zeros(sizes[1]),
    "W2": rng.normal(size=sizes[1:]),
    "b2": np.zeros(sizes[2]),
    "w3": rng.normal(size=sizes[2]),
}
x = rng.normal(size=(8, 4))
y = rng.normal(size=8)
print(f"loss {loss(params, x, y):.4f}")

# %% [markdown]
# ## Generic points have no ties

# %%
print(f"ties at random weights: {len(loss.ties(params, x, y))}")
assert loss.ties(params, x, y) == []
assert loss.conservative(params, x, y).is_single

# %% [markdown]
# ## The input 0 ties every unit
#
# With biases 0 and the input 0 all 6 units of the first layer are at their tie, and so are the 5 of the second. Each tie
# names the line of the network, and the unit.

# %%
origin = np.zeros(4)
ties = network.ties(params, origin, argnums="x")
for tie in ties:
    print(f"  {tie!r}: {tie.code}")
assert len(ties) == 11
assert {tie.code.split(" = ")[1][:9] for tie in ties} == {"ck.relu(x", "ck.relu(h"}
assert sorted(tie.index[0] for tie in ties) == sorted([*range(6), *range(5)])

# %% [markdown]
# ## What the gradient may be
#
# Frameworks return 0 there: every unit is off. The gradient over all choices is a set, and its bounds say how much the choice
# matters.

# %%
print("PyTorch's gradient:", network.grad(params, origin, argnums="x", policy="pytorch"))
assert not network.grad(params, origin, argnums="x", policy="pytorch").any()
bounds = network.bounds(params, origin, argnums="x")
print("least:  ", np.round(bounds.low, 3))
print("largest:", np.round(bounds.high, 3))
for step in (0.0, 0.3, 0.5, 1.0):
    gradient = network.grad(params, origin, argnums="x", policy=step)
    assert np.all(bounds.low - 1e-12 <= gradient) and np.all(gradient <= bounds.high + 1e-12)

# %% [markdown]
# ## An element of the Clarke subdifferential
#
# Next to 0 the network is one of its linear pieces; a random direction picks one. The derivative along the direction is
# that of the function, which no fixed choice at the ties gives.

# %%
at = network.at(params, origin, argnums="x")
direction = rng.normal(size=4)
slope = at.directional(direction)
quotient = (network(params, 1e-6 * direction) - network(params, origin)) / 1e-6
print(f"along a direction: {slope:.6f}, difference quotient {quotient:.6f}")
assert abs(slope - quotient) < 1e-6
along = network.grad(params, origin, argnums="x", policy=ck.Policy.along([[direction]]))
print(f"the gradient of the piece in that direction gives {along @ direction:.6f}")
assert abs(along @ direction - slope) < 1e-9

# %% [markdown]
# ## Dead units
#
# A unit whose weights are all 0 is tied on the whole data: its relu meets 0 for every sample. Its own weights then get the
# gradient that the policy gives them, and 0 under most: the unit never learns unless the policy lets it.

# %%
dead = {**params, "W1": params["W1"].copy()}
dead["W1"][:, 2] = 0.0
met = loss.ties(dead, x, y)
print(f"ties with one dead unit and {len(x)} samples: {len(met)}")
assert len(met) == len(x)
for policy, learns in [("pytorch", False), ("jax", False), (0.5, True)]:
    gradient = loss.grad(dead, x, y, policy=policy)["W1"][:, 2]
    print(f"  {policy!s:8} moves the dead unit: {bool(gradient.any())}")
    assert bool(gradient.any()) == learns

# %% [markdown]
# ## Close to a tie
#
# A tolerance counts ties that are almost met, as after rounding to float32.

# %%
near = {**dead, "W1": dead["W1"] + 1e-9 * rng.normal(size=sizes[:2])}
print(f"ties met exactly: {len(loss.ties(near, x, y))}, within 1e-6: {len(loss.ties(near, x, y, tol=1e-6))}")
assert len(loss.ties(near, x, y)) == 0
assert len(loss.ties(near, x, y, tol=1e-6)) == len(x)
