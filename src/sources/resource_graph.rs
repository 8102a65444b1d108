//! Rows of Azure Resource Graph, which name the same objects as Azure Resource Manager with other casing.

use serde_json::{Map, Value};

/// Returns the rows of an answer, if it is one: `data` as objects, or as a table of columns and rows.
pub(super) fn rows(answer: &Map<String, Value>) -> Option<Vec<Value>> {
    let data = answer.get("data")?;
    let counted = ["count", "totalRecords", "total_records", "resultTruncated"].iter().any(|name| answer.contains_key(*name));
    match data {
        Value::Array(rows) if counted || answer.len() == 1 => Some(rows.clone()),
        Value::Object(table) => table_rows(table),
        _ => None,
    }
}

fn table_rows(table: &Map<String, Value>) -> Option<Vec<Value>> {
    let columns: Vec<String> = table
        .get("columns")?
        .as_array()?
        .iter()
        .map(|column| column.get("name").or(Some(column)).and_then(Value::as_str).unwrap_or("?").to_owned())
        .collect();
    let rows = table.get("rows")?.as_array()?.iter().map(|row| {
        let cells = row.as_array().map(Vec::as_slice).unwrap_or_default();
        Value::Object(columns.iter().cloned().zip(cells.iter().cloned()).collect())
    });
    Some(rows.collect())
}
