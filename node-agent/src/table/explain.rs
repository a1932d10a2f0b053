//! Where a packet goes, for people.

use super::bgp::paths;
use super::{aligned, list, paragraph, row};
use crate::explain::{Candidate, Explained};

/// An explanation.
pub fn explained(explained: &Explained) -> String {
    let Explained {
        chosen,
        holder,
        kernel,
        ..
    } = explained;
    let zone = holder.zone().map_or("-", |zone| zone.as_str());
    let (route, because) = match chosen {
        Some(chosen) => (described(chosen), chosen.because.as_str()),
        None => ("none".to_owned(), "no route holds the address"),
    };
    let mut text = aligned(&[
        row(&["Address", &explained.address.to_string()]),
        row(&["Held by", &holder.to_string()]),
        row(&["Zone", zone]),
        row(&["Route", &route]),
        row(&["Because", because]),
        row(&["Origin", &explained.origin]),
        row(&["Kernel", kernel]),
    ]);
    list(
        &mut text,
        "KERNEL AND PLAN DISAGREE",
        &explained.disagreements,
    );
    if !explained.others.is_empty() {
        let mut rows = vec![row(&[
            "OTHER ROUTE",
            "LEADS",
            "PROTOCOL",
            "METRIC",
            "NOT BECAUSE",
        ])];
        rows.extend(explained.others.iter().map(|other| {
            let (prefix, metric) = (other.prefix.to_string(), other.metric.to_string());
            row(&[
                &prefix,
                &other.leads,
                &whose(other),
                &metric,
                &other.because,
            ])
        }));
        paragraph(&mut text, &aligned(&rows));
    }
    for report in &explained.paths {
        paragraph(&mut text, &format!("BGP paths to {}", paths(report)));
    }
    let unknown = explained.paths_unknown.iter().cloned().collect::<Vec<_>>();
    list(&mut text, "BGP paths are not known", &unknown);
    text
}

fn described(candidate: &Candidate) -> String {
    let Candidate {
        prefix,
        leads,
        metric,
        ..
    } = candidate;
    format!(
        "{prefix} {leads}, protocol {}, metric {metric}",
        whose(candidate)
    )
}

fn whose(candidate: &Candidate) -> String {
    match candidate.by.as_str() {
        "" => candidate.protocol.to_string(),
        by => format!("{} ({by})", candidate.protocol),
    }
}
