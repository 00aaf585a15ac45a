//! Penalties that favour structure: norms of groups, total variation, ordered weights.

use super::axes::Axes;
use super::index::{parameter, position};
use super::reduce::MATRIX;
use crate::error::{Fault, Place, Result};
use crate::program::Var;
use crate::program::call::{Call, Value};
use crate::program::class::Class;
use crate::program::op::{Batching, Entry, Execution, Notation, Op, Param, Sample};
use crate::tensor::{Tensor, size};
use std::sync::Arc;

/// The axes after the first `lead`, over which a penalty is summed.
fn rest(rank: usize, lead: usize) -> Axes {
    Axes::many(&(lead as i64 - rank as i64..0).collect::<Vec<_>>())
}

/// Which entries make a group.
#[derive(Debug, Clone, PartialEq)]
enum Grouping {
    /// Those that differ in these axes alone.
    Along(Axes),
    /// These positions of the flat array, for each group.
    Lists(Vec<Vec<usize>>),
}

/// `group_norm2(x)`: the sum of the Euclidean norms of groups of entries: of the slices along axes, or of lists of
/// positions in the flat array, which may overlap. Semialgebraic, convex.
///
/// At a group that vanishes: the unit ball of that group. Errors: a position outside of the array. Cost: linear.
#[derive(Debug, Clone)]
pub struct GroupNorm2(Grouping);

impl GroupNorm2 {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "group_norm2",
        signature: "group_norm2(x, axis=-1) or group_norm2(x, groups=[[i, j, …], …])",
        formula: "Σ over groups of √Σ xᵢ²",
        class: "semialgebraic",
        ties: "the unit ball at each group that is 0",
        source: "Yuan, Lin 2006; Jacob, Obozinski, Vert 2009 for groups that overlap",
        notation: Notation::Call,
        call: |call| {
            call.expect(1, 2, &["axis", "groups"])?;
            let x = call.var(0)?;
            let groups = match call.optional("groups", usize::MAX) {
                None if call.optional("axis", 1).is_none() => Grouping::Along(Axes::one(-1).of(x.rank())),
                None => Grouping::Along(Axes::read(call, 1, x.rank())?),
                Some(_) if call.optional("axis", 1).is_some() => {
                    return Err(call.fault("groups are either slices along an axis or lists of positions"));
                }
                Some(lists) => {
                    let lists = read_lists(call, lists)?;
                    Grouping::Lists(checked_lists(&lists, size(&x.shape())).map_err(|f| f.at(call.place.clone()))?)
                }
            };
            Ok(call.apply(GroupNorm2(groups), &[x]))
        },
        samples: &[
            Sample::new("group_norm2(x)", &[("x", &[3, 2])]),
            Sample::new("group_norm2(x, axis=0)", MATRIX),
            Sample::new("group_norm2(x, groups=[[0, 2], [1], [4, 3], [5]])", MATRIX),
            Sample::new("group_norm2(x, groups=[[0, 1], [1, 2]])", &[("x", &[3])]),
        ],
    };
}

/// Lists of lists of integers.
fn read_lists<'p>(call: &Call<'_, 'p>, lists: &Value<'p>) -> Result<Vec<Vec<i64>>> {
    let wrong = || call.fault("`groups` must be lists of positions in the flat array: [[0, 1], [2]]");
    let integer = |value: &Value<'p>| match value {
        Value::Number(x) if x.fract() == 0.0 && x.abs() <= 1e15 => Ok(*x as i64),
        _ => Err(wrong()),
    };
    let group = |value: &Value<'p>| match value {
        Value::List(items) | Value::Tuple(items) => items.iter().map(integer).collect(),
        _ => Err(wrong()),
    };
    match lists {
        Value::List(lists) | Value::Tuple(lists) => lists.iter().map(group).collect(),
        _ => Err(wrong()),
    }
}

fn checked_lists(lists: &[Vec<i64>], length: usize) -> Result<Vec<Vec<usize>>, Fault> {
    let one = |group: &Vec<i64>| group.iter().map(|&i| position("group_norm2", i, 0, length)).collect();
    lists.iter().map(one).collect()
}

impl GroupNorm2 {
    /// The value for an array whose first `lead` axes were mapped.
    fn of<'p>(&self, x: Var<'p>, lead: usize) -> Var<'p> {
        match &self.0 {
            Grouping::Along(axes) => {
                let norms = x.norm2_over(axes);
                norms.sum_over(&rest(norms.rank(), lead))
            }
            Grouping::Lists(lists) => {
                let shape = x.shape();
                let flat = x.reshape(&[&shape[..lead], &[size(&shape[lead..])]].concat());
                let mut lengths: Vec<usize> = lists.iter().map(Vec::len).filter(|n| *n > 0).collect();
                lengths.sort_unstable();
                lengths.dedup();
                // The groups of one length together, as rows of a matrix.
                let norms = lengths.into_iter().map(|length| {
                    let equal: Vec<&Vec<usize>> = lists.iter().filter(|g| g.len() == length).collect();
                    let all: Vec<usize> = equal.iter().copied().flatten().copied().collect();
                    let rows = [&shape[..lead], &[equal.len(), length]].concat();
                    flat.take(&all, lead).reshape(&rows).norm2_axis(-1).sum_axis(-1)
                });
                let none = || x.constant(Tensor::full(&shape[..lead], 0.0));
                norms.reduce(|a, b| a + b).unwrap_or_else(none)
            }
        }
    }
}

