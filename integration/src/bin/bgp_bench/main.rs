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
mod report;
mod rival;
mod run;
mod size;
mod table;
mod wire;
mod world;

use anyhow::{Context, Result};
use clap::Parser;
use cli::{Arguments, Part};
use metric::Sample;
use report::Report;
use rival::{Launch, Rival};
use run::Run;
use size::Size;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;

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
    let load_before = load()?;
    world::enter().context("the bench needs root: it makes namespaces")?;
    let mut launches = BTreeMap::new();
    for (rival, program) in programs {
        launches.insert(rival, rival.launch(&program)?);
    }
    let samples = measure(arguments, &launches)?;
    let load = format!("{load_before} before, {} after", load()?);
    let mut conditions = machine()?;
    conditions.extend(arguments.conditions());
    conditions.push(("load", load));
    let report = Report {
        conditions,
        samples,
    };
    report.print(arguments.output)
}

/// Takes all in turn.
fn measure(
    arguments: &Arguments,
    launches: &BTreeMap<Rival, Launch>,
) -> Result<BTreeMap<(Size, Rival), Vec<Sample>>> {
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

/// What it ran on.
fn machine() -> Result<Vec<(&'static str, String)>> {
    let kernel =
        fs::read_to_string("/proc/sys/kernel/osrelease").context("the kernel's release")?;
    let processors = std::thread::available_parallelism()?;
    Ok(vec![
        ("kernel", kernel.trim().to_owned()),
        ("processors", processors.to_string()),
    ])
}

/// How many threads ran or wanted to, on average of the last minute: others disturb.
fn load() -> Result<String> {
    let text = fs::read_to_string("/proc/loadavg").context("reading /proc/loadavg")?;
    let first = text.split(' ').next();
    Ok(first.unwrap_or_default().to_owned())
}

fn say(line: &str) {
    // Progress only: without stderr nobody can be told.
    let _ = writeln!(std::io::stderr(), "{line}");
}
