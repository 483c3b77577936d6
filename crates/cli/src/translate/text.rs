//! Blocks side by side on a terminal or in a file: guest, kind, host.

use super::{headline, kind, link};
use crate::failure::Failure;
use crate::output::{Console, Style};
use machine::Translated;

/// Shows one block.
pub fn show(console: &mut Console, block: &Translated) -> Result<(), Failure> {
    console.line("", Style::Plain)?;
    console.line(&headline(block), Style::Ours)?;
    let listing = &block.listing;
    rows(console, "", "budget", &listing.head)?;
    for entry in &listing.entries {
        let guest = format!("{:08X}  {}", entry.eip, entry.guest);
        rows(console, &guest, kind(entry), &entry.host)?;
    }
    let behind = listing.tail.len();
    console.line(&format!("  behind it {behind} host instructions for the rest"), Style::Plain)?;
    let mut links = block.links.iter();
    links.try_for_each(|l| console.line(&format!("  link {}", link(l)), Style::Plain))
}

/// One guest instruction and its host instructions.
fn rows(console: &mut Console, guest: &str, kind: &str, host: &[String]) -> Result<(), Failure> {
    let style = match kind {
        "identical" => Style::Colour(32),
        "re-encoded" => Style::Colour(36),
        "expanded" => Style::Colour(33),
        "callout" => Style::Colour(31),
        _ => Style::Plain,
    };
    let first = host.first().map_or("", String::as_str);
    console.line(format!("  {guest:<44} {kind:<10}  {first}").trim_end(), style)?;
    let mut others = host.iter().skip(1);
    others.try_for_each(|line| console.line(&format!("{:59}{line}", ""), style))
}
