//! W4: Jacobians of the reprojection residuals of bundle adjustment, as the collection ADBench states them (Šrajer,
//! Kukelova, Fitzgibbon 2018): 1000 observations, each with a camera, a point and a weight of its own, in f64.
//!
//! A camera is a rotation vector, its centre, a focal length, a principal point and two coefficients of radial distortion.
//! The value is Σ ‖residual‖². What is differentiated are the residuals: the derivative has, each with a number for every
//! observation, the two residuals, then for either of them the derivatives in the 11 numbers of the camera, the 3 of the
//! point, and the weight.

use crate::job::{Clarke, Hand};
use crate::stream::{Stream, scaled};
use crate::vector::{fma, wide};
use crate::{Boxed, Size};
use clarke::{Policy, Program, Result, Var};

/// Numbers of an observation that residuals are differentiated in, and all with the feature.
const VARIABLES: usize = 15;
const NUMBERS: usize = VARIABLES + 2;
/// Numbers of a derivative: two residuals, and two rows.
const DERIVATIVE: usize = 2 + 2 * VARIABLES;

/// For each number of an observation an array over the observations.
fn observations(size: Size) -> Vec<Vec<f64>> {
    let (mut s, n) = (Stream::new(4), size.of(1000, 20));
    let plus = |x: Vec<f64>, c: f64| x.into_iter().map(|x| x + c).collect::<Vec<_>>();
    let (rotation, centre) = (scaled(s.normal(3 * n), 0.3), s.normal(3 * n));
    let (focal, principal) = (plus(scaled(s.normal(n), 10.0), 500.0), scaled(s.normal(2 * n), 20.0));
    let (radial, mut point) = (scaled(s.normal(2 * n), 0.01), s.normal(3 * n));
    point.chunks_exact_mut(3).for_each(|p| p[2] += 10.0);
    let (weight, feature) = (s.uniform(n), scaled(s.normal(2 * n), 50.0));
    let parts =
        [(rotation, 3), (centre, 3), (focal, 1), (principal, 2), (radial, 2), (point, 3), (weight, 1), (feature, 2)];
    let column = |x: &[f64], width: usize, j: usize| x.iter().skip(j).step_by(width).copied().collect::<Vec<_>>();
    parts.iter().flat_map(|(x, width)| (0..*width).map(move |j| column(x, *width, j))).collect()
}

/// a × b.
fn cross<'p>(a: [Var<'p>; 3], b: [Var<'p>; 3]) -> [Var<'p>; 3] {
    let entry = |i: usize, j: usize| a[i] * b[j] - a[j] * b[i];
    [entry(1, 2), entry(2, 0), entry(0, 1)]
}

fn dot<'p>(a: [Var<'p>; 3], b: [Var<'p>; 3]) -> Var<'p> {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// The two residuals.
fn residuals<'p>(v: &[Var<'p>]) -> [Var<'p>; 2] {
    let (rotation, focal, weight) = ([v[0], v[1], v[2]], v[6], v[14]);
    let offset = [v[11] - v[3], v[12] - v[4], v[13] - v[5]];
    // Rodrigues' formula, and its first order where there is no axis.
    let square = dot(rotation, rotation);
    let angle = square.gt(0.0).where_(square, 1.0).sqrt();
    let axis = rotation.map(|r| r / angle);
    let (cos, sin, turned) = (angle.cos(), angle.sin(), cross(axis, offset));
    let along = dot(axis, offset) * (1.0 - cos);
    let small = cross(rotation, offset);
    let seen: [Var<'p>; 3] = std::array::from_fn(|k| {
        let rotated = offset[k] * cos + turned[k] * sin + axis[k] * along;
        square.gt(0.0).where_(rotated, offset[k] + small[k])
    });
    let p = [seen[0] / seen[2], seen[1] / seen[2]];
    let r = p[0] * p[0] + p[1] * p[1];
    let scale = (1.0 + v[9] * r + v[10] * r * r) * focal;
    [weight * (p[0] * scale + v[7] - v[15]), weight * (p[1] * scale + v[8] - v[16])]
}

/// The sum of their squares, and themselves.
fn with_squares<'p>(r: [Var<'p>; 2]) -> Vec<Var<'p>> {
    vec![(r[0].square() + r[1].square()).sum(), r[0], r[1]]
}

