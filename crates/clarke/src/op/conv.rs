//! Convolutions over the last one or two axes, as neural networks mean them: cross-correlations of arrays of channels
//! with kernels of weights.
//!
//! The value is linear in the array x, in the weights w, and its pairing with an array y of its shape is one trilinear
//! form Σ x w y. The convolution and its two transposes are the three derivatives of that form, so they are one
//! operator in three roles, and the transposes of each are the other two.

use super::product::{Level, Matrix, Product};
use super::rearrange::{permuted, written};
use super::shape::ints;
use super::window::{Frame, Grid, lengths};
use crate::error::{Fault, Place, Result};
use crate::program::call::Call;
use crate::program::class::Class;
use crate::program::op::{
    ArrayKernel, Batching, Compiler, Entry, Execution, Kernel, Linearity, Notation, Op, Param, Sample, Transposition,
};
use crate::program::real::Scalar;
use crate::program::{Program, Var};

/// One of the three arrays of the trilinear form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The array: [n, c, lengths].
    Input,
    /// The weights: [o, c / groups, kernel].
    Weight,
    /// The convolution: [n, o, windows].
    Output,
}

impl Part {
    /// The axes before the last ones, the channels split into groups and channels of a group.
    fn axes(self) -> [char; 3] {
        match self {
            Part::Input => ['n', 'g', 'c'],
            Part::Weight => ['g', 'o', 'c'],
            Part::Output => ['n', 'g', 'o'],
        }
    }

    /// Where the group and the channels that follow it stand as one axis.
    fn joint(self) -> usize {
        if self == Part::Weight { 0 } else { 1 }
    }
}

/// `conv1d(x, w, stride=1, padding=0, dilation=1, groups=1)` and `conv2d`: for each channel of the value the sum of the
/// products of a kernel of weights with each window of x.
///
/// Shapes: x [n, c, h, w], or without n; w [o, c/groups, k, l]; the value [n, o, a, b] with
/// a = ⌊(h + 2·padding − dilation·(k − 1) − 1)/stride⌋ + 1. Numbers for stride, padding and dilation are for each axis or
/// for both. Errors: channels that do not fit; a kernel longer than the padded axis. Cost: 2·n·o·(c/groups)·k·l·a·b
/// operations, as products of matrices with the windows of one image. These are where the image is, laid out with its
/// padding in scratch space, if the kernel moves by one entry at a time, and are copied to scratch space otherwise. Source:
/// torch.nn.functional.conv2d.
///
/// The transposes are `conv2d_input(y, w, length)` and `conv2d_weight(x, y, kernel_size)` with the same parameters, as
/// torch.nn.grad has them.
#[derive(Debug, Clone)]
pub struct Conv {
    /// What is computed from the other two.
    role: Part,
    /// Of the kernel's size only the weights know, but for the role that makes them.
    frame: Frame,
    groups: usize,
    /// The last axes of what is made, for the two transposes.
    last: Vec<usize>,
}

impl Conv {
    /// The line of the convolution over one axis.
    pub const ONE: Entry = Entry {
        name: "conv1d",
        signature: "conv1d(x, w, stride=1, padding=0, dilation=1, groups=1)",
        formula: "Σ over the channels and the kernel of w · x at the window",
        class: "piecewise polynomial (linear if x or w is constant)",
        ties: "",
        source: "torch.nn.functional.conv1d",
        notation: Notation::Call,
        call: |call| Conv::read(call, Part::Output, 1),
        samples: &[
            Sample::new("conv1d(x, w)", &[("x", &[1, 2, 4]), ("w", &[2, 2, 3])]),
            Sample::new("conv1d(x, w, stride=2, padding=1, dilation=2)", &[("x", &[2, 4]), ("w", &[1, 2, 2])]),
        ],
    };

    /// The line of the convolution over two axes.
    pub const TWO: Entry = Entry {
        name: "conv2d",
        signature: "conv2d(x, w, stride=1, padding=0, dilation=1, groups=1)",
        source: "torch.nn.functional.conv2d",
        call: |call| Conv::read(call, Part::Output, 2),
        samples: &[
            Sample::new("conv2d(x, w)", &[("x", &[2, 2, 3, 3]), ("w", &[3, 2, 2, 2])]),
            Sample::new("conv2d(x, w)", &[("x", &[2, 2, 2, 2]), ("w", &[3, 2, 1, 1])]),
            Sample::new(
                "conv2d(x, w, stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2)",
                &[("x", &[1, 4, 3, 3]), ("w", &[2, 2, 2, 2])],
            ),
            Sample::new("conv2d(x, w, groups=2)", &[("x", &[2, 3, 3]), ("w", &[4, 1, 2, 2])]),
        ],
        ..Conv::ONE
    };

