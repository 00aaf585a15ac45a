"""Compares what the library computes with JAX, in float64: `python oracle.py cases.json`.

The cases are written by `tests/oracle.rs`: for every operator its samples, at points off ties and at points with ties,
and random programs of all operators; each with values, and derivatives in both modes along random (co)tangents. At ties
the derivatives are those of the preset `jax`. The record of what frameworks do at ties is measured anew.
"""

import ast
import json
import sys

import jax

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")

import jax.numpy as jnp
import numpy as np

import record
from table import JAX, NONE, TIES_DIFFER, TOLERANCE, WRITTEN

TABLE = {**JAX, **WRITTEN}


class Arrays(ast.NodeTransformer):
    """Lists of numbers become arrays: in program text they are arithmetic's operands."""

    def visit_List(self, node):
        try:
            np.array(ast.literal_eval(node))
        except (ValueError, TypeError):
            return self.generic_visit(node)
        return ast.Call(ast.Name("_array", ast.Load()), [node], [])


def array(numbers):
    """Ragged lists, and those of positions, stay what they are."""
    return np.array(numbers)


def function(text, names):
    """Program text as a Python function of its inputs: an expression, statements and an expression, or a `def`."""
    tree = Arrays().visit(ast.parse(text))
    if isinstance(tree.body[-1], ast.Expr):
        body = tree.body[:-1] + [ast.Return(tree.body[-1].value)]
        arguments = ast.parse(f"def main({', '.join(names)}): pass").body[0]
        arguments.body = body
        tree.body = [arguments]
    name = tree.body[-1].name
    for definition in ast.walk(tree):
        if isinstance(definition, ast.FunctionDef):
            for argument in definition.args.args:
                argument.annotation = None
            definition.returns = None
    scope = {**TABLE, "_array": array}
    exec(compile(ast.fix_missing_locations(tree), text, "exec"), scope)
    return scope[name]


def numbers(values, shape=None):
    out = np.array([float(v) for v in values], dtype=np.float64)
    return out if shape is None else out.reshape(shape)


def distance(a, b):
    """The largest difference, relative to the largest entry."""
    a, b = np.ravel(a), np.ravel(b)
    if a.shape != b.shape:
        return np.inf
    if a.size == 0 or np.array_equal(a, b):
        return 0.0
    worst = np.max(np.abs(a - b)) / max(np.max(np.abs(a)), np.max(np.abs(b)))
    return np.inf if np.isnan(worst) else float(worst)


def compare(f, inputs, point):
    """The distances of value, vjp and jvp; and what JAX returned for the vjp."""
    x = [numbers(v, shape) for v, (_, shape) in zip(point["x"], inputs)]
    if "vjp" not in point:
        return {"value": distance(point["value"], f(*map(jnp.asarray, x)))}, None
    value, back = jax.vjp(f, *map(jnp.asarray, x))
    vjp = back(jnp.asarray(numbers(point["cotangent"], value.shape)))
    tangents = [jnp.asarray(numbers(v, shape)) for v, (_, shape) in zip(point["tangents"], inputs)]
    _, jvp = jax.jvp(f, tuple(map(jnp.asarray, x)), tuple(tangents))
    together = lambda arrays: np.concatenate([np.ravel(a) for a in arrays] + [[]])
    vjp = together(vjp)
    ours = together([numbers(v) for v in point["vjp"]])
    return {
        "value": distance(numbers(point["value"]), value),
        "vjp": distance(ours, vjp),
        "jvp": distance(numbers(point["jvp"]), jvp),
    }, vjp


def excused(point, vjp):
    """JAX returns no number, and the preset says so."""
    return vjp is not None and not np.all(np.isfinite(vjp)) and any("JAX" in n and "NaN" in n for n in point["notes"])


class Report:
    def __init__(self):
        self.passed, self.failed = 0, []

    def check(self, what, worst, tolerance):
        for part, error in worst.items():
            if error <= tolerance:
                self.passed += 1
            else:
                self.failed.append(f"{what}: {part} differs by {error:.2e}, more than {tolerance:.0e}")

    def state(self, holds, why):
        if holds:
            self.passed += 1
        else:
            self.failed.append(why)


