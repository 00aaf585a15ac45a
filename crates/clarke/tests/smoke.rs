use clarke::{Program, Tensor};
#[test]
fn gradient_of_a_kinked_sum() {
    let f = Program::trace(&[&[3], &[]], |v| ((v[0] * v[1]).relu() + v[0].abs()).sum_to(&[])).unwrap();
    let g = f.value_and_gradient().unwrap();
    println!("{g:?}");
    let out = g.eval(&[Tensor::vector(vec![1.0, -2.0, 0.0]), Tensor::scalar(3.0)]).unwrap();
    println!("{out:?}");
    assert_eq!(out[0].item(), 6.0);
    assert_eq!(out[1].data(), [4.0, -1.0, 0.0]);
    assert_eq!(out[2].item(), 1.0);
    let h = f.hvp().unwrap();
    println!("{h:?}");
    let j = Program::trace(&[&[3]], |v| v[0] * v[0]).unwrap();
    let jr = j.jacobian_reverse().unwrap().eval(&[Tensor::vector(vec![1.0, 2.0, 3.0])]).unwrap();
    let jf = j.jacobian_forward().unwrap().eval(&[Tensor::vector(vec![1.0, 2.0, 3.0])]).unwrap();
    assert_eq!(jr, jf);
    assert_eq!(jr[0].data(), [2.0, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0, 6.0]);
}
