"""Compares what the library computes with JAX, in float64: `python oracle.py cases.json`.

The cases are written by `tests/oracle.rs`: for every operator its samples, at points off ties and at points with ties,
and random programs of all operators; each with values, and derivatives in both modes along random (co)tangents. At ties
the derivatives are those of the preset `jax`. The record of what frameworks do at ties is measured anew.
"""

import ast
import functools
import json
import os
import sys

# Compiling takes most of the time; the programs are small.
os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"

import jax
import jax.nn
import jax.numpy
import jax.scipy.special

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")

import numpy as np

import record
from table import JAX, NONE, TIES_DIFFER, WRITTEN

TABLE = {**JAX, **WRITTEN}

# Where an operator that no table has is looked for.
BY_NAME = (jax.numpy, jax.nn, jax.scipy.special, jax.lax)

# How far results may differ, relative to the largest entry of the array (or to SMALL, where rounding is all there is).
TOLERANCE, SMALL = 1e-12, 1e-3

# In a program of some hundred operators the errors of all add up, and those that follow magnify them.
PROGRAM_TOLERANCE = 1e-10


class Arrays(ast.NodeTransformer):
    """Lists of numbers become arrays: in program text they are operands of arithmetic."""

    def visit_List(self, node):
        try:
            np.array(ast.literal_eval(node))
        except ValueError:
            # A list of expressions, or one of lists of different lengths.
            return self.generic_visit(node)
        return ast.Call(ast.Name("_array", ast.Load()), [node], [])


def function(text, inputs):
    """Program text as a Python function of its inputs: an expression, statements and an expression, or a `def`."""
    tree = Arrays().visit(ast.parse(text))
    if isinstance(tree.body[-1], ast.Expr):
        main = ast.parse(f"def main({', '.join(name for name, _ in inputs)}): pass").body[0]
        main.body = tree.body[:-1] + [ast.Return(tree.body[-1].value)]
        tree.body = [main]
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            # Shapes stand where Python has annotations.
            node.annotation = None
    scope = {**TABLE, "_array": np.array}
    exec(compile(ast.fix_missing_locations(tree), text, "exec"), scope)
    return scope[tree.body[-1].name]


def both_modes(f, x, cotangent, tangents):
    """Value, vjp and jvp."""
    value, back = jax.vjp(f, *x)
    _, jvp = jax.jvp(f, tuple(x), tuple(tangents))
    return value, back(cotangent.reshape(value.shape)), jvp


class Case:
    """A program as JAX has it, compiled once, and the points where it is compared."""

    def __init__(self, given):
        self.text, self.inputs = given["text"], given["inputs"]
        self.smooth, self.tied = given["smooth"], given.get("tied", [])
        f = function(self.text, self.inputs)
        self.both_modes = jax.jit(functools.partial(both_modes, f))
        self.value = jax.jit(f)

    def compare(self, point):
        """How far value, vjp and jvp are apart; and the vjp of JAX. An operator without derivative has a value alone."""
        arrays = lambda key: [numbers(v, shape) for v, (_, shape) in zip(point[key], self.inputs)]
        if "vjp" not in point:
            return {"value": apart(numbers(point["value"]), self.value(*arrays("x")))}, None
        value, vjp, jvp = self.both_modes(arrays("x"), numbers(point["cotangent"]), arrays("tangents"))
        vjp = joined(vjp)
        distances = {
            "value": apart(numbers(point["value"]), value),
            "vjp": apart(joined(arrays("vjp")), vjp),
            "jvp": apart(numbers(point["jvp"]), jvp),
        }
        return distances, vjp


def numbers(values, shape=-1):
    return np.array([float(v) for v in values], dtype=np.float64).reshape(shape)


def joined(arrays):
    return np.concatenate([np.ravel(a) for a in arrays])


def apart(ours, theirs):
    """The largest difference, relative to the largest entry; infinite if one of them is no number."""
    ours, theirs = np.ravel(ours), np.ravel(theirs)
    if ours.shape != theirs.shape:
        return np.inf
    largest = max([SMALL, *np.abs(ours), *np.abs(theirs)])
    worst = max(np.abs(ours - theirs), default=0.0) / largest
    return float(worst) if np.isfinite(worst) else np.inf


class Report:
    """What passed, and what failed and why."""

    def __init__(self):
        self.passed, self.failed = 0, []

    def holds(self, true, why):
        if true:
            self.passed += 1
        else:
            self.failed.append(why)

    def close(self, where, distances, tolerance):
        for part, distance in distances.items():
            self.holds(distance <= tolerance, f"{where}: {part} differs by {distance:.1e}, more than {tolerance:.0e}")


