//! Rounding to a floating-point format: what programs are written with that compute in another arithmetic.

use crate::error::{Fault, Result};
use crate::program::Var;
use crate::program::class::{Class, Level};
use crate::program::float::Float;
use crate::program::op::{ArrayKernel, Batching, Compiler, Entry, Execution, Kernel, Linearization, Notation, Op};
use crate::program::real::Scalar;

/// `round_f16(x)`, `round_bf16(x)`, `round_f32(x)`: the nearest number of a format, elementwise ([`Float::round`]).
///
/// It has no derivative: a program is differentiated first, and its derivative rounded.
#[derive(Debug, Clone)]
pub struct Rounding {
    float: Float,
}

macro_rules! entry {
    ($float:ident $name:literal $formula:literal) => {
        Entry {
            name: $name,
            signature: concat!($name, "(x)"),
            formula: $formula,
            class: "piecewise linear if x is bounded, else unknown; discontinuous",
            ties: "",
            source: "IEEE 754-2019, roundTiesToEven; no derivative",
            notation: Notation::Call,
            call: |call| {
                call.expect(1, 1, &[])?;
                Ok(call.apply(Rounding { float: Float::$float }, &[call.var(0)?]))
            },
            samples: &[],
        }
    };
}

impl Rounding {
    /// Its line for f16 in the table of operators.
    pub const F16: Entry = entry!(F16 "round_f16" "the nearest number of IEEE half precision");
    /// Its line for bf16.
    pub const BF16: Entry =
        entry!(BF16 "round_bf16" "the nearest number that single precision has in its first 16 bits");
    /// Its line for f32.
    pub const F32: Entry = entry!(F32 "round_f32" "the nearest number of IEEE single precision");
}

impl Op for Rounding {
    fn name(&self) -> &'static str {
        match self.float {
            Float::F16 => "round_f16",
            Float::BF16 => "round_bf16",
            Float::F32 | Float::F64 => "round_f32",
        }
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        Ok(args[0].to_vec())
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].raise(if args[0].bounded { Level::PiecewiseLinear } else { Level::Unknown })
    }

    fn linearize<'p>(&self, at: &Linearization<'_, 'p>) -> Result<Option<Var<'p>>> {
        Err(at.fault(self.name(), "it is constant between its jumps; differentiate first, and round the derivative"))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(at.args[0].apply(self.clone()))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

impl ArrayKernel for Rounding {
    fn kernel<T: Scalar>(&self, _: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        // One loop for each format, so that each is a loop without branches.
        match self.float {
            Float::F16 => each(|x| Float::F16.round(x)),
            Float::BF16 => each(|x| Float::BF16.round(x)),
            Float::F32 | Float::F64 => each(|x| Float::F32.round(x)),
        }
    }
}

fn each<T: Scalar>(round: impl Fn(f64) -> f64 + Send + Sync + 'static) -> Kernel<T> {
    Kernel::new(move |args: &[&[T]], out, _| {
        std::iter::zip(out, args[0]).for_each(|(y, x)| *y = T::of(round(x.to_f64())));
    })
}

impl<'p> Var<'p> {
    /// The nearest number of a format, elementwise ([`Float::round`]); this value itself for f64. Without derivative.
    #[track_caller]
    pub fn rounded(self, float: Float) -> Var<'p> {
        if float == Float::F64 { self } else { self.apply(Rounding { float }) }
    }
}
