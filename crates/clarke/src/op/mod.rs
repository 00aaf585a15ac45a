//! The elementary functions, each in one place: value, derivative, class, documentation, source, and its method on
//! [`Var`](crate::program::Var).
//!
//! [`OPS`] is the table from which the parser, the documentation, the command line and the law tests derive.

pub mod axes;
pub mod choose;
pub mod classes;
pub mod control;
pub mod cumulative;
pub mod extreme;
pub mod gather;
pub mod index;
pub mod join;
pub mod kinked;
mod layout;
pub mod linalg;
pub mod linear;
pub mod loss;
pub mod moments;
pub mod norm;
pub mod order;
pub mod penalty;
pub mod pick;
pub mod pointwise;
mod product;
pub mod reduce;
pub mod running;
pub mod shape;
pub mod smooth;
pub mod sort;
pub mod statistic;
pub mod tie;

use crate::program::op::Entry;
use pointwise::Pointwise;

/// Every elementary operator of the library.
pub const OPS: &[Entry] = &[
    linear::AddOp::ENTRY,
    linear::Subtract::ENTRY,
    linear::Multiply::ENTRY,
    linear::Divide::ENTRY,
    linear::Negative::ENTRY,
    smooth::Power::ENTRY,
    smooth::Exp::ENTRY,
    smooth::Log::ENTRY,
    smooth::Sqrt::ENTRY,
    smooth::Square::ENTRY,
    smooth::Sin::ENTRY,
    smooth::Cos::ENTRY,
    smooth::Tanh::ENTRY,
    smooth::Sigmoid::ENTRY,
    smooth::Softplus::ENTRY,
    kinked::Relu::ENTRY,
    kinked::LeakyRelu::ENTRY,
    kinked::Relu6::ENTRY,
    kinked::Abs::ENTRY,
    kinked::Clip::ENTRY,
    kinked::Maximum::ENTRY,
    kinked::Minimum::ENTRY,
    kinked::SoftThreshold::ENTRY,
    loss::Huber::ENTRY,
    loss::Hinge::ENTRY,
    loss::Pinball::ENTRY,
    control::Where::ENTRY,
    shape::Reshape::ENTRY,
    shape::BroadcastTo::ENTRY,
    shape::SumTo::ENTRY,
    shape::Transpose::ENTRY,
    reduce::Sum::ENTRY,
    reduce::Mean::ENTRY,
    reduce::LogSumExp::ENTRY,
    reduce::Softmax::ENTRY,
    classes::LogSoftmax::ENTRY,
    classes::OneHot::ENTRY,
    classes::LabelLoss::NLL,
    classes::LabelLoss::CROSS_ENTROPY,
    moments::Prod::ENTRY,
    moments::Variance::ENTRY,
    moments::Deviation::ENTRY,
    cumulative::CumSum::ENTRY,
    cumulative::CumProd::ENTRY,
    running::Running::MAX,
    running::Running::MIN,
    extreme::Extreme::MAX,
    extreme::Extreme::MIN,
    norm::Norm1::ENTRY,
    norm::Norm2::ENTRY,
    norm::NormInf::ENTRY,
    penalty::GroupNorm2::ENTRY,
    penalty::TotalVariation::ENTRY,
    penalty::OwlNorm::ENTRY,
    choose::Maxout::ENTRY,
    choose::GatherArgmax::ENTRY,
    sort::Sort::ENTRY,
    sort::Median::ENTRY,
    statistic::Ordered::QUANTILE,
    statistic::Ordered::SUM_LARGEST,
    statistic::Ordered::TRIMMED_MEAN,
    statistic::TopK::ENTRY,
    linalg::MatMul::ENTRY,
    linalg::Dot::ENTRY,
    index::GetItem::ENTRY,
    index::PutSlice::ENTRY,
    gather::Take::ENTRY,
    gather::ScatterAdd::ENTRY,
    choose::TakeAlong::ENTRY,
    join::Concatenate::ENTRY,
    join::Stack::ENTRY,
];

/// The operators that derivatives are written with: readable in program text, of no use in a user's own program.
pub const DERIVATIVE_OPS: &[Entry] = &[
    tie::Step::ENTRY,
    tie::Tied::ENTRY,
    tie::GuardedMul::ENTRY,
    pick::Pick::ENTRY,
    pick::PickShare::ENTRY,
    norm::Unit::ENTRY,
    norm::InverseNorm::ENTRY,
    choose::TakeAlong::BACK,
    classes::TakeLabels::ENTRY,
    classes::PutLabels::ENTRY,
    moments::Center::ENTRY,
    cumulative::LinearRecurrence::ENTRY,
    running::Leader::ENTRY,
    running::Follow::FORTH,
    running::Follow::BACK,
    order::Order::ENTRY,
    order::Arrange::FORTH,
    order::Arrange::BACK,
    extreme::Join::ENTRY,
    extreme::Part::ENTRY,
];
