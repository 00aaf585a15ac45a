//! The contract of an operator: everything the library ever asks of one.

use super::class::Class;
pub use super::family::Family;
use super::interval::Interval;
pub use super::kernel::{Kernel, KernelFn, Shared, SharedFn};
use super::real::Scalar;
use super::record::Recording;
pub use super::shortcut::Shortcut;
use super::tie::{Choice, Convention, Tie};
use super::{Program, Var};
use crate::error::{Fault, Result};
use crate::tensor::{Boxes, Csr, Tensor};
use std::fmt::Debug;
use std::sync::Arc;

/// An elementary operator with its parameters: a node of a [`Program`] without its arguments.
///
/// Two operators with equal `name` and `params` are the same function; whatever tells two instances apart must be
/// among the parameters.
///
/// A nonlinear operator says how it is linearized; a linear one how it is transposed; no operator both.
pub trait Op: Debug + Send + Sync + 'static {
    /// The name in text, tables and reports.
    fn name(&self) -> &'static str;

    /// Named parameters, in the order of the text form.
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![]
    }

    /// How it is printed.
    fn notation(&self) -> Notation {
        Notation::Call
    }

    /// The shape of the value, or the rule the arguments break.
    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault>;

    /// The class of tameness of the value, from the arguments' classes.
    fn class(&self, args: &[Class]) -> Class;

    /// In which arguments it is linear.
    fn linearity(&self) -> Linearity {
        Linearity::None
    }

    /// A better-behaved operator for these arguments, if this application is that operator in disguise
    /// (√Σx² is norm2). Asked when the user writes the application, not when a derivative does.
    fn recognize<'p>(&self, _args: &[Var<'p>]) -> Option<Var<'p>> {
        None
    }

    /// An equal, simpler value for these arguments (x·1 = x), of a shape that broadcasts to the value's. Asked while
    /// deriving and simplifying, never of what the user writes.
    fn reduce<'p>(&self, _args: &[Var<'p>]) -> Option<Var<'p>> {
        None
    }

    /// The same value for these arguments by other operators, in which no tie and no slope can be looked for any more: what
    /// compiled programs run in its place. Asked when a program is compiled, once its selections are numbers; `shared` says
    /// which arguments are read by others too, and so are computed in any case.
    fn fused<'p>(&self, _args: &[Var<'p>], _shared: &[bool]) -> Option<Var<'p>> {
        None
    }

    /// The value written out in other operators, where the operator is defined so. Its derivative and its fast
    /// execution then follow from theirs.
    fn expand<'p>(&self, _args: &[Var<'p>]) -> Option<Var<'p>> {
        None
    }

    /// The tangent of the value, for a nonlinear operator without `expand`: linear in `at.tangents`, of which at
    /// least one is there. None is the zero tangent.
    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        Err(at.fault(self.name(), "it declares none"))
    }

    /// The cotangent of argument `wrt`, in which the operator is linear, from the cotangent of the value.
    fn transpose<'p>(&self, _at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        Err(Fault::NoDerivative { op: self.name().into(), why: "it declares no transpose".into() }.into())
    }

    /// The operator over an additional leading axis of the arguments for which `mapped` is true.
    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>>;

    /// How it is executed.
    fn execution(&self) -> Execution<'_>;

    /// What the value is in simpler terms, for an operator with a kernel over one array of this shape that compiled
    /// programs may do without.
    fn shortcut(&self, _arg: &[usize]) -> Option<Shortcut> {
        None
    }

    /// Whether its slope can be infinite or NaN where its value is finite (sqrt at 0).
    fn singular(&self) -> bool {
        false
    }

    /// Whether it is the product of a slope (first) and a tangent (second) in which a zero wins over an infinity: where
    /// singular slopes are looked for.
    fn guards(&self) -> bool {
        false
    }

    /// Whether it has no derivative by definition: tangents end here, and what leads here alone is asked for none.
    fn stops(&self) -> bool {
        false
    }

    /// Whether the selection of [`Convention::MinNorm`] is the element of least norm of the operator's Jacobian at every
    /// point. Not where finding that element is a program of its own, as for a sum of norms of overlapping parts.
    fn has_least_norm(&self) -> bool {
        true
    }

    /// What is wrong with the numbers of the arguments, where they made the value NaN or infinite and the operator knows
    /// more than that.
    fn refuses(&self, _args: &[&Tensor]) -> Option<Fault> {
        None
    }

    /// What a convention picks at the operator's k-th tie, in the order its derivative writes them. `inner` is the
    /// answer of the operator that wrote the tie, where this one is defined by `expand`.
    fn choice(&self, _tie: usize, _convention: Convention, inner: Option<Choice>) -> Choice {
        inner.unwrap_or(Choice::plain(0.0))
    }

    /// The operator as one of several that return different parts of one computation, if it is one.
    fn family(&self) -> Option<&dyn Family> {
        None
    }

    /// The operator as a tie, if it is one.
    fn tie(&self) -> Option<&dyn Tie> {
        None
    }

    /// For an operator that selects between values by a condition, or that jumps: what is known about continuity where
    /// one of its ties is met.
    fn boundary(&self) -> Option<&dyn Boundary> {
        None
    }

    /// The operator as one that takes sparse matrices, if it is one.
    fn sparse(&self) -> Option<&dyn TakesSparse> {
        None
    }

    /// The value written out step by step in other operators, for operators made of programs: what the analysis at a
    /// point looks at.
    fn unroll<'p>(&self, _args: &[Var<'p>]) -> Option<Var<'p>> {
        None
    }

    /// Whether every entry of the value grows, or stays, as any entry of the arguments does: then its bounds over a box
    /// are its values at the lower and the upper ends.
    fn monotone(&self) -> bool {
        false
    }

    /// Whether every entry of the value is a convex function of all arguments together, as the rules for compositions of
    /// convex functions ask. Not asked of linear operators, and of those with an expansion only where it tells nothing.
    fn convex(&self) -> Curve {
        Curve::Unknown
    }

    /// Bounds of the value over boxes, where the operator knows better ones than its formula gives on intervals; None
    /// leaves it to that. They must hold for exact arithmetic on every choice of numbers from the boxes.
    fn enclose(&self, _args: &[&Boxes], _shape: &[usize]) -> Option<Boxes> {
        None
    }

    /// The programs inside, for operators made of programs.
    fn programs(&self) -> Vec<&Program> {
        vec![]
    }
}

