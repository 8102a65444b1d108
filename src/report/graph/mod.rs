//! A tenant, or what lies around one subject of it, as a picture.
//!
//! In: a snapshot, the marks that findings leave on its entities, and what to draw. Out: a [`Picture`] of nodes and labelled
//! edges, and from it SVG, DOT, Mermaid or JSON.
//!
//! Invariants: every edge points the way access or recognition goes, so that what reaches a subject stands left of it; what
//! could not be read stands at its node as such; what is left out is counted; the same picture gives the same bytes; every
//! name is escaped for the format it is written to.
//!
//! - `picture`: nodes, edges, marks
//! - `ways`: what is drawn between which entities
//! - `gather`: walks them from the subject, within limits
//! - `layout`, `order`: ranks, order, coordinates
//! - `access`: a table in place of a picture: who reaches which subscription by which path
//! - `width`: how wide a text is
//! - `svg`, `text`: writers

mod access;
mod gather;
mod layout;
mod order;
mod picture;
mod svg;
mod text;
mod ways;
mod width;

pub use access::{AccessMap, AccessPath, AccessRow, Reached, access_map};
pub use gather::{Limits, Marked, Seed, draw};
pub use picture::{Arrow, ArrowKind, Marks, Node, NodeKind, Picture};
pub use svg::{SVG_STYLE, write_svg, write_svg_inline};
pub use text::{write_dot, write_json, write_mermaid};
