//! A run of a compiled program allocates nothing, and compiling it no more than its nodes ask for.

use clarke::program::{Role, tie::Convention};
use clarke::{Builder, Compiled, Program, Tensor, Var};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    // A thread that ends may allocate after its locals are gone; nobody counts then.
    let _ = COUNT.try_with(|c| c.set(c.get() + 1));
}

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations<R>(f: impl FnOnce() -> R) -> usize {
    let before = COUNT.get();
    std::hint::black_box(f());
    COUNT.get() - before
}

fn check(program: &Program) {
    let compiled: Compiled<f64> = program.compile(Convention::MinNorm).with_threads(1);
    let mut workspace = compiled.workspace();
    let x: Vec<Vec<f64>> =
        compiled.inputs().iter().map(|p| vec![0.5; Tensor::full(&p.shape, 0.0).data().len()]).collect();
    let mut y: Vec<Vec<f64>> = compiled.outputs().iter().map(|s| Tensor::full(s, 0.0).into_data()).collect();
    let inputs: Vec<&[f64]> = x.iter().map(Vec::as_slice).collect();
    let mut outputs: Vec<&mut [f64]> = y.iter_mut().map(Vec::as_mut_slice).collect();
    // A thread's first product sets up the buffers of the crate that multiplies.
    compiled.run(&mut workspace, &inputs, &mut outputs);
    assert_eq!(allocations(|| compiled.run(&mut workspace, &inputs, &mut outputs)), 0);
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| vec![1, 2, 3]), 1);
}

#[test]
fn scalars_loops_and_kernels_allocate_nothing() {
    let shapes: &[&[usize]] = &[&[40, 30], &[30], &[], &[40, 1]];
    let f = Program::trace(shapes, |v| {
        let t = (v[0] * v[1] + v[3]).relu() - (v[2] * v[2]).abs();
        (t.t().sum_to(&[30, 1]) * v[2]).abs().sum_to(&[]) * v[2].relu()
    })
    .unwrap();
    check(&f);
    check(&f.value_and_gradient().unwrap());
    check(&f.hvp().unwrap());
}

#[test]
fn no_operator_of_the_table_allocates() {
    let registry = clarke::registry();
    for entry in registry.entries() {
        for sample in entry.samples {
            let f = clarke::text::parse(&registry, sample.text, sample.inputs).unwrap();
            check(&f);
            // Some have no derivative by definition.
            if let Ok(vjp) = f.vjp() {
                check(&vjp);
            }
        }
    }
}

#[test]
fn products_of_every_size_allocate_nothing() {
    for n in [3, 16, 40, 64, 150] {
        let f = Program::trace(&[&[n, n], &[n, n]], |v| v[0].matmul(v[1].tanh()).sum()).unwrap();
        check(&f);
        check(&f.value_and_gradient().unwrap());
    }
}

#[test]
fn windows_and_sparse_products_allocate_nothing() {
    let f = Program::trace(&[&[2, 4, 5, 5], &[4, 2, 2, 2]], |v| {
        let moves = clarke::op::conv::Moves { groups: 2, ..Default::default() };
        let pooled = v[0].conv2d(v[1], moves).max_pool(&[2, 2], &[2], &[0], &[1]);
        let sparse = clarke::Csr::from_dense(&Tensor::from_fn(&[3, 4], |k| (k % 3) as f64)).unwrap();
        let mode = clarke::op::pad::PadMode::Constant(0.5);
        let moved = pooled.roll(1, Some(2)).tril(0).avg_pool(&[2, 2], &[1], &[1], false);
        let padded = moved.pad(&[(0, 0), (0, 0), (1, 0), (0, 1)], mode);
        (sparse.matmul(padded.reshape(&[4, 32])) * 2.0).sum()
    })
    .unwrap();
    check(&f);
    check(&f.value_and_gradient().unwrap());
    check(&f.hvp().unwrap());
}

#[test]
fn factorizations_allocate_nothing() {
    let f = |n: usize| {
        let entry = |k: usize| if k % n == k / n { 1.0 + k as f64 } else { (k % 7) as f64 / 9.0 };
        let shift = Tensor::from_fn(&[n, n], entry);
        Program::trace(&[&[n, n], &[n]], |v| {
            let a = v[0] + v[0].constant(shift);
            let systems = a.solve(v[1]).sum() + a.cholesky().solve_triangular(v[1], true, false).sum();
            let least = a.slice(1, ..n - 1).lstsq(v[1]).sum();
            let norms = a.spectral_norm() + a.nuclear_norm() + a.eigvalsh_sum(3) + a.logdet() + a.inv().sum();
            let near = a.project_psd().sum() + a.project_simplex(1.0).square().sum() + a.project_soc().sum();
            let far = a.dist_psd() + a.dist_l1_ball(2.0).sum() + a.dist_box(-1.0, 1.0).sum() + a.dist_ball(1.0).sum();
            systems + least + norms + near + far
        })
        .unwrap()
    };
    for program in [f(40), f(8).value_and_gradient().unwrap(), f(8).hvp().unwrap()] {
        let x: Vec<Tensor> =
            program.inputs().iter().filter(|i| !i.role.is_selection()).map(|i| Tensor::full(&i.shape, 0.5)).collect();
        let values = program.compile::<f64>(Convention::MinNorm).call(&x).unwrap();
        assert!(values.iter().all(|v| v.first_not_finite().is_none()));
        check(&program);
    }
}

