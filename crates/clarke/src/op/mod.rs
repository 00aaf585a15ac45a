//! The elementary functions, each in one place: value, derivative, class, documentation, source, and its method on
//! [`Var`](crate::program::Var).
//!
//! [`OPS`] is the table from which the parser, the documentation, the command line and the law tests derive.

pub mod activation;
pub mod applied;
pub mod axes;
pub mod choose;
pub mod classes;
pub mod control;
pub mod conv;
pub(crate) mod convex;
pub mod cumulative;
pub mod custom;
pub mod definite;
pub mod diagonal;
pub mod distance;
pub mod eigen;
pub mod einsum;
pub mod embedding;
mod enclosure;
pub mod extreme;
mod factor;
pub mod gather;
pub mod hard;
pub mod index;
pub mod join;
pub mod kinked;
mod layout;
pub mod linalg;
pub mod linear;
pub mod loss;
pub mod moments;
mod nearest;
pub mod norm;
pub mod null;
pub mod order;
pub mod pad;
pub mod pair;
pub mod penalty;
pub mod pick;
pub mod piece;
pub mod pointwise;
pub mod polar;
pub mod pool;
mod product;
pub mod project;
mod ranked;
mod ranking;
pub mod rearrange;
pub mod reduce;
pub mod rounding;
pub mod running;
pub mod shape;
pub mod smooth;
mod soft;
pub mod solve;
pub mod sort;
pub mod sparse;
pub mod special;
pub mod spectral;
pub mod statistic;
pub mod stop;
pub mod tie;
pub mod trig;
mod unpooled;
mod verified;
pub mod window;

use crate::program::op::Entry;
use applied::Applied;
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
    special::Expm1::ENTRY,
    special::Log1p::ENTRY,
    special::Reciprocal::ENTRY,
    special::Erf::ENTRY,
    special::Erfc::ENTRY,
    special::LogAddExp::ENTRY,
    special::XLogY::ENTRY,
    trig::Tan::ENTRY,
    trig::Arcsin::ENTRY,
    trig::Arccos::ENTRY,
    trig::Arctan::ENTRY,
    trig::Arctan2::ENTRY,
    trig::Sinh::ENTRY,
    trig::Cosh::ENTRY,
    activation::Gelu::ENTRY,
    activation::GeluTanh::ENTRY,
    activation::Silu::ENTRY,
    activation::Mish::ENTRY,
    activation::LogSigmoid::ENTRY,
    activation::Softsign::ENTRY,
    activation::Squareplus::ENTRY,
    pair::Pow::ENTRY,
    pair::Hypot::ENTRY,
    kinked::Relu::ENTRY,
    kinked::LeakyRelu::ENTRY,
    kinked::Relu6::ENTRY,
    kinked::Abs::ENTRY,
    kinked::Clip::ENTRY,
    kinked::Maximum::ENTRY,
    kinked::Minimum::ENTRY,
    kinked::SoftThreshold::ENTRY,
    activation::Elu::ENTRY,
    activation::Selu::ENTRY,
    hard::HardTanh::ENTRY,
    hard::HardSigmoid::ENTRY,
    hard::HardSwish::ENTRY,
    hard::HardShrink::ENTRY,
    hard::Prelu::ENTRY,
    loss::Huber::ENTRY,
    loss::Hinge::ENTRY,
    loss::Pinball::ENTRY,
    control::Where::ENTRY,
    stop::Floor::ENTRY,
    stop::Ceil::ENTRY,
    stop::Round::ENTRY,
    stop::Sign::ENTRY,
    stop::StopGradient::ENTRY,
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
    choose::TakeAlong::ENTRY,
    join::Concatenate::ENTRY,
    join::Stack::ENTRY,
    rearrange::EXPAND_DIMS,
    rearrange::SQUEEZE,
    rearrange::SWAPAXES,
    rearrange::MOVEAXIS,
    rearrange::RAVEL,
    rearrange::FLIP,
    rearrange::REPEAT,
    rearrange::TILE,
    pad::Pad::ENTRY,
    pad::Roll::ENTRY,
    diagonal::Diag::ENTRY,
    diagonal::Diagonal::ENTRY,
    diagonal::Diagonal::TRACE,
    diagonal::Triangle::LOWER,
    diagonal::Triangle::UPPER,
    einsum::Einsum::ENTRY,
    einsum::Outer::ENTRY,
    gather::IndexAdd::ENTRY,
    embedding::Embedding::ENTRY,
    sparse::CsrMatMul::ENTRY,
    conv::Conv::ONE,
    conv::Conv::TWO,
    pool::MaxPool::ONE,
    pool::MaxPool::TWO,
    pool::AvgPool::ONE,
    pool::AvgPool::TWO,
    window::Windows::TAKE,
    window::Windows::ADD,
];

/// The operators that derivatives and rounded programs are written with: readable in program text, of no use in a user's own
/// program.
pub const DERIVATIVE_OPS: &[Entry] = &[
    tie::Step::ENTRY,
    tie::Tied::ENTRY,
    tie::GuardedMul::ENTRY,
    trig::Cut::ENTRY,
    trig::Inversion::ENTRY,
    pair::Corner::ENTRY,
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
    embedding::EmbeddingAdd::ENTRY,
    conv::Conv::ONE_INPUT,
    conv::Conv::TWO_INPUT,
    conv::Conv::ONE_WEIGHT,
    conv::Conv::TWO_WEIGHT,
    window::Windows::SUM,
    window::Windows::SPREAD,
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
    rounding::Rounding::F16,
    rounding::Rounding::BF16,
    rounding::Rounding::F32,
];