impl Op for GroupNorm2 {
    fn name(&self) -> &'static str {
        "group_norm2"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        match &self.0 {
            Grouping::Along(axes) if axes.params().is_empty() => vec![("axis", Param::None)],
            Grouping::Along(axes) => axes.params(),
            Grouping::Lists(lists) => vec![("groups", Param::Raw(format!("{lists:?}")))],
        }
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        match &self.0 {
            Grouping::Along(axes) => axes.shape("group_norm2", args[0]).map(|_| vec![]),
            Grouping::Lists(lists) => {
                let length = size(args[0]);
                let all = lists.iter().flatten();
                all.map(|&i| position("group_norm2", i as i64, 0, length)).try_for_each(|i| i.map(|_| ()))?;
                Ok(vec![])
            }
        }
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].semialgebraic()
    }

    fn expand<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        Some(self.of(args[0], 0))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        let groups = match &self.0 {
            Grouping::Along(axes) => Grouping::Along(axes.batched(at.ranks[0])),
            lists => lists.clone(),
        };
        Ok(GroupNorm2(groups).of(at.args[0], 1))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Expanded
    }

    // Where groups overlap, that of least norm depends on what the others are.
    fn has_least_norm(&self) -> bool {
        let Grouping::Lists(lists) = &self.0 else { return true };
        let mut all: Vec<usize> = lists.iter().flatten().copied().collect();
        all.sort_unstable();
        all.windows(2).all(|pair| pair[0] != pair[1])
    }
}

/// `tv(x)`: the total variation, the sum of |differences of neighbours| along an axis, or along several axes
/// (anisotropic), by default all. Piecewise linear, convex.
///
/// At neighbours that are equal: [−1, 1] times their difference. The default selection takes 0 there; the element of
/// least norm is the solution of a quadratic program. Errors: an axis that the array has not. Cost: linear.
#[derive(Debug, Clone)]
pub struct TotalVariation(Axes);

impl TotalVariation {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "tv",
        signature: "tv(x, axis=None)",
        formula: "Σ |xᵢ₊₁ − xᵢ|, along each of the axes",
        class: "piecewise linear",
        ties: "[-1, 1] · (eᵢ₊₁ − eᵢ) for each xᵢ₊₁ = xᵢ",
        source: "Rudin, Osher, Fatemi 1992; Rockafellar 1970, Theorem 23.9",
        notation: Notation::Call,
        call: |call| {
            call.expect(1, 2, &["axis"])?;
            let x = call.var(0)?;
            Ok(call.apply(TotalVariation(Axes::read(call, 1, x.rank())?), &[x]))
        },
        samples: &[
            Sample::new("tv(x)", &[("x", &[4])]),
            Sample::new("tv(x)", MATRIX),
            Sample::new("tv(x, axis=0)", MATRIX),
        ],
    };

    /// The value for an array whose first `lead` axes were mapped.
    fn of<'p>(&self, x: Var<'p>, lead: usize) -> Var<'p> {
        let shape = x.shape();
        let along = |axis: usize| {
            let n = shape[axis];
            let step = x.slice(axis, 1.min(n)..n) - x.slice(axis, 0..n.saturating_sub(1));
            step.abs().sum_over(&rest(shape.len(), lead))
        };
        let none = || x.constant(Tensor::full(&shape[..lead], 0.0));
        self.0.checked(shape.len()).into_iter().map(along).reduce(|a, b| a + b).unwrap_or_else(none)
    }
}

impl Op for TotalVariation {
    fn name(&self) -> &'static str {
        "tv"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.0.params()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        self.0.shape("tv", args[0]).map(|_| vec![])
    }

    fn class(&self, args: &[Class]) -> Class {
        args[0].piecewise_linear()
    }

    fn expand<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        Some(self.of(args[0], 0))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        Ok(TotalVariation(self.0.batched(at.ranks[0])).of(at.args[0], 1))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Expanded
    }

    fn has_least_norm(&self) -> bool {
        false
    }
}

/// `owl_norm(x, weights)`: the ordered weighted ℓ1 norm, `Σ wᵢ |x|₍ᵢ₎` with the moduli in descending order, over all
/// entries or along axes. Piecewise linear; convex if the weights do not increase and are not negative.
///
/// Shapes: a weight for each entry. At ties: the hull of the weights permuted among entries of equal modulus, with signs
/// from [−1, 1] at 0. Errors: constant weights that increase or are negative. Cost: that of sorting.
#[derive(Debug, Clone)]
pub struct OwlNorm(Axes);

