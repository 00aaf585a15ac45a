//! The law of compiled programs: bit for bit the values of the slow ways, over random programs.

use super::lower::{Selections, lower};
use crate::error::{Fault, Result};
use crate::op::pointwise::{Elementwise, Pointwise};
use crate::program::class::Class;
use crate::program::lanes::Level;
use crate::program::op::{
    ArrayKernel, Batching, Compiler, Execution, Kernel, Linearity, Op, Param, Sample, Transposition,
};
use crate::program::real::{Real, Scalar};
use crate::program::record::Operand;
use crate::program::tie::{Convention, Site};
use crate::program::{Builder, Kind, Program, Role, Var};
use crate::tensor::{Tensor, broadcast_strides, size, walk};
use proptest::prelude::*;
use std::sync::Arc;

/// Operators that bring every primitive, defined through the public trait.
macro_rules! pointwise {
    ($($name:ident $n:literal |$x:ident| $formula:expr;)*) => {$(
        #[derive(Debug, Clone, Default)]
        struct $name;
        impl Pointwise<$n> for $name {
            const NAME: &'static str = stringify!($name);
            const SIGNATURE: &'static str = "";
            const FORMULA: &'static str = "";
            const CLASS: &'static str = "";
            const SAMPLES: &'static [Sample] = &[];
            fn class(&self, x: [Class; $n]) -> Class {
                Class::join(&x)
            }
            fn value<T: Real>(&self, $x: [T; $n]) -> T {
                $formula
            }
        }
    )*};
}
pointwise! {
    Divide 2 |x| x[0] / x[1];
    Root 1 |x| x[0].sqrt();
    Exponential 1 |x| x[0].exp();
    Logarithm 1 |x| x[0].abs().ln();
    Minus1 1 |x| x[0].exp_m1();
    Plus1 1 |x| x[0].ln_1p();
    Sine 1 |x| x[0].sin() + x[0].sin() * x[0].cos();
    Cosine 1 |x| x[0].cos();
    Tangent 1 |x| x[0].tanh();
    Power 2 |x| x[0].abs().powf(x[1]);
    Larger 2 |x| x[0].max(x[1]);
    Smaller 2 |x| x[0].min(x[1]);
    Greater 4 |x| x[0].if_gt(x[1], x[2], x[3]);
    AtLeast 4 |x| x[0].if_ge(x[1], x[2], x[3]);
    Equal 4 |x| x[0].if_eq(x[1], x[2], x[3]);
    Nested 2 |x| x[0].if_gt(T::of(0.0), T::of(1.5), x[0].if_ge(T::of(-1.0), x[1], -x[0]));
    Second 2 |x| x[1];
    Same 1 |_x| T::of(2.0) + T::of(0.5);
}

/// `x·relu(x)`, defined by other operators, one of them defined by others again.
#[derive(Debug, Clone)]
struct Written(u8);

impl Op for Written {
    fn name(&self) -> &'static str {
        "written"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("depth", Param::Int(self.0.into()))]
    }
    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        Ok(args[0].to_vec())
    }
    fn class(&self, args: &[Class]) -> Class {
        args[0]
    }
    fn expand<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        let x = args[0];
        Some(if self.0 == 0 { x.relu() * x } else { x.apply(Written(self.0 - 1)) - x })
    }
    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(self.clone()))
    }
    fn execution(&self) -> Execution<'_> {
        Execution::Expanded
    }
}

/// A program of one argument applied by a kernel, with its outputs one after another: programs inside operators.
#[derive(Debug, Clone)]
struct Inside(Arc<Program>);

impl Op for Inside {
    fn name(&self) -> &'static str {
        "inside"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("program", Param::Program(self.0.clone()))]
    }
    fn shape(&self, _: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        Ok(vec![self.0.output_shapes().iter().map(|s| size(s)).sum()])
    }
    fn class(&self, args: &[Class]) -> Class {
        args[0]
    }
    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }
    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.cotangent)
    }
    fn batch<'p>(&self, _: &Batching<'_, 'p>) -> Result<Var<'p>> {
        unreachable!("not batched in these tests")
    }
    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
    fn programs(&self) -> Vec<&Program> {
        vec![&self.0]
    }
}

