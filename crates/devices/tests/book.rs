//! The book's page on adding a device shows the template as it is.

const PAGE: &str = include_str!("../../../docs/book/src/adding-a-device.md");
const TEMPLATE: &str = include_str!("../src/_template.rs");

#[test]
fn all_code_of_the_page_is_the_templates() {
    let blocks: Vec<&str> = PAGE
        .split("```rust\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .collect();
    assert!(blocks.len() >= 5, "the page has lost its code");
    for block in blocks {
        assert!(TEMPLATE.contains(block), "the template has no such lines:\n{block}");
    }
}

#[test]
fn files_and_names_of_the_page_are_there() {
    let traffic = include_str!("traffic.rs");
    let board = include_str!("../../machine/src/board.rs");
    let fuzz = include_str!("../../machine/src/fuzz.rs");
    assert!(traffic.contains("fn new() -> Self") && traffic.contains("fn port()"));
    assert!(board.contains("fn wire_chips(") && fuzz.contains("const PORTS: ["));
}