def complete_table(operators, report):
    """Operators that no table has are looked for in JAX under their own names; and no table has what is no operator."""
    for entry in operators:
        name = entry["name"]
        places = [name in JAX, name in WRITTEN, name in NONE]
        report.holds(sum(places) <= 1, f"the operator {name} stands in {sum(places)} tables of table.py: one is enough")
        if not any(places):
            found = [getattr(module, name) for module in BY_NAME if hasattr(module, name)]
            if found:
                JAX[name] = TABLE[name] = found[0]
            else:
                NONE[name] = "JAX has no function of this name; a line in table.py can name another, or write a formula"
    known = {entry["name"] for entry in operators}
    for name in [*TABLE, *NONE, *TIES_DIFFER]:
        report.holds(name in known, f"table.py has {name}, which is no operator: remove it")


def excused(point, vjp):
    """Whether JAX returns no number, and the preset says so: it takes the element of least norm."""
    return not np.all(np.isfinite(vjp)) and any("JAX" in note and "NaN" in note for note in point["notes"])


def compare_operator(entry, cases, report):
    """All cases of an operator; one row of the table."""
    name, worst, smooth, tied, nan, differ = entry["name"], 0.0, 0, 0, 0, 0
    for case in map(Case, cases):
        for point in case.smooth:
            distances, _ = case.compare(point)
            worst, smooth = max(worst, *distances.values()), smooth + 1
            report.close(f"{name}: `{case.text}` at {point['x']}", distances, TOLERANCE)
        # A formula has ties of its own, of which the preset says nothing.
        for point in case.tied if name in JAX else []:
            distances, vjp = case.compare(point)
            where = f"{name}: `{case.text}` at the tie {point['x']}, where JAX returns {vjp}"
            tied += 1
            if excused(point, vjp):
                nan += 1
            elif name in TIES_DIFFER:
                differ += max(distances["vjp"], distances["jvp"]) > TOLERANCE
            else:
                report.close(where, distances, TOLERANCE)
                continue
            report.close(where, {"value": distances["value"]}, TOLERANCE)
    if name in TIES_DIFFER:
        report.holds(0 < differ < tied, f"{name} differs from JAX at {differ} of {tied} ties: see TIES_DIFFER in table.py")
    if name in JAX and entry["ties"]:
        report.holds(tied > 0, f"{name} has ties, and no sample in tests/oracle.rs met one")
    row = f"{name:17} {'JAX' if name in JAX else 'formula':7} {smooth:4} smooth, at most {worst:.0e} apart"
    row += f"; {tied} tied" if tied else ""
    row += f", JAX returns NaN at {nan}" if nan else ""
    row += f", other elements at {differ}: {TIES_DIFFER[name]}" if differ else ""
    print(row, flush=True)


def compare_operators(given, report):
    for entry in given["operators"]:
        name = entry["name"]
        if name in NONE:
            print(f"{name:17} not compared: {NONE[name]}")
        elif name in TABLE:
            try:
                compare_operator(entry, [c for c in given["cases"] if c["operator"] == name], report)
            except (TypeError, ValueError, NotImplementedError, AttributeError, IndexError) as error:
                report.holds(False, f"{name}: JAX does not evaluate a sample: {error}")


def compare_programs(programs, report):
    worst = 0.0
    # Those with an operator that JAX has not are another program there.
    without = [p for p in programs if not any(f"{name}(" in p["text"] for name in NONE)]
    report.holds(len(without) > 0, "no random program has only operators that JAX has")
    for case in map(Case, without):
        for point in case.smooth:
            distances, _ = case.compare(point)
            worst = max(worst, *distances.values())
            report.close(f"a random program at {point['x']}:\n{case.text}", distances, PROGRAM_TOLERANCE)
    print(f"{len(without)} of {len(programs)} random programs, at most {worst:.0e} apart")


def main(path):
    with open(path) as file:
        given = json.load(file)
    print(f"JAX {jax.__version__}, numpy {np.__version__}, float64, {len(given['operators'])} operators")
    report = Report()
    complete_table(given["operators"], report)
    compare_operators(given, report)
    compare_programs(given["programs"], report)
    record.check(given["record"], report)
    for failure in report.failed:
        print(f"FAILED {failure}")
    print(f"{report.passed} passed, {len(report.failed)} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
