//! Times reflectors beside each other: thousands of clients, each with prefixes of its own, each told
//! all of the others. Ours, its rivals, and a floor that only copies. It asserts nothing but that
//! every client holds the right prefixes.
//!
//! ```text
//!  own mounts ── for each size, round, rival: a network of its own
//!                 ├─ the reflector (a process, 10.64.0.1:179)
//!                 └─ the injector (this process, one thread, 10.65.0.0/16 and beyond)
//!                     └─ establish, flood, one change, 10 % withdrawn, client lost, kill -9 and storm
//! ```
//!
//! Nothing outlives it: its mounts and networks are its own, and its children die with it.

mod cli;
mod client;
mod daemon;
mod floor;
mod injector;
mod metric;
mod netstat;
mod rival;
mod run;
mod size;
mod table;
mod wire;
mod world;

use anyhow::{Context, Result};
use clap::Parser;
use cli::{Arguments, Part};
use gingham_integration::bench::{self, Launch, Report, Samples, say};
use metric::Metric;
use rival::Rival;
use run::Run;
use size::Size;
use std::collections::BTreeMap;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.part {
        Some(Part::Floor) => floor::serve(),
        None => bench(&arguments),
    }
}

fn bench(arguments: &Arguments) -> Result<()> {
    // Found before the mounts change.
    let programs = arguments.programs()?;
    let load_before = bench::load()?;
    world::enter().context("the bench needs root: it makes namespaces")?;
    let mut launches = BTreeMap::new();
    for (rival, program) in programs {
        launches.insert(rival, rival.launch(&program)?);
    }
    let samples = measure(arguments, &launches)?;
    let load = format!("{load_before} before, {} after", bench::load()?);
    let mut conditions = bench::conditions()?;
    conditions.extend(arguments.conditions());
    conditions.push(("load", load));
    let report = Report {
        conditions,
        cases: "clients x prefixes of each",
        samples,
    };
    report.print(arguments.output)
}

/// Takes all in turn.
fn measure(
    arguments: &Arguments,
    launches: &BTreeMap<Rival, Launch>,
) -> Result<Samples<Size, Rival, Metric>> {
    let rounds = arguments.rounds()?;
    let mut samples = BTreeMap::new();
    for size in arguments.sizes()? {
        for round in 1..=rounds {
            for (rival, launch) in launches {
                let taken: &mut Vec<_> = samples.entry((size, *rival)).or_default();
                if arguments.skips(*rival, size) {
                    continue;
                }
                say(&format!("{size}, round {round} of {rounds}: {rival}"));
                let run = Run {
                    rival: *rival,
                    launch,
                    size,
                    placement: arguments.placement(),
                    limit: arguments.limit,
                    storm: arguments.storm_limit,
                };
                taken.push(run.sample()?);
            }
        }
    }
    Ok(samples)
}
