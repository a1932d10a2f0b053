//! Traffic in both families at once, and what came of it.

use anyhow::{Result, ensure};
use gingham_integration::{Count, Endpoint, Flow, Traffic};
use gingham_model::Family;
use std::time::Duration;

/// Packets a second, in each family.
const RATE: u32 = 1000;

/// Traffic in each family.
pub(super) type Flows = Vec<(Family, Traffic)>;

/// What both ends counted, in each family.
pub(super) type Counts = Vec<(Family, Count)>;

/// Starts a flow in each family.
pub(super) fn start(ends: (impl Into<Endpoint>, impl Into<Endpoint>)) -> Result<Flows> {
    start_at(RATE, ends)
}

/// The same of so many packets a second.
pub(super) fn start_at(
    rate: u32,
    (from, to): (impl Into<Endpoint>, impl Into<Endpoint>),
) -> Result<Flows> {
    let (from, to) = (from.into(), to.into());
    let flow = |family| Traffic::between(&from, &to, Flow { family, rate });
    Family::ALL
        .into_iter()
        .map(|family| Ok((family, flow(family)?)))
        .collect()
}

/// Stops and counts.
pub(super) fn stop(flows: Flows) -> Result<Counts> {
    flows
        .into_iter()
        .map(|(family, traffic)| Ok((family, traffic.stop()?)))
        .collect()
}

/// The counts for people.
pub(super) fn words(counts: &[(Family, Count)]) -> String {
    let lines = counts.iter().map(|(family, count)| {
        format!(
            "{family}: {} sent, {} received, {} lost, longest gap {:.1} ms",
            count.sent.sent,
            count.received.received,
            count.lost(),
            Duration::from_micros(count.received.longest_gap_micros).as_secs_f64() * 1000.0
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether every packet arrived, and there were some.
pub(super) fn complete(counts: &[(Family, Count)]) -> bool {
    let complete = |count: &Count| count.lost() == 0 && count.sent.sent > 0;
    counts.iter().all(|(_, count)| complete(count))
}

/// The counts, if every packet arrived.
pub(super) fn lossless(counts: &[(Family, Count)]) -> Result<String> {
    let lines = words(counts);
    ensure!(complete(counts), "{lines}");
    Ok(lines)
}
