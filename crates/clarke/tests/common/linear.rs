//! The laws of programs whose values, at small integers, are exact in every order of additions: derivatives and batches
//! against each other, with equality.

use clarke::{Program, Tensor};

pub fn size(shape: &[usize]) -> usize {
    shape.iter().product()
}

pub fn integers(shape: &[usize], seed: usize) -> Tensor {
    Tensor::from_fn(shape, |k| ((k * 37 + seed * 101 + 11) * 7919 % 11) as f64 - 5.0)
}

pub fn tensor(shape: &[usize], data: &[f64]) -> Tensor {
    Tensor::new(shape, data.to_vec()).unwrap()
}

pub fn inner(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.shape(), b.shape());
    std::iter::zip(a.data(), b.data()).map(|(x, y)| x * y).sum()
}

/// The inputs of a program as integers.
pub fn inputs_of(program: &Program, seed: usize) -> Vec<Tensor> {
    program.inputs().iter().enumerate().map(|(k, i)| integers(&i.shape, seed + k)).collect()
}

/// Value and tangent agree with the vjp, forward and reverse Jacobian are equal, and all of these batch.
pub fn laws(program: &Program) {
    let count = program.inputs().len();
    let (jvp, vjp) = (program.linearize().unwrap(), program.vjp().unwrap());
    let mut point = inputs_of(program, 1);
    let value = program.eval(&point).unwrap().remove(0);
    let directions = inputs_of(program, 20);
    let covector = integers(value.shape(), 50);
    let along = jvp.eval(&[point.clone(), directions.clone()].concat()).unwrap();
    assert_eq!(along[0], value, "{program:?}");
    let jacobians =
        (program.jacobian_forward().unwrap().eval(&point), program.jacobian_reverse().unwrap().eval(&point));
    assert_eq!(jacobians.0.unwrap(), jacobians.1.unwrap(), "{program:?}");
    point.push(covector.clone());
    let back = vjp.eval(&point).unwrap();
    let pulled: f64 = std::iter::zip(&directions, &back).map(|(u, x)| inner(u, x)).sum();
    assert_eq!(inner(&covector, &along[1]), pulled, "{program:?}");
    assert_eq!(back.len(), count);
    for other in [program, &jvp, &vjp] {
        batches(other);
    }
}

/// A batch is a loop over slices, for every combination of mapped inputs.
pub fn batches(program: &Program) {
    let count = program.inputs().len();
    for marks in 1..1usize << count {
        let mapped: Vec<bool> = (0..count).map(|k| marks >> k & 1 == 1).collect();
        for n in [0, 1, 3] {
            let batched = program.batch(&mapped, n).unwrap();
            let arrays: Vec<Tensor> = std::iter::zip(program.inputs(), &mapped)
                .enumerate()
                .map(|(k, (input, own))| match own {
                    true => integers(&[&[n], input.shape.as_slice()].concat(), 7 * k),
                    false => integers(&input.shape, 7 * k),
                })
                .collect();
            let all = batched.eval(&arrays).unwrap();
            for (out, shape) in std::iter::zip(&all, program.output_shapes()) {
                assert_eq!(out.shape(), [&[n], shape].concat(), "{mapped:?} {program:?}");
            }
            for i in 0..n {
                let slices: Vec<Tensor> = std::iter::zip(&arrays, std::iter::zip(program.inputs(), &mapped))
                    .map(|(array, (input, own))| if *own { slice_of(array, i, &input.shape) } else { array.clone() })
                    .collect();
                for (out, one) in std::iter::zip(&all, program.eval(&slices).unwrap()) {
                    // Equal, or both no numbers.
                    let slice = slice_of(out, i, one.shape());
                    assert!(super::close(slice.data(), one.data(), 0.0), "{i} {mapped:?} {program:?}");
                }
            }
        }
    }
}

pub fn slice_of(array: &Tensor, i: usize, shape: &[usize]) -> Tensor {
    tensor(shape, &array.data()[i * size(shape)..][..size(shape)])
}