    /// The lines of the transposes.
    pub const ONE_INPUT: Entry = Entry {
        name: "conv1d_input",
        signature: "conv1d_input(y, w, length, stride=1, padding=0, dilation=1, groups=1)",
        formula: "the transpose of conv1d in its array, for an array of this length",
        source: "torch.nn.grad.conv1d_input",
        call: |call| Conv::read(call, Part::Input, 1),
        samples: &[Sample::new("conv1d_input(y, w, 4, padding=1)", &[("y", &[1, 2, 4]), ("w", &[2, 1, 3])])],
        ..Conv::ONE
    };

    /// See [`Conv::ONE_INPUT`].
    pub const TWO_INPUT: Entry = Entry {
        name: "conv2d_input",
        signature: "conv2d_input(y, w, length, stride=1, padding=0, dilation=1, groups=1)",
        formula: "the transpose of conv2d in its array, for an array of these lengths",
        source: "torch.nn.grad.conv2d_input",
        call: |call| Conv::read(call, Part::Input, 2),
        samples: &[Sample::new(
            "conv2d_input(y, w, (3, 4), stride=(1, 2), groups=2)",
            &[("y", &[2, 2, 2, 2]), ("w", &[2, 2, 2, 2])],
        )],
        ..Conv::ONE
    };

    /// See [`Conv::ONE_INPUT`].
    pub const ONE_WEIGHT: Entry = Entry {
        name: "conv1d_weight",
        signature: "conv1d_weight(x, y, kernel_size, stride=1, padding=0, dilation=1, groups=1)",
        formula: "the transpose of conv1d in its weights, for a kernel of this size",
        source: "torch.nn.grad.conv1d_weight",
        call: |call| Conv::read(call, Part::Weight, 1),
        samples: &[Sample::new("conv1d_weight(x, y, 3, padding=1)", &[("x", &[2, 1, 4]), ("y", &[2, 2, 4])])],
        ..Conv::ONE
    };

    /// See [`Conv::ONE_INPUT`].
    pub const TWO_WEIGHT: Entry = Entry {
        name: "conv2d_weight",
        signature: "conv2d_weight(x, y, kernel_size, stride=1, padding=0, dilation=1, groups=1)",
        formula: "the transpose of conv2d in its weights, for a kernel of this size",
        source: "torch.nn.grad.conv2d_weight",
        call: |call| Conv::read(call, Part::Weight, 2),
        samples: &[Sample::new(
            "conv2d_weight(x, y, 2, stride=(2, 1), groups=2)",
            &[("x", &[2, 4, 3, 3]), ("y", &[2, 2, 1, 2])],
        )],
        ..Conv::ONE
    };

    fn read<'p>(call: &Call<'_, 'p>, role: Part, dims: usize) -> Result<Var<'p>> {
        let (known, made) = match role {
            Part::Output => (&["stride", "padding", "dilation", "groups"][..], None),
            Part::Input => (&["length", "stride", "padding", "dilation", "groups"][..], Some("length")),
            Part::Weight => (&["kernel_size", "stride", "padding", "dilation", "groups"][..], Some("kernel_size")),
        };
        let first = 2 + made.is_some() as usize;
        call.expect(2, first + 4, known)?;
        let last = match made {
            None => vec![],
            Some(name) => match lengths(call, name, 2, vec![])?.as_slice() {
                [one] => vec![*one; dims],
                many if many.len() == dims => many.to_vec(),
                _ => return Err(call.fault(format!("`{name}` must hold a length for each of the last {dims} axes"))),
            },
        };
        let groups = usize::try_from(call.int("groups", first + 3, Some(1))?);
        let groups = groups.map_err(|_| call.fault("`groups` must be at least 1"))?;
        let get = |name: &str, k: usize, usual: usize| lengths(call, name, k, vec![usual]);
        let numbers = [get("stride", first, 1)?, get("padding", first + 1, 0)?, get("dilation", first + 2, 1)?];
        let conv = |op: &str| Conv::new(op, role, dims, last, [&numbers[0], &numbers[1], &numbers[2]], groups);
        let op = conv(call.name).map_err(|f| f.at(call.place.clone()))?;
        let (a, b) = (call.var(0)?, call.var(1)?);
        Ok(written(call.builder, &[a, b], call.place.clone(), || Ok(op.apply(a, b))))
    }

