//! The report an auditor keeps: one HTML page that asks nobody for anything.
//!
//! In: a result, and the snapshot if it is at hand. Out: a page with its own style and script, which is usable without the
//! script. Order: what was run, the verdict and every count, what could not be looked at, what is new, waivers and
//! attestations, an overview, the findings by rule and subscription, every rule with its result.
//!
//! Invariants: no request leaves the page (a strict content security policy with the digests of the one style and the one
//! script); every text goes through [`text::Text`] and the escaping of the template engine; nothing is said by color alone;
//! the page is also well-formed XML; what is left out is counted; the same result and snapshot give the same bytes.
//!
//! - `page`: the template and its parts
//! - `head`: verdict in words, what was not read, waivers, attestations
//! - `findings`: findings in their order, with evidence within a budget of bytes
//! - `overview`: rules by subscriptions, and the partner map
//! - `surroundings`: what only the snapshot knows: subscriptions of records, pictures
//! - `text`: what may stand in the page

mod findings;
mod head;
mod overview;
mod page;
mod surroundings;
mod text;

use std::io::{self, Write};

use super::saved::ResultSource;
pub use surroundings::Surroundings;

/// Writes the page.
///
/// # Errors
/// What `output` says, and what reading says.
pub(super) fn write(result: &dyn ResultSource, surroundings: Option<Surroundings<'_>>, output: &mut dyn Write) -> io::Result<()> {
    let page = page::Page::of(result, surroundings)?;
    output.write_all(page.written()?.as_bytes())?;
    output.write_all(b"\n")
}
