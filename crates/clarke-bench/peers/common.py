"""What the workers share: one thread, the numbers of the workloads, the clock, the commands.

Imported before numpy, JAX and PyTorch, which read the variables when they are.
"""

import json
import os
import sys
import time

# What libraries print must not stand between the answers.
_answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import numpy as np  # noqa: E402


class Stream:
    """SplitMix64 (Steele, Lea, Flood 2014) as a counter: number i is the mix of seed + i γ, from i = 1 on."""

    def __init__(self, seed):
        self._seed, self._drawn = np.uint64(seed), 0

    def uniform(self, *shape):
        """Numbers of [0, 1), multiples of 2⁻⁵³."""
        n = int(np.prod(shape))
        first = self._drawn + 1
        self._drawn += n
        with np.errstate(over="ignore"):
            z = self._seed + np.arange(first, first + n, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z ^= z >> np.uint64(31)
        return ((z >> np.uint64(11)) * 2.0**-53).reshape(shape)

    def normal(self, *shape):
        """Box and Muller's cosine, one number for each two draws."""
        u = self.uniform(int(np.prod(shape)), 2)
        return (np.sqrt(-2 * np.log1p(-u[:, 0])) * np.cos(2 * np.pi * u[:, 1])).reshape(shape)

    def integers(self, below, *shape):
        """Whole numbers of [0, below)."""
        return (self.uniform(*shape) * below).astype(np.int64)


def flat(arrays):
    """Arrays as one vector of f64."""
    return np.concatenate([np.asarray(a, dtype=np.float64).ravel() for a in arrays])


class Job:
    """Two calls that end when their results are there, and the gradient of the second's result as a vector."""

    def __init__(self, value, both, split, steps=1):
        """`split` makes of what `both` returns the value and the gradient's arrays; a call does this many steps."""
        self.value, self.both, self.split, self.steps = value, both, split, steps


def measure(call, budget):
    """Median and least time of a call in microseconds; samples are as many calls as fill 200 µs.

    It is the processor's time of this process, so that what other processes take meanwhile does not count.
    """
    clock = time.process_time
    start = clock()
    call()
    one = clock() - start
    while clock() - start < 0.15 * budget:
        begin = clock()
        call()
        one = min(one, clock() - begin)
    calls = max(1, int(np.ceil(2e-4 / max(one, 1e-9))))
    samples = []
    while True:
        begin = clock()
        for _ in range(calls):
            call()
        samples.append((clock() - begin) / calls * 1e6)
        if clock() - start >= budget:
            break
    return {"median_us": float(np.median(samples)), "best_us": min(samples)}


def serve(version, systems):
    """Answers commands: see the module `worker` of the crate. `systems`: (workload, system, note, function that makes the job)."""
    makers = {(workload, system): make for workload, system, _, make in systems}
    jobs = {}
    for line in sys.stdin:
        words = line.rstrip("\n").split("\t")
        try:
            answer = _answer(words, version, systems, makers, jobs)
        except Exception as e:
            answer = {"error": f"{type(e).__name__}: {e}"[:300]}
        _answers.write(json.dumps(answer) + "\n")
        _answers.flush()


def _answer(words, version, systems, makers, jobs):
    if words == ["list"]:
        names = ("workload", "system", "version", "note")
        return {"systems": [dict(zip(names, (w, s, version, note))) for w, s, note, _ in systems]}
    key = tuple(words[1:3])
    if words[0] == "open":
        job = makers[key]()
        value, gradient = job.split(job.both())
        flat(gradient).astype("<f8").tofile(words[3])
        jobs[key] = job
        return {"value": float(value)}
    if words[0] == "time":
        job = jobs[key]
        call = {"value": job.value, "grad": job.both}[words[3]]
        return {name: us / job.steps for name, us in measure(call, float(words[4])).items()}
    if words[0] == "close":
        jobs.pop(key, None)
        return {}
    raise ValueError(f"no such command: {words[0]}")
