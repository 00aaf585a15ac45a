//! The arguments of an application: few, so that most are kept in the node itself.

use std::fmt;
use std::ops::{Deref, DerefMut};

/// Numbers of nodes. Reads like a slice.
#[derive(Clone)]
pub struct Args(Kept);

#[derive(Clone)]
enum Kept {
    One([usize; 1]),
    Two([usize; 2]),
    Any(Box<[usize]>),
}

impl Deref for Args {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        match &self.0 {
            Kept::One(args) => args,
            Kept::Two(args) => args,
            Kept::Any(args) => args,
        }
    }
}

impl DerefMut for Args {
    fn deref_mut(&mut self) -> &mut [usize] {
        match &mut self.0 {
            Kept::One(args) => args,
            Kept::Two(args) => args,
            Kept::Any(args) => args,
        }
    }
}

impl FromIterator<usize> for Args {
    fn from_iter<I: IntoIterator<Item = usize>>(args: I) -> Args {
        let mut args = args.into_iter();
        Args(match (args.next(), args.next(), args.next()) {
            (Some(a), None, _) => Kept::One([a]),
            (Some(a), Some(b), None) => Kept::Two([a, b]),
            (first, second, third) => Kept::Any([first, second, third].into_iter().flatten().chain(args).collect()),
        })
    }
}

impl<'a> IntoIterator for &'a Args {
    type Item = &'a usize;
    type IntoIter = std::slice::Iter<'a, usize>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for Args {
    fn eq(&self, other: &Args) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_arguments_reads_like_a_slice() {
        for count in 0..6 {
            let mut args: Args = (0..count).collect();
            assert_eq!(*args, (0..count).collect::<Vec<_>>());
            args.iter_mut().for_each(|a| *a += 1);
            assert_eq!(*args, (1..=count).collect::<Vec<_>>());
        }
        assert_eq!(size_of::<Args>(), size_of::<Vec<usize>>());
    }
}