impl ArrayKernel for Inside {
    fn kernel<T: Scalar>(&self, _: &[&[usize]], _: &[usize], compiler: &dyn Compiler<T>) -> Kernel<T> {
        let body = compiler.compile(&self.0);
        let run = move |args: &[&[T]], out: &mut [T], scratch: &mut [T]| (body.run)(args, out, scratch);
        Kernel::with_scratch(body.scratch, run)
    }
}

/// Every node by itself, in the precision T, from the definitions of the primitives: as slow and plain as possible.
fn reference<T: Scalar>(program: &Program, inputs: &[Vec<T>]) -> Vec<Vec<T>> {
    let nodes = program.nodes();
    let mut values: Vec<Vec<T>> = vec![];
    for node in nodes {
        let value = match &node.kind {
            Kind::Input(k) => inputs[*k].clone(),
            Kind::Constant(c) => c.data().iter().map(|x| T::of(*x)).collect(),
            Kind::Apply { op, args } => {
                let shapes: Vec<&[usize]> = args.iter().map(|&a| nodes[a].shape.as_slice()).collect();
                let arrays: Vec<&[T]> = args.iter().map(|&a| values[a].as_slice()).collect();
                applied(op.as_ref(), &shapes, &arrays, &node.shape)
            }
        };
        values.push(value);
    }
    program.outputs().iter().map(|&k| values[k].clone()).collect()
}

fn applied<T: Scalar>(op: &dyn Op, shapes: &[&[usize]], arrays: &[&[T]], out: &[usize]) -> Vec<T> {
    match op.execution() {
        Execution::Alias => arrays[0].to_vec(),
        Execution::Expanded => unreachable!("written out"),
        Execution::Array(kernels) => {
            let kernel = T::prepare(kernels, shapes, out, &Referring);
            let mut value = vec![T::of(0.0); size(out)];
            (kernel.run)(arrays, &mut value, &mut vec![T::of(0.0); kernel.scratch]);
            value
        }
        Execution::Pointwise(p) => {
            let recording = p.record();
            let mut columns: Vec<Vec<T>> = vec![];
            for (shape, array) in std::iter::zip(shapes, arrays) {
                let mut column = vec![];
                walk(out, &broadcast_strides(shape, out), |at| column.push(array[at]));
                columns.push(column);
            }
            let one = |i: usize| {
                let mut temps: Vec<T> = vec![];
                let get = |o: Operand, temps: &[T]| match o {
                    Operand::Arg(k) => columns[k][i],
                    Operand::Const(c) => T::of(c),
                    Operand::Temp(k) => temps[k],
                };
                for instr in &recording.instrs {
                    let x = instr.operands.map(|o| get(o, &temps));
                    temps.push(instr.prim.eval(x));
                }
                get(recording.result, &temps)
            };
            (0..size(out)).map(one).collect()
        }
    }
}

struct Referring;

impl<T: Scalar> Compiler<T> for Referring {
    fn compile(&self, program: &Program) -> Kernel<T> {
        let program = lower(program, Selections::Given);
        Kernel::new(move |args, out, _| {
            let args: Vec<Vec<T>> = args.iter().map(|a| a.to_vec()).collect();
            out.copy_from_slice(&reference(&program, &args).concat());
        })
    }
}

/// Shapes that broadcast together, from a largest one.
fn family(base: &[usize; 3]) -> Vec<Vec<usize>> {
    let [a, b, c] = *base;
    vec![
        vec![],
        vec![a, b, c],
        vec![c],
        vec![b, 1],
        vec![1, b, c],
        vec![a, 1, 1],
        vec![a, 1, c],
        vec![1],
        vec![a, b, 1],
    ]
}

type Script = Vec<(u8, u16, u16, u16)>;

const BASES: [[usize; 3]; 9] =
    [[2, 3, 4], [1, 5, 70], [3, 2, 150], [0, 2, 3], [4, 1, 1], [40, 7, 3], [1, 1, 600], [1, 1, 1], [2, 0, 5]];

