//! The documents for people: aligned, and in the same order every time. Pure.

use crate::status::{RouteStatus, Routes, Status};
use std::fmt::Write;

/// Rows of text as columns, two blanks apart.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn row(cells: &[&str]) -> Vec<String> {
    cells.iter().map(ToString::to_string).collect()
}

/// The routes, one a line.
pub fn routes(routes: &Routes) -> String {
    let mut rows = vec![row(&["KIND", "PREFIX", "VIA", "DEV", "NODE", "STATE"])];
    rows.extend(routes.routes.iter().map(|route| {
        let RouteStatus {
            kind,
            prefix,
            via,
            dev,
            node,
            state,
            detail,
        } = route;
        let via: Vec<String> = via.iter().map(ToString::to_string).collect();
        let node = node.as_ref().map(ToString::to_string);
        let state = match detail {
            Some(detail) => format!("{state}: {detail}"),
            None => state.clone(),
        };
        let dash = |text: String| {
            if text.is_empty() {
                "-".to_owned()
            } else {
                text
            }
        };
        vec![
            kind.clone(),
            prefix.to_string(),
            dash(via.join(",")),
            dash(dev.join(",")),
            dash(node.unwrap_or_default()),
            state,
        ]
    }));
    aligned(&rows)
}

/// The status, a paragraph for each part that has something to say.
pub fn status(status: &Status) -> String {
    let mut text = summary(status);
    list(&mut text, "Not ready because", &status.reasons);
    let mut rows = vec![row(&["SOURCE", "STATE", "OBJECTS"])];
    rows.extend(status.sources.iter().map(|source| {
        let state = match &source.error {
            Some(error) => format!("{}: {error}", source.state),
            None => source.state.clone(),
        };
        vec![source.kind.to_string(), state, source.objects.to_string()]
    }));
    paragraph(&mut text, &aligned(&rows));
    if !status.blocks.is_empty() {
        let mut rows = vec![row(&["BLOCK", "POOL", "STATE"])];
        rows.extend(status.blocks.iter().map(|block| {
            let state = format!("{:?}", block.state);
            vec![block.cidr.to_string(), block.pool.to_string(), state]
        }));
        paragraph(&mut text, &aligned(&rows));
    }
    if !status.addresses.is_empty() {
        paragraph(&mut text, &addresses(status));
    }
    let refused = status.refused.iter();
    let refused: Vec<String> = refused
        .map(|r| format!("{} {}: {}", r.kind, r.origin, r.error))
        .collect();
    list(&mut text, "Refused", &refused);
    list(&mut text, "Unknown fields, ignored", &status.unknown_fields);
    let mut because = |title: &str, lines: &[String]| {
        // What keeps the node from being ready often keeps it from these as well.
        let said = lines.iter().all(|line| status.reasons.contains(line));
        let above = ["the reasons above".to_owned()];
        let lines = if said && !lines.is_empty() {
            &above
        } else {
            lines
        };
        list(&mut text, title, lines);
    };
    because("No further block because of", &status.claims);
    because("Removals held because of", &status.removals_held);
    let skipped = status.skipped.iter();
    let skipped: Vec<String> = skipped
        .map(|s| format!("{} of node {}: {}", s.block, s.node, s.reason))
        .collect();
    list(&mut text, "Blocks without a route", &skipped);
    list(&mut text, "Addresses of several nodes", &status.disputes);
    text
}

fn summary(status: &Status) -> String {
    let zone = status.zone.as_ref().map_or("unknown", |zone| zone.as_str());
    let routes: Vec<String> = status
        .routes
        .iter()
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    let round = &status.round;
    let last = format!(
        "number {} ({}): {} changed ({} since start), {} failed, {} ms",
        round.number,
        round.causes.join(", "),
        round.applied,
        round.applied_since_start,
        round.failed,
        round.duration_ms
    );
    aligned(&[
        row(&["Node", status.node.as_str()]),
        row(&["Zone", zone]),
        row(&["Agent", &status.agent]),
        row(&["Ready", if status.ready { "yes" } else { "no" }]),
        row(&[
            "Routes",
            &if routes.is_empty() {
                "none".to_owned()
            } else {
                routes.join(", ")
            },
        ]),
        row(&["Last round", &last]),
    ])
}

fn addresses(status: &Status) -> String {
    let mut rows = vec![row(&["ADDRESSES", "CAPACITY", "HELD", "RESTING", "FREE"])];
    rows.extend(status.addresses.iter().map(|(family, a)| {
        let numbers = [a.capacity, a.held, a.resting, a.free].map(|n| n.to_string());
        std::iter::once(family.to_string()).chain(numbers).collect()
    }));
    aligned(&rows)
}

fn paragraph(text: &mut String, part: &str) {
    text.push('\n');
    text.push_str(part);
}

fn list(text: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    // Writing to a string cannot fail.
    let _ = writeln!(text, "\n{title}:");
    for line in lines {
        let _ = writeln!(text, "  {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(kind: &str, prefix: &str, via: &[&str], detail: Option<&str>) -> RouteStatus {
        RouteStatus {
            kind: kind.to_owned(),
            prefix: prefix.parse().unwrap(),
            via: via.iter().map(|via| via.parse().unwrap()).collect(),
            dev: via.iter().map(|_| "eth0".to_owned()).collect(),
            node: detail.is_none().then(|| "w2".parse().unwrap()),
            state: if detail.is_some() { "conflict" } else { "ok" }.to_owned(),
            detail: detail.map(str::to_owned),
        }
    }

    #[test]
    fn routes_stand_in_columns() {
        let document = Routes {
            version: 1,
            routes: vec![
                route("direct", "10.64.0.0/26", &["10.1.0.2"], None),
                route("sink", "fd00:10::40/122", &[], Some("protocol 4")),
            ],
        };
        let expected = "\
KIND    PREFIX           VIA       DEV   NODE  STATE
direct  10.64.0.0/26     10.1.0.2  eth0  w2    ok
sink    fd00:10::40/122  -         -     -     conflict: protocol 4
";
        assert_eq!(routes(&document), expected);
    }
}