    fn new(
        name: &str,
        role: Part,
        dims: usize,
        last: Vec<usize>,
        [stride, padding, dilation]: [&[usize]; 3],
        groups: usize,
    ) -> Result<Conv, Fault> {
        let kernel = if role == Part::Weight { last.as_slice() } else { &[1] };
        let frame = Frame::new(name, dims, kernel, stride, padding, dilation)?;
        if groups == 0 {
            return Err(super::index::parameter(name, "groups", 0, "it must be at least 1".into()));
        }
        Ok(Conv { role, frame, groups, last })
    }

    /// Applied to arrays; a convolution of one image without its axis gets one.
    fn apply<'p>(self, a: Var<'p>, b: Var<'p>) -> Var<'p> {
        let shape = a.shape();
        if self.role != Part::Output || shape.len() != self.frame.dims + 1 {
            return a.apply_with(self, &[b]);
        }
        let value = a.reshape(&[&[1], shape.as_slice()].concat()).apply_with(self, &[b]);
        let shape = value.shape();
        // Poisoned, it has no axes.
        if value.is_poisoned() { value } else { value.reshape(&shape[1..]) }
    }

    /// The same in another role, where this one is known to fit.
    fn turned(&self, role: Part, last: &[usize], kernel: &[usize]) -> Conv {
        let mut frame = self.frame;
        if role == Part::Weight {
            std::iter::zip(&mut frame.along[2 - frame.dims..], kernel).for_each(|(a, &k)| a.size = k);
        } else {
            frame.along.iter_mut().for_each(|a| a.size = 1);
        }
        Conv { role, frame, groups: self.groups, last: last.to_vec() }
    }

    /// The two arrays it takes.
    fn operands(&self) -> [Part; 2] {
        match self.role {
            Part::Output => [Part::Input, Part::Weight],
            Part::Input => [Part::Output, Part::Weight],
            Part::Weight => [Part::Input, Part::Output],
        }
    }

    /// The sizes of the form for operands of these shapes, or the rule they break.
    fn sizes(&self, args: &[&[usize]]) -> Result<Sizes, Fault> {
        let refuse = |rule: String| Fault::Shapes {
            op: self.name().into(),
            shapes: args.iter().map(|s| s.to_vec()).collect(),
            rule,
        };
        let (dims, groups) = (self.frame.dims, self.groups);
        let [a, b] = args else { return Err(refuse("it takes two arrays".into())) };
        if a.len() != dims + 2 || b.len() != dims + 2 {
            let rule = match (self.role, dims) {
                (Part::Output, 1) => {
                    "the array has the axes [n, c, length] or [c, length], the weights [o, c/groups, k]"
                }
                (Part::Output, _) => {
                    "the array has the axes [n, c, h, w] or [c, h, w], the weights [o, c/groups, k, l]"
                }
                (_, 1) => "both must have three axes",
                _ => "both must have four axes",
            };
            return Err(refuse(rule.into()));
        }
        let divided = |what: &str, n: usize| match n % groups {
            0 => Ok(n / groups),
            _ => Err(refuse(format!("{groups} groups do not divide the {n} channels of the {what}"))),
        };
        let equal = |what: &str, x: usize, y: usize| {
            if x == y { Ok(x) } else { Err(refuse(format!("{what}: {x} and {y}; the two must be equal"))) }
        };
        let mut frame = self.frame;
        let (images, input, output, length) = match self.role {
            Part::Output => {
                let own = divided("array", a[1])?;
                let c = equal("the channels of a group of the array and those of the weights", own, b[1])?;
                (a[0], c, divided("value", b[0])?, &a[2..])
            }
            Part::Input => {
                let o = equal("the channels of the value and the kernels of the weights", a[1], b[0])?;
                (a[0], b[1], divided("value", o)?, self.last.as_slice())
            }
            Part::Weight => {
                let n = equal("the numbers of images", a[0], b[0])?;
                (n, divided("array", a[1])?, divided("value", b[1])?, &a[2..])
            }
        };
        if self.role != Part::Weight {
            if b[2..].contains(&0) {
                return Err(refuse("a kernel without entries".into()));
            }
            std::iter::zip(&mut frame.along[2 - dims..], &b[2..]).for_each(|(a, &k)| a.size = k);
        }
        let grid = frame.grid(self.name(), length)?;
        let windows = match self.role {
            Part::Output => grid.counts(),
            Part::Input => a[2..].to_vec(),
            Part::Weight => b[2..].to_vec(),
        };
        if windows != grid.counts() {
            let counts = grid.counts();
            return Err(refuse(format!("an array of {length:?} has {counts:?} windows, and the value {windows:?}")));
        }
        Ok(Sizes { images, groups, input, output, grid })
    }
}

