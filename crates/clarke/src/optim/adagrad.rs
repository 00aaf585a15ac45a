//! AdaGrad with one number for all variables.

use super::first_order::{FirstOrder, SHARED, batches, step};
use super::method::AnyMethod;
use super::options::Entry;
use super::subgradient::Subgradient;

/// The subgradient method under the step rule α_k = a / (b² + Σ_{i ≤ k} ‖v_i‖²)^½: AdaGrad-norm.
///
/// Its guarantee is that of the subgradient method, by a dichotomy: if Σ ‖v_i‖² < ∞ then v_k → 0, and accumulation points have
/// 0 ∈ D, whose graph is closed; else α_k → 0, and Σ α_k ≥ Σ a / (b² + L² (k + 1))^½ = ∞ where ‖v_k‖ ≤ L. For smooth functions
/// and batches: Ward, Wu, Bottou, "AdaGrad stepsizes", JMLR 21 (2020).
pub(super) const ENTRY: Entry =
    Entry {
        name: "adagrad",
        about: "The subgradient method with step sizes that the norms met decide, one number for all variables",
        formula: "x ← x − a v / √(b² + Σ ‖v‖²)",
        source: "Streeter, McMahan 2010; Ward, Wu, Bottou, JMLR 21 (2020)",
        parameters: &[&[step("adagrad")], &batches("0", "uniform"), SHARED],
        make: |settings| -> crate::error::Result<AnyMethod> {
            match settings.rule("step") {
                super::rule::StepRule::AdaGrad { .. } => FirstOrder::of(settings, Subgradient),
                _ => Err(settings
                    .refuse("step", "it must be adagrad, adagrad(a) or adagrad(a, b): this method is that rule")),
            }
        },
    };
