//! Recording: an elementwise value run on [`Rec`] yields the primitive instructions it is made of.
//!
//! What runs programs fast (tiles today, emitted code tomorrow) knows these thirty or so primitives and no operator; a new
//! operator is therefore fast on its first day.

use super::elementary::{Formulas, MulAdd};
use super::real::Real;
use std::cell::RefCell;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A primitive instruction of scalar arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // each is the method of `Real` of the same name
pub enum Prim {
    Add,
    Sub,
    Mul,
    Div,
    Neg,
    Abs,
    Sqrt,
    Exp,
    Ln,
    ExpM1,
    Ln1p,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Atan2,
    Sinh,
    Cosh,
    Tanh,
    Erf,
    Erfc,
    Floor,
    Round,
    Pow,
    Max,
    Min,
    IfGt,
    IfGe,
    IfEq,
}

impl Prim {
    /// Every primitive.
    #[cfg(test)]
    pub(crate) const ALL: [Prim; 31] = [
        Prim::Add,
        Prim::Sub,
        Prim::Mul,
        Prim::Div,
        Prim::Neg,
        Prim::Abs,
        Prim::Sqrt,
        Prim::Exp,
        Prim::Ln,
        Prim::ExpM1,
        Prim::Ln1p,
        Prim::Sin,
        Prim::Cos,
        Prim::Tan,
        Prim::Asin,
        Prim::Acos,
        Prim::Atan,
        Prim::Sinh,
        Prim::Cosh,
        Prim::Tanh,
        Prim::Erf,
        Prim::Erfc,
        Prim::Floor,
        Prim::Round,
        Prim::Atan2,
        Prim::Pow,
        Prim::Max,
        Prim::Min,
        Prim::IfGt,
        Prim::IfGe,
        Prim::IfEq,
    ];

    /// How many operands it takes.
    pub fn arity(self) -> usize {
        match self {
            Prim::Neg | Prim::Abs | Prim::Sqrt | Prim::Exp | Prim::Ln | Prim::ExpM1 | Prim::Ln1p => 1,
            Prim::Sin | Prim::Cos | Prim::Tan | Prim::Asin | Prim::Acos | Prim::Atan => 1,
            Prim::Sinh | Prim::Cosh | Prim::Tanh | Prim::Erf | Prim::Erfc | Prim::Floor | Prim::Round => 1,
            Prim::Add | Prim::Sub | Prim::Mul | Prim::Div | Prim::Pow | Prim::Atan2 | Prim::Max | Prim::Min => 2,
            Prim::IfGt | Prim::IfGe | Prim::IfEq => 4,
        }
    }

    /// Whether processors have it as one instruction, or few; the others are functions that are called.
    pub fn is_instruction(self) -> bool {
        use Prim::*;
        matches!(self, Add | Sub | Mul | Div | Neg | Abs | Sqrt | Max | Min | IfGt | IfGe | IfEq | Floor | Round)
    }

    /// Its value on plain numbers: the definition that every fast kernel must agree with.
    #[inline(always)]
    pub fn eval<T: Real>(self, x: [T; 4]) -> T {
        let [a, b, c, d] = x;
        match self {
            Prim::Add => a + b,
            Prim::Sub => a - b,
            Prim::Mul => a * b,
            Prim::Div => a / b,
            Prim::Neg => -a,
            Prim::Abs => a.abs(),
            Prim::Sqrt => a.sqrt(),
            Prim::Exp => a.exp(),
            Prim::Ln => a.ln(),
            Prim::ExpM1 => a.exp_m1(),
            Prim::Ln1p => a.ln_1p(),
            Prim::Sin => a.sin(),
            Prim::Cos => a.cos(),
            Prim::Tan => a.tan(),
            Prim::Asin => a.asin(),
            Prim::Acos => a.acos(),
            Prim::Atan => a.atan(),
            Prim::Atan2 => a.atan2(b),
            Prim::Sinh => a.sinh(),
            Prim::Cosh => a.cosh(),
            Prim::Tanh => a.tanh(),
            Prim::Erf => a.erf(),
            Prim::Erfc => a.erfc(),
            Prim::Floor => a.floor(),
            Prim::Round => a.round(),
            Prim::Pow => a.powf(b),
            Prim::Max => a.max(b),
            Prim::Min => a.min(b),
            Prim::IfGt => a.if_gt(b, c, d),
            Prim::IfGe => a.if_ge(b, c, d),
            Prim::IfEq => a.if_eq(b, c, d),
        }
    }
}

impl Prim {
    /// Whether [`near`](Prim::near) is not all of it: where an argument is far.
    #[inline(always)]
    pub const fn has_far_arguments(self) -> bool {
        matches!(self, Prim::Sin | Prim::Cos | Prim::Tan)
    }

    /// Its value where no argument is far, as a formula without branches.
    #[inline(always)]
    pub fn near<T: Formulas, M: MulAdd>(self, x: [T; 4]) -> T {
        let [a, b, ..] = x;
        match self {
            Prim::Exp => Formulas::exp::<M>(a),
            Prim::Ln => Formulas::ln::<M>(a),
            Prim::ExpM1 => Formulas::exp_m1::<M>(a),
            Prim::Ln1p => Formulas::ln_1p::<M>(a),
            Prim::Sin => Formulas::sin_near::<M>(a),
            Prim::Cos => Formulas::cos_near::<M>(a),
            Prim::Tan => Formulas::tan_near::<M>(a),
            Prim::Asin => Formulas::asin::<M>(a),
            Prim::Acos => Formulas::acos::<M>(a),
            Prim::Atan => Formulas::atan::<M>(a),
            Prim::Atan2 => Formulas::atan2::<M>(a, b),
            Prim::Sinh => Formulas::sinh::<M>(a),
            Prim::Cosh => Formulas::cosh::<M>(a),
            Prim::Tanh => Formulas::tanh::<M>(a),
            Prim::Erf => Formulas::erf::<M>(a),
            Prim::Erfc => Formulas::erfc::<M>(a),
            Prim::Pow => Formulas::powf::<M>(a, b),
            _ => self.eval(x),
        }
    }
}

