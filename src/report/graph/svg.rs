//! A picture as SVG: of its own, or inside a page whose style sheet holds [`SVG_STYLE`].

use std::fmt::Write as _;

use super::super::escape::plain;
use super::layout::{Layout, Line, Point, Size, layout};
use super::picture::{Arrow, ArrowKind, Node, NodeKind, Picture};
use super::width::{fitted, width_of};

/// Colors and lines. Nothing is said by color alone: marks are signs and words, kinds are shapes and words.
pub const SVG_STYLE: &str = ".tg{font:12px/1.3 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;max-width:100%;height:auto}\
.tg text{fill:#1f2328}.tg .k{font-size:10.5px;fill:#57606a}.tg .h{font-weight:600}.tg .c{font-size:10.5px;text-anchor:middle;fill:#424a53}.tg .u{fill:#fff}\
.tg .b{fill:#fff;stroke:#818b98}.tg .focus .b{fill:#eef2f7;stroke:#1f2328;stroke-width:2}.tg .more .b{fill:none;stroke:#818b98;stroke-dasharray:2 3}\
.tg .fail .b{stroke:#b42318;stroke-width:2.5}.tg .unknown .b{stroke:#8a5200;stroke-width:2;stroke-dasharray:6 3}.tg .m{font-weight:600}.tg .fail .m{fill:#b42318}.tg .unknown .m,.tg .g{fill:#8a5200}.tg .pending .m{fill:#175cd3}.tg .waived .m{fill:#5b3fb0}\
.tg .e{fill:none;stroke:#6e7781;stroke-width:1.2}.tg .contains{stroke:#a5afba}.tg .eligible{stroke-dasharray:6 4}.tg .ended{stroke-dasharray:1.5 4}.tg .refers{stroke-dasharray:3 2;stroke:#a5afba}.tg .ef{stroke:#b42318;stroke-width:2}.tg .about{stroke:#1f2328;stroke-width:2.2}\
@media screen and (prefers-color-scheme:dark){.tg text{fill:#e6e8eb}.tg .k{fill:#a9b2bc}.tg .c{fill:#c3cad2}.tg .u{fill:#15181c}.tg .b{fill:#1c2025;stroke:#6e7781}.tg .focus .b{fill:#262c34;stroke:#e6e8eb}.tg .fail .b{stroke:#ff8a80}.tg .unknown .b{stroke:#f0b95c}.tg .fail .m{fill:#ff8a80}.tg .unknown .m,.tg .g{fill:#f0b95c}.tg .pending .m{fill:#8ab4ff}.tg .waived .m{fill:#c3b1ff}.tg .e{stroke:#8c959f}.tg .contains,.tg .refers{stroke:#59636e}.tg .ef{stroke:#ff8a80}.tg .about{stroke:#e6e8eb}}";

/// Widths in pixels beyond which texts are cut.
const NAME_WIDTH_MAX: i32 = 265;
const CAPTION_WIDTH_MAX: i32 = 250;
const LINE_HEIGHT: i32 = 16;
/// Lists named at a node as not whole.
const GAPS_MAX: usize = 2;
/// Edges told in words beside a picture.
const TOLD_MAX: usize = 60;

/// Writes a picture as a file of its own, with a legend.
#[must_use]
pub fn write_svg(picture: &Picture) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    write(picture, true, &mut out);
    out
}

/// Writes a picture to stand inside a page.
#[must_use]
pub fn write_svg_inline(picture: &Picture) -> String {
    let mut out = String::new();
    write(picture, false, &mut out);
    out
}

/// One line of a node's text and its class.
type TextLine = (&'static str, String);

fn write(picture: &Picture, whole: bool, out: &mut String) {
    let texts: Vec<Vec<TextLine>> = picture.nodes.iter().map(lines_of).collect();
    let sizes: Vec<Size> = texts.iter().map(|lines| size_of(lines)).collect();
    let lines: Vec<Line> = picture.edges.iter().map(|edge| Line { from: edge.from, to: edge.to, caption: caption_size(edge) }).collect();
    let made = layout(&sizes, &lines);
    let notes = if whole { legend(picture) } else { Vec::new() };
    let widest = notes.iter().map(|note| width_of(note) + 24).max().unwrap_or(0);
    let (width, height) = (made.size.x.max(widest), made.size.y + LINE_HEIGHT * i32::try_from(notes.len()).unwrap_or(0));
    let title = xml(&picture.title);
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"tg\" role=\"img\" aria-label=\"{title}\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">"
    );
    let _ = write!(out, "<desc>{}</desc>", xml(&told(picture)));
    if whole {
        let _ = write!(
            out,
            "<title>{title}</title><style>{SVG_STYLE}\nsvg{{background:#fff}}@media screen and (prefers-color-scheme:dark){{svg{{background:#15181c}}}}</style>"
        );
    }
    edges(picture, &made, out);
    for (((node, lines), at), size) in picture.nodes.iter().zip(&texts).zip(&made.nodes).zip(&sizes) {
        write_node(node, lines, *at, *size, out);
    }
    for (n, note) in (0_i32..).zip(&notes) {
        let _ = write!(out, "<text class=\"k\" x=\"12\" y=\"{}\">{}</text>", made.size.y + 8 + n * LINE_HEIGHT, xml(note));
    }
    out.push_str("</svg>");
    if whole {
        out.push('\n');
    }
}

