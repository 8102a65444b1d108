//! A line of the journal as it stands in the file, and the chain that ties each line to the one before.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::super::plan_file::{decode_plan, encode_plan, wire};
use crate::model::{canonical_json, sha256_hex};
use crate::remedy::journal::{Entry, Kind, Opened, Stage as CoreStage};

/// What the first line has in place of the hash of the line before.
pub(super) const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case", deny_unknown_fields)]
enum Data {
    Open { plan: Json, digest: String, principal: String, tool: String, approved_by: Vec<String> },
    Resume { principal: String, dropped_bytes: u64 },
    Recheck { moved: Vec<String> },
    Begin { undo: wire::Undo, telling: bool },
    Sent { status: u16, request_id: Option<String>, removed: Option<Json>, answered: BTreeMap<String, String> },
    Ok {},
    Failed { stage: Stage, status: Option<u16>, request_id: Option<String>, message: String },
    Unknown { message: String },
    Verified { readings: u32 },
    Skipped { message: String },
    Close {},
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    NotSent,
    Refused,
    NoEffect,
    NotSeen,
}

/// Writes an entry as a line, with its hash.
pub(super) fn encode(seq: u64, prev: &str, entry: &Entry) -> Result<(String, String), String> {
    let mut line = match serde_json::to_value(data(&entry.kind)?).map_err(|error| error.to_string())? {
        Json::Object(line) => line,
        _ => Map::new(),
    };
    line.insert("seq".to_owned(), seq.into());
    line.insert("prev".to_owned(), prev.into());
    line.insert("t".to_owned(), entry.at.to_string().into());
    line.insert("step".to_owned(), entry.step.clone().into());
    let hash = hash(&line)?;
    line.insert("hash".to_owned(), hash.clone().into());
    let text = canonical_json(&Json::Object(line)).map_err(|error| error.to_string())?;
    Ok((text + "\n", hash))
}

/// The sha256 of the canonical form of a line without its hash.
fn hash(line: &Map<String, Json>) -> Result<String, String> {
    let text = canonical_json(&Json::Object(line.clone())).map_err(|error| error.to_string())?;
    Ok(sha256_hex(text.as_bytes()))
}

/// Reads a line (without its end); `seq` and `prev` are what it must say.
pub(super) fn decode(text: &[u8], seq: u64, prev: &str) -> Result<(Entry, String), String> {
    let mut line: Map<String, Json> = serde_json::from_slice(text).map_err(|error| format!("not a line of a journal: {error}"))?;
    if canonical_json(&Json::Object(line.clone())).map_err(|error| error.to_string())?.as_bytes() != text {
        return Err("it is not in canonical form".to_owned());
    }
    let found = text_member(&mut line, "hash")?;
    if hash(&line)? != found {
        return Err("its hash is not that of its contents".to_owned());
    }
    if line.remove("seq") != Some(seq.into()) {
        return Err(format!("it is not number {seq}"));
    }
    if text_member(&mut line, "prev")? != prev {
        return Err("it does not follow the line before it".to_owned());
    }
    let at = text_member(&mut line, "t")?;
    let at = at.parse().map_err(|_| format!("`{at}` is not a time"))?;
    let step = match line.remove("step") {
        Some(Json::Null) => None,
        Some(Json::String(step)) => Some(step),
        _ => return Err("`step` is missing".to_owned()),
    };
    let data: Data = serde_json::from_value(Json::Object(line)).map_err(|error| error.to_string())?;
    Ok((Entry { at, step, kind: kind(data)? }, found))
}

fn text_member(line: &mut Map<String, Json>, name: &str) -> Result<String, String> {
    match line.remove(name) {
        Some(Json::String(text)) => Ok(text),
        _ => Err(format!("`{name}` is missing")),
    }
}

fn data(kind: &Kind) -> Result<Data, String> {
    Ok(match kind.clone() {
        Kind::Open(opened) => {
            let file = encode_plan(opened.plan)?;
            Data::Open {
                plan: serde_json::from_slice(&file.bytes).map_err(|error| error.to_string())?,
                digest: file.digest,
                principal: opened.principal,
                tool: opened.tool,
                approved_by: opened.approved_by,
            }
        }
        Kind::Resume { principal, dropped_bytes } => Data::Resume { principal, dropped_bytes },
        Kind::Recheck { moved } => Data::Recheck { moved },
        Kind::Begin { undo, telling } => Data::Begin { undo: undo.into(), telling },
        Kind::Sent { status, request_id, removed, answered } => Data::Sent { status, request_id, removed, answered },
        Kind::Ok => Data::Ok {},
        Kind::Failed { stage, status, request_id, message } => {
            let stage = match stage {
                CoreStage::NotSent => Stage::NotSent,
                CoreStage::Refused => Stage::Refused,
                CoreStage::NoEffect => Stage::NoEffect,
                CoreStage::NotSeen => Stage::NotSeen,
            };
            Data::Failed { stage, status, request_id, message }
        }
        Kind::Unknown { message } => Data::Unknown { message },
        Kind::Verified { readings } => Data::Verified { readings },
        Kind::Skipped { message } => Data::Skipped { message },
        Kind::Close => Data::Close {},
    })
}

fn kind(data: Data) -> Result<Kind, String> {
    Ok(match data {
        Data::Open { plan, digest, principal, tool, approved_by } => {
            let text = canonical_json(&plan).map_err(|error| error.to_string())?;
            let file = decode_plan(text.as_bytes(), "plan".as_ref()).map_err(|error| error.to_string())?;
            if file.digest != digest {
                return Err("its digest is not that of the plan in it".to_owned());
            }
            Kind::Open(Box::new(Opened { plan: file.plan, digest, principal, tool, approved_by }))
        }
        Data::Resume { principal, dropped_bytes } => Kind::Resume { principal, dropped_bytes },
        Data::Recheck { moved } => Kind::Recheck { moved },
        Data::Begin { undo, telling } => Kind::Begin { undo: undo.into(), telling },
        Data::Sent { status, request_id, removed, answered } => Kind::Sent { status, request_id, removed, answered },
        Data::Ok {} => Kind::Ok,
        Data::Failed { stage, status, request_id, message } => {
            let stage = match stage {
                Stage::NotSent => CoreStage::NotSent,
                Stage::Refused => CoreStage::Refused,
                Stage::NoEffect => CoreStage::NoEffect,
                Stage::NotSeen => CoreStage::NotSeen,
            };
            Kind::Failed { stage, status, request_id, message }
        }
        Data::Unknown { message } => Kind::Unknown { message },
        Data::Verified { readings } => Kind::Verified { readings },
        Data::Skipped { message } => Kind::Skipped { message },
        Data::Close {} => Kind::Close,
    })
}
