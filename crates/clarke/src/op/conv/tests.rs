use super::*;

#[test]
fn merging_and_splitting_are_inverse() {
    for part in [Part::Input, Part::Weight, Part::Output] {
        for joined in part.axes() {
            let f = crate::Program::trace(&[&[3, 4, 6, 2, 5]], |v| {
                let all = if joined == 'g' { 2 * 3 } else { 2 };
                let one = merged(part, v[0], joined, 2);
                assert_eq!(one.rank(), 4);
                assert_eq!(one.shape()[part.joint()] % all, 0);
                split(part, one, joined, 2, 3)
            })
            .unwrap();
            let x = crate::Tensor::from_fn(&[3, 4, 6, 2, 5], |k| k as f64);
            assert_eq!(f.eval(std::slice::from_ref(&x)).unwrap()[0], x);
        }
    }
}

#[test]
fn scratch_is_no_more_than_one_image_needs() {
    let op = Conv::new("conv2d", Part::Output, 2, vec![], [&[1], &[0], &[1]], 1).unwrap();
    struct None;
    impl Compiler<f64> for None {
        fn compile(&self, _: &crate::Program) -> Kernel<f64> {
            unreachable!("a convolution holds no programs")
        }
    }
    let scratch = |images: usize, kernel: usize| {
        let windows = 6 - kernel;
        let args = [[images, 3, 5, 5], [4, 3, kernel, kernel]];
        op.kernel::<f64>(&[&args[0], &args[1]], &[images, 4, windows, windows], &None).scratch
    };
    assert_eq!(scratch(8, 2), scratch(1, 2));
    // Windows of one entry are the image as it is: there is only the product's own space.
    let product = |entries: usize| Product {
        m: 4,
        k: 3 * entries,
        p: 16,
        a: Matrix::new(3 * entries, false),
        b: Matrix::new(16, false),
        skip_zeros: false,
    };
    assert_eq!(scratch(8, 1), product(1).scratch::<f64>());
    assert_eq!(scratch(8, 2), 3 * 2 * 2 * 16 + product(4).scratch::<f64>());
}