/// What an operator says of its shape, see [`Op::convex`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Curve {
    /// Nothing.
    #[default]
    Unknown,
    /// It is convex.
    Convex,
    /// It is convex, and grows, or stays, as any entry of the arguments does.
    Increasing,
    /// It is concave, and grows, or stays, as any entry of the arguments does.
    ConcaveIncreasing,
}

/// A parameter of an operator, as data: printed, parsed, compared.
#[derive(Debug, Clone, PartialEq)]
pub enum Param {
    /// A number.
    Number(f64),
    /// An integer.
    Int(i64),
    /// Several integers: axes, a shape.
    Ints(Vec<i64>),
    /// Yes or no.
    Flag(bool),
    /// Nothing given (axis=None).
    None,
    /// A program: the body of a loop.
    Program(Arc<Program>),
    /// A sparse matrix; printed as its parts, a keyword each.
    Csr(Arc<Csr>),
    /// Text printed as it is: what stands between the brackets of a subscript.
    Raw(String),
}

/// How an operator is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notation {
    /// `name(args, param=value)`.
    Call,
    /// `a symbol b`, with Python's precedence (larger binds tighter).
    Infix {
        /// The symbol.
        symbol: &'static str,
        /// Its precedence.
        precedence: u8,
        /// Whether it associates to the right.
        right: bool,
    },
    /// `-a`.
    Prefix(&'static str),
    /// `a ** p`: infix with the operator's single parameter on the right.
    PowerOfParam,
    /// `name(a symbol b, c, …)`: a call whose first two arguments are the sides of a comparison; the parameters, which
    /// the symbol stands for, are not printed.
    Where {
        /// The comparison.
        symbol: &'static str,
    },
    /// `a[…]`, with the operator's single [`Param::Raw`] in the brackets. Its entry is called with the array and a
    /// tuple of what stands there.
    Subscript,
}

