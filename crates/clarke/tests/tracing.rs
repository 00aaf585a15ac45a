//! Tracing: a mistake inside a closure is kept, with the line that made it, and returned once.

use clarke::{Fault, Place, Program};

#[test]
fn a_shape_mistake_is_returned_with_its_line() {
    let line = line!() + 1;
    let error = Program::trace(&[&[3], &[4]], |v| (v[0] + v[1]).relu().sum()).unwrap_err();
    match (&*error.fault, &error.place) {
        (Fault::Shapes { op, shapes, .. }, Place::Source { file, line: at, .. }) => {
            assert_eq!((op.as_str(), shapes.as_slice()), ("add", [vec![3], vec![4]].as_slice()));
            assert!(file.ends_with("tracing.rs"));
            assert_eq!(*at, line);
        }
        other => panic!("{other:?}"),
    }
    assert!(error.to_string().starts_with("add cannot take [3] and [4]: shapes must be equal, or 1"), "{error}");
}

#[test]
fn the_first_mistake_is_the_one_returned() {
    let error = Program::trace(&[&[3], &[4]], |v| {
        let first = v[0].matmul(v[1]);
        let second = v[0].reshape(&[2]);
        (first + second) * v[1]
    })
    .unwrap_err();
    assert!(matches!(&*error.fault, Fault::Shapes { op, .. } if op == "matmul"), "{error}");
}

#[test]
fn broadcasting_is_numpys() {
    let shape =
        |a: &[usize], b: &[usize]| Program::trace(&[a, b], |v| v[0] * v[1]).map(|p| p.output_shapes()[0].to_vec()).ok();
    assert_eq!(shape(&[2, 3], &[3]), Some(vec![2, 3]));
    assert_eq!(shape(&[2, 1], &[1, 3]), Some(vec![2, 3]));
    assert_eq!(shape(&[], &[4]), Some(vec![4]));
    assert_eq!(shape(&[0, 1], &[3]), Some(vec![0, 3]));
    assert_eq!(shape(&[2], &[3]), None);
}

#[test]
fn ties_have_no_meaning_outside_of_derivatives() {
    let error = Program::trace(&[&[3]], |v| v[0].step()).unwrap_err();
    assert!(error.to_string().contains("step is a tie"), "{error}");
    assert!(error.to_string().contains("tracing.rs"), "{error}");
}

#[test]
fn the_norm_in_disguise_is_recognized() {
    let name = |f: for<'p> fn(clarke::Var<'p>) -> clarke::Var<'p>| {
        Program::trace(&[&[3]], f_of(f)).unwrap().to_string().lines().last().unwrap().trim().to_string()
    };
    assert_eq!(name(|x| (x * x).sum().sqrt()), "return norm2(x0)");
    assert_eq!(name(|x| x.square().sum().sqrt()), "return norm2(x0)");
    assert_eq!(name(|x| x.matmul(x).sqrt()), "return norm2(x0)");
    assert_eq!(name(|x| (x * x).sqrt().sum()), "return sum(abs(x0))");
    assert_eq!(name(|x| (x * (x + 1.0)).sum().sqrt()), "return sqrt(sum(x0 * (x0 + 1.0)))");
}

fn f_of(
    f: for<'p> fn(clarke::Var<'p>) -> clarke::Var<'p>,
) -> impl for<'p> FnOnce(&[clarke::Var<'p>]) -> clarke::Var<'p> {
    move |v| f(v[0])
}

#[test]
fn names_of_inputs_stay_unique() {
    let f = Program::trace_named(&[("x", &[]), ("dx", &[])], |v| v[0] * v[1]).unwrap();
    let names: Vec<String> = f.linearize().unwrap().inputs().iter().map(|i| i.name.clone()).collect();
    assert_eq!(names, ["x", "dx", "dx_", "ddx"]);
}