/// Runs a script of instructions over a growing list of values.
fn step<'p>(known: &[Var<'p>], base: &[usize; 3], kinds: u8, (kind, i, j, k): (u8, u16, u16, u16)) -> Var<'p> {
    // Recent values are drawn more often, so that programs are deep.
    let at =
        |i: u16| known[known.len() - 1 - usize::from(i) % known.len().min(if i.is_multiple_of(5) { 1000 } else { 8 })];
    let (x, y, z) = (at(i), at(j), at(k));
    let pair = |op: fn(Var<'p>, Var<'p>) -> Var<'p>| op(x, y);
    match kind % kinds {
        0 => x + y,
        1 => x - y,
        2 => x * y * 0.25,
        3 => -x,
        4 => x.relu(),
        5 => x.abs(),
        6 => x.reshape(&[size(&x.shape())]).relu().reshape(&x.shape()) - y,
        7 => x.broadcast_to(base),
        8 => {
            let mut shape = x.shape();
            shape.iter_mut().enumerate().for_each(|(d, n)| *n = if (j >> d) & 1 == 1 { 1 } else { *n });
            let skip = if k % 3 == 0 { shape.iter().take_while(|n| **n == 1).count() } else { 0 };
            x.sum_to(&shape[skip..]) * 0.125
        }
        9 => (-x.t()).t() + y,
        10 => x.guarded_mul(y),
        11 if j % 3 == 0 && size(&x.shape()) > 2 => {
            let n = size(&x.shape());
            let flat = (x * 0.5).reshape(&[n]);
            let steps = flat.slice(0, 1..n) - flat.slice(0, 0..n - 1);
            let one = flat.slice(0, usize::from(k) % n..usize::from(k) % n + 1).reshape(&[]);
            steps.relu().sum_to(&[]) * 0.25 + one * y + (one * flat.slice(0, 1..n)).sum_to(&[]) * 0.125
        }
        11 => x + x.constant(f64::from(i % 7) - 3.0),
        12 => x * x.constant(Tensor::from_fn(&[base[2]], |q| (q % 5) as f64 / 4.0 - 0.5)),
        13 => x.apply(Written((k % 3) as u8)) * 0.5,
        // From here on slopes are not written, or signs of zeros may be seen.
        14 => pair(|x, y| x.apply_with(Elementwise(Divide), &[y])),
        15 => x.apply(Elementwise(Root)),
        16 => x.apply(Elementwise(Exponential)),
        17 => x.apply(Elementwise(Logarithm)),
        18 => x.apply(Elementwise(Minus1)),
        19 => x.apply(Elementwise(Plus1)),
        20 => x.apply(Elementwise(Sine)),
        21 => x.apply(Elementwise(Cosine)),
        22 => x.apply(Elementwise(Tangent)),
        23 => pair(|x, y| x.apply_with(Elementwise(Power), &[y])),
        24 => pair(|x, y| x.apply_with(Elementwise(Larger), &[y])),
        25 => pair(|x, y| x.apply_with(Elementwise(Smaller), &[y])),
        26 => x.apply_with(Elementwise(Greater), &[y, z, x.constant(0.5)]),
        27 => x.apply_with(Elementwise(AtLeast), &[x.constant(0.25), z, y]),
        28 => x.apply_with(Elementwise(Equal), &[y, x.constant(1.0), z]),
        29 => pair(|x, y| x.apply_with(Elementwise(Nested), &[y])),
        30 => pair(|x, y| x.apply_with(Elementwise(Second), &[y])),
        31 => x.apply(Elementwise(Same)) * y,
        _ => {
            let shape = x.shape();
            let body = Program::trace_many(&[&shape], |v| vec![v[0].relu() - 0.5, v[0].sum_to(&[]), v[0]]).unwrap();
            x.apply(Inside(Arc::new(body))).sum_to(&[1]) * y
        }
    }
}

const PIECEWISE: u8 = 14;
const ALL: u8 = 33;

/// A program of four inputs with several outputs, among them an input, and one value twice.
fn program(base: &[usize; 3], picks: &[u8; 4], kinds: u8, script: &Script) -> Program {
    let family = family(base);
    let shapes: Vec<&[usize]> = picks.iter().map(|p| family[usize::from(*p) % family.len()].as_slice()).collect();
    Program::trace_many(&shapes, |v| {
        let mut known = v.to_vec();
        for instr in script {
            known.push(step(&known, base, kinds, *instr));
        }
        let last = known[known.len() - 1];
        vec![
            last,
            known[known.len() / 2],
            v[0],
            last.reshape(&[size(&last.shape())]),
            last.sum_to(&[]),
            v[1].broadcast_to(base),
        ]
    })
    .unwrap()
}