/// In which arguments an operator is linear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Linearity {
    /// In none.
    None,
    /// In all of them together: sums, reshapes.
    Joint,
    /// In each of them while the others are held: products.
    Each,
    /// In the first, the others being parameters: a permutation applied to an array.
    First,
    /// In these together, the others being parameters.
    In(Vec<bool>),
}

/// An operator at a place in a program, about to be linearized.
pub struct Linearization<'a, 'p> {
    /// The arguments.
    pub args: &'a [Var<'p>],
    /// The value.
    pub out: Var<'p>,
    /// The arguments' tangents; None is zero.
    pub tangents: &'a [Option<Var<'p>>],
    /// The transformations, for operators that contain programs.
    pub calculus: &'a dyn Calculus,
}

impl Linearization<'_, '_> {
    /// "This has no derivative", at the operator's place.
    pub fn fault(&self, op: &str, why: &str) -> crate::Error {
        Fault::NoDerivative { op: op.into(), why: why.into() }.at(self.out.place())
    }
}

/// A linear operator at a place in a program, about to be transposed.
pub struct Transposition<'a, 'p> {
    /// The argument whose cotangent is asked for.
    pub wrt: usize,
    /// Its shape.
    pub shape: &'a [usize],
    /// The arguments that are not being transposed; None for those that depend on the linear inputs.
    pub args: &'a [Option<Var<'p>>],
    /// All arguments' shapes.
    pub shapes: &'a [Vec<usize>],
    /// The value's cotangent, of the value's shape.
    pub cotangent: Var<'p>,
    /// The transformations, for operators that contain programs.
    pub calculus: &'a dyn Calculus,
}

impl<'p> Transposition<'_, 'p> {
    /// Argument k, which the operator knows not to be the linear one.
    pub fn known(&self, k: usize) -> Var<'p> {
        self.args[k].expect("an operator linear in one argument at a time is transposed with the others known")
    }
}

/// An operator with some arguments given a leading axis.
pub struct Batching<'a, 'p> {
    /// The arguments; those mapped have the additional leading axis.
    pub args: &'a [Var<'p>],
    /// Which are mapped; at least one is.
    pub mapped: &'a [bool],
    /// The rank of each argument without the additional axis.
    pub ranks: &'a [usize],
    /// The rank of the value without the additional axis.
    pub rank: usize,
    /// The length of the additional axis.
    pub size: usize,
    /// The transformations, for operators that contain programs.
    pub calculus: &'a dyn Calculus,
}

/// The transformations of programs, as operators that contain programs receive them.
pub trait Calculus {
    /// (x, …) ↦ y becomes (x, …, ẋ, …, s, …) ↦ (y, ẏ).
    fn linearize(&self, program: &Program) -> Result<Program>;
    /// The transpose in the named inputs, see [`Program::transpose`].
    fn transpose(&self, program: &Program, linear: &[usize]) -> Result<Program>;
    /// The same over a leading axis of the inputs marked.
    fn batch(&self, program: &Program, mapped: &[bool], size: usize) -> Result<Program>;
}

