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
