//! The words and pictures of Clarke's faces: what is said of a program at a point, and of runs, as text, JSON, HTML and
//! pictures.
//!
//! The command line and the Python package say the same of a program, in the same words, fields and colours, since both
//! say it with this crate. It knows no mathematics: what it shows, the library `clarke` has computed. It prints nothing
//! and writes no files.
//!
//! | to | see |
//! |---|---|
//! | explain a program at a point | [`Explanation`] |
//! | say what a set or a judgement is | [`set_text`], [`judgement_text`] |
//! | say what is known of the point where a run ended | [`ConclusionReport`], [`conclusion_text`] |
//! | draw a function of one or two numbers, or a set | [`picture`], [`set_picture`] |
//! | say what a check of a gradient found | [`check_json`] |
//! | report a run as a page, and compare runs | [`report`] |
//! | write arrays as JSON | [`Named`], [`Nested`], [`Bounds`] |
//! | write numbers, arrays, tables and paragraphs | [`words`] |

#![warn(missing_docs)]

mod check;
mod conclusion;
mod explain;
mod json;
mod plot;
pub mod report;
pub mod words;

pub use check::check_json;
pub use conclusion::{ConclusionReport, conclusion_blocks, conclusion_text};
pub use explain::{
    Backprop, CostReport, Entry, Explanation, Least, SetReport, SetsReport, TieMet, Written, judgement_text, set_text,
};
pub use json::{Bounds, Named, Nested};
pub use plot::{
    Picture, PictureError, PictureFormat, Subject, check_count, check_range, drawable, picture, set_picture,
};
