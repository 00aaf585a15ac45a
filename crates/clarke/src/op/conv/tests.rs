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

struct NoPrograms;

impl<T> Compiler<T> for NoPrograms {
    fn compile(&self, _: &crate::Program) -> Kernel<T> {
        unreachable!("a convolution holds no programs")
    }
}

#[test]
fn scratch_is_no_more_than_one_image_needs() {
    let scratch = |images: usize, kernel: usize, stride: usize| {
        let op = Conv::new("conv2d", Part::Output, 2, vec![], [&[stride], &[0], &[1]], 1).unwrap();
        let windows = (5 - kernel) / stride + 1;
        let args = [[images, 3, 5, 5], [4, 3, kernel, kernel]];
        op.kernel::<f64>(&[&args[0], &args[1]], &[images, 4, windows, windows], &NoPrograms).scratch
    };
    let product = |entries: usize, windows: usize| Product {
        m: 4,
        k: 3 * entries,
        p: windows,
        a: Matrix::new(3 * entries, false),
        b: Matrix::new(windows, false),
        skip_zeros: false,
    };
    // Windows of one entry are the image as it is: there is only the product's own space.
    assert_eq!(scratch(8, 1, 1), product(1, 25).scratch::<f64>());
    assert_eq!(scratch(8, 2, 2), 3 * 2 * 2 * 4 + product(4, 4).scratch::<f64>());
    // Windows one apart are not taken apart: there is the image, and the values of 16 windows and of 3 that are dropped.
    assert_eq!(scratch(8, 2, 1), 3 * 5 * 5 + 8 + 4 * (19 + 8));
}

/// A convolution in one role, by the definition of the trilinear form, as often as there are terms.
fn by_definition(role: Part, sizes: &Sizes, a: &[f64], b: &[f64]) -> Vec<f64> {
    let &Sizes { images, groups, input, output, grid } = sizes;
    let ([h, w], [rows, columns], [first, last]) = (grid.lengths, grid.counts, grid.frame.along);
    let shapes = [images * groups * input * h * w, groups * output * input * grid.entries()];
    let size = [shapes[0], shapes[1], images * groups * output * rows * columns][role as usize];
    let mut out = vec![0.0; size];
    for (n, g, o, c) in (0..images * groups * output * input)
        .map(|k| (k / input / output / groups, k / input / output % groups, k / input % output, k % input))
    {
        for (i, j) in (0..grid.entries()).map(|k| (k / last.size, k % last.size)) {
            for (r, s) in (0..rows * columns).map(|k| (k / columns, k % columns)) {
                let y = (r * first.stride + i * first.dilation).wrapping_sub(first.padding);
                let x = (s * last.stride + j * last.dilation).wrapping_sub(last.padding);
                if y >= h || x >= w {
                    continue;
                }
                let at_input = (((n * groups + g) * input + c) * h + y) * w + x;
                let at_weight = ((g * output + o) * input + c) * grid.entries() + i * last.size + j;
                let at_output = (((n * groups + g) * output + o) * rows + r) * columns + s;
                match role {
                    Part::Output => out[at_output] += a[at_input] * b[at_weight],
                    Part::Input => out[at_input] += a[at_output] * b[at_weight],
                    Part::Weight => out[at_weight] += a[at_input] * b[at_output],
                }
            }
        }
    }
    out
}

#[test]
fn all_ways_to_convolve_are_the_definition() {
    // [images, groups, channels, channels of the value], lengths, kernel, then stride, padding and dilation.
    type Case = ([usize; 4], [usize; 2], [usize; 2], [usize; 3]);
    let cases: [Case; 12] = [
        ([2, 1, 3, 5], [6, 7], [3, 3], [1, 1, 1]),
        ([1, 1, 1, 1], [1, 1], [3, 3], [1, 1, 1]),
        ([3, 2, 2, 9], [5, 4], [2, 3], [1, 0, 1]),
        ([2, 1, 2, 17], [14, 14], [3, 3], [1, 1, 1]),
        ([1, 3, 1, 1], [9, 11], [3, 2], [1, 2, 2]),
        ([2, 1, 2, 33], [4, 30], [1, 5], [1, 4, 1]),
        ([2, 1, 2, 3], [4, 5], [2, 2], [1, 3, 1]),
        ([2, 1, 2, 3], [7, 6], [3, 3], [2, 1, 1]),
        ([1, 1, 3, 2], [3, 3], [3, 3], [1, 0, 1]),
        ([1, 1, 2, 2], [20, 21], [3, 3], [1, 1, 1]),
        ([2, 2, 1, 2], [4, 4], [1, 1], [1, 0, 1]),
        ([0, 1, 1, 2], [4, 4], [2, 2], [1, 0, 1]),
    ];
    for ([images, groups, input, output], lengths, kernel, [stride, padding, dilation]) in cases {
        let frame = Frame::new("conv2d", 2, &kernel, &[stride], &[padding], &[dilation]).unwrap();
        let grid = frame.grid("conv2d", &lengths).unwrap();
        let x = [images, groups * input, lengths[0], lengths[1]];
        let w = [groups * output, input, kernel[0], kernel[1]];
        let y = [images, groups * output, grid.counts[0], grid.counts[1]];
        for (role, name, args, out) in [
            (Part::Output, "conv2d", [x, w], y),
            (Part::Input, "conv2d_input", [y, w], x),
            (Part::Weight, "conv2d_weight", [x, y], w),
        ] {
            let last = if role == Part::Output { vec![] } else { out[2..].to_vec() };
            let op = Conv::new(name, role, 2, last, [&[stride], &[padding], &[dilation]], groups).unwrap();
            // Small integers, whose sums are exact in every order; what is left in scratch space does not matter.
            let numbers = |shape: [usize; 4], step: usize| -> Vec<f64> {
                (0..shape.iter().product()).map(|k| (k * step % 7) as f64 - 3.0).collect()
            };
            let (a, b) = (numbers(args[0], 5), numbers(args[1], 3));
            let sizes = op.sizes(&[&args[0], &args[1]]).unwrap();
            let expected = by_definition(role, &sizes, &a, &b);
            let kernel = op.kernel::<f64>(&[&args[0], &args[1]], &out, &NoPrograms);
            let (mut value, mut scratch) = (vec![f64::NAN; expected.len()], vec![f64::NAN; kernel.scratch]);
            (kernel.run)(&[&a, &b], &mut value, &mut scratch);
            assert_eq!(value, expected, "{name} {args:?}");
        }
    }
}