/// Where an operand of an instruction comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Operand {
    /// The k-th argument of the operator.
    Arg(usize),
    /// A constant.
    Const(f64),
    /// The result of an earlier instruction.
    Temp(usize),
}

/// One instruction; operands past the primitive's arity repeat the last one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Instr {
    /// What is done.
    pub prim: Prim,
    /// To what.
    pub operands: [Operand; 4],
}

/// An operator's value as instructions, in order; `result` may be an argument or a constant.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// The instructions; the k-th defines `Temp(k)`.
    pub instrs: Vec<Instr>,
    /// The value.
    pub result: Operand,
}

thread_local! {
    static TAPE: RefCell<Vec<Instr>> = const { RefCell::new(Vec::new()) };
}

/// A number that records what is done to it, on a tape of its thread. Made only by [`record`].
#[derive(Debug, Clone, Copy)]
pub struct Rec(Operand);

/// Records a formula of `arity` arguments.
pub fn record(arity: usize, formula: impl FnOnce(&[Rec]) -> Rec) -> Recording {
    TAPE.with_borrow_mut(Vec::clear);
    let args: Vec<Rec> = (0..arity).map(|k| Rec(Operand::Arg(k))).collect();
    let result = formula(&args).0;
    Recording { instrs: TAPE.take(), result }
}

fn push(prim: Prim, operands: [Rec; 4]) -> Rec {
    let operands = operands.map(|r| r.0);
    TAPE.with_borrow_mut(|tape| {
        // A formula may say x.exp() twice; the tape computes it once.
        let instr = Instr { prim, operands };
        let at = tape.iter().position(|i| *i == instr).unwrap_or_else(|| {
            tape.push(instr);
            tape.len() - 1
        });
        Rec(Operand::Temp(at))
    })
}

macro_rules! binary {
    ($($trait:ident $method:ident $prim:ident),*) => {$(
        impl $trait for Rec {
            type Output = Rec;
            fn $method(self, other: Rec) -> Rec {
                push(Prim::$prim, [self, other, other, other])
            }
        }
    )*};
}
binary!(Add add Add, Sub sub Sub, Mul mul Mul, Div div Div);

impl Neg for Rec {
    type Output = Rec;
    fn neg(self) -> Rec {
        push(Prim::Neg, [self; 4])
    }
}

macro_rules! unary {
    ($($method:ident $prim:ident),*) => {$(
        fn $method(self) -> Rec {
            push(Prim::$prim, [self; 4])
        }
    )*};
}

impl Real for Rec {
    fn of(x: f64) -> Rec {
        Rec(Operand::Const(x))
    }
    unary!(abs Abs, sqrt Sqrt, exp Exp, ln Ln, exp_m1 ExpM1, ln_1p Ln1p, sin Sin, cos Cos, tan Tan);
    unary!(asin Asin, acos Acos, atan Atan, sinh Sinh, cosh Cosh, tanh Tanh);
    unary!(erf Erf, erfc Erfc, floor Floor, round Round);
    fn atan2(self, x: Rec) -> Rec {
        push(Prim::Atan2, [self, x, x, x])
    }
    fn powf(self, p: Rec) -> Rec {
        push(Prim::Pow, [self, p, p, p])
    }
    fn max(self, other: Rec) -> Rec {
        push(Prim::Max, [self, other, other, other])
    }
    fn min(self, other: Rec) -> Rec {
        push(Prim::Min, [self, other, other, other])
    }
    fn if_gt(self, other: Rec, a: Rec, b: Rec) -> Rec {
        push(Prim::IfGt, [self, other, a, b])
    }
    fn if_ge(self, other: Rec, a: Rec, b: Rec) -> Rec {
        push(Prim::IfGe, [self, other, a, b])
    }
    fn if_eq(self, other: Rec, a: Rec, b: Rec) -> Rec {
        push(Prim::IfEq, [self, other, a, b])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn softplus<T: Real>(x: T) -> T {
        x.max(T::of(0.0)) + (-x.abs()).exp().ln_1p()
    }

    #[test]
    fn a_recording_replays_the_formula() {
        let rec = record(1, |x| softplus(x[0]));
        for x in [-3.0f64, 0.0, 0.5, 40.0] {
            let mut temps: Vec<f64> = vec![];
            let get = |o: &Operand, temps: &[f64]| match *o {
                Operand::Arg(_) => x,
                Operand::Const(c) => c,
                Operand::Temp(k) => temps[k],
            };
            for i in &rec.instrs {
                let v = i.prim.eval(i.operands.map(|o| get(&o, &temps)));
                temps.push(v);
            }
            assert_eq!(get(&rec.result, &temps), softplus(x));
        }
    }

    #[test]
    fn equal_instructions_are_recorded_once() {
        let rec = record(1, |x| x[0].exp() * x[0].exp());
        assert_eq!(rec.instrs.len(), 2);
    }
}