def whole_table(operators, report):
    for entry in operators:
        name = entry["name"]
        places = [name in JAX, name in WRITTEN, name in NONE]
        report.state(
            sum(places) == 1,
            f"the operator {name} stands in {sum(places)} of the tables of table.py: add it to JAX (JAX's own function of "
            "that meaning), or WRITTEN (a formula in JAX's functions), or NONE (the reason why there is neither)",
        )
    known = {entry["name"] for entry in operators}
    for name in [*JAX, *WRITTEN, *NONE, *TOLERANCE, *TIES_DIFFER]:
        report.state(name in known, f"table.py has {name}, which is no operator: remove it")


def operator_row(name, cases, report):
    """All cases of an operator; one row of the table."""
    tolerance, _ = TOLERANCE.get(name, (1e-12, ""))
    smooth, tied, differing, notes = [], 0, 0, 0
    for case in cases:
        f = function(case["text"], [n for n, _ in case["inputs"]])
        for point in case["smooth"]:
            worst, _ = compare(f, case["inputs"], point)
            smooth.append(max(worst.values()))
            report.check(f"{name}: `{case['text']}` at {point['x']}", worst, tolerance)
        for point in case["tied"] if name in JAX else []:
            worst, vjp = compare(f, case["inputs"], point)
            tied += 1
            if excused(point, vjp):
                notes += 1
                report.check(f"{name}: `{case['text']}` at {point['x']}", {"value": worst["value"]}, tolerance)
            elif name in TIES_DIFFER:
                differing += max(worst.values()) > tolerance
            else:
                report.check(f"{name}: `{case['text']}` at the tie {point['x']} (JAX: {vjp})", worst, tolerance)
    if name in TIES_DIFFER:
        report.state(differing > 0, f"{name} agrees at ties: remove it from TIES_DIFFER")
    said = "JAX" if name in JAX else "a formula in JAX"
    at_ties = f"{tied} tied" + (f", {notes} where JAX returns NaN" if notes else "")
    at_ties += f", {differing} differ: {TIES_DIFFER[name]}" if name in TIES_DIFFER else ""
    print(f"{name:18} {said:17} {len(smooth):3} smooth, largest difference {max(smooth, default=0):.1e}; {at_ties}")


def main(path):
    with open(path) as file:
        given = json.load(file)
    print(f"JAX {jax.__version__}, numpy {np.__version__}, float64")
    report = Report()
    whole_table(given["operators"], report)
    for entry in given["operators"]:
        name = entry["name"]
        if name in NONE:
            print(f"{name:18} not compared: {NONE[name]}")
        elif name in TABLE:
            try:
                operator_row(name, [c for c in given["cases"] if c["operator"] == name], report)
            except (TypeError, ValueError, NotImplementedError, AttributeError, IndexError) as error:
                report.state(False, f"{name}: JAX does not evaluate this: {error}")
    worst = 0.0
    for k, case in enumerate(given["programs"]):
        try:
          f = function(case["text"], [n for n, _ in case["inputs"]])
          f(*[jnp.zeros(s) for _, s in case["inputs"]])
        except Exception as e:
            report.state(False, str(e)[:300]); continue
        for point in case["smooth"]:
            errors, _ = compare(f, case["inputs"], point)
            worst = max(worst, *errors.values())
            report.check(f"random program {k}:\n{case['text']}", errors, PROGRAM_TOLERANCE)
    print(f"{len(given['programs'])} random programs, largest difference {worst:.1e}")
    record.check(given["record"], report)
    for failure in report.failed:
        print(f"FAILED {failure}")
    print(f"{report.passed} passed, {len(report.failed)} failed")
    return 1 if report.failed else 0


# Errors of the single operators add up and are magnified by those that follow.
PROGRAM_TOLERANCE = 1e-9

if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
