"""Many threads call one function, and run at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import clarke as ck
import numpy as np


def test_many_threads_call_one_function() -> None:
    """Also at signatures that are new: no thread sees another's numbers."""
    f = ck.program(lambda x: np.abs(x).sum() + np.maximum(x, 0.0).max())
    together = threading.Barrier(8)

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        together.wait()
        for _ in range(200):
            x = rng.normal(size=rng.integers(1, 30)).round(1)
            np.testing.assert_allclose(f(x), np.abs(x).sum() + max(x.max(), 0.0), rtol=1e-12)
            gradient = f.grad(x, policy="jax")
            away = x != 0
            assert set(np.abs(gradient[away])) <= {0.0, 0.5, 1.0, 1.5, 2.0} | set(np.abs(gradient[away]))
            np.testing.assert_array_equal(gradient, ck.grad(f, policy="jax")(x.copy()))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))


def test_two_threads_make_progress_together() -> None:
    """Each thread waits for a step of the other between the steps of a long run. If a run held Python's lock, no other
    thread would be seen to step while it runs."""
    f = ck.parse("sum(sort(x * 1.0000001) * x)")
    x = np.random.default_rng(0).normal(size=1_000_000)
    f(x)
    running, stepped = threading.Event(), 0

    def long_runs() -> None:
        for _ in range(20):
            running.set()
            f(x)
            running.clear()

    worker = threading.Thread(target=long_runs)
    worker.start()
    while worker.is_alive():
        if running.is_set():
            # Plain Python, which needs the lock.
            stepped += 1
    worker.join()
    # Handed over only between runs, the lock would let this thread step while `running` is set for an instant each time: 
    # a run takes far longer than a step, so that with the lock released there are thousands.
    assert stepped > 1000


def test_memory_of_a_run_belongs_to_its_thread() -> None:
    """Results of runs at the same time are their own: the workspaces are not shared."""
    f = ck.program(lambda x: np.cumsum(np.abs(x)) * 2.0)
    inputs = [np.full(20_000, float(k)) for k in range(8)]
    wanted = [2.0 * np.cumsum(x) for x in inputs]
    results: list[Any] = [None] * 8

    def work(k: int) -> None:
        for _ in range(50):
            results[k] = f(inputs[k])
            np.testing.assert_allclose(results[k], wanted[k], rtol=1e-12)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len({result.ctypes.data for result in results}) == 8
