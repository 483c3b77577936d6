//! Blocks as one HTML page that needs nothing else: no script, no font, no other file.

use super::{Survey, headline, kind, link};
use machine::{Translated, TranslatedEntry};

const STYLE: &str = "\
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%;font:13px/1.45 ui-monospace,monospace}
td{vertical-align:top;padding:.15rem .6rem;white-space:pre;border-top:1px solid #8883}
td:last-child{width:55%}
section{margin:2rem 0;overflow-x:auto}
h2{font-size:1rem;margin-bottom:.4rem}
section:target h2{text-decoration:underline}
pre{font:13px/1.45 ui-monospace,monospace}
.identical{background:#2a92}
.re-encoded{background:#29c2}
.expanded{background:#ca22}
.callout{background:#d442}
.key span{padding:.15rem .5rem;margin-right:.5rem}";

const KEY: &str = "<p class=\"key\"><span class=\"identical\">identical: the guest's very bytes</span>\
<span class=\"re-encoded\">re-encoded: one host instruction, other bytes</span>\
<span class=\"expanded\">expanded: a sequence</span>\
<span class=\"callout\">callout: the interpreter, on virtual state</span></p>";

/// The whole page.
pub fn page(survey: &Survey) -> String {
    let blocks: String = survey.blocks.iter().map(|block| section(survey, block)).collect();
    let rest = survey
        .rest
        .as_deref()
        .map_or_else(String::new, |rest| format!("<p>{}</p>\n", escape(rest)));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <title>Guest code and host code</title>\n<style>\n{STYLE}\n</style>\n</head>\n<body>\n\
         <h1>Guest code and host code</h1>\n<p>{}</p>\n{KEY}\n{blocks}{rest}</body>\n</html>\n",
        escape(&survey.heading)
    )
}

fn section(survey: &Survey, block: &Translated) -> String {
    let head = row("", "", "budget", &block.listing.head);
    let rows: String = block.listing.entries.iter().map(entry).collect();
    let links: String = block.links.iter().map(|l| item(survey, l)).collect();
    let links = if links.is_empty() { links } else { format!("<ul>\n{links}</ul>\n") };
    format!(
        "<section id=\"h{:x}\">\n<h2>{}</h2>\n<table>\n{head}{rows}</table>\n{links}\
         <details><summary>behind it: {} host instructions for the rest</summary>\
         <pre>{}</pre></details>\n</section>\n",
        block.host,
        escape(&headline(block)),
        block.listing.tail.len(),
        escape(&block.listing.tail.join("\n"))
    )
}

fn entry(entry: &TranslatedEntry) -> String {
    let guest = format!("{:08X}  {}", entry.eip, entry.guest);
    row(kind(entry), &guest, kind(entry), &entry.host)
}

fn row(class: &str, guest: &str, kind: &str, host: &[String]) -> String {
    let (guest, host) = (escape(guest), escape(&host.join("\n")));
    format!("<tr class=\"{class}\"><td>{guest}</td><td>{kind}</td><td>{host}</td></tr>\n")
}

/// A way out; one can follow it where the block it leads to is on the page.
fn item(survey: &Survey, way: &machine::Link) -> String {
    let text = escape(&link(way));
    match way.to.filter(|to| survey.blocks.iter().any(|block| block.host == *to)) {
        Some(to) => format!("<li><a href=\"#h{to:x}\">{text}</a></li>\n"),
        None => format!("<li>{text}</li>\n"),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
