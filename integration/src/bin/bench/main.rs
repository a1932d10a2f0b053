//! Times the plugin beside those that do the same: a pod attached and detached alone, and bursts of
//! many at a time, each on a node that has its pods already; and beside a floor, which does the same
//! kernel work and nothing else. It asserts nothing but that every call succeeds.
//!
//! ```text
//!  for IPv4, then for both families
//!   ├─ a node for each rival: a network namespace, a folder on tmpfs, 110 pods that it attached itself
//!   └─ in each round
//!       ├─ pod by pod, rival by rival: ADD; then so DEL
//!       ├─ pod by pod, rival by rival: ADD where duplicate addresses are looked for (both families)
//!       ├─ rival by rival: 100 ADD, 10 at a time; then 100 DEL
//!       └─ ours alone: GC of 60 pods and of all, beside as many DELs (both families)
//! ```
//!
//! A call is the rival's program started as a runtime starts it, with all that this starts in turn.

mod call;
mod cli;
mod collect;
mod metric;
mod node;
mod rival;
mod round;

use anyhow::{Context, Result};
use clap::Parser;
use cli::Arguments;
use gingham_integration::bench::{self, Report, Samples, say};
use metric::Metric;
use node::Node;
use rival::{Families, Rival};
use round::Pooled;
use std::collections::BTreeMap;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let load_before = bench::load()?;
    // What stood stays until the end: to take hundreds of namespaces down goes on behind what is
    // measured next.
    let mut nodes = Vec::new();
    let mut samples = BTreeMap::new();
    for families in [Families::V4, Families::Dual] {
        nodes.push(furnish(&arguments, families)?);
        samples.extend(measure(&arguments, families, &nodes[nodes.len() - 1])?);
    }
    let mut conditions = bench::conditions()?;
    conditions.extend(arguments.conditions()?);
    conditions.push((
        "load",
        format!("{load_before} before, {} after", bench::load()?),
    ));
    let report = Report {
        conditions,
        cases: "each on a node that has its pods",
        samples,
    };
    report.print(arguments.output)
}

fn furnish(arguments: &Arguments, families: Families) -> Result<Vec<Node>> {
    let contenders = arguments.contenders()?.into_iter();
    let nodes = contenders.map(|(rival, program)| {
        say(&format!(
            "{families}: {} pods of {rival}",
            arguments.standing
        ));
        let node = Node::new(rival, program, families, arguments.numbers());
        let node = node.context("the bench needs root: it makes network namespaces")?;
        node.fill(&node.standing)?;
        Ok(node)
    });
    nodes.collect()
}

/// All rounds of one case.
fn measure(
    arguments: &Arguments,
    families: Families,
    nodes: &[Node],
) -> Result<Samples<Families, Rival, Metric>> {
    let mut samples = BTreeMap::new();
    let mut pooled = vec![Pooled::default(); nodes.len()];
    for round in 1..=arguments.rounds() {
        say(&format!(
            "{families}: round {round} of {}",
            arguments.rounds()
        ));
        let taken = round::take(arguments, nodes, &mut pooled)?;
        for (node, sample) in nodes.iter().zip(taken) {
            let rounds: &mut Vec<_> = samples.entry((families, node.rival)).or_default();
            rounds.push(sample);
        }
    }
    for (node, pooled) in nodes.iter().zip(&pooled) {
        let rounds: &mut Vec<_> = samples.entry((families, node.rival)).or_default();
        rounds.push(pooled.sample());
    }
    Ok(samples)
}
