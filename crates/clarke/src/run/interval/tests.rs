//! Laws of enclosures, for every operator of the table, on its samples; no operator is named here but in a list of those
//! that have none.

use super::{Arithmetic, enclose};
use crate::error::Result;
use crate::program::op::{Entry, Sample};
use crate::program::{Program, Role};
use crate::tensor::{Boxes, Tensor};

#[path = "../../../tests/common/mod.rs"]
mod common;
use common::Draw;

fn each_sample(mut f: impl FnMut(&Entry, &Sample, &Program)) {
    let registry = crate::registry();
    for entry in registry.entries() {
        for sample in entry.samples {
            let program = crate::text::parse(&registry, sample.text, sample.inputs).unwrap();
            f(entry, sample, &program);
        }
    }
}

/// A box of this width around a point, cut to the domain.
fn around(x: &Tensor, width: f64, (low, high): (f64, f64), draw: &mut Draw) -> Boxes {
    Boxes::from_fn(x.shape(), |i| {
        let w = width * draw.uniform();
        ((x.data()[i] - w).max(low), (x.data()[i] + w).min(high))
    })
}

/// A point of a box: inside, or at its ends.
fn inside(b: &Boxes, draw: &mut Draw) -> Tensor {
    Tensor::from_fn(b.shape(), |i| {
        let (l, h) = (b.lo().data()[i], b.hi().data()[i]);
        match draw.below(4) {
            0 => l,
            1 => h,
            _ => (l + (h - l) * draw.uniform()).clamp(l, h),
        }
    })
}

#[test]
fn survey() {
    let mut bad = vec![];
    each_sample(|entry, sample, program| {
        let mut draw = Draw::new(1);
        let mut why = String::new();
        for (k, width) in [0.0, 1e-9, 1e-3, 0.1, 1.0].into_iter().enumerate() {
            let mut whole = 0;
            for _ in 0..4 {
                let x: Vec<Tensor> = sample.inputs.iter().map(|(_, s)| draw.tensor(s, sample.domain)).collect();
                let b: Vec<Boxes> = x.iter().map(|x| around(x, width, sample.domain, &mut draw)).collect();
                let y = enclose(program, &b, Arithmetic::Rigorous).unwrap().remove(0);
                whole += usize::from(!y.is_bounded());
                for _ in 0..5 {
                    let x: Vec<Tensor> = b.iter().map(|b| inside(b, &mut draw)).collect();
                    let v = program.eval(&x).unwrap().remove(0);
                    if !y.contains(&v) {
                        why += &format!(" OUT {width} {v:?} {y:?}\n");
                    }
                }
            }
            if whole > 0 {
                why += &format!(" {width}:{whole}");
            }
            let _ = k;
        }
        if !why.is_empty() {
            bad.push(format!("{} `{}` {why}", entry.name, sample.text));
        }
    });
    println!("{}", bad.join("\n"));
}
