//! How wide a text is, without a font at hand: an estimate on the safe side, in pixels at 12 pixels a line.

/// Returns the estimated width of a text.
pub(super) fn width_of(text: &str) -> i32 {
    text.chars().map(width).sum()
}

fn width(c: char) -> i32 {
    match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | '(' | ')' | '[' | ']' | ' ' | '·' => 5,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 11,
        'A'..='Z' => 9,
        c if c.is_ascii() => 7,
        // Ideographs and signs are as wide as they are high.
        c if u32::from(c) >= 0x1100 => 13,
        _ => 9,
    }
}

/// Shortens a text to `width_max` pixels, with an ellipsis in place of what is cut.
pub(super) fn fitted(text: &str, width_max: i32) -> String {
    if width_of(text) <= width_max {
        return text.to_owned();
    }
    let mut left = width_max - 9;
    let mut short: String = text
        .chars()
        .take_while(|c| {
            left -= width(*c);
            left >= 0
        })
        .collect();
    short.truncate(short.trim_end().len());
    short.push('…');
    short
}
