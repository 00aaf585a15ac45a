//! A thin QR factorization that columns join and leave: what the active sets of this module are solved with.
//!
//! faer factors whole matrices; here one column changes at a time, and a factorization anew would cost a factor of their
//! number more. Least squares by QR lose digits with the condition of the columns, not with its square as Gram matrices do.

use super::{add_scaled, dot, norm};

/// A = Q R, where A has linearly independent columns.
#[derive(Debug, Clone, Default)]
pub(super) struct Factor {
    /// Orthonormal columns.
    q: Vec<Vec<f64>>,
    /// Column j of R, of length j + 1.
    r: Vec<Vec<f64>>,
}

/// A column depends on the others if what is orthogonal to them is at most this, relative to the column.
const DEPENDENT: f64 = 1e-13;

impl Factor {
    pub fn len(&self) -> usize {
        self.q.len()
    }

    /// Appends a column; false, and nothing done, if it depends on the others. Cost: four inner products a column.
    pub fn push(&mut self, column: &[f64]) -> bool {
        let mut rest = column.to_vec();
        let mut r = vec![0.0; self.len() + 1];
        // Twice is enough: one pass of Gram–Schmidt loses orthogonality where the column nearly depends on the others.
        for _ in 0..2 {
            for (q, r) in self.q.iter().zip(&mut r) {
                let along = dot(q, &rest);
                add_scaled(&mut rest, -along, q);
                *r += along;
            }
        }
        let left = norm(&rest);
        if left.is_nan() || left <= DEPENDENT * norm(column) {
            return false;
        }
        rest.iter_mut().for_each(|x| *x /= left);
        r[self.len()] = left;
        self.q.push(rest);
        self.r.push(r);
        true
    }

    /// Takes column j out, by rotations of neighbouring columns of Q.
    pub fn remove(&mut self, j: usize) {
        self.r.remove(j);
        for i in j..self.r.len() {
            // Column i now reaches one below the diagonal: rotate rows i and i + 1.
            let (a, b) = (self.r[i][i], self.r[i][i + 1]);
            let h = a.hypot(b);
            let (c, s) = (a / h, b / h);
            for column in &mut self.r[i..] {
                let (x, y) = (column[i], column[i + 1]);
                (column[i], column[i + 1]) = (c * x + s * y, c * y - s * x);
            }
            self.r[i].truncate(i + 1);
            let (left, right) = self.q.split_at_mut(i + 1);
            for (x, y) in left[i].iter_mut().zip(&mut right[0]) {
                (*x, *y) = (c * *x + s * *y, c * *y - s * *x);
            }
        }
        self.q.pop();
    }

    /// b − Q Qᵀ b, in place.
    pub fn make_orthogonal(&self, b: &mut [f64]) {
        for q in &self.q {
            let along = dot(q, b);
            add_scaled(b, -along, q);
        }
    }

    /// Qᵀ b.
    pub fn project(&self, b: &[f64]) -> Vec<f64> {
        self.q.iter().map(|q| dot(q, b)).collect()
    }

    /// The first row of Q.
    pub fn first_row(&self) -> Vec<f64> {
        self.q.iter().map(|q| q[0]).collect()
    }

    /// R⁻¹ z, in place.
    pub fn back_substitute(&self, z: &mut [f64]) {
        for j in (0..z.len()).rev() {
            z[j] /= self.r[j][j];
            let (above, at) = z.split_at_mut(j);
            add_scaled(above, -at[0], &self.r[j][..j]);
        }
    }

    /// R⁻ᵀ z, in place.
    pub fn forward_substitute(&self, z: &mut [f64]) {
        for j in 0..z.len() {
            z[j] = (z[j] - dot(&self.r[j][..j], &z[..j])) / self.r[j][j];
        }
    }

    /// The x for which ‖A x − b‖ is least.
    pub fn least_squares(&self, b: &[f64]) -> Vec<f64> {
        let mut x = self.project(b);
        self.back_substitute(&mut x);
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn residual(columns: &[Vec<f64>], x: &[f64], b: &[f64]) -> Vec<f64> {
        let mut r = b.to_vec();
        for (column, x) in columns.iter().zip(x) {
            add_scaled(&mut r, -x, column);
        }
        r
    }

    #[test]
    fn residuals_are_orthogonal_to_all_columns_after_any_change() {
        let mut columns: Vec<Vec<f64>> = (0..6)
            .map(|j| (0..9).map(|i| ((i * 7 + j * j * 5) % 11) as f64 - 5.0 + 0.1 * j as f64).collect())
            .collect();
        let b: Vec<f64> = (0..9).map(|i| (i as f64).sin()).collect();
        let mut factor = Factor::default();
        assert!(columns.iter().all(|c| factor.push(c)));
        for leaving in [2, 0, 3, 1] {
            columns.remove(leaving);
            factor.remove(leaving);
            let r = residual(&columns, &factor.least_squares(&b), &b);
            assert!(columns.iter().all(|c| dot(c, &r).abs() < 1e-12 * norm(c)));
        }
        let mut sum = columns[0].clone();
        add_scaled(&mut sum, -3.0, &columns[1]);
        assert!(!factor.push(&sum), "a combination of two columns depends on them");
        assert!(!factor.push(&[0.0; 9]));
        assert_eq!(factor.len(), 2);
    }
}