/// The sizes of the form.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    images: usize,
    groups: usize,
    /// Channels of a group of the array.
    input: usize,
    /// Channels of a group of the value.
    output: usize,
    grid: Grid,
}

impl Op for Conv {
    fn name(&self) -> &'static str {
        match (self.role, self.frame.dims) {
            (Part::Output, 1) => "conv1d",
            (Part::Output, _) => "conv2d",
            (Part::Input, 1) => "conv1d_input",
            (Part::Input, _) => "conv2d_input",
            (Part::Weight, 1) => "conv1d_weight",
            (Part::Weight, _) => "conv2d_weight",
        }
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        let made = match self.role {
            Part::Output => None,
            Part::Input => Some(("length", ints(&self.last))),
            Part::Weight => Some(("kernel_size", ints(&self.last))),
        };
        let groups = (self.groups != 1).then_some(("groups", Param::Int(self.groups as i64)));
        made.into_iter().chain(self.frame.params(false, Some(1))).chain(groups).collect()
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>, Fault> {
        let Sizes { images, groups, input, output, grid } = self.sizes(args)?;
        Ok(match self.role {
            Part::Output => [&[images, groups * output], grid.counts().as_slice()].concat(),
            Part::Input => [&[images, groups * input], self.last.as_slice()].concat(),
            Part::Weight => [&[groups * output, input], self.last.as_slice()].concat(),
        })
    }

    // A finite sum of products of bounded factors is bounded.
    fn class(&self, args: &[Class]) -> Class {
        Class::product(args)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Each
    }

    fn transpose<'p>(&self, at: &Transposition<'_, 'p>) -> Result<Var<'p>> {
        let wanted = self.operands()[at.wrt];
        let (own, other) = ((self.role, at.cotangent), (self.operands()[1 - at.wrt], at.known(1 - at.wrt)));
        let of = |part: Part| if own.0 == part { own.1 } else { other.1 };
        let op = self.turned(wanted, if wanted == Part::Output { &[] } else { &at.shape[2..] }, &at.shape[2..]);
        let [a, b] = op.operands();
        Ok(of(a).apply_with(op, &[of(b)]))
    }

    // The further axis is one of the axes of the form: of images, of a group's channels, or of groups, whichever the
    // arrays that have it have in common.
    fn batch<'p>(&self, at: &Batching<'_, 'p>) -> Result<Var<'p>> {
        let operands = self.operands();
        if at.size == 0 {
            // Nothing tells how long an axis was that is joined with one of length 0.
            let own: Vec<Vec<usize>> = (0..2).map(|k| at.args[k].shape()[at.mapped[k] as usize..].to_vec()).collect();
            let shape = self.shape(&own.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
            return Ok(at.args[0].constant(0.0).broadcast_to(&[&[0], shape.as_slice()].concat()));
        }
        let joined = match at.mapped {
            [true, true] => 'g',
            mapped => {
                let with = operands[if mapped[0] { 0 } else { 1 }].axes();
                let [a, b, c] = self.role.axes();
                [a, b, c].into_iter().find(|axis| *axis != 'g' && with.contains(axis)).unwrap_or('g')
            }
        };
        let put = |k: usize| match at.mapped[k] {
            true => merged(operands[k], at.args[k], joined, self.groups),
            false => at.args[k],
        };
        let groups = if joined == 'g' { self.groups * at.size } else { self.groups };
        let op = Conv { groups, ..self.clone() };
        Ok(split(self.role, put(0).apply_with(op, &[put(1)]), joined, self.groups, at.size))
    }

    fn execution(&self) -> Execution<'_> {
        Execution::Array(self)
    }
}

