//! Kernels: what an operator on arrays is prepared to, and how threads share it.

use std::ops::Range;
use std::sync::Arc;

/// A prepared kernel: everything that can be done once is done; running allocates nothing.
///
/// Called as `run(args, out, scratch)` with arrays in row-major order; `scratch` has the length `scratch`.
pub struct Kernel<T> {
    /// How many numbers of scratch space it needs.
    pub scratch: usize,
    /// The kernel.
    pub run: KernelFn<T>,
    /// How threads may share it, if they may.
    pub shared: Option<Shared<T>>,
}

/// What a kernel does.
pub type KernelFn<T> = Box<dyn Fn(&[&[T]], &mut [T], &mut [T]) + Send + Sync>;

/// A kernel whose value is made of parts, each as long as the others, that can be computed apart with the same bits.
pub struct Shared<T> {
    /// How many parts.
    pub parts: usize,
    /// A stretch of parts begins with a multiple of so many, and has as many at least.
    pub grain: usize,
    /// Computes a stretch: called with it, the arguments, its own part of the value, and scratch space of its own.
    pub run: SharedFn<T>,
}

/// What a kernel does for some of its parts.
pub type SharedFn<T> = Arc<dyn Fn(Range<usize>, &[&[T]], &mut [T], &mut [T]) + Send + Sync>;

impl<T> Kernel<T> {
    /// A kernel without scratch space.
    pub fn new(run: impl Fn(&[&[T]], &mut [T], &mut [T]) + Send + Sync + 'static) -> Kernel<T> {
        Kernel::with_scratch(0, run)
    }

    /// A kernel that needs scratch space for so many numbers.
    pub fn with_scratch(
        scratch: usize,
        run: impl Fn(&[&[T]], &mut [T], &mut [T]) + Send + Sync + 'static,
    ) -> Kernel<T> {
        Kernel { scratch, run: Box::new(run), shared: None }
    }

    /// A kernel of so many parts, see [`Shared`].
    pub fn of_parts(
        scratch: usize,
        [parts, grain]: [usize; 2],
        run: impl Fn(Range<usize>, &[&[T]], &mut [T], &mut [T]) + Clone + Send + Sync + 'static,
    ) -> Kernel<T>
    where
        T: 'static,
    {
        // A function of its own for the whole, since a call through the shared one is more than small products have to spare.
        let part = run.clone();
        let whole = move |args: &[&[T]], out: &mut [T], scratch: &mut [T]| part(0..parts, args, out, scratch);
        Kernel { scratch, run: Box::new(whole), shared: Some(Shared { parts, grain, run: Arc::new(run) }) }
    }
}