fn lines_of(node: &Node) -> Vec<TextLine> {
    let mut lines = Vec::new();
    if node.kind == NodeKind::More {
        return vec![("k", fitted(&plain(&node.name), NAME_WIDTH_MAX))];
    }
    lines.push(("k", fitted(&node.entity, NAME_WIDTH_MAX)));
    lines.push(("h", fitted(&plain(&node.name), NAME_WIDTH_MAX)));
    if !node.marks.is_empty() {
        lines.push(("m", fitted(&node.marks.words(), NAME_WIDTH_MAX)));
    }
    for gap in node.gaps.iter().take(GAPS_MAX) {
        lines.push(("k g", fitted(&format!("? {}", plain(gap)), NAME_WIDTH_MAX)));
    }
    if node.gaps.len() > GAPS_MAX {
        lines.push(("k g", format!("? and {} more lists", node.gaps.len() - GAPS_MAX)));
    }
    if node.left_out > 0 {
        lines.push(("k", format!("… and {} more, not drawn", node.left_out)));
    }
    lines
}

fn size_of(lines: &[TextLine]) -> Size {
    // Names and marks are bold, which is wider.
    let width = |(class, text): &TextLine| width_of(text) * if class.starts_with('k') { 8 } else { 9 } / 8;
    let widest = lines.iter().map(width).max().unwrap_or(0);
    Size { width: widest + 22, height: LINE_HEIGHT * i32::try_from(lines.len()).unwrap_or(1) + 12 }
}

fn caption_of(edge: &Arrow) -> String {
    fitted(&plain(&edge.caption()), CAPTION_WIDTH_MAX)
}

fn caption_size(edge: &Arrow) -> Size {
    // Captions are smaller than the text that widths are estimated for.
    let width = width_of(&caption_of(edge)) * 7 / 8;
    Size { width: if width == 0 { 0 } else { width + 8 }, height: LINE_HEIGHT }
}

fn edges(picture: &Picture, made: &Layout, out: &mut String) {
    for (edge, points) in picture.edges.iter().zip(&made.edges) {
        let class = match (edge.focus, edge.marks.fail) {
            (true, _) => " about",
            (false, 1..) => " ef",
            _ => "",
        };
        let _ = write!(out, "<path class=\"e {}{class}\" d=\"{}\"/>", kind_class(edge.kind), path_data(points));
    }
    for (edge, at) in picture.edges.iter().zip(&made.captions) {
        let caption = caption_of(edge);
        if !caption.is_empty() {
            // The line behind it stops where the caption stands.
            let width = caption_size(edge).width - 2;
            let _ = write!(out, "<rect class=\"u\" x=\"{}\" y=\"{}\" width=\"{width}\" height=\"12\"/>", at.x - width / 2, at.y - 6);
            let _ = write!(out, "<text class=\"c\" x=\"{}\" y=\"{}\">{}</text>", at.x, at.y + 4, xml(&caption));
        }
    }
}

/// Draws a curve through all points, and the head of an arrow at its end.
fn path_data(points: &[Point]) -> String {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return String::new() };
    let mut data = format!("M{},{}", first.x, first.y);
    if points.len() == 1 {
        // From a node to itself.
        let _ = write!(data, "c22,-18 22,18 1,6");
        return data;
    }
    for pair in points.windows(2) {
        let [from, to] = pair else { continue };
        if from.y == to.y {
            let _ = write!(data, "H{}", to.x);
        } else {
            let middle = i32::midpoint(from.x, to.x);
            let _ = write!(data, "C{middle},{} {middle},{} {},{}", from.y, to.y, to.x, to.y);
        }
    }
    let back = if first.x <= last.x { -6 } else { 6 };
    let _ = write!(data, "M{},{}L{},{}L{},{}", last.x + back, last.y - 3, last.x, last.y, last.x + back, last.y + 3);
    data
}