/// An array of the form with a further leading axis, which becomes part of the named axis (before what is there).
fn merged<'p>(part: Part, x: Var<'p>, joined: char, groups: usize) -> Var<'p> {
    let shape = x.shape();
    let (count, own) = (shape[0], &shape[1..]);
    let (axes, joint) = (part.axes(), part.joint());
    let mut full = own.to_vec();
    full[joint] = own[joint] / groups.max(1);
    full.insert(joint, groups);
    let place = axes.iter().position(|a| *a == joined).unwrap_or(0);
    let mut order: Vec<usize> = (1..=full.len()).collect();
    order.insert(place, 0);
    let moved = permuted(x.reshape(&[&[count], full.as_slice()].concat()), &order);
    full[place] *= count;
    let group = full.remove(joint);
    full[joint] *= group;
    moved.reshape(&full)
}

/// The inverse of `merged`.
fn split<'p>(part: Part, x: Var<'p>, joined: char, groups: usize, count: usize) -> Var<'p> {
    let mut full = x.shape();
    let (axes, joint) = (part.axes(), part.joint());
    let place = axes.iter().position(|a| *a == joined).unwrap_or(0);
    let all = if joined == 'g' { groups * count } else { groups };
    full[joint] /= all;
    full.insert(joint, all);
    full[place] /= count.max(1);
    full.insert(place, count);
    let mut order: Vec<usize> = (0..full.len()).filter(|&k| k != place).collect();
    order.insert(0, place);
    let moved = permuted(x.reshape(&full), &order);
    full.remove(place);
    let group = full.remove(joint);
    full[joint] *= group;
    moved.reshape(&[&[count], full.as_slice()].concat())
}

impl ArrayKernel for Conv {
    fn operations(&self, args: &[&[usize]], _: &[usize], _: &dyn Fn(&Program) -> u64) -> u64 {
        let sizes = self.sizes(args).expect("the convolution's shape rule was checked");
        let Sizes { images, groups, input, output, grid } = sizes;
        2 * (images * groups * output * input * grid.entries() * grid.windows()) as u64
    }

    fn kernel<T: Scalar>(&self, args: &[&[usize]], _: &[usize], _: &dyn Compiler<T>) -> Kernel<T> {
        let sizes = self.sizes(args).expect("the convolution's shape rule was checked");
        if let Some(kernel) = direct::Direct::kernel(self.role, &sizes) {
            return kernel;
        }
        let Sizes { images, groups, input, output, grid } = sizes;
        let (entries, windows, plane) = (input * grid.entries(), grid.windows(), input * grid.plane());
        let weights = output * entries;
        let (role, level) = (self.role, Level::of_this_machine());
        // The weights of a group are a matrix [output, entries], the windows of an image one [entries, windows].
        let (one, other) = match role {
            Part::Output => (Matrix::new(entries, false), Matrix::new(windows, false)),
            Part::Input => (Matrix::new(entries, true), Matrix::new(windows, false)),
            Part::Weight => (Matrix::new(windows, false), Matrix::new(windows, true)),
        };
        let (m, k, p) = match role {
            Part::Output => (output, entries, windows),
            Part::Input => (entries, output, windows),
            Part::Weight => (output, windows, entries),
        };
        let product = Product { m, k, p, a: one, b: other, skip_zeros: false };
        let work = product.scratch::<T>();
        let spread = if grid.is_identity() { 0 } else { entries * windows };
        let sum = if role == Part::Weight { weights } else { 0 };
        // Images are computed apart; the sums over them, in which all have a part, are not.
        let parts = [if role == Part::Weight { 1 } else { images * groups }, 1];
        Kernel::of_parts(spread + sum + work, parts, move |parts, args, out, scratch| {
            let (columns, rest) = scratch.split_at_mut(spread);
            let (part, work) = rest.split_at_mut(sum);
            if role != Part::Output {
                out.fill(T::of(0.0));
            }
            let first = parts.start;
            for image in if role == Part::Weight { 0..images * groups } else { parts } {
                let (x, y, g) = (image * plane, image * output * windows, image % groups);
                match role {
                    Part::Output => {
                        let windows_of = taken(&grid, &args[0][x..x + plane], columns);
                        let y = (image - first) * output * windows;
                        product.run(level, &args[1][g * weights..], windows_of, &mut out[y..], work);
                    }
                    Part::Input => {
                        let (w, y) = (&args[1][g * weights..], &args[0][y..]);
                        let x = &mut out[(image - first) * plane..][..plane];
                        if grid.is_identity() {
                            product.run(level, w, y, x, work);
                        } else {
                            product.run(level, w, y, columns, work);
                            each_plane(&grid, plane).for_each(|(x_at, y_at)| {
                                grid.add(&columns[y_at.clone()], &mut x[x_at.clone()]);
                            });
                        }
                    }
                    Part::Weight => {
                        let windows_of = taken(&grid, &args[0][x..x + plane], columns);
                        product.run(level, &args[1][y..], windows_of, part, work);
                        super::product::add(part, &mut out[g * weights..][..weights]);
                    }
                }
            }
        })
    }
}

