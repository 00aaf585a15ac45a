//! Kernels that several threads share.

use crate::program::op::{Kernel, Shared};

/// How many operations a thread does at least: they take some tens of microseconds, which a thread that sleeps needs to be
/// there.
const LEAST: u64 = 2_000_000;

/// How many threads a kernel of so many operations is worth.
pub fn worth<T>(kernel: &Kernel<T>, operations: u64) -> usize {
    let Some(shared) = &kernel.shared else { return 1 };
    // Each has two grains, so that moving a border to one leaves it one.
    let stretches = shared.parts / (2 * shared.grain);
    usize::try_from(operations / LEAST).unwrap_or(usize::MAX).min(stretches).max(1)
}

/// What a run of a shared kernel is given: its arguments, and scratch space for each thread.
pub struct Run<'a, T> {
    /// The kernel's parts.
    pub shared: &'a Shared<T>,
    /// Its arguments.
    pub args: &'a [&'a [T]],
    /// How much scratch space a thread needs.
    pub scratch: usize,
}

impl<T: Send + Sync> Run<'_, T> {
    /// Computes all parts by so many threads, of which this is one.
    pub fn by(&self, threads: usize, out: &mut [T], scratch: &mut [T]) {
        let &Shared { parts, grain, ref run } = self.shared;
        let part = out.len().checked_div(parts).unwrap_or(0);
        // In whole grains, as even as can be; the last has what is left over.
        let border = |k: usize| if k == threads { parts } else { parts / grain * k / threads * grain };
        rayon::in_place_scope(|scope| {
            let (own, mut out) = out.split_at_mut(border(1) * part);
            let (mine, mut scratch) = scratch.split_at_mut(self.scratch);
            for k in 1..threads {
                let stretch = border(k)..border(k + 1);
                let (value, rest) = out.split_at_mut(stretch.len() * part);
                let (space, left) = scratch.split_at_mut(self.scratch);
                (out, scratch) = (rest, left);
                scope.spawn(move |_| run(stretch, self.args, value, space));
            }
            run(0..border(1), self.args, own, mine);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::real::Scalar;
    use crate::program::tie::Convention;
    use crate::program::{Program, Var};
    use crate::run::compiled::{Compiled, Fast};
    use crate::run::lower::{Selections, lower};
    use crate::run::plan::{Plan, Work};

    type Body = for<'p> fn(&[Var<'p>]) -> Var<'p>;

    /// Every kernel of the program that may be shared gives the same bits however many threads share it; how many there are.
    fn check<T: Scalar>(program: &Program) -> usize {
        let plan = Plan::<T>::new(&lower(program, Selections::Filled(&|_| 1.0)), &Fast);
        let mut checked = 0;
        for work in &plan.work {
            let Work::Kernel { kernel, args, out, .. } = work else { continue };
            let Some(shared) = &kernel.shared else { continue };
            let number = |k: usize| T::of((k as f64 * 0.7).sin());
            let args: Vec<Vec<T>> = args.iter().map(|(_, len)| (0..*len).map(number).collect()).collect();
            let args: Vec<&[T]> = args.iter().map(Vec::as_slice).collect();
            let numbers = |n: usize| vec![T::of(f64::NAN); n];
            let mut whole = numbers(out.1);
            (kernel.run)(&args, &mut whole, &mut numbers(kernel.scratch));
            let most = shared.parts / (2 * shared.grain);
            for threads in (2..=most).take(6) {
                let mut value = numbers(out.1);
                let run = Run { shared, args: &args, scratch: kernel.scratch };
                run.by(threads, &mut value, &mut numbers(threads * kernel.scratch));
                let same = std::iter::zip(&value, &whole).all(|(a, b)| a.to_f64().to_bits() == b.to_f64().to_bits());
                assert!(same, "{program} by {threads}");
                checked += 1;
            }
        }
        checked
    }

    #[test]
    fn kernels_give_the_same_bits_for_any_number_of_threads() {
        let cases: [(&[&[usize]], Body); 13] = [
            (&[&[200, 30], &[30, 40]], |v| v[0].matmul(v[1])),
            (&[&[211, 300], &[300, 5]], |v| v[0].matmul(v[1])),
            (&[&[30, 203], &[30, 40]], |v| v[0].t().matmul(v[1])),
            (&[&[200, 70], &[40, 70]], |v| v[0].matmul(v[1].t())),
            (&[&[7, 20, 30], &[7, 30, 9]], |v| v[0].matmul(v[1])),
            (&[&[7, 100, 30], &[30, 9]], |v| v[0].matmul(v[1])),
            (&[&[1100, 90], &[90]], |v| v[0].matmul(v[1])),
            (&[&[1100, 3], &[3]], |v| v[0].matmul(v[1])),
            (&[&[90], &[90, 1100]], |v| v[0].matmul(v[1])),
            (&[&[90, 1100], &[90]], |v| v[0].t().matmul(v[1])),
            (&[&[6, 3, 9, 10], &[70, 3, 3, 3]], |v| v[0].conv2d(v[1], Default::default())),
            (&[&[3, 4, 9, 8]], |v| v[0].max_pool(&[2, 2], &[2, 2], &[0, 0], &[1, 1])),
            (&[&[17, 9]], |v| v[0].logsumexp_axis(1)),
        ];
        for (shapes, body) in cases {
            let value = Program::trace(shapes, body).expect("a program");
            let loss = Program::trace(shapes, |v| (body(v) * body(v)).sum()).expect("a program");
            let both = loss.value_and_gradient().expect("a gradient");
            assert!(check::<f64>(&value) > 0 && check::<f32>(&value) > 0, "{value}");
            check::<f64>(&both);
            check::<f32>(&both);
        }
    }

    #[test]
    fn large_programs_are_shared_and_small_ones_are_not() {
        let product = |m: usize| Program::trace(&[&[m, 256], &[256, 256]], |v| v[0].matmul(v[1])).expect("a program");
        let (small, large) = (product(8), product(128));
        for (program, is_shared) in [(&small, false), (&large, true)] {
            let alone = program.compile::<f32>(Convention::MinNorm).with_threads(1);
            let shared = alone.clone().with_threads(4);
            let room = |threads: usize| Plan::<f32>::new(program, &Fast).shared_scratch(threads);
            assert_eq!((room(1), room(4) > 0), (0, is_shared), "{program}");
            let inputs: Vec<Vec<f32>> = alone
                .inputs()
                .iter()
                .map(|p| (0..p.shape.iter().product()).map(|k: usize| (k as f32).sin()).collect())
                .collect();
            let views: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
            let run = |compiled: &Compiled<f32>| {
                let mut y = vec![0.0; compiled.outputs()[0].iter().product()];
                compiled.run(&mut compiled.workspace(), &views, &mut [&mut y]);
                y
            };
            assert_eq!(run(&alone), run(&shared));
        }
    }
}