/// How an operator is executed.
pub enum Execution<'a> {
    /// Element by element: recorded as primitive instructions, which are fused.
    Pointwise(&'a dyn Recordable),
    /// By a kernel over whole arrays.
    Array(&'a dyn Kernels),
    /// Not at all: the numbers stay where they are and only the shape changes.
    Alias,
    /// As its expansion.
    Expanded,
}

/// An elementwise operator, without its type.
pub trait Recordable {
    /// The value as primitive instructions.
    fn record(&self) -> Recording;
    /// The value on numbers.
    fn eval(&self, args: &[f64]) -> f64;
    /// How many operations the value takes, see [`Cost`](crate::Cost): as many as it has instructions, if it is no single
    /// element of the dictionary that derivatives are written in.
    fn operations(&self) -> u64 {
        self.record().instrs.len() as u64
    }
}

/// What a kernel of an operator made of programs needs: its programs compiled.
pub trait Compiler<T> {
    /// The program as a kernel: arguments are the inputs in order; `out` holds the outputs one after another.
    fn compile(&self, program: &Program) -> Kernel<T>;
}

/// Kernels for each precision. Implemented through [`ArrayKernel`].
pub trait Kernels {
    /// For f32.
    fn kernel_f32(&self, args: &[&[usize]], out: &[usize], compiler: &dyn Compiler<f32>) -> Kernel<f32>;
    /// For f64.
    fn kernel_f64(&self, args: &[&[usize]], out: &[usize], compiler: &dyn Compiler<f64>) -> Kernel<f64>;
    /// For intervals; the whole line for a kernel that cannot run on them.
    fn kernel_interval(
        &self,
        _args: &[&[usize]],
        _out: &[usize],
        _compiler: &dyn Compiler<Interval>,
    ) -> Kernel<Interval> {
        Kernel::new(|_, out, _| out.fill(Interval::WHOLE))
    }
    /// How many operations it takes, see [`ArrayKernel::operations`].
    fn operations(&self, args: &[&[usize]], out: &[usize], inside: &dyn Fn(&Program) -> u64) -> u64;
}

/// A kernel over whole arrays, generic over the precision.
pub trait ArrayKernel {
    /// How many operations of unit cost (sums, products, comparisons, elementary functions) it takes for these shapes, up
    /// to terms of lower order; what only moves numbers takes none. `inside` counts a program that the operator holds.
    ///
    /// By default one for each number of the largest array.
    fn operations(&self, args: &[&[usize]], out: &[usize], _inside: &dyn Fn(&Program) -> u64) -> u64 {
        args.iter().copied().chain([out]).map(crate::tensor::size).max().unwrap_or(0) as u64
    }
    /// The kernel for these shapes.
    fn kernel<T: Scalar>(&self, args: &[&[usize]], out: &[usize], compiler: &dyn Compiler<T>) -> Kernel<T>;
}

impl<K: ArrayKernel> Kernels for K {
    fn kernel_f32(&self, args: &[&[usize]], out: &[usize], compiler: &dyn Compiler<f32>) -> Kernel<f32> {
        self.kernel(args, out, compiler)
    }
    fn kernel_f64(&self, args: &[&[usize]], out: &[usize], compiler: &dyn Compiler<f64>) -> Kernel<f64> {
        self.kernel(args, out, compiler)
    }
    fn kernel_interval(&self, args: &[&[usize]], out: &[usize], compiler: &dyn Compiler<Interval>) -> Kernel<Interval> {
        self.kernel(args, out, compiler)
    }
    fn operations(&self, args: &[&[usize]], out: &[usize], inside: &dyn Fn(&Program) -> u64) -> u64 {
        ArrayKernel::operations(self, args, out, inside)
    }
}

/// An operator that selects by a condition, or that jumps, asked about its boundary.
pub trait Boundary {
    /// What is known on the boundary, from the arguments at one element.
    fn at(&self, args: &[f64]) -> BoundaryKind;
    /// Which arguments are the two sides of the condition, and which the two values, for an operator that has
    /// [`BoundaryKind::Pieces`]: with them continuity along the whole boundary is proved.
    fn parts(&self) -> Option<BoundaryParts> {
        None
    }
    /// For an operator that selects along axes: of the values among which it selects in a slice of its tie, the two that
    /// lie furthest apart.
    fn spread(&self, _args: &[&Tensor], _slice: &[usize]) -> Option<(f64, f64)> {
        None
    }
}

/// An operator that takes sparse matrices among its arguments.
pub trait TakesSparse {
    /// Whether it takes these arguments, of which those with a name are sparse, by the names of the inputs that they
    /// are. Errors: where it takes them as arrays only.
    fn takes(&self, sparse: &[Option<&str>]) -> Result<()>;

    /// Whether its value is a sparse matrix too: the transpose of one.
    fn keeps_sparse(&self) -> bool {
        false
    }

    /// The value for these arguments, of which at least one is a sparse matrix.
    fn bound<'p>(&self, args: &[Operand<'p>]) -> Result<Operand<'p>>;
}

/// An argument of an operator while sparse matrices are bound.
#[derive(Debug, Clone)]
pub enum Operand<'p> {
    /// An array.
    Array(Var<'p>),
    /// A sparse matrix.
    Sparse {
        /// The matrix.
        matrix: Arc<Csr>,
        /// Whether its transpose is meant.
        transposed: bool,
    },
}

