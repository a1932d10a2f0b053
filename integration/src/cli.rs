//! The command line: what is asked for, and who answers.

use crate::{demo, standing};
use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand, ValueEnum};
use gingham_integration::probe::{self, ReceivePlan, SendPlan};
use gingham_integration::{STATE_DIR, echo, init};
use gingham_model::NodeName;
use serde::Serialize;
use std::io::{Write, stdout};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Three zones of network namespaces with real agents, pods, and FRR and BIRD between the zones. Needs
/// root.
#[derive(Debug, Parser)]
#[command(name = "lab", version)]
pub(crate) struct Lab {
    /// Where the lab that outlives its `lab up` keeps its record; one lab for each
    #[arg(long, global = true, value_name = "DIR", default_value = STATE_DIR)]
    state_dir: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring the lab up; when it stands already, say so or mend it
    Up {
        /// Boxes, links and routers only
        #[arg(long)]
        no_agents: bool,
    },
    /// Show what stands
    Status {
        /// How to show it
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Compare the routing tables of every box with those the lab has once it has settled
    Tables,
    /// Run a command in a box; its exit code is ours
    Exec {
        /// The box: z1w1, the core c1, the backbone's bb1, the client cl
        #[arg(value_name = "BOX")]
        name: String,
        /// The command
        #[arg(last = true, required = true)]
        argv: Vec<String>,
    },
    /// Make or remove a pod by the CNI plugin
    Pod {
        #[command(subcommand)]
        verb: Pod,
    },
    /// Show the whole story on a lab of its own, and take it down again
    Demo,
    /// The same in a Kubernetes cluster of its own: real kubelets, containerd, Helm and the chart
    DemoKubernetes,
    /// Tell the story of `demo-kubernetes`, which calls this itself
    #[command(hide = true)]
    TellKubernetes,
    /// Take the lab down
    Down,
    /// Send or receive numbered packets and count them, or answer callers
    Probe {
        #[command(subcommand)]
        end: Probe,
    },
    /// Make a box (the lab calls this itself)
    #[command(hide = true)]
    Box { spec: String },
    /// Be process 1 of a box (the lab calls this itself)
    #[command(hide = true)]
    Init { spec: String },
    /// Start a program that stays (the lab calls this itself)
    #[command(hide = true)]
    Spawn {
        #[arg(last = true, required = true)]
        argv: Vec<String>,
    },
}

/// How to show something.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

#[derive(Debug, Subcommand)]
enum Pod {
    /// Make a pod and print the plugin's result
    Add(PodName),
    /// Remove a pod
    Del(PodName),
}

#[derive(Debug, Args)]
struct PodName {
    /// The node, such as z1w1
    node: String,
    /// The name of the pod
    #[arg(value_parser = pod_name)]
    name: String,
}

#[derive(Debug, Subcommand)]
enum Probe {
    /// Send until the count is reached or SIGTERM comes
    Send {
        /// Destination address
        #[arg(long)]
        to: IpAddr,
        /// Destination port
        #[arg(long)]
        port: u16,
        /// Packets a second
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
        rate: u32,
        /// Number of packets
        #[arg(long)]
        count: Option<u64>,
    },
    /// Receive until the count or the time is reached or SIGTERM comes
    Receive {
        /// Port to listen on, in both families
        #[arg(long)]
        port: u16,
        /// Number of different packets
        #[arg(long)]
        count: Option<u64>,
        /// Seconds
        #[arg(long)]
        until: Option<u64>,
    },
    /// Send every line of a TCP caller back, and print who calls, until killed
    Echo {
        /// Port to listen on, in both families
        #[arg(long)]
        port: u16,
    },
}

/// Does what was asked for.
pub(crate) fn run(lab: Lab) -> Result<ExitCode> {
    let dir = lab.state_dir.as_path();
    match lab.command {
        Command::Up { no_agents } => standing::up(
            dir,
            if no_agents {
                standing::Agents::None
            } else {
                standing::Agents::Started
            },
        )?,
        Command::Status { output } => return standing::status(dir, output),
        Command::Tables => return standing::tables(dir),
        Command::Exec { name, argv } => return standing::exec(dir, &name, &argv),
        Command::Pod {
            verb: Pod::Add(PodName { node, name }),
        } => standing::add_pod(dir, &node, &name)?,
        Command::Pod {
            verb: Pod::Del(PodName { node, name }),
        } => standing::del_pod(dir, &node, &name)?,
        Command::Demo => return demo::run(),
        Command::DemoKubernetes => return demo::kubernetes::run(),
        Command::TellKubernetes => return demo::kubernetes::tell(),
        Command::Down => standing::down(dir)?,
        Command::Probe { end } => probe(end)?,
        Command::Box { spec } => init::enter(&spec)?,
        Command::Init { spec } => init::run(&spec)?,
        Command::Spawn { argv } => init::spawn(&argv)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn probe(end: Probe) -> Result<()> {
    match end {
        Probe::Send {
            to,
            port,
            rate,
            count,
        } => print_json(&probe::send(SendPlan {
            to: SocketAddr::new(to, port),
            rate,
            count,
        })?),
        Probe::Receive { port, count, until } => {
            let until = until.map(Duration::from_secs);
            print_json(&probe::receive(port, ReceivePlan { count, until })?)
        }
        Probe::Echo { port } => echo::serve(port),
    }
}

/// One line of JSON.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string(value).context("writing JSON")?;
    print(&text)
}

/// Lines for stdout.
pub(crate) fn print(text: &str) -> Result<()> {
    writeln!(stdout(), "{text}").context("writing to stdout")
}

/// Pods and nodes are named by one rule, DNS-1123.
fn pod_name(text: &str) -> Result<String, String> {
    let named = text.parse::<NodeName>().map(String::from);
    named.map_err(|_| "must be lower-case letters, digits, '-' or '.'".to_owned())
}
