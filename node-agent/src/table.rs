//! The documents for people: aligned, and in the same order every time. Pure.

mod bgp;
mod explain;

pub use bgp::{paths, peer, peers, rib};
pub use explain::explained;

use crate::check::{Report, State};
use crate::cleanup::{self, Item};
use crate::install;
use crate::screen::Skipped;
use crate::status::{FirewallStatus, Rehearsal, Routes, Status};
use gingham_model::NodeName;
use std::fmt::Write;
use std::net::IpAddr;

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

fn dash(text: String) -> String {
    match text.is_empty() {
        true => "-".to_owned(),
        false => text,
    }
}

fn joined(via: &[IpAddr]) -> String {
    let via: Vec<String> = via.iter().map(ToString::to_string).collect();
    dash(via.join(","))
}

fn node(node: Option<&NodeName>) -> String {
    dash(node.map(ToString::to_string).unwrap_or_default())
}

/// The routes, one a line.
pub fn routes(routes: &Routes) -> String {
    let mut rows = vec![row(&["KIND", "PREFIX", "VIA", "DEV", "NODE", "STATE"])];
    rows.extend(routes.routes.iter().map(|route| {
        let state = match &route.detail {
            Some(detail) => format!("{}: {detail}", route.state),
            None => route.state.clone(),
        };
        vec![
            route.kind.clone(),
            route.prefix.to_string(),
            joined(&route.via),
            dash(route.dev.join(",")),
            node(route.node.as_ref()),
            state,
        ]
    }));
    aligned(&rows)
}

/// What a round would do.
pub fn rehearsal(rehearsal: &Rehearsal) -> String {
    let mut text = String::new();
    if rehearsal.is_empty() {
        text.push_str("nothing would change\n");
    }
    if !rehearsal.changes.is_empty() {
        let mut rows = vec![row(&["OP", "KIND", "PREFIX", "VIA", "DEV", "NODE"])];
        rows.extend(rehearsal.changes.iter().map(|change| {
            vec![
                change.op.clone(),
                dash(change.kind.clone()),
                change.prefix.to_string(),
                joined(&change.via),
                dash(change.dev.join(",")),
                node(change.node.as_ref()),
            ]
        }));
        text.push_str(&aligned(&rows));
    }
    let firewall = match &rehearsal.firewall {
        FirewallStatus::Unchanged => Vec::new(),
        FirewallStatus::Differs => vec!["would be replaced".to_owned()],
        FirewallStatus::Unknown(why) => vec![format!("unknown: {why}")],
    };
    list(&mut text, "nftables table inet gingham", &firewall);
    list(&mut text, "node.json", &rehearsal.node_state);
    list(
        &mut text,
        "node.json would stay because",
        &rehearsal.unpublished,
    );
    let left = rehearsal.left.iter();
    let left: Vec<String> = left
        .map(|route| {
            let detail = route.detail.as_deref().unwrap_or_default();
            format!("{} {}: {}: {detail}", route.kind, route.prefix, route.state)
        })
        .collect();
    list(&mut text, "Left as they are", &left);
    list(
        &mut text,
        "Blocks without a route",
        &skipped(&rehearsal.skipped),
    );
    text
}

fn skipped(skipped: &[Skipped]) -> Vec<String> {
    let lines = skipped.iter();
    let lines = lines.map(|s| format!("{} of node {}: {}", s.block, s.node, s.reason));
    lines.collect()
}

/// The status, a paragraph for each part that has something to say.
pub fn status(status: &Status) -> String {
    let mut text = summary(status);
    list(&mut text, "Not ready because", &status.reasons);
    list(&mut text, "To know", &status.notices);
    let mut rows = vec![row(&["SOURCE", "STATE", "SINCE", "OBJECTS"])];
    rows.extend(status.sources.iter().map(|source| {
        let state = match &source.error {
            Some(error) => format!("{}: {error}", source.state),
            None => source.state.clone(),
        };
        vec![
            source.kind.to_string(),
            state,
            dash(source.since.clone().unwrap_or_default()),
            source.objects.to_string(),
        ]
    }));
    paragraph(&mut text, &aligned(&rows));
    let bgp = bgp::section(&status.bgp);
    if !bgp.is_empty() {
        paragraph(&mut text, &bgp);
    }
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
    list(
        &mut text,
        "Blocks without a route",
        &skipped(&status.skipped),
    );
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

/// The checks, one a line, and below them how to mend what is not well.
pub fn checks(report: &Report) -> String {
    let mut rows = vec![row(&["CHECK", "STATE", "FOUND"])];
    rows.extend(report.checks.iter().map(|check| {
        let state = match check.state {
            State::Ok => "ok",
            State::Warn => "warn",
            State::Fail => "FAIL",
        };
        row(&[&check.check, state, &check.found])
    }));
    let mut text = aligned(&rows);
    for check in &report.checks {
        list(&mut text, &format!("To mend {}", check.check), &check.mend);
    }
    text
}

/// What was installed, for people.
pub fn installed(report: &install::Report) -> String {
    let lines = report
        .programs
        .iter()
        .map(|program| format!("{:<10} {}\n", program.done.word(), program.path.display()));
    lines.collect()
}

/// What a clean-up does or did, and what is left.
pub fn cleanup(report: &cleanup::Report) -> String {
    let items = |items: &[Item]| {
        let rows = items
            .iter()
            .map(|item| row(&[item.kind.word(), &item.what]));
        let text = aligned(&rows.collect::<Vec<_>>());
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let (removed, kept) = if report.done {
        ("Removed or put back", "Stays")
    } else {
        ("To be removed or put back", "Would stay")
    };
    let mut text = String::new();
    list(&mut text, removed, &items(&report.items));
    list(&mut text, kept, &report.stays);
    list(&mut text, "Went wrong", &report.errors);
    list(&mut text, "Left", &items(&report.left));
    let end = match (report.items.is_empty(), report.done) {
        (true, _) => "Nothing of ours is here.",
        (false, false) => "Nothing was changed: --yes does it.",
        (false, true) if !report.left.is_empty() => "Not everything could be done.",
        (false, true) if report.stays.is_empty() => "The host is as it was before.",
        (false, true) => "Apart from what stays, the host is as it was before.",
    };
    paragraph(&mut text, &format!("{end}\n"));
    text.trim_start().to_owned()
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
    use crate::status::RouteStatus;

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
