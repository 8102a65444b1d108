//! The tables that are printed.

use std::collections::BTreeMap;

use super::Lines;
use super::prepare::Place;
use super::rivals::{HAND, Rival, TENET};
use super::watch::{Line, median};

fn of(lines: &Lines, measure: impl Fn(&Line) -> f64) -> f64 {
    median(&lines.values().map(measure).collect::<Vec<_>>())
}

fn number(value: f64) -> String {
    match value {
        value if value.is_nan() => "–".to_owned(),
        value if value < 0.1 => format!("{value:.5}"),
        value if value < 10.0 => format!("{value:.3}"),
        value => format!("{value:.1}"),
    }
}

/// Prints seconds, memory and ratios of one size; tells whether anybody found other violations than were planted.
pub(crate) fn print_size(size: &str, place: &Place, entrants: &[Rival], results: &BTreeMap<String, Lines>) -> bool {
    println!("\nsize {size}: seconds, medians of the rounds");
    println!("| | load | eval first | eval warm | load + eval | load CPU | eval CPU | peak MB | rounds | exact |");
    println!("| --- | --: | --: | --: | --: | --: | --: | --: | --: | --- |");
    let mut rows: Vec<(f64, String)> = Vec::new();
    let mut wrong = false;
    for rival in entrants {
        let Some(lines) = results.get(&rival.name) else { continue };
        let mut mistaken: Vec<&str> = lines.values().flat_map(|line| line.wrong.iter().map(String::as_str)).collect();
        mistaken.sort_unstable();
        mistaken.dedup();
        wrong |= !mistaken.is_empty();
        let exact = if mistaken.is_empty() { "yes".to_owned() } else { format!("NO: {}", mistaken.join(", ")) };
        let cells = [
            of(lines, |line| line.load),
            of(lines, |line| line.eval.first().copied().unwrap_or(f64::NAN)),
            of(lines, Line::warm),
            of(lines, Line::cold),
            of(lines, |line| line.load_cpu),
            of(lines, |line| median(&line.eval_cpu)),
        ];
        let cells: Vec<String> = cells.into_iter().map(number).collect();
        let peak = of(lines, |line| line.peak_mb);
        let row = format!("| {} | {} | {peak:.0} | {} | {exact} |", rival.name, cells.join(" | "), lines.len());
        rows.push((of(lines, Line::cold), row));
    }
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    rows.iter().for_each(|(_, row)| println!("{row}"));
    let (seconds, peak) = place.import;
    print!("tenet import tables (Parquet): {} s, {peak:.0} MB", number(seconds));
    match results.get(HAND) {
        Some(hand) => println!(", {:.1} times the load of {HAND}", seconds / of(hand, |line| line.load)),
        None => println!(),
    }
    let notes = results.get(TENET).into_iter().flat_map(BTreeMap::values).find(|line| !line.note.is_empty());
    notes.into_iter().for_each(|line| println!("tenet: {}", line.note));
    for to in [TENET, HAND] {
        print_ratios(size, entrants, results, to);
    }
    wrong
}

fn print_ratios(size: &str, entrants: &[Rival], results: &BTreeMap<String, Lines>, to: &str) {
    let Some(base) = results.get(to) else { return };
    println!("\nsize {size}: times {to}, by round, medians");
    println!("| | load | eval first | eval warm | load + eval | peak |");
    println!("| --- | --: | --: | --: | --: | --: |");
    for rival in entrants.iter().filter(|rival| rival.name != to) {
        let Some(lines) = results.get(&rival.name) else { continue };
        let ratio = |measure: &dyn Fn(&Line) -> f64| {
            let pairs = lines.iter().filter_map(|(round, line)| Some(measure(line) / measure(base.get(round)?)));
            number(median(&pairs.collect::<Vec<_>>()))
        };
        let first = |line: &Line| line.eval.first().copied().unwrap_or(f64::NAN);
        let cells = [ratio(&|line| line.load), ratio(&first), ratio(&Line::warm), ratio(&Line::cold), ratio(&|line| line.peak_mb)];
        println!("| {} | {} |", rival.name, cells.join(" | "));
    }
}

/// Prints how the time of tenet grows with the data.
pub(crate) fn print_scale(sizes: &[(String, Place, Lines)]) {
    if sizes.len() < 2 {
        return;
    }
    println!("\ntenet by size");
    println!("| size | role assignments | load + eval first, s | eval warm, ms | eval warm, ns a role assignment | import, s | peak MB |");
    println!("| --- | --: | --: | --: | --: | --: | --: |");
    for (size, place, lines) in sizes {
        let rows = assignments(place);
        let warm = of(lines, Line::warm);
        let cells = [
            format!("{rows}"),
            number(of(lines, Line::cold)),
            format!("{:.2}", warm * 1e3),
            format!("{:.1}", warm * 1e9 / rows),
            number(place.import.0),
            format!("{:.0}", of(lines, |line| line.peak_mb)),
        ];
        println!("| {size} | {} |", cells.join(" | "));
    }
}

fn assignments(place: &Place) -> f64 {
    let text = std::fs::read_to_string(place.data.join("meta.json")).unwrap_or_default();
    let meta: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    meta["counts"]["roleAssignments"].as_f64().unwrap_or(f64::NAN)
}