/// The value of the last output but one, a scalar.
fn scalar(program: &Program) -> Program {
    program.with_outputs(&program.outputs()[4..5])
}

/// Small quarters, so that ties are met.
fn inputs(program: &Program, seed: u64) -> Vec<Tensor> {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((state >> 33) % 17) as f64 / 4.0 - 2.0
    };
    let wanted = program.inputs().iter().filter(|i| !i.role.is_selection());
    wanted.map(|i| Tensor::from_fn(&i.shape, |_| next())).collect()
}

fn same<T: Scalar>(a: T, b: T) -> bool {
    let bits = |x: T| x.to_f64().to_bits();
    bits(a) == bits(b) || (a.is_nan() && b.is_nan())
}

/// The outputs of the compiled program: as the machine runs it, and with the machine code of every level.
fn run<T: Scalar>(program: &Program, inputs: &[Tensor]) -> Vec<Vec<T>> {
    let values = run_compiled(&program.compile::<T>(Convention::MinNorm), inputs);
    for level in Level::all() {
        let fill = |site: &Site| site.choice(Convention::MinNorm).selection;
        let others = run_compiled(&program.compile_at::<T>(&fill, level), inputs);
        for (a, b) in std::iter::zip(values.concat(), others.concat()) {
            assert!(same(a, b), "{a:?} at best, {b:?} at {level:?}\n{program:?}");
        }
    }
    values
}

fn run_compiled<T: Scalar>(compiled: &super::Compiled<T>, inputs: &[Tensor]) -> Vec<Vec<T>> {
    let numbers: Vec<Vec<T>> = inputs.iter().map(|a| a.data().iter().map(|x| T::of(*x)).collect()).collect();
    let mut values: Vec<Vec<T>> = compiled.outputs().iter().map(|s| vec![T::of(f64::NAN); size(s)]).collect();
    let mut workspace = compiled.workspace();
    // Twice: a run must not depend on what the one before left.
    for _ in 0..2 {
        let views: Vec<&[T]> = numbers.iter().map(Vec::as_slice).collect();
        let mut into: Vec<&mut [T]> = values.iter_mut().map(Vec::as_mut_slice).collect();
        compiled.run(&mut workspace, &views, &mut into);
    }
    values
}

/// Compiled equals node by node, in T.
fn check_bits<T: Scalar>(program: &Program, inputs: &[Tensor]) -> Result<(), TestCaseError> {
    let lowered = lower(program, Selections::Filled(&|site| site.choice(Convention::MinNorm).selection));
    let numbers: Vec<Vec<T>> = inputs.iter().map(|a| a.data().iter().map(|x| T::of(*x)).collect()).collect();
    let (slow, fast) = (reference(&lowered, &numbers), run::<T>(program, inputs));
    for (k, (a, b)) in std::iter::zip(&slow, &fast).enumerate() {
        prop_assert_eq!(a.len(), b.len());
        for i in 0..a.len() {
            prop_assert!(
                same(a[i], b[i]),
                "output {} at {}: {:?} node by node, {:?} compiled\n{:?}",
                k,
                i,
                a[i],
                b[i],
                lowered
            );
        }
    }
    Ok(())
}

/// Compiled equals the slow twin of the program as written; simplification may turn a zero's sign.
fn check_twin(program: &Program, inputs: &[Tensor]) -> Result<(), TestCaseError> {
    let slow = program.eval(inputs).unwrap();
    let fast = program.compile::<f64>(Convention::MinNorm).call(inputs).unwrap();
    for (a, b) in std::iter::zip(&slow, &fast) {
        prop_assert_eq!(a.shape(), b.shape());
        for (x, y) in std::iter::zip(a.data(), b.data()) {
            prop_assert!(x == y || (x.is_nan() && y.is_nan()), "{:?} by the twin, {:?} compiled\n{:?}", x, y, program);
        }
    }
    Ok(())
}