/// The ranges of the planes of an image's channels, and those of their windows.
fn each_plane(grid: &Grid, image: usize) -> impl Iterator<Item = (std::ops::Range<usize>, std::ops::Range<usize>)> {
    let (plane, all) = (grid.plane(), grid.entries() * grid.windows());
    let channels = image.checked_div(plane).unwrap_or(0);
    (0..channels).map(move |c| (c * plane..(c + 1) * plane, c * all..(c + 1) * all))
}

/// The windows of an image, as the image itself where they are its entries, else in scratch space.
fn taken<'a, T: Scalar>(grid: &Grid, image: &'a [T], columns: &'a mut [T]) -> &'a [T] {
    if grid.is_identity() {
        return image;
    }
    if grid.plane() == 0 {
        columns.fill(T::of(0.0));
    }
    for (x, y) in each_plane(grid, image.len()) {
        grid.gather(&image[x], &mut columns[y]);
    }
    columns
}

/// How the kernel of a convolution moves: numbers for all axes or for each.
#[derive(Debug, Clone, Copy)]
pub struct Moves<'a> {
    /// From a window to the next.
    pub stride: &'a [usize],
    /// Zeros on either side.
    pub padding: &'a [usize],
    /// From an entry of the kernel to the next.
    pub dilation: &'a [usize],
    /// Into how many parts the channels fall that do not see each other.
    pub groups: usize,
}

impl Default for Moves<'_> {
    fn default() -> Self {
        Moves { stride: &[1], padding: &[0], dilation: &[1], groups: 1 }
    }
}

impl<'p> Var<'p> {
    /// The convolution over the last axis with weights, see [`Conv`].
    #[track_caller]
    pub fn conv1d(self, weights: Var<'p>, moves: Moves<'_>) -> Var<'p> {
        self.conv(weights, 1, moves, Place::caller())
    }

    /// The convolution over the last two axes with weights, see [`Conv`].
    ///
    /// ```
    /// use clarke::{Program, Tensor, op::conv::Moves};
    /// let f = Program::trace(&[&[1, 1, 3, 3], &[1, 1, 2, 2]], |v| v[0].conv2d(v[1], Moves::default()))?;
    /// let x = Tensor::from_fn(&[1, 1, 3, 3], |k| k as f64);
    /// let w = Tensor::new(&[1, 1, 2, 2], vec![1.0, 0.0, 0.0, -1.0])?;
    /// assert_eq!(f.eval(&[x, w])?[0].data(), [-4.0; 4]);
    /// # Ok::<(), clarke::Error>(())
    /// ```
    #[track_caller]
    pub fn conv2d(self, weights: Var<'p>, moves: Moves<'_>) -> Var<'p> {
        self.conv(weights, 2, moves, Place::caller())
    }

    fn conv(self, weights: Var<'p>, dims: usize, moves: Moves<'_>, place: Place) -> Var<'p> {
        let Moves { stride, padding, dilation, groups } = moves;
        written(self.builder(), &[self, weights], place, || {
            let name = ["conv1d", "conv2d"][dims - 1];
            let op = Conv::new(name, Part::Output, dims, vec![], [stride, padding, dilation], groups)?;
            Ok(op.apply(self, weights))
        })
    }
}

mod direct;
#[cfg(test)]
mod tests;
