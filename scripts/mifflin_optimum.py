"""The minimum of Chained Mifflin 2 for n = 1000 (data/problems.json), as that of a second-order cone program.

    python -m venv venv && venv/bin/pip install clarabel numpy scipy && venv/bin/python scripts/mifflin_optimum.py

With q = a² + b² − 1 for neighbours a, b it is f(x) = Σ −a + max(q/4, 15 q/4), and for k > 0

    k q ≤ s  ⇔  ‖(2 √k a, 2 √k b, s + k − 1)‖₂ ≤ s + k + 1.
"""

import clarabel
import numpy as np
import scipy.sparse as sparse

n = 1000
cost = np.r_[-np.ones(n - 1), 0, np.ones(n - 1)]
entries, right, cones = [], [], []
for i in range(n - 1):
    for k in (0.25, 3.75):
        row = len(right)
        entries += [(row, n + i, -1), (row + 1, i, -2 * k**0.5), (row + 2, i + 1, -2 * k**0.5), (row + 3, n + i, -1)]
        right += [k + 1, 0, 0, k - 1]
        cones.append(clarabel.SecondOrderConeT(4))
rows, columns, values = zip(*entries)
matrix = sparse.csc_matrix((values, (rows, columns)), shape=(len(right), 2 * n - 1))
settings = clarabel.DefaultSettings()
settings.verbose = False
settings.tol_gap_rel, settings.tol_feas = 1e-13, 1e-11
solver = clarabel.DefaultSolver(
    sparse.csc_matrix((2 * n - 1, 2 * n - 1)), cost, matrix, np.array(right), cones, settings
)
found = solver.solve()
a, b = np.array(found.x)[: n - 1], np.array(found.x)[1:n]
q = a**2 + b**2 - 1
print("primal", found.obj_val, "dual", found.obj_val_dual)
print("f there", np.sum(-a + 2 * q + 1.75 * np.abs(q)))
