//! Times the agent in a large zone: cold start beside `ip -batch` and beside a floor that writes the
//! same routes, memory, restart, repair, and a storm of foreign route events. It asserts nothing but
//! that the routes are right.
//!
//! ```text
//!  own namespaces ─┬─ sister: ip -batch ─┐
//!                  ├─ sister: floor ─────┼─ rounds in turn ──► medians, ratios
//!                  └─ agent ─────────────┘
//!                       └─ memory, idle, kill -9, repairs, storm
//! ```
//!
//! Nothing outlives it: its mounts and networks are its own, and its children die with it.

mod agent;
mod child;
mod cold;
mod report;
mod steady;
mod watch;
mod zone;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand, ValueEnum};
use gingham_netlink::{Socket, route};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use report::Output;
use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;
use zone::Zone;

/// How long one answer of the kernel may take.
const KERNEL: Duration = Duration::from_secs(10);

/// Times the agent in a large zone.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Arguments {
    /// The agent.
    #[arg(long, required = true)]
    agent: Option<PathBuf>,
    #[command(flatten)]
    size: Size,
    /// Rounds of cold starts, each contender taken in turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Routes deleted one at a time, in peace and again in the storm.
    #[arg(long, default_value_t = 20)]
    deletions: usize,
    /// The least number of foreign route events of the storm.
    #[arg(long, default_value_t = 100_000)]
    storm: usize,
    /// Seconds without any event.
    #[arg(long, default_value = "20", value_parser = seconds)]
    idle: Duration,
    /// Seconds between two deletions, each to be an accident of its own
    #[arg(long, default_value = "3", value_parser = seconds)]
    pause: Duration,
    /// How to print the figures.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(subcommand)]
    part: Option<Part>,
}

/// How large the zone is.
#[derive(Clone, Copy, clap::Args)]
struct Size {
    /// Blocks of other nodes, one a node.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u16).range(1..=60_000))]
    blocks: u16,
    /// Families of every block.
    #[arg(long, value_enum, default_value_t = Families::V4)]
    families: Families,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Families {
    V4,
    Dual,
}

impl fmt::Display for Families {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Families::V4 => "v4",
            Families::Dual => "dual",
        })
    }
}

/// What the bench starts of itself.
#[derive(Subcommand)]
enum Part {
    /// Writes the routes of the zone as the agent would, and does nothing else
    #[command(hide = true)]
    Floor(Size),
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.part {
        Some(Part::Floor(size)) => floor(&Zone::new(size)?),
        None => bench(&arguments),
    }
}

fn bench(arguments: &Arguments) -> Result<()> {
    let agent = arguments.agent.as_deref().context("--agent is missing")?;
    let agent = agent
        .canonicalize()
        .with_context(|| format!("{}: integration/build.sh makes it", agent.display()))?;
    ensure!(
        arguments.rounds > 0 && arguments.deletions > 0,
        "--rounds and --deletions must be at least 1"
    );
    // Found before the mounts change.
    let own = std::env::current_exe().context("finding the own executable")?;
    own_world().context("the bench needs root: it makes namespaces")?;
    let zone = Zone::new(arguments.size)?;
    zone.write_objects()?;
    zone.make_link()?;

    let cold = cold::Rounds {
        zone: &zone,
        agent: &agent,
        own: &own,
        rounds: arguments.rounds,
    }
    .run()?;
    let steady = steady::Steady {
        zone: &zone,
        agent: &agent,
        rounds: arguments.rounds,
        deletions: arguments.deletions,
        storm: arguments.storm,
        idle: arguments.idle,
        pause: arguments.pause,
        floor: cold.floor,
    }
    .run()?;
    let figures: Vec<_> = cold.figures.into_iter().chain(steady).collect();
    report::print(&figures, arguments.output)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "must be a number".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// Namespaces of the own for everything that follows: a network, and mounts that cover what the
/// agent writes to.
fn own_world() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    for (kind, target) in [("sysfs", "/sys"), ("tmpfs", "/run"), ("tmpfs", "/var/lib")] {
        mount(Some(kind), target, Some(kind), MsFlags::empty(), none)
            .with_context(|| format!("mounting {kind} on {target}"))?;
    }
    Ok(())
}

/// The same messages as the agent's, one request a route, without the agent.
fn floor(zone: &Zone) -> Result<()> {
    let mut socket = Socket::open(KERNEL)?;
    for route in zone.routes(&mut socket)?.values() {
        socket.run(&[route::add(route)])?;
    }
    Ok(())
}

fn say(line: &str) {
    // Progress only: without stderr nobody can be told.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The value in the middle of all.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn worst(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
