//! The active set: which ties are met at a point, how nearly, and with which weights their pieces combine.

use super::set_at::Witness;
use super::{Precision, TieMet};
use serde::{Deserialize, Serialize};

/// A tie that is active at a point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Active {
    /// The operator, as the user wrote it.
    pub op: String,
    /// Its text.
    pub source: String,
    /// Where it stands, as text; empty where that is not known.
    pub place: String,
    /// Which element of the operator's argument (which slice, for a tie along axes); None for a scalar.
    pub index: Option<Vec<usize>>,
    /// How many pieces meet; None if infinitely many.
    pub pieces: Option<u64>,
    /// |u|: how far the furthest of its differences that count as active is from 0.
    pub difference: f64,
    /// What the combination of least norm takes there: weights of pieces, in the order of the tie's own entries; empty
    /// where there is no such combination.
    pub weights: Vec<f64>,
}

/// The ties met, with what a combination of elements takes at each.
pub(super) fn active<'a>(met: &[TieMet], combination: impl Iterator<Item = (f64, &'a Witness)> + Clone) -> Vec<Active> {
    let of = |tie: &TieMet| {
        let site = (tie.site.node, tie.site.number);
        let index = tie.index.clone().unwrap_or_default();
        let mut weights: Vec<f64> = vec![];
        for (weight, witness) in combination.clone() {
            for chosen in witness.chosen.iter().filter(|c| c.tie == site && c.index == index) {
                weights.resize(weights.len().max(chosen.values.len()), 0.0);
                std::iter::zip(&mut weights, &chosen.values).for_each(|(sum, x)| *sum += weight * x);
            }
        }
        Active {
            op: tie.op.into(),
            source: tie.source.clone(),
            place: tie.place.to_string(),
            index: tie.index.clone(),
            pieces: tie.pieces,
            difference: tie.distance,
            weights,
        }
    };
    met.iter().map(of).collect()
}

/// How nearly ties are met.
pub(super) fn precision(met: &[TieMet]) -> Precision {
    match met.iter().fold(0.0, |most: f64, t| most.max(t.distance)) {
        0.0 => Precision::Exact,
        tau => Precision::Polished(tau),
    }
}
