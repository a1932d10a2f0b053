//! One round: everybody in turn.

use crate::call::{Verb, cpu};
use crate::cli::Arguments;
use crate::collect;
use crate::metric::Metric;
use crate::node::{Node, Pod};
use crate::rival::{Families, Rival};
use anyhow::{Context, Result};
use gingham_integration::bench::{Sample, milliseconds};
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// What the kernel puts off, as freeing what was taken down, is done after this: who comes next is not
/// to pay for it.
const REST: Duration = Duration::from_millis(10);

/// Calls of one kind by one rival.
#[derive(Clone, Debug, Default)]
struct Calls {
    walls: Vec<Duration>,
    cpus: Vec<Duration>,
}

/// How long each call of one rival took, over all rounds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pooled {
    adds: Vec<Duration>,
    dels: Vec<Duration>,
    burst_adds: Vec<Duration>,
    burst_dels: Vec<Duration>,
}

impl Pooled {
    /// What only all rounds together can tell.
    pub(crate) fn sample(&self) -> Sample<Metric> {
        let slow = |walls: &[Duration]| quantile(walls, 0.99);
        Sample::from([
            (Metric::AddSlow, slow(&self.adds)),
            (Metric::DelSlow, slow(&self.dels)),
            (Metric::BurstAddSlow, slow(&self.burst_adds)),
            (Metric::BurstDelSlow, slow(&self.burst_dels)),
        ])
    }
}

/// One round of all; what each call took goes to `pooled`.
pub(crate) fn take(
    arguments: &Arguments,
    nodes: &[Node],
    pooled: &mut [Pooled],
) -> Result<Vec<Sample<Metric>>> {
    even(nodes)?;
    let mut samples = vec![Sample::new(); nodes.len()];
    take_one_by_one(arguments, nodes, (&mut samples, pooled))?;
    if nodes.iter().all(|node| node.families == Families::Dual) {
        take_waiting(arguments, nodes, &mut samples)?;
    }
    for ((node, sample), pooled) in nodes.iter().zip(&mut samples).zip(pooled) {
        take_bursts(node, arguments.at_a_time, (sample, pooled))?;
        if (node.rival, node.families) == (Rival::Gingham, Families::Dual) {
            sample.extend(collect::take(node)?);
        }
    }
    Ok(samples)
}

fn take_one_by_one(
    arguments: &Arguments,
    nodes: &[Node],
    (samples, pooled): (&mut [Sample<Metric>], &mut [Pooled]),
) -> Result<()> {
    let few = arguments.one_by_one();
    let adds = one_by_one(nodes, Verb::Add, |node| &node.coming[..few])?;
    let dels = one_by_one(nodes, Verb::Del, |node| &node.coming[..few])?;
    let taken = samples
        .iter_mut()
        .zip(pooled)
        .zip(adds.into_iter().zip(dels));
    for ((sample, pooled), (adds, dels)) in taken {
        sample.extend([
            (Metric::AddWall, quantile(&adds.walls, 0.5)),
            (Metric::AddCpu, quantile(&adds.cpus, 0.5)),
            (Metric::DelWall, quantile(&dels.walls, 0.5)),
            (Metric::DelCpu, quantile(&dels.cpus, 0.5)),
        ]);
        pooled.adds.extend(adds.walls);
        pooled.dels.extend(dels.walls);
    }
    Ok(())
}

/// Only IPv6 addresses are looked for.
fn take_waiting(
    arguments: &Arguments,
    nodes: &[Node],
    samples: &mut [Sample<Metric>],
) -> Result<()> {
    let few = arguments.waiting();
    let adds = one_by_one(nodes, Verb::Add, |node| &node.waiting[..few])?;
    one_by_one(nodes, Verb::Del, |node| &node.waiting[..few])?;
    for (sample, adds) in samples.iter_mut().zip(adds) {
        sample.insert(Metric::AddWaiting, quantile(&adds.walls, 0.5));
    }
    Ok(())
}

fn take_bursts(
    node: &Node,
    at_a_time: usize,
    (sample, pooled): (&mut Sample<Metric>, &mut Pooled),
) -> Result<()> {
    let add = burst(node, Verb::Add, at_a_time)?;
    let del = burst(node, Verb::Del, at_a_time)?;
    sample.extend([
        (Metric::BurstAddWhole, milliseconds(add.whole)),
        (Metric::BurstAddWall, quantile(&add.walls, 0.5)),
        (Metric::BurstAddCpu, milliseconds(add.cpu)),
        (Metric::BurstDelWhole, milliseconds(del.whole)),
        (Metric::BurstDelWall, quantile(&del.walls, 0.5)),
        (Metric::BurstDelCpu, milliseconds(del.cpu)),
    ]);
    pooled.burst_adds.extend(add.walls);
    pooled.burst_dels.extend(del.walls);
    Ok(())
}

/// The floor reads and writes as many bytes as ours.
fn even(nodes: &[Node]) -> Result<()> {
    let of = |rival| nodes.iter().find(|node| node.rival == rival);
    if let (Some(ours), Some(floor)) = (of(Rival::Gingham), of(Rival::Floor)) {
        fs::copy(ours.leases(), floor.leases()).context("our leases, for the floor")?;
    }
    Ok(())
}

/// One call of each rival in turn, for each of the pods that `of` picks.
fn one_by_one(nodes: &[Node], verb: Verb, of: impl Fn(&Node) -> &[Pod]) -> Result<Vec<Calls>> {
    let mut calls = vec![Calls::default(); nodes.len()];
    let pods = nodes.first().map_or(0, |node| of(node).len());
    for pod in 0..pods {
        for (calls, node) in calls.iter_mut().zip(nodes) {
            thread::sleep(REST);
            let before = cpu()?;
            calls.walls.push(node.one(verb, &of(node)[pod])?);
            calls.cpus.push(cpu()?.saturating_sub(before));
        }
    }
    Ok(calls)
}

/// What a burst came to.
struct Burst {
    whole: Duration,
    walls: Vec<Duration>,
    /// Of each call, on average.
    cpu: Duration,
}

fn burst(node: &Node, verb: Verb, at_a_time: usize) -> Result<Burst> {
    thread::sleep(10 * REST);
    let (before, started) = (cpu()?, Instant::now());
    let walls = node.burst(verb, &node.coming, at_a_time)?;
    let whole = started.elapsed();
    let cpu = cpu()?.saturating_sub(before) / u32::try_from(walls.len())?;
    Ok(Burst { whole, walls, cpu })
}

/// The call that as many are quicker than, in milliseconds.
fn quantile(durations: &[Duration], part: f64) -> f64 {
    let mut sorted = durations.to_vec();
    sorted.sort();
    let at = (sorted.len() as f64 * part) as usize;
    let at = at.min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().map_or(0.0, milliseconds)
}