fn kind_class(kind: ArrowKind) -> &'static str {
    match kind {
        ArrowKind::Contains => "contains",
        ArrowKind::Grants => "grants",
        ArrowKind::Eligible => "eligible",
        ArrowKind::Member => "member",
        ArrowKind::Delegates => "delegates",
        ArrowKind::Names => "names",
        ArrowKind::Ended => "ended",
        ArrowKind::Refers => "refers",
    }
}

fn write_node(node: &Node, lines: &[TextLine], at: Point, size: Size, out: &mut String) {
    let focus = if node.focus { " focus" } else { "" };
    let more = if node.kind == NodeKind::More { " more" } else { "" };
    let _ = write!(out, "<g class=\"{}{focus}{more}\">", node.marks.gravest());
    if let Some(id) = &node.id {
        let _ = write!(out, "<title>{} {} ({})</title>", xml(&node.entity), xml(&plain(&node.name)), xml(&plain(id)));
    }
    shape(node.kind, at, size, out);
    for (n, (class, text)) in (0_i32..).zip(lines) {
        let _ = write!(out, "<text class=\"{class}\" x=\"{}\" y=\"{}\">{}</text>", at.x + 11, at.y + 18 + n * LINE_HEIGHT, xml(text));
    }
    out.push_str("</g>");
}

/// Each kind has an outline of its own.
fn shape(kind: NodeKind, at: Point, size: Size, out: &mut String) {
    let (Point { x, y }, Size { width, height }) = (at, size);
    let rect = |radius: i32| format!("<rect class=\"b\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{radius}\"/>");
    let cut = 7;
    out.push_str(&match kind {
        NodeKind::Scope => rect(2),
        NodeKind::Principal => rect(14),
        NodeKind::More => rect(6),
        NodeKind::Tenant => {
            let inner = format!("<path class=\"b\" d=\"M{},{}v{}\"/>", x + 5, y, height);
            rect(0) + &inner
        }
        NodeKind::Partner => format!(
            "<path class=\"b\" d=\"M{},{y}h{}l{cut},{cut}v{}l-{cut},{cut}h-{}l-{cut},-{cut}v-{}z\"/>",
            x + cut,
            width - 2 * cut,
            height - 2 * cut,
            width - 2 * cut,
            height - 2 * cut
        ),
        NodeKind::Record => format!("<path class=\"b\" d=\"M{x},{y}h{}l{cut},{cut}v{}h-{width}z\"/>", width - cut, height - cut),
    });
}

/// Tells the picture in words, for readers who do not see it.
fn told(picture: &Picture) -> String {
    let name = |at: usize| picture.nodes.get(at).map_or("?", |node| node.name.as_str());
    let mut said: Vec<String> = vec![format!("{} nodes, {} connections.", picture.nodes.len(), picture.edges.len())];
    for edge in picture.edges.iter().take(TOLD_MAX) {
        let caption = edge.caption();
        let relation = if caption.is_empty() { kind_words(edge.kind).to_owned() } else { caption };
        said.push(format!("{} → {}: {relation}.", name(edge.from), name(edge.to)));
    }
    if picture.edges.len() > TOLD_MAX {
        said.push(format!("And {} more connections.", picture.edges.len() - TOLD_MAX));
    }
    plain(&said.join(" "))
}

pub(super) fn kind_words(kind: ArrowKind) -> &'static str {
    match kind {
        ArrowKind::Contains => "contains",
        ArrowKind::Grants => "holds a role",
        ArrowKind::Eligible => "can activate a role",
        ArrowKind::Member => "member of",
        ArrowKind::Delegates => "delegation",
        ArrowKind::Names => "recorded",
        ArrowKind::Ended => "ended",
        ArrowKind::Refers => "refers to",
    }
}

fn legend(picture: &Picture) -> Vec<String> {
    let mut notes = vec![
        format!("{}. Arrows go the way access goes: what reaches a scope stands left of it.", plain(&picture.title)),
        "✗ fail (thick outline) · ? unknown (dashed outline) · ◷ pending · ∅ waived. Dashed arrow: can be activated; dotted: ended."
            .to_owned(),
        "Resource groups and resources on which nobody holds access of their own are not drawn.".to_owned(),
    ];
    notes.extend(picture.notes.iter().map(|note| format!("Note: {}.", plain(note))));
    notes
}

/// Escapes text for XML and HTML, in content and in attributes.
pub(super) fn xml(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // XML cannot hold these two at all.
            '\u{FFFE}' | '\u{FFFF}' => safe.push('\u{FFFD}'),
            c => safe.push(c),
        }
    }
    safe
}