fn script(most: usize) -> impl Strategy<Value = (usize, [u8; 4], Script, u64)> {
    let instr = (any::<u8>(), any::<u16>(), any::<u16>(), any::<u16>());
    (0..BASES.len(), any::<[u8; 4]>(), proptest::collection::vec(instr, 1..most), any::<u64>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn compiled_is_bit_for_bit_the_value(( base, picks, script, seed) in script(150)) {
        let p = program(&BASES[base], &picks, ALL, &script);
        let x = inputs(&p, seed);
        check_bits::<f64>(&p, &x)?;
        check_bits::<f32>(&p, &x)?;
    }

    #[test]
    fn compiled_is_the_slow_twin((base, picks, script, seed) in script(100)) {
        let p = program(&BASES[base], &picks, PIECEWISE, &script);
        let x = inputs(&p, seed);
        check_twin(&p, &x)?;
    }

    #[test]
    fn compiled_gradients_are_bit_for_bit((base, picks, script, seed) in script(60)) {
        let p = scalar(&program(&BASES[base], &picks, PIECEWISE, &script)).value_and_gradient().unwrap();
        let x = inputs(&p, seed);
        check_bits::<f64>(&p, &x)?;
        check_bits::<f32>(&p, &x)?;
        check_twin(&p, &x)?;
    }

    #[test]
    fn compiled_hessian_products_are_bit_for_bit((base, picks, script, seed) in script(15)) {
        let p = scalar(&program(&BASES[base], &picks, PIECEWISE, &script)).hvp().unwrap();
        let x = inputs(&p, seed);
        check_bits::<f64>(&p, &x)?;
        check_twin(&p, &x)?;
    }

    #[test]
    fn f32_is_f64_to_its_precision((base, picks, script, seed) in script(25)) {
        let p = program(&BASES[base], &picks, PIECEWISE, &script);
        let x = inputs(&p, seed);
        let all = p.with_outputs(&(0..p.nodes().len()).collect::<Vec<_>>()).eval(&x).unwrap();
        let scale = all.iter().flat_map(|t| t.data()).fold(1.0f64, |a, x| a.max(x.abs()));
        prop_assume!(scale < 1e4);
        let (wide, narrow) = (run::<f64>(&p, &x), run::<f32>(&p, &x));
        for (a, b) in std::iter::zip(wide.concat(), narrow.concat()) {
            prop_assert!((a - f64::from(b)).abs() <= 1e-4 * scale, "{} in f64, {} in f32, scale {}", a, b, scale);
        }
    }
}

#[test]
fn a_program_of_hundreds_of_nodes_of_every_kind() {
    for (k, base) in BASES.iter().enumerate() {
        let mut state = 12345 + k as u64;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as u16
        };
        let script: Script = (0..600).map(|_| ((next() >> 3) as u8, next(), next(), next())).collect();
        let p = program(base, &[1, 2, 3, 0], ALL, &script);
        let x = inputs(&p, 7);
        check_bits::<f64>(&p, &x).unwrap();
        check_bits::<f32>(&p, &x).unwrap();
    }
}

/// A number that is known has instructions of its own, where NaN need not be looked for on its side.
#[test]
fn extremes_with_a_number_keep_nan_and_of_equal_ones_give_the_first() {
    let special = [0.0, -0.0, 1.5, -1.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e-310];
    let many = Tensor::from_fn(&[19], |k| special[k % 8]);
    for number in [0.0, -0.0, 1.5, -1.5, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
        let max = |x: f64, y: f64| if y > x || y.is_nan() { y } else { x };
        let min = |x: f64, y: f64| if y < x || y.is_nan() { y } else { x };
        // One number alone is computed in another way than many.
        for x in [many.clone(), (-0.0).into(), 0.0.into(), f64::NAN.into(), (-1.5).into()] {
            let f = Program::trace_many(&[x.shape()], |v| {
                let (x, c) = (v[0], v[0].constant(number));
                vec![x.maximum(c), c.maximum(x), x.minimum(c), c.minimum(x)]
            });
            let values = run::<f64>(&f.unwrap(), std::slice::from_ref(&x));
            for (k, x) in x.data().iter().enumerate() {
                let expected = [max(*x, number), max(number, *x), min(*x, number), min(number, *x)];
                for (value, expected) in std::iter::zip(&values, expected) {
                    assert!(same(value[k], expected), "{x} and {number}: {}, not {expected}", value[k]);
                }
            }
        }
    }
}

