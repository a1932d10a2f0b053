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

use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, Subcommand};
use metric::Sample;
use report::{Output, Report};
use rival::{Launch, Rival};
use run::Run;
use size::Size;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;
use world::Placement;

/// Names a folder that holds `gobgpd`.
const TOOLS_VARIABLE: &str = "GINGHAM_TOOLS";

/// Times reflectors beside each other.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    /// Our speaker, an example of crates/bgp.
    #[arg(long)]
    speaker: Option<PathBuf>,
    /// GoBGP's daemon; in the folder GINGHAM_TOOLS unless told.
    #[arg(long)]
    gobgpd: Option<PathBuf>,
    /// One to leave out; all must be there but these.
    #[arg(long, value_enum)]
    without: Vec<Rival>,
    /// Clients x prefixes of each, repeatable [default: 100x10 500x10 1000x2 5000x1].
    #[arg(long = "size")]
    sizes: Vec<Size>,
    /// Rounds, the rivals taken in turn in each.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds a phase may take; one that takes longer ends the run.
    #[arg(long, default_value = "60", value_parser = seconds)]
    limit: Duration,
    /// Seconds a storm may take.
    #[arg(long, default_value = "15", value_parser = seconds)]
    storm_limit: Duration,
    /// Who is not to be measured at which size, repeatable: they take minutes there.
    #[arg(long, value_name = "WHO@SIZE", default_values = ["gobgp@5000x1", "openbgpd@5000x1"])]
    skip: Vec<String>,
    /// One round of 100x10 and 500x10 with those rivals that are there.
    #[arg(long, conflicts_with_all = ["sizes", "rounds"])]
    quick: bool,
    /// Leaves the injector wherever the kernel puts it; else it stays on processor 1, while daemons
    /// may use all.
    #[arg(long)]
    no_pin: bool,
    /// How to print the figures.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What the bench starts of itself.
#[derive(Subcommand)]
enum Part {
    /// Reflects and does nothing else
    #[command(hide = true)]
    Floor,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.part {
        Some(Part::Floor) => floor::serve(),
        None => bench(&arguments),
    }
}

fn bench(arguments: &Arguments) -> Result<()> {
    ensure!(arguments.rounds > 0, "--rounds must be at least 1");
    // Found before the mounts change.
    let programs = programs(arguments)?;
    world::enter().context("the bench needs root: it makes namespaces")?;
    let mut launches = BTreeMap::new();
    for (rival, program) in programs {
        launches.insert(rival, rival.launch(&program)?);
    }
    let samples = measure(arguments, &launches)?;
    let report = Report {
        conditions: conditions(arguments)?,
        samples,
    };
    report.print(arguments.output)
}

/// Takes all in turn.
fn measure(
    arguments: &Arguments,
    launches: &BTreeMap<Rival, Launch>,
) -> Result<BTreeMap<(Size, Rival), Vec<Sample>>> {
    let rounds = if arguments.quick { 1 } else { arguments.rounds };
    let mut samples = BTreeMap::new();
    for size in sizes(arguments)? {
        for round in 1..=rounds {
            for (rival, launch) in launches {
                let taken: &mut Vec<_> = samples.entry((size, *rival)).or_default();
                if arguments.skip.contains(&format!("{rival}@{size}")) {
                    continue;
                }
                say(&format!("{size}, round {round} of {rounds}: {rival}"));
                let run = Run {
                    rival: *rival,
                    launch,
                    size,
                    placement: placement(arguments),
                    limit: arguments.limit,
                    storm: arguments.storm_limit,
                };
                taken.push(run.sample()?);
            }
        }
    }
    Ok(samples)
}

fn sizes(arguments: &Arguments) -> Result<Vec<Size>> {
    let names: &[&str] = match (arguments.quick, arguments.sizes.is_empty()) {
        (true, _) => &["100x10", "500x10"],
        (false, true) => &["100x10", "500x10", "1000x2", "5000x1"],
        (false, false) => return Ok(arguments.sizes.clone()),
    };
    names.iter().map(|name| name.parse()).collect()
}

fn placement(arguments: &Arguments) -> Placement {
    match arguments.no_pin {
        true => Placement::Free,
        false => Placement::Pinned,
    }
}

/// Where those are that are to be measured.
fn programs(arguments: &Arguments) -> Result<BTreeMap<Rival, PathBuf>> {
    let tools = std::env::var_os(TOOLS_VARIABLE).map(PathBuf::from);
    let mut programs = BTreeMap::new();
    for rival in Rival::ALL {
        if arguments.without.contains(&rival) {
            continue;
        }
        let program = match rival {
            Rival::Gingham => arguments.speaker.clone(),
            Rival::Gobgp => {
                let found = || tools.as_ref().map(|folder| folder.join("gobgpd"));
                arguments.gobgpd.clone().or_else(found)
            }
            Rival::Floor => Some(std::env::current_exe().context("the own executable")?),
            _ => rival.program().map(PathBuf::from),
        };
        match program.as_ref().map(|path| path.canonicalize()) {
            Some(Ok(path)) => drop(programs.insert(rival, path)),
            _ if arguments.quick => say(&format!("{rival} is missing: {}", rival.remedy())),
            _ => bail!(
                "{rival} is missing{}: {}; or leave it out: --without {rival}",
                program.map_or_else(String::new, |path| format!(" at {}", path.display())),
                rival.remedy()
            ),
        }
    }
    Ok(programs)
}

/// What else must be known to judge the figures.
fn conditions(arguments: &Arguments) -> Result<Vec<(&'static str, String)>> {
    let read = |path: &str| fs::read_to_string(path).with_context(|| format!("reading {path}"));
    let processors = std::thread::available_parallelism()?;
    let place = match placement(arguments) {
        Placement::Pinned => "injector on processor 1, daemons on all",
        Placement::Free => "as the kernel puts them",
    };
    let limits = format!(
        "{} s a phase, {} s a storm; `-` is what was not done in time",
        arguments.limit.as_secs_f64(),
        arguments.storm_limit.as_secs_f64()
    );
    Ok(vec![
        (
            "kernel",
            read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        ),
        ("processors", processors.to_string()),
        ("placement", place.to_owned()),
        ("limits", limits),
        ("skipped", arguments.skip.join(", ")),
        ("load at the end", read("/proc/loadavg")?.trim().to_owned()),
    ])
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "must be a number".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

pub(crate) fn say(line: &str) {
    // Progress only: without stderr nobody can be told.
    let _ = writeln!(std::io::stderr(), "{line}");
}
