//! The elementary functions, each in one place: value, derivative, class, documentation, source, and its method on
//! [`Var`](crate::program::Var).
//!
//! [`OPS`] is the table from which the parser, the documentation, the command line and the law tests derive.

pub mod axes;
pub mod control;
mod convex;
pub mod definite;
pub mod distance;
pub mod eigen;
pub mod extreme;
mod factor;
pub mod gather;
pub mod index;
pub mod join;
pub mod kinked;
mod layout;
pub mod linalg;
pub mod linear;
pub mod loss;
pub mod norm;
pub mod null;
pub mod order;
pub mod pick;
pub mod piece;
pub mod pointwise;
pub mod polar;
mod product;
pub mod project;
pub mod reduce;
pub mod shape;
pub mod smooth;
pub mod solve;
pub mod sort;
pub mod spectral;
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
    extreme::Extreme::MAX,
    extreme::Extreme::MIN,
    norm::Norm1::ENTRY,
    norm::Norm2::ENTRY,
    norm::NormInf::ENTRY,
    sort::Sort::ENTRY,
    sort::Median::ENTRY,
    linalg::MatMul::ENTRY,
    linalg::Dot::ENTRY,
    solve::System::SOLVE,
    solve::System::TRIANGULAR,
    solve::System::LSTSQ,
    definite::Inv::ENTRY,
    definite::Cholesky::ENTRY,
    definite::LogDet::ENTRY,
    eigen::EigvalshMax::ENTRY,
    eigen::EigvalshSum::ENTRY,
    polar::Schatten::SPECTRAL,
    polar::Schatten::NUCLEAR,
    project::Project::BOX,
    project::Project::BALL,
    project::Project::SIMPLEX,
    project::Project::L1,
    project::Project::SOC,
    project::Project::PSD,
    distance::Distance::BOX,
    distance::Distance::BALL,
    distance::Distance::SIMPLEX,
    distance::Distance::L1,
    distance::Distance::SOC,
    distance::Distance::PSD,
    index::GetItem::ENTRY,
    index::PutSlice::ENTRY,
    gather::Take::ENTRY,
    gather::ScatterAdd::ENTRY,
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
    order::Order::ENTRY,
    order::Arrange::FORTH,
    order::Arrange::BACK,
    extreme::Join::ENTRY,
    extreme::Part::ENTRY,
    eigen::Eigen::ENTRY,
    polar::Polar::ENTRY,
    spectral::Spectral::ENTRY,
    piece::Support::SIMPLEX,
    piece::Support::L1,
    piece::ConePiece::ENTRY,
    null::PsdDirection::ENTRY,
    distance::Normal::BOX,
    distance::Normal::BALL,
    distance::Normal::SIMPLEX,
    distance::Normal::L1,
    distance::Normal::SOC,
    distance::Normal::PSD,
];