#[test]
fn a_sum_over_samples_streams_without_allocating() {
    let inputs: &[(&str, &[usize])] = &[("w", &[8]), ("x", &[8]), ("y", &[])];
    let loss = clarke::parse("abs(w @ x - y) + norm1(w)", inputs).unwrap().varying(&["w"]).unwrap();
    let n = 1000;
    let numbers = |count: usize| (0..count).map(|k| (k * k % 31) as f64 / 7.0).collect::<Vec<f64>>();
    let x = clarke::Samples::new(&[n, 8], numbers(8 * n)).unwrap();
    let y = clarke::Samples::new(&[n], numbers(n)).unwrap();
    let mut sum =
        clarke::FiniteSum::new(&loss, &[("x", x), ("y", y)], &[], clarke::Policy::default()).unwrap().with_block(64);
    let (at, mut gradient) = ([0.1; 8], [0.0; 8]);
    let batch: Vec<usize> = (0..32).map(|k| (k * 37) % n).collect();
    let mut all = || {
        sum.value_and_gradient(&at, &mut gradient).unwrap();
        sum.batch(&batch, &at, &mut gradient).unwrap();
        sum.value(&at).unwrap()
    };
    all();
    assert_eq!(allocations(all), 0);
}

#[test]
fn steps_of_methods_allocate_nothing() {
    use clarke::optim::{METHODS, Method};
    let inputs: &[(&str, &[usize])] = &[("w", &[4]), ("x", &[4])];
    let loss = clarke::parse("abs(w @ x - 1)", inputs).unwrap().varying(&["w"]).unwrap();
    let x = clarke::Samples::new(&[100, 4], (0..400).map(|k| (k * k % 31) as f64 / 7.0).collect::<Vec<f64>>()).unwrap();
    for entry in METHODS.iter().filter(|e| e.parameters().any(|p| p.name == "batch")) {
        let mut sum = clarke::FiniteSum::new(&loss, &[("x", x.clone())], &[], clarke::Policy::default()).unwrap();
        let options = [("average".into(), "suffix".into()), ("prox".into(), "simplex(1)".into())];
        let method = entry.build(&options).unwrap();
        let mut state = method.init(&mut sum, &[0.5; 4]).unwrap();
        let mut steps = || (0..110).for_each(|_| method.step(&mut sum, &mut state).unwrap());
        steps();
        assert_eq!(allocations(steps), 0, "{}", entry.name);
    }
}

/// Scalar sums, products and maxima: each has the one before among its arguments, and one of some before that.
fn scalars(nodes: usize) -> Program {
    let builder = Builder::new();
    let mut known: Vec<Var<'_>> = (0..4).map(|k| builder.input(&format!("x{k}"), &[], Role::Argument)).collect();
    for k in 0..nodes {
        let (a, b) = (known[known.len() - 1], known[known.len() - 2 - k * k % 3]);
        known.push(match k % 3 {
            0 => 0.5 * (a + b),
            1 => a * b,
            _ => a.maximum(b),
        });
    }
    builder.finish(&[known[known.len() - 1]]).unwrap()
}

/// How many allocations there may be for each scalar node: of what traces it, of what compiles its value, and of what
/// derives and compiles its gradient, which has five nodes for it.
const TRACED: usize = 6;
const VALUE: usize = 3;
const GRADIENT: usize = 36;

#[test]
fn what_compiling_allocates_grows_with_the_nodes_and_no_faster() {
    let compiled = |p: &Program| -> Compiled<f64> { p.compile(Convention::MinNorm) };
    let traced = |n: usize| allocations(|| scalars(n));
    let value = |n: usize| {
        let f = scalars(n);
        allocations(|| compiled(&f))
    };
    let gradient = |n: usize| {
        let f = scalars(n);
        allocations(|| compiled(&f.value_and_gradient().unwrap()))
    };
    let stages: [(&dyn Fn(usize) -> usize, usize); 3] = [(&traced, TRACED), (&value, VALUE), (&gradient, GRADIENT)];
    for (of, each) in stages {
        let (few, many) = (of(1_000), of(10_000));
        assert!(many <= 10 * few, "{few} allocations for 1000 nodes, {many} for 10000");
        assert!(many <= each * 10_000, "{many} allocations for 10000 nodes");
    }
}
