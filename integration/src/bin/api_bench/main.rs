//! Times the agent on a large cluster's real API server: from the list to the last route, memory, bytes,
//! what heartbeats of all its Nodes cost, and what an API server that was away does.
//!
//! ```text
//!  etcd ── kube-apiserver ─┬─ relay ── box of a worker: the agent, and in turn kubectl
//!   5,000 Nodes, Blocks    └─ relay ── box of its reflector: the agent
//! ```
//!
//! Only truth is asserted: routes to the letter, a selector in every list and watch of Nodes and
//! Blocks, nothing refused, and no write while nothing but heartbeats happens. kubectl is the floor: it
//! lists the same Blocks by the same way, and throws them away.

mod agent;
mod beats;
mod meter;
mod metric;
mod outage;
mod plan;
mod requests;
mod start;
mod world;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use gingham_integration::bench::{self, Output, Report, Sample, Samples, say, seconds};
use metric::{Metric, Who};
use plan::{Plan, ZONES};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use world::World;

/// Times the agent on a large cluster's real API server.
#[derive(Parser)]
struct Arguments {
    /// The agent.
    #[arg(long)]
    agent: PathBuf,
    /// Nodes, each with a Block, in three zones.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u16).range(30..=12_000))]
    nodes: u16,
    /// Rounds of starts, each taken in turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of heartbeats.
    #[arg(long, default_value = "60", value_parser = seconds)]
    beats: Duration,
    /// Heartbeats a second, of all Nodes.
    #[arg(long, default_value_t = 17)]
    rate: u32,
    /// How often the API server goes away.
    #[arg(long, default_value_t = 3)]
    outages: usize,
    /// Seconds it is away, once the agents have noticed.
    #[arg(long, default_value = "5", value_parser = seconds)]
    away: Duration,
    /// 300 nodes, one round, ten seconds of heartbeats, one outage.
    #[arg(long, conflicts_with_all = ["nodes", "rounds", "beats", "outages"])]
    quick: bool,
    /// How to print the figures.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// How large the cluster is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Size(u16);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The samples of everybody, as they come.
#[derive(Default)]
struct Taken(BTreeMap<Who, Vec<Sample<Metric>>>);

impl Taken {
    fn add(&mut self, who: Who, sample: Sample<Metric>) {
        self.0.entry(who).or_default().push(sample);
    }
}

fn main() -> Result<()> {
    let mut arguments = Arguments::parse();
    if arguments.quick {
        arguments.nodes = 300;
        (arguments.rounds, arguments.outages) = (1, 1);
        arguments.beats = Duration::from_secs(10);
    }
    ensure!(arguments.rounds > 0, "--rounds must be at least 1");
    let agent = arguments.agent.canonicalize();
    let agent = agent.with_context(|| format!("{}", arguments.agent.display()))?;
    let plan = Plan::new(arguments.nodes)?;
    let world = World::new(&plan, &agent)?;
    let mut taken = Taken::default();

    start::rounds(&world, &plan, arguments.rounds, &mut taken)?;
    let worker = world.worker.start()?;
    let master = world.master.start()?;
    let agents = [&worker, &master];
    say("both agents start");
    agents.iter().try_for_each(|agent| agent.wait_synced())?;
    beats::run(
        &world,
        &plan,
        agents,
        (arguments.rate, arguments.beats),
        &mut taken,
    )?;
    for number in 1..=arguments.outages {
        say(&format!(
            "the API server is away, {number} of {}",
            arguments.outages
        ));
        outage::run(&world, agents, arguments.away, &mut taken)?;
    }
    world.worker.check(&plan)?;
    world.master.check(&plan)?;
    requests::check(&world.api)?;
    report(&arguments, taken)?.print(arguments.output)
}

fn report(arguments: &Arguments, taken: Taken) -> Result<Report<Size, Who, Metric>> {
    let mut conditions = bench::conditions()?;
    let Arguments { rate, beats, .. } = arguments;
    conditions.push(("load", bench::load()?));
    conditions.push((
        "heartbeats",
        format!("{rate} a second for {} s", beats.as_secs_f64()),
    ));
    conditions.push((
        "master",
        "ready a second late: it waits for what its peers say".to_owned(),
    ));
    let size = Size(arguments.nodes);
    let samples: Samples<Size, Who, Metric> = taken
        .0
        .into_iter()
        .map(|(who, samples)| ((size, who), samples))
        .collect();
    Ok(Report {
        conditions,
        cases: match ZONES {
            3 => "Nodes and Blocks in 3 zones",
            _ => "Nodes and Blocks",
        },
        samples,
    })
}