impl OwlNorm {
    /// Its line in the table of operators.
    pub const ENTRY: Entry = Entry {
        name: "owl_norm",
        signature: "owl_norm(x, weights, axis=None)",
        formula: "Σ wᵢ |x|₍ᵢ₎, the moduli in descending order",
        class: "piecewise linear (if the weights are constant)",
        ties: "the hull of the weights permuted among equal |xᵢ|, with signs from [-1, 1] at 0",
        source: "Bogdan, van den Berg, Sabatti, Su, Candès 2015; Figueiredo, Nowak 2016",
        notation: Notation::Call,
        call: |call| {
            call.expect(2, 3, &["axis"])?;
            let x = call.var(0)?;
            Ok(owl_norm(x, call.var(1)?, Axes::read(call, 2, x.rank())?, call.place.clone()))
        },
        samples: &[
            Sample::new("owl_norm(x, [3, 2, 0.5])", &[("x", &[3])]),
            Sample::new("owl_norm(x, [2, 1, 1], axis=1)", MATRIX),
            Sample::new("owl_norm(x, [1, 0], axis=0)", MATRIX),
        ],
    };

    /// The value for an array whose first `lead` axes were mapped.
    fn of<'p>(&self, x: Var<'p>, weights: Var<'p>) -> Var<'p> {
        let descending = -(-self.0.rows(x).abs()).sort();
        (descending * weights).sum_axis(-1)
    }
}

fn owl_norm<'p>(x: Var<'p>, weights: Var<'p>, axes: Axes, place: Place) -> Var<'p> {
    let increases = |w: &Tensor| w.data().windows(2).any(|pair| pair[1] > pair[0]);
    let fault = weights.known().and_then(|w| match w.data().iter().find(|w| !w.is_finite() || **w < 0.0) {
        Some(wrong) => Some(parameter("owl_norm", "a weight", wrong, "weights are finite and not negative".into())),
        None if increases(&w) => {
            let value = format!("{:?}", w.data());
            Some(parameter(
                "owl_norm",
                "weights",
                value,
                "weights must not increase: the largest entry comes first".into(),
            ))
        }
        None => None,
    });
    match fault {
        Some(fault) => x.builder().failed(fault.at(place)),
        None => x.builder().apply_at(Arc::new(OwlNorm(axes)), &[x, weights], place),
    }
}

impl Op for OwlNorm {
    fn name(&self) -> &'static str {
        "owl_norm"
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.0.params()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        let shape = self.0.shape_of_some("owl_norm", args[0])?;
        let count = self.0.count(args[0]);
        if args[1] != [count] {
            let shapes = args.iter().map(|s| s.to_vec()).collect();
            let rule = format!("the weights are a vector with one for each of {count} entries");
            return Err(Fault::Shapes { op: "owl_norm".into(), shapes, rule });
        }
        Ok(shape)
    }

    fn class(&self, args: &[Class]) -> Class {
        Class::product(&[args[0].piecewise_linear(), args[1]])
    }

    fn expand<'p>(&self, args: &[Var<'p>]) -> Option<Var<'p>> {
        Some(self.of(args[0], args[1]))
    }

    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        let x = match at.mapped[0] {
            true => at.args[0],
            false => at.args[0].broadcast_to(&[&[at.size], at.args[0].shape().as_slice()].concat()),
        };
        // Weights for each are aligned with the axis that was added, past those that the norm keeps.
        let weights = if at.mapped[1] { at.args[1].pad_rank_after(at.rank) } else { at.args[1] };
        Ok(OwlNorm(self.0.batched(at.ranks[0])).of(x, weights))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Expanded
    }
}

impl<'p> Var<'p> {
    /// The sum of the Euclidean norms of the slices along axes.
    #[track_caller]
    pub fn group_norm2(self, axes: &Axes) -> Var<'p> {
        self.apply(GroupNorm2(Grouping::Along(axes.clone().without_keepdims().of(self.rank()))))
    }

    /// The sum of the Euclidean norms of groups, each a list of positions in the flat array.
    #[track_caller]
    pub fn group_norm2_of(self, groups: &[Vec<usize>]) -> Var<'p> {
        self.apply(GroupNorm2(Grouping::Lists(groups.to_vec())))
    }

    /// The total variation along all axes.
    #[track_caller]
    pub fn tv(self) -> Var<'p> {
        self.apply(TotalVariation(Axes::all()))
    }

    /// The total variation along some axes.
    #[track_caller]
    pub fn tv_over(self, axes: &Axes) -> Var<'p> {
        self.apply(TotalVariation(axes.clone().without_keepdims().of(self.rank())))
    }

    /// The ordered weighted ℓ1 norm of all entries.
    #[track_caller]
    pub fn owl_norm(self, weights: Var<'p>) -> Var<'p> {
        owl_norm(self, weights, Axes::all(), Place::caller())
    }

    /// The ordered weighted ℓ1 norm along axes.
    #[track_caller]
    pub fn owl_norm_over(self, weights: Var<'p>, axes: &Axes) -> Var<'p> {
        owl_norm(self, weights, axes.clone().without_keepdims().of(self.rank()), Place::caller())
    }
}