/// Arguments of an operator that selects by a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoundaryParts {
    /// The two sides that are compared.
    pub sides: (usize, usize),
    /// The two values.
    pub values: (usize, usize),
}

/// What an operator says about the boundary of its condition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum BoundaryKind {
    /// The derivative there is that of one of the two values (or between), if they agree.
    Pieces(f64, f64),
    /// The condition is an equality: no derivative where it is met.
    Equality,
    /// The value jumps there between these two: no derivative.
    Jump(f64, f64),
}

/// One operator of the table: what parser, documentation, tests and other faces derive from.
#[derive(Clone)]
pub struct Entry {
    /// The name.
    pub name: &'static str,
    /// How it is called in text.
    pub signature: &'static str,
    /// The formula.
    pub formula: &'static str,
    /// The class of tameness it brings.
    pub class: &'static str,
    /// The ties it has, with the set there; empty if smooth.
    pub ties: &'static str,
    /// Where formula and set are from.
    pub source: &'static str,
    /// How it is written: a symbol is looked up here by the parser.
    pub notation: Notation,
    /// Reads a call in program text.
    pub call: for<'p> fn(&super::call::Call<'_, 'p>) -> Result<Var<'p>>,
    /// Applications on which the laws are tested.
    pub samples: &'static [Sample],
}

/// An application of an operator on which the laws are tested.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// The application as text.
    pub text: &'static str,
    /// Its inputs and their shapes.
    pub inputs: &'static [(&'static str, &'static [usize])],
    /// From which interval inputs are drawn.
    pub domain: (f64, f64),
    /// What its derivative is.
    pub derivative: Derivative,
}

/// What the derivative of a sample is to its value: which laws it is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Derivative {
    /// Its derivative.
    OfValue,
    /// Its derivative, and where the value jumps, which the points of the laws meet, an error.
    OffJumps,
    /// Another linear map, by definition.
    ByDefinition,
    /// An error that says why there is none.
    Missing,
}

impl Sample {
    /// A sample over all signs.
    pub const fn new(text: &'static str, inputs: &'static [(&'static str, &'static [usize])]) -> Sample {
        Sample { text, inputs, domain: (-2.0, 2.0), derivative: Derivative::OfValue }
    }

    /// The same with inputs drawn from an interval.
    pub const fn on(self, low: f64, high: f64) -> Sample {
        Sample { domain: (low, high), ..self }
    }

    /// The same with another derivative than that of its value.
    pub const fn deriving(self, derivative: Derivative) -> Sample {
        Sample { derivative, ..self }
    }
}

impl Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The value of one application of an operator on arrays, by its own kernel and nothing else: the slow twin of every
/// faster way to run it.
pub(crate) fn interpret(op: &dyn Op, args: &[&Tensor], out: &[usize], compiler: &dyn Compiler<f64>) -> Option<Tensor> {
    match op.execution() {
        Execution::Pointwise(p) => {
            let steps: Vec<Vec<usize>> =
                args.iter().map(|a| crate::tensor::broadcast_strides(a.shape(), out)).collect();
            let mut positions: Vec<Vec<usize>> = vec![];
            for s in &steps {
                let mut own = Vec::with_capacity(crate::tensor::size(out));
                crate::tensor::walk(out, s, |at| own.push(at));
                positions.push(own);
            }
            let mut row = vec![0.0; args.len()];
            Some(Tensor::from_fn(out, |i| {
                for (k, a) in args.iter().enumerate() {
                    row[k] = a.data()[positions[k][i]];
                }
                p.eval(&row)
            }))
        }
        Execution::Array(k) => {
            let shapes: Vec<&[usize]> = args.iter().map(|a| a.shape()).collect();
            let kernel = k.kernel_f64(&shapes, out, compiler);
            let mut value = Tensor::full(out, 0.0);
            let mut scratch = vec![0.0; kernel.scratch];
            let data: Vec<&[f64]> = args.iter().map(|a| a.data()).collect();
            (kernel.run)(&data, value.data_mut(), &mut scratch);
            Some(value)
        }
        Execution::Alias => Tensor::new(out, args[0].data().to_vec()).ok(),
        Execution::Expanded => None,
    }
}
