//! Times how prefixes that BGP tells become routes of the kernel: our agent as a node of a zone, its
//! rivals, and a floor that only writes. It asserts nothing but that the kernel has the right routes.
//!
//! ```text
//!  own mounts ── for each case, round, rival: networks of its own
//!                 ├─ near: the one under test, 172.16.0.9 ──────────► routes of the kernel
//!                 │                                                    │ (told of each change)
//!                 └─ far: the bench (this process, one thread) ◄───────┘
//!                     ├─ feeders at 172.16.0.1:179 and .2: the zone's reflectors
//!                     │   └─ start, flood, one change, 10 % withdrawn, kill -9 and start
//!                     └─ or nodes, 172.16.16.1 and beyond, of which the one under test is the reflector,
//!                         and a core at 172.16.0.1:179
//!                         └─ all nodes dial at once
//! ```
//!
//! Nothing outlives it: its mounts and networks are its own, and its children die with it.

mod case;
mod cli;
mod crowd;
mod device;
mod feeder;
mod fib;
mod floor;
mod learn;
mod metric;
mod reflect;
mod rival;
mod told;
mod watch;
mod wire;
mod world;

use anyhow::{Context, Result};
use case::Case;
use clap::Parser;
use cli::{Arguments, Part};
use device::Run;
use gingham_integration::bench::{self, Report, Sample, Samples, log_end, say};
use gingham_netlink::Netns;
use metric::Metric;
use rival::Rival;
use std::collections::BTreeMap;
use std::path::PathBuf;
use world::Folders;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.part {
        Some(Part::Floor { feed }) => floor::serve(feed),
        None => bench(&arguments),
    }
}

fn bench(arguments: &Arguments) -> Result<()> {
    // Found before the mounts change.
    let programs = arguments.programs()?;
    let load_before = bench::load()?;
    bench::own_mounts().context("the bench needs root: it makes namespaces")?;
    let samples = measure(arguments, &programs)?;
    let load = format!("{load_before} before, {} after", bench::load()?);
    let mut conditions = bench::conditions()?;
    conditions.extend(arguments.conditions());
    conditions.push(("load", load));
    let report = Report {
        conditions,
        cases: "prefixes x feeders, or n: nodes of a reflector",
        samples,
    };
    report.print(arguments.output)
}

/// Takes all in turn.
fn measure(
    arguments: &Arguments,
    programs: &BTreeMap<Rival, PathBuf>,
) -> Result<Samples<Case, Rival, Metric>> {
    let rounds = arguments.rounds()?;
    let mut samples = BTreeMap::new();
    for case in arguments.cases()? {
        for round in 1..=rounds {
            for (rival, program) in programs.iter().filter(|(rival, _)| rival.takes(case)) {
                say(&format!("{case}, round {round} of {rounds}: {rival}"));
                let run = Run {
                    rival: *rival,
                    program,
                    case,
                    placement: arguments.placement(),
                    limit: arguments.limit,
                };
                let taken: &mut Vec<_> = samples.entry((case, *rival)).or_default();
                let sample = sample(&run).with_context(|| format!("{rival} at {case}"))?;
                taken.push(sample);
            }
        }
    }
    Ok(samples)
}

/// One run, in a network of its own.
fn sample(run: &Run<'_>) -> Result<Sample<Metric>> {
    let _folders = Folders::cover()?;
    run.rival.prepare(run.case)?;
    let near = Netns::create()?;
    let sample = near.visit(|| match run.case {
        Case::Learn(feed) => learn::sample(run, feed),
        Case::Reflect(nodes) => reflect::sample(run, nodes),
    })?;
    sample.with_context(|| format!("it printed at the end: {}", log_end()))
}