/// The residuals' Jacobians as a program: all observations in arrays, and the gradients of the two sums of residuals, since
/// no observation shares a variable with another.
pub fn jacobians(size: Size) -> Result<Boxed> {
    let data = observations(size);
    let shape = [data[0].len()];
    let shapes = [&shape[..]; NUMBERS];
    let names: Vec<String> = (0..VARIABLES).map(|k| format!("x{k}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let row = |k: usize| {
        let sum = Program::trace(&shapes, |v| residuals(v)[k].sum())?.varying(&names)?;
        sum.gradient()?.filled(&Policy::default())
    };
    let rows = [row(0)?, row(1)?];
    let value = Program::trace_many(&shapes, |v| with_squares(residuals(v)))?;
    let both = Program::trace_many(&shapes, |v| {
        let mut outputs = with_squares(residuals(v));
        rows.iter().for_each(|row| outputs.extend(Var::call(row, v)));
        outputs
    })?;
    let views: Vec<&[f64]> = data.iter().map(Vec::as_slice).collect();
    Ok(Box::new(Clarke::<f64>::of(&value, &both.simplify(), &views)?))
}

/// The residuals' Jacobians by hand.
pub fn jacobians_by_hand(size: Size) -> Boxed {
    let data = observations(size);
    let n = data[0].len();
    Box::new(Hand::new((data, vec![0.0; 2 * n]), DERIVATIVE * n, |d| values(&d.0, &mut d.1), |d, out| all(&d.0, out)))
}

/// Observations that are computed side by side.
const SIDE: usize = 8;

/// Sine and cosine without branches: x = k π/2 + r with |r| ≤ π/4, Taylor's polynomials of degree 17 and 16 in r.
#[inline(always)]
fn sin_cos(x: f64) -> (f64, f64) {
    /// Adding it rounds to a whole number, which then stands in the last bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    const HALF_PI_LOW: f64 = 6.123_233_995_736_766e-17;
    let shifted = fma(x, std::f64::consts::FRAC_2_PI, ROUND);
    let k = shifted - ROUND;
    let r = fma(-k, HALF_PI_LOW, fma(-k, std::f64::consts::FRAC_PI_2, x));
    let q = r * r;
    let (mut sin, mut cos) = (1.0, 1.0);
    for d in [16.0, 14.0, 12.0, 10.0, 8.0, 6.0, 4.0, 2.0] {
        sin = fma(-q / (d * (d + 1.0)), sin, 1.0);
        cos = fma(-q / (d * (d - 1.0)), cos, 1.0);
    }
    sin *= r;
    let quarter = shifted.to_bits() & 3;
    let (s, c) = if quarter & 1 == 0 { (sin, cos) } else { (cos, sin) };
    (if quarter & 2 == 0 { s } else { -s }, if (quarter + 1) & 2 == 0 { c } else { -c })
}

#[inline(always)]
fn across(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

#[inline(always)]
fn times(a: [f64; 3], b: [f64; 3]) -> f64 {
    fma(a[0], b[0], fma(a[1], b[1], a[2] * b[2]))
}

/// What residuals and their derivatives share. Where there is no axis it is 0, and the rotation is of first order.
struct Observation {
    /// The point from the camera's centre, and as the camera sees it.
    offset: [f64; 3],
    seen: [f64; 3],
    axis: [f64; 3],
    sin: f64,
    cos: f64,
    inverse_angle: f64,
    p: [f64; 2],
    square: f64,
    distortion: f64,
    /// Before the weight.
    residual: [f64; 2],
}

impl Observation {
    #[inline(always)]
    fn of(v: &[f64; NUMBERS]) -> Observation {
        let (rotation, offset) = ([v[0], v[1], v[2]], [v[11] - v[3], v[12] - v[4], v[13] - v[5]]);
        let angle = times(rotation, rotation).sqrt();
        let inverse_angle = if angle > 0.0 { 1.0 / angle } else { 0.0 };
        let axis = [rotation[0] * inverse_angle, rotation[1] * inverse_angle, rotation[2] * inverse_angle];
        let (sin, cos) = sin_cos(angle);
        let (turned, along) = (across(axis, offset), times(axis, offset) * (1.0 - cos));
        let entry = |k: usize| fma(offset[k], cos, fma(turned[k], sin, axis[k] * along));
        let seen = [entry(0), entry(1), entry(2)];
        let depth = 1.0 / seen[2];
        let p = [seen[0] * depth, seen[1] * depth];
        let square = fma(p[0], p[0], p[1] * p[1]);
        let distortion = fma(square, fma(v[10], square, v[9]), 1.0);
        let scale = distortion * v[6];
        let residual = [fma(p[0], scale, v[7] - v[15]), fma(p[1], scale, v[8] - v[16])];
        Observation { offset, seen, axis, sin, cos, inverse_angle, p, square, distortion, residual }
    }

    /// The row of the Jacobian of residual i.
    #[inline(always)]
    fn row(&self, v: &[f64; NUMBERS], i: usize) -> [f64; VARIABLES] {
        let Observation { offset, axis, sin, cos, p, square, .. } = *self;
        let (focal, weight) = (v[6], v[14]);
        // In p, then in the three coordinates that the camera sees.
        let slope = 2.0 * fma(2.0 * v[10], square, v[9]) * p[i];
        let straight = |j: usize| if i == j { self.distortion } else { 0.0 };
        let scale = weight * focal;
        let (a, b) = (scale * fma(slope, p[0], straight(0)), scale * fma(slope, p[1], straight(1)));
        let depth = 1.0 / self.seen[2];
        let m = [a * depth, b * depth, -(a * p[0] + b * p[1]) * depth];
        // Through the rotation, backwards.
        let (turned, ma) = (across(axis, m), times(m, axis));
        let back = |k: usize| m[k] * cos - turned[k] * sin + axis[k] * ma * (1.0 - cos);
        let point = [back(0), back(1), back(2)];
        // In the axis and in the angle, then in the rotation vector.
        let (vm, along) = (across(offset, m), times(axis, offset));
        let in_angle = cos * times(axis, vm) + sin * (ma * along - times(m, offset));
        let u = |k: usize| sin * vm[k] + (1.0 - cos) * (along * m[k] + ma * offset[k]);
        let in_axis = [u(0), u(1), u(2)];
        let radial = times(axis, in_axis);
        // At the angle 0 the rotation is x ↦ x + r × x, whose derivative in r is v × m.
        let none = self.inverse_angle == 0.0;
        let rotation = |k: usize| {
            let turning = axis[k] * in_angle + (in_axis[k] - axis[k] * radial) * self.inverse_angle;
            if none { vm[k] } else { turning }
        };
        let (px, unit) = (p[i], |j: usize| if i == j { weight } else { 0.0 });
        [
            rotation(0),
            rotation(1),
            rotation(2),
            -point[0],
            -point[1],
            -point[2],
            weight * px * self.distortion,
            unit(0),
            unit(1),
            scale * px * square,
            scale * px * square * square,
            point[0],
            point[1],
            point[2],
            self.residual[i],
        ]
    }
}

/// The numbers of observations from `start` on; beyond the last they are those of the last.
#[inline(always)]
fn load(data: &[Vec<f64>], start: usize) -> [[f64; SIDE]; NUMBERS] {
    let mut block = [[0.0; SIDE]; NUMBERS];
    for (into, x) in block.iter_mut().zip(data) {
        let x = &x[start..x.len().min(start + SIDE)];
        if let Ok(whole) = x.try_into() {
            *into = whole;
        } else {
            into.fill(x[x.len() - 1]);
            into[..x.len()].copy_from_slice(x);
        }
    }
    block
}

#[inline(always)]
fn lane(block: &[[f64; SIDE]; NUMBERS], j: usize) -> [f64; NUMBERS] {
    let mut v = [0.0; NUMBERS];
    for k in 0..NUMBERS {
        v[k] = block[k][j];
    }
    v
}

wide! {
    /// Σ ‖residual‖²; the residuals are written to `out`.
    fn values(data: &[Vec<f64>], out: &mut [f64]) -> f64 {
        let n = data[0].len();
        let mut sum = 0.0;
        for start in (0..n).step_by(SIDE) {
            let block = load(data, start);
            let mut rows = [[0.0; SIDE]; 2];
            for j in 0..SIDE {
                let v = lane(&block, j);
                let residual = Observation::of(&v).residual;
                rows[0][j] = v[14] * residual[0];
                rows[1][j] = v[14] * residual[1];
            }
            let count = SIDE.min(n - start);
            for (k, row) in rows.iter().enumerate() {
                out[k * n + start..][..count].copy_from_slice(&row[..count]);
                for x in &row[..count] {
                    sum += x * x;
                }
            }
        }
        sum
    }

    /// The same with the Jacobians.
    fn all(data: &[Vec<f64>], out: &mut [f64]) -> f64 {
        let n = data[0].len();
        let mut sum = 0.0;
        for start in (0..n).step_by(SIDE) {
            let block = load(data, start);
            let mut rows = [[0.0; SIDE]; DERIVATIVE];
            for j in 0..SIDE {
                let v = lane(&block, j);
                let o = Observation::of(&v);
                let (first, second) = (o.row(&v, 0), o.row(&v, 1));
                rows[0][j] = v[14] * o.residual[0];
                rows[1][j] = v[14] * o.residual[1];
                for k in 0..VARIABLES {
                    rows[2 + k][j] = first[k];
                    rows[2 + VARIABLES + k][j] = second[k];
                }
            }
            let count = SIDE.min(n - start);
            for (k, row) in rows.iter().enumerate() {
                out[k * n + start..][..count].copy_from_slice(&row[..count]);
                if k < 2 {
                    for x in &row[..count] {
                        sum += x * x;
                    }
                }
            }
        }
        sum
    }
}
