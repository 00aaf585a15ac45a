//! `clarke explain --cost` as a user runs it.

mod common;

use common::{json, printed};

const ARGS: &[&str] = &["explain", "sum(abs(x))", "--at", "x=[1,2,0]", "--cost"];

#[test]
fn the_page_has_a_table_of_what_a_run_costs() {
    let text = printed(ARGS);
    let head = "cost of a run:\n                       value  with gradient  ratio\n  operations           6      15             2.5\n";
    assert!(text.contains(head), "{text}");
    assert!(!printed(&ARGS[..4]).contains("operations"));
}

#[test]
fn json_has_the_counts_where_they_are_asked_for() {
    let cost = &json(ARGS)["cost"];
    assert_eq!((cost["value"]["operations"].as_u64(), cost["ratio"].as_f64()), (Some(6), Some(2.5)));
    assert!(cost["gradient"]["bytes_workspace"].as_u64() > cost["gradient"]["bytes_live"].as_u64());
    assert!(json(&ARGS[..4]).get("cost").is_none());
}
