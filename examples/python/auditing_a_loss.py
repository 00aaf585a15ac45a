# %% [markdown]
# # Auditing a loss of another library
#
# A loss of JAX or PyTorch, with the gradient that the library returns, is put to the test: does it contradict finite
# differences, or the chain rule along curves, and is it an average of gradients nearby?
#
# Needs JAX or PyTorch; without either it says so and ends.

# %%
import sys

import clarke as ck
import numpy as np

try:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    library = "JAX"
except ImportError:
    try:
        import torch

        library = "PyTorch"
    except ImportError:
        print("neither JAX nor PyTorch is installed: nothing to audit")
        sys.exit(0)
print(f"auditing losses of {library}")

# %% [markdown]
# ## The library's own names, once
#
# The losses below are written for either library.

# %%
if library == "JAX":
    absolute, matmul = jnp.abs, jnp.matmul

    def relu(x):
        return jax.nn.relu(x)

    def array(x):
        return jnp.asarray(x)

else:
    absolute, matmul, relu = torch.abs, torch.matmul, torch.relu

    def array(x):
        return torch.tensor(x, dtype=torch.float64)


framework = "jax" if library == "JAX" else "torch"
rng = np.random.default_rng(0)
X, y = rng.normal(size=(20, 3)), rng.normal(size=20)

# %% [markdown]
# ## 1. A loss whose gradient is right
#
# Absolute residuals, at a point where several are 0. The gradient is one of many, and nothing speaks against it.


# %%
def absolute_loss(w):
    return absolute(matmul(array(X), w) - array(X[:, 0])).sum()


report = ck.audit(absolute_loss, np.array([1.0, 0.0, 0.0]), framework=framework)
print(report)
assert report.passes

# %% [markdown]
# ## 2. A gradient that is an artifact
#
# The zero function as a difference of two formulas for relu. What is returned at 0 is not wrong as backpropagation goes: the
# chain rule holds along curves. But it is no average of gradients nearby.


# %%
def zero(x):
    return (relu(-x) + x - relu(x)).sum()


report = ck.audit(zero, np.zeros(2), framework=framework)
print(report)
assert report.is_artifact
assert not any(finding.contradicts for finding in report.findings)

# %% [markdown]
# ## 3. With a Clarke twin
#
# Written as a Clarke program too, the function has both of its sets, and the audit says in which the gradient lies.

# %%
twin = ck.program(lambda x: (ck.relu(-x) + x - ck.relu(x)).sum())
report = ck.audit(zero, np.zeros(2), framework=framework, clarke=twin)
print(f"in the conservative gradient: {report.in_conservative}; in the Clarke subdifferential: {report.in_clarke}")
assert report.agreement
assert report.in_conservative is True and report.in_clarke is False

# %% [markdown]
# ## 4. A rule that is no generalized derivative
#
# Written by hand: the gradient of a maximum that gives 1 to every entry that is tied. Inside of the tie, where all entries grow
# together, the chain rule fails.


# %%
def every_tied_entry(x):
    return 1.0 * (x == x.max())


report = ck.audit(lambda x: x.max(), np.array([1.0, 1.0, 0.0]), every_tied_entry)
print(report)
assert any(finding.contradicts for finding in report.findings)

# %% [markdown]
# ## 5. The same program in the library
#
# A Clarke program is a function of the library as well, with the policy of your choice.

# %%
if library == "JAX":
    gradient = np.asarray(jax.grad(ck.to_jax(twin, policy=0.5))(array(np.zeros(2))))
else:
    x = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    ck.to_torch(twin, policy=0.5)(x).backward()
    gradient = x.grad.numpy()
print(f"with 1/2 at every tie: {gradient}")
assert np.array_equal(gradient, np.zeros(2))
