//! Programs that compute in another arithmetic.

use super::unroll;
use crate::error::Result;
use crate::program::float::Float;
use crate::program::op::Execution;
use crate::program::{Builder, Kind, Program, Var};

impl Program {
    /// The program that rounds to a format after every operator: inputs, constants and the value of each node are numbers of
    /// the format. The same program for f64.
    ///
    /// This is how frameworks compute in 16 bits: an operator (a matrix product, a sum, a softmax) computes in a wider
    /// arithmetic, that which the result is compiled for, and its value is rounded once. What counts as one operator is a node
    /// of the program as it stands, so that `x @ W + b` is rounded twice; operators that contain programs are written out.
    /// Compiled for f32, sums, differences, products, quotients and square roots are those of the format correctly rounded
    /// (24 ≥ 2·11 + 2 digits, Figueroa 1995; not where bf16 is subnormal).
    ///
    /// Selections are rounded too, as values of their ties. A rounded program has no derivative: differentiate first.
    ///
    /// ```
    /// use clarke::{Float, Program};
    /// let f = Program::trace(&[&[]], |v| (v[0] + 2048.0) - 2048.0)?.rounded(Float::F16)?;
    /// assert_eq!(f.eval(&[3.0.into()])?[0].item(), 4.0);      // 2051 lies between two even numbers of f16
    /// assert!(f.to_string().contains("round_f16"));
    /// # Ok::<(), clarke::Error>(())
    /// ```
    ///
    /// Errors: none that a program which can be run has.
    pub fn rounded(&self, float: Float) -> Result<Program> {
        if float == Float::F64 {
            return Ok(self.clone());
        }
        let unrolled = unroll(self)?;
        let builder = Builder::new();
        let mut map: Vec<Var<'_>> = Vec::with_capacity(unrolled.nodes().len());
        for node in unrolled.nodes() {
            let exact = match &node.kind {
                Kind::Input(k) => {
                    let input = &unrolled.inputs()[*k];
                    let var = builder.input(&input.name, &input.shape, input.role.clone());
                    if input.role.is_selection() || input.role.is_sparse() {
                        map.push(var);
                        continue;
                    }
                    var
                }
                _ => builder.copy(node, &map),
            };
            // Where only the shape changes there is nothing to round.
            let moved = matches!(&node.kind, Kind::Apply { op, .. } if matches!(op.execution(), Execution::Alias));
            map.push(if moved { exact } else { exact.rounded(float) });
        }
        let outputs: Vec<Var<'_>> = unrolled.outputs().iter().map(|&k| map[k]).collect();
        builder.finish(&outputs)
    }
}
