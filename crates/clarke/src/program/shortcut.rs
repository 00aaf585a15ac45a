//! What compiled programs compute in place of a kernel.

/// What a compiled program computes in place of a kernel, with the same bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shortcut {
    /// Nothing: the value is a stretch of the argument's numbers, from this position on.
    Window(usize),
    /// Zeros but for a stretch, from this position on, that holds the argument's numbers.
    Pad(usize),
    /// The sum of all numbers, in the one order in which sums are added up, divided by this.
    Total(f64),
}

impl Shortcut {
    /// Whether nothing is computed.
    pub fn is_window(self) -> bool {
        matches!(self, Shortcut::Window(_))
    }
}