#[test]
fn programs_inside_operators_may_have_selections_among_their_inputs() {
    let builder = Builder::new();
    let u = builder.input("u", &[3], Role::Argument);
    let unused = builder.input("s0", &[], Role::Selection(None));
    let s = builder.input("s1", &[], Role::Selection(None));
    let _ = unused;
    let body = builder.finish(&[u * s, u]).unwrap();
    let kernel = Compiler::<f64>::compile(&super::compiled::Fast, &body);
    let mut out = [0.0; 6];
    (kernel.run)(&[&[1.0, 2.0, 3.0], &[9.0], &[2.0]], &mut out, &mut vec![0.0; kernel.scratch]);
    assert_eq!(out, [2.0, 4.0, 6.0, 1.0, 2.0, 3.0]);
}

#[test]
fn selections_are_filled_by_site() {
    let g = Program::trace(&[&[3]], |v| v[0].abs().sum_to(&[])).unwrap().gradient().unwrap();
    let x = [Tensor::vector(vec![0.0, 2.0, -1.0])];
    let at_zero = |c: &super::Compiled<f64>| c.call(&x).unwrap()[0].data().to_vec();
    assert_eq!(at_zero(&g.compile(Convention::MinNorm)), [0.0, 1.0, -1.0]);
    assert_eq!(at_zero(&g.compile(Convention::Jax)), [1.0, 1.0, -1.0]);
    assert_eq!(at_zero(&g.compile_with(&|site| if site.owner.name() == "abs" { 0.75 } else { 0.0 })), [0.5, 1.0, -1.0]);
}

#[test]
fn wrong_arrays_are_errors() {
    let f = Program::trace(&[&[3], &[]], |v| v[0] * v[1]).unwrap().compile::<f64>(Convention::MinNorm);
    assert_eq!((f.inputs()[0].name.as_str(), f.inputs()[0].shape.as_slice()), ("x0", &[3][..]));
    assert_eq!(f.outputs(), [[3]]);
    let count = f.call(&[Tensor::scalar(1.0)]).unwrap_err();
    assert!(matches!(*count.fault, Fault::InputCount { expected: 2, given: 1, .. }));
    let shape = f.call(&[Tensor::vector(vec![1.0]), Tensor::scalar(1.0)]).unwrap_err();
    assert!(matches!(*shape.fault, Fault::InputShape { .. }));
}

#[test]
#[should_panic(expected = "the length of input `x0`")]
fn a_wrong_length_is_a_clear_panic() {
    let f = Program::trace(&[&[3]], |v| -v[0]).unwrap().compile::<f64>(Convention::MinNorm);
    f.run(&mut f.workspace(), &[&[1.0]], &mut [&mut [0.0; 3]]);
}

#[test]
fn threads_share_a_program_and_agree() {
    fn shared<T: Send + Sync + Clone>(_: &T) {}
    let (base, script) = ([3, 20, 30], (0..80u16).map(|k| ((k * 7) as u8, k, k * 3, k * 5)).collect());
    let p = scalar(&program(&base, &[1, 2, 3, 0], PIECEWISE, &script)).value_and_gradient().unwrap();
    let x = inputs(&p, 3);
    let compiled = p.compile::<f64>(Convention::MinNorm);
    shared(&compiled);
    let expected: Vec<Vec<u64>> =
        compiled.call(&x).unwrap().iter().map(|t| t.data().iter().map(|y| y.to_bits()).collect()).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut workspace = compiled.workspace();
                let views: Vec<&[f64]> = x.iter().map(Tensor::data).collect();
                for _ in 0..20 {
                    let mut values: Vec<Vec<f64>> = compiled.outputs().iter().map(|s| vec![0.0; size(s)]).collect();
                    let mut into: Vec<&mut [f64]> = values.iter_mut().map(Vec::as_mut_slice).collect();
                    compiled.run(&mut workspace, &views, &mut into);
                    let bits: Vec<Vec<u64>> = values.iter().map(|t| t.iter().map(|y| y.to_bits()).collect()).collect();
                    assert_eq!(bits, expected);
                }
            });
        }
    });
}
