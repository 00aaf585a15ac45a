//! Rational arithmetic: directions inside the ties of piecewise linear programs, and pairings that nothing rounds.

use num_rational::BigRational;

/// A number as a fraction: every finite f64 is one.
fn exact(x: f64) -> Option<BigRational> {
    BigRational::from_float(x)
}

/// An integer basis of {d : ⟨row, d⟩ = 0 for all rows}, each vector without common divisor; None if an entry of a row is not
/// finite or a basis vector needs integers above 2^20.
pub(super) fn null_space(rows: &[Vec<f64>], dimension: usize) -> Option<Vec<Vec<f64>>> {
    let zero = exact(0.0)?;
    let mut rows: Vec<Vec<BigRational>> =
        rows.iter().map(|row| row.iter().map(|x| exact(*x)).collect::<Option<_>>()).collect::<Option<_>>()?;
    let mut pivots: Vec<usize> = vec![];
    for column in 0..dimension {
        let rank = pivots.len();
        let Some(at) = (rank..rows.len()).find(|&k| rows[k][column] != zero) else { continue };
        rows.swap(rank, at);
        let pivot = rows[rank][column].clone();
        rows[rank].iter_mut().for_each(|x| *x /= &pivot);
        let own = rows[rank].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(k, _)| *k != rank) {
            let factor = row[column].clone();
            if factor != zero {
                row.iter_mut().zip(&own).for_each(|(x, y)| *x -= &factor * y);
            }
        }
        pivots.push(column);
    }
    let free = (0..dimension).filter(|c| !pivots.contains(c));
    free.map(|column| {
        let mut vector = vec![zero.clone(); dimension];
        vector[column] = exact(1.0)?;
        for (k, &pivot) in pivots.iter().enumerate() {
            vector[pivot] = -rows[k][column].clone();
        }
        integers(vector)
    })
    .collect()
}

/// The multiple of a vector that is one of integers without common divisor.
fn integers(mut vector: Vec<BigRational>) -> Option<Vec<f64>> {
    for k in 0..vector.len() {
        let by = BigRational::from_integer(vector[k].denom().clone());
        vector.iter_mut().for_each(|x| *x *= &by);
    }
    let whole: Vec<i64> = vector.iter().map(|x| i64::try_from(x.numer()).ok()).collect::<Option<_>>()?;
    let common = whole.iter().fold(0, |g, x| gcd(g, x.unsigned_abs())).max(1) as i64;
    let small = whole.iter().all(|x| (x / common).abs() <= 1 << 20);
    small.then(|| whole.iter().map(|x| (x / common) as f64).collect())
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The increment b − a and the pairing ⟨v, d⟩ as fractions; None if something is not finite.
pub(super) fn pairing(a: f64, b: f64, v: &[f64], d: &[f64]) -> Option<(String, String)> {
    let mut sum = exact(0.0)?;
    for (x, y) in std::iter::zip(v, d) {
        sum += exact(*x)? * exact(*y)?;
    }
    Some(((exact(b)? - exact(a)?).to_string(), sum.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_spaces_are_exact() {
        let rows = vec![vec![1.0, -1.0, 0.0, 0.0], vec![0.0, 0.5, -0.25, 0.125], vec![1.0, -0.5, -0.25, 0.125]];
        let basis = null_space(&rows, 4).unwrap();
        assert_eq!(basis.len(), 2, "the third row is the sum of the others");
        for d in &basis {
            assert!(d.iter().all(|x| x.fract() == 0.0));
            for row in &rows {
                assert_eq!(row.iter().zip(d).map(|(r, x)| r * x).sum::<f64>(), 0.0);
            }
        }
        assert_eq!(null_space(&[], 2).unwrap(), [[1.0, 0.0], [0.0, 1.0]]);
        assert_eq!(null_space(&[vec![3.0, 2.0]], 2).unwrap(), [[-2.0, 3.0]]);
    }

    #[test]
    fn pairings_are_not_rounded() {
        let (increment, integral) = pairing(0.5, 1.0, &[1e30, 1.0, -1e30], &[1.0, 0.25, 1.0]).unwrap();
        assert_eq!((increment.as_str(), integral.as_str()), ("1/2", "1/4"));
    }
}
