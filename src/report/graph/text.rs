//! A picture as text for other tools: DOT, Mermaid, JSON.

use std::fmt::Write as _;

use serde::Serialize;

use super::super::escape::{plain, plain_json};
use super::picture::{Arrow, ArrowKind, Node, NodeKind, Picture};
use super::svg::kind_words;

/// The text of a node, line by line, not escaped for any format yet.
fn lines_of(node: &Node) -> Vec<String> {
    let mut lines = Vec::new();
    if !node.entity.is_empty() {
        lines.push(node.entity.clone());
    }
    lines.push(plain(&node.name));
    if !node.marks.is_empty() {
        lines.push(node.marks.words());
    }
    lines.extend(node.gaps.iter().map(|gap| format!("? {}", plain(gap))));
    if node.left_out > 0 && node.kind != NodeKind::More {
        lines.push(format!("… and {} more, not drawn", node.left_out));
    }
    lines
}

fn caption_of(edge: &Arrow) -> String {
    let caption = plain(&edge.caption());
    if caption.is_empty() { kind_words(edge.kind).to_owned() } else { caption }
}

/// Writes a picture in the language of Graphviz.
#[must_use]
pub fn write_dot(picture: &Picture) -> String {
    let mut out =
        format!("digraph tenet {{\n  label={};\n  labelloc=t;\n  rankdir=LR;\n  node [shape=box];\n", quoted(&[plain(&picture.title)]));
    for note in &picture.notes {
        let _ = writeln!(out, "  // {}", plain(note));
    }
    for (at, node) in picture.nodes.iter().enumerate() {
        let shape = match node.kind {
            NodeKind::Tenant => "box3d",
            NodeKind::Scope => "box",
            NodeKind::Principal => "ellipse",
            NodeKind::Partner => "octagon",
            NodeKind::Record => "note",
            NodeKind::More => "plaintext",
        };
        let style = match (node.focus, node.marks.gravest()) {
            (_, "fail") => ", penwidth=3, color=\"#b42318\"",
            (_, "unknown") => ", style=dashed, penwidth=2",
            (true, _) => ", penwidth=2",
            _ => "",
        };
        let _ = writeln!(out, "  n{at} [label={}, shape={shape}{style}];", quoted(&lines_of(node)));
    }
    for edge in &picture.edges {
        let style = match edge.kind {
            ArrowKind::Eligible => ", style=dashed",
            ArrowKind::Ended | ArrowKind::Refers => ", style=dotted",
            _ => "",
        };
        let _ = writeln!(out, "  n{} -> n{} [label={}{style}];", edge.from, edge.to, quoted(&[caption_of(edge)]));
    }
    out.push_str("}\n");
    out
}

/// Quotes lines for DOT, where a backslash would begin an escape of its own.
fn quoted(lines: &[String]) -> String {
    let safe: Vec<String> = lines.iter().map(|line| line.replace('\\', "\\\\").replace('"', "\\\"")).collect();
    format!("\"{}\"", safe.join("\\n"))
}

/// Writes a picture in the language of Mermaid, as code hosts show it.
#[must_use]
pub fn write_mermaid(picture: &Picture) -> String {
    let mut out = String::from("flowchart LR\n");
    for note in std::iter::once(&picture.title).chain(&picture.notes) {
        // A comment of Mermaid ends with its line; a brace would begin a directive.
        let _ = writeln!(out, "  %% {}", plain(note).replace(['{', '}'], " "));
    }
    for (at, node) in picture.nodes.iter().enumerate() {
        let text = lines_of(node).iter().map(|line| entities(line)).collect::<Vec<_>>().join("<br/>");
        let (open, close) = match node.kind {
            NodeKind::Tenant => ("[[", "]]"),
            NodeKind::Scope => ("[", "]"),
            NodeKind::Principal => ("([", "])"),
            NodeKind::Partner => ("{{", "}}"),
            NodeKind::Record => ("[/", "/]"),
            NodeKind::More => ("(", ")"),
        };
        let class = match (node.marks.gravest(), node.focus) {
            ("fail", _) => ":::fail",
            ("unknown", _) => ":::unknown",
            (_, true) => ":::focus",
            _ => "",
        };
        let _ = writeln!(out, "  n{at}{open}\"{text}\"{close}{class}");
    }
    for edge in &picture.edges {
        let arrow = match edge.kind {
            ArrowKind::Eligible | ArrowKind::Ended | ArrowKind::Refers => "-.->",
            _ => "-->",
        };
        let _ = writeln!(out, "  n{} {arrow}|\"{}\"| n{}", edge.from, entities(&caption_of(edge)), edge.to);
    }
    out.push_str("  classDef fail stroke:#b42318,stroke-width:3px\n");
    out.push_str("  classDef unknown stroke-width:2px,stroke-dasharray:6 3\n");
    out.push_str("  classDef focus stroke-width:2px\n");
    out
}

/// Writes everything but letters, digits and a few harmless signs as numeric entities of Mermaid.
fn entities(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() || matches!(c, ' ' | '.' | ',' | '-' | '@' | '·' | '…') {
            safe.push(c);
        } else {
            let _ = write!(safe, "#{};", u32::from(c));
        }
    }
    safe
}

/// The file: the picture with the name of its format.
#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    #[serde(flatten)]
    picture: &'a Picture,
}

/// Writes a picture as `tenet.graph/v1`.
///
/// # Errors
/// None that this picture could give rise to; serialization is fallible by type.
pub fn write_json(picture: &Picture) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string_pretty(&Document { format: "tenet.graph/v1", picture })?;
    Ok(plain_json(&text) + "\n")
}
