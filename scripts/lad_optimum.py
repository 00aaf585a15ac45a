"""The optimum of the README's first command, computed independently as a linear program.

    minimize  mean(|X w + b - y|) + lam * ||w||_1

over w (10 numbers) and b, on data/diabetes.csv with every column of X standardized to mean 0 and population standard
deviation 1. With slack variables r >= |X w + b - y| and u >= |w| this is

    minimize  sum(r)/n + lam * sum(u)
    subject to  -r <= X w + b - y <= r,  -u <= w <= u,

which HiGHS solves to its optimality tolerance; the dual solution gives a lower bound, printed beside the value.

Run from the root of the repository with numpy and scipy installed:

    python3 scripts/lad_optimum.py
"""

from pathlib import Path

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import bmat, csr_matrix, identity

LAM = 0.01
FILE = Path(__file__).resolve().parent.parent / "data" / "diabetes.csv"


def main():
    names = FILE.read_text().splitlines()[0].split(",")
    table = np.loadtxt(FILE, delimiter=",", skiprows=1)
    assert names[-1] == "progression" and table.shape == (442, 11)
    X, y = table[:, :-1], table[:, -1]
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    n, p = X.shape

    # Unknowns: w (p), b (1), r (n), u (p).
    cost = np.concatenate([np.zeros(p + 1), np.full(n, 1 / n), np.full(p, LAM)])
    A, one, I, Ip = csr_matrix(X), csr_matrix(np.ones((n, 1))), identity(n), identity(p)
    upper = bmat([[A, one, -I, None], [-A, -one, -I, None], [Ip, None, None, -Ip], [-Ip, None, None, -Ip]], format="csr")
    right = np.concatenate([y, -y, np.zeros(2 * p)])
    bounds = [(None, None)] * (p + 1) + [(0, None)] * (n + p)
    options = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    lp = linprog(cost, A_ub=upper, b_ub=right, bounds=bounds, method="highs-ds", options=options)
    assert lp.status == 0, lp.message

    w, b = lp.x[:p], lp.x[p]
    value = np.abs(X @ w + b - y).mean() + LAM * np.abs(w).sum()
    # By duality right @ marginals is a lower bound of the optimum (r, u >= 0 have zero bounds).
    print(f"value        {value:.12f}")
    print(f"dual bound   {right @ lp.ineqlin.marginals:.12f}")
    for name, x in zip(names, w):
        print(f"w[{name:<3}]       {x:.12f}")
    print(f"b            {b:.12f}")
    print(f"nonzero weights: {np.count_nonzero(np.abs(w) > 1e-9)}; "
          f"residuals at zero: {np.count_nonzero(np.abs(X @ w + b - y) < 1e-9)}")


if __name__ == "__main__":
    main()
