//! The one lab of this machine that outlives its `lab up`.

use crate::cli::{Format, print, print_json};
use anyhow::{Context, Result, bail};
use gingham_integration::{
    Binaries, Lab, LabBox, Lifetime, Node, Plan, Progress, StateDir, preflight,
};
use gingham_integration::topology::{self, Cores, Zones};
use serde::Serialize;
use std::fmt::Write as _;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// How long an agent may take to do its first work.
pub(crate) const READY_DEADLINE: Duration = Duration::from_secs(30);

/// What runs on the nodes of a new lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agents {
    /// An agent on every node.
    Started,
    /// Nothing.
    None,
}

/// The record, once it is sure that there can be boxes to record.
fn state_dir(dir: &Path) -> Result<StateDir> {
    preflight::check()?;
    StateDir::lock(dir)
}

/// `lab up`.
pub(crate) fn up(dir: &Path, agents: Agents) -> Result<()> {
    let progress = Progress::to_stderr();
    let folder = state_dir(dir)?;
    if let Some(lab) = Lab::attach(&folder)? {
        let troubles = troubles(&lab, agents)?;
        if troubles.is_empty() {
            progress.say("lab", "is already up and healthy");
            return Ok(());
        }
        progress.say(
            "lab",
            &format!("stood half: {}; building it anew", troubles.join(", ")),
        );
        lab.down()?;
    }
    let lab = Lab::up(Plan {
        topology: topology::reference(Zones::Three, Cores::One)?,
        binaries: match agents {
            Agents::Started => Binaries::locate()?,
            // Pods and agents by hand work all the same when the executables are there.
            Agents::None => Binaries::locate().or_else(|_| Binaries::lab_only())?,
        },
        lifetime: Lifetime::Detached(folder),
        progress,
    })?;
    if agents == Agents::Started {
        start_agents(&lab.nodes(), progress)?;
    }
    progress.say(
        "lab",
        "is up; `lab status`, `lab exec z1w1 -- ip route`, `lab down`",
    );
    Ok(())
}

/// Starts all, then waits for each.
pub(crate) fn start_agents(nodes: &[Node], progress: Progress) -> Result<()> {
    nodes.iter().try_for_each(Node::start_agent)?;
    for node in nodes {
        node.wait_ready(READY_DEADLINE)?;
        progress.say(node.name(), "agent ready");
    }
    Ok(())
}

/// What keeps the lab from being what `lab up` would make.
fn troubles(lab: &Lab, agents: Agents) -> Result<Vec<String>> {
    let mut troubles: Vec<String> = lab
        .missing()
        .iter()
        .map(|name| format!("{name} is gone"))
        .collect();
    if agents == Agents::Started && troubles.is_empty() {
        for node in lab.nodes() {
            if node.agent()?.is_none() {
                troubles.push(format!("{} has no agent", node.name()));
            }
        }
    }
    Ok(troubles)
}

/// `lab down`. No lab is no error.
pub(crate) fn down(dir: &Path) -> Result<()> {
    let progress = Progress::to_stderr();
    let folder = state_dir(dir)?;
    match Lab::attach(&folder)? {
        Some(lab) => {
            let boxes = lab.boxes().count();
            lab.down()?;
            progress.say("lab", &format!("{boxes} boxes ended, nothing is left"));
        }
        None => progress.say("lab", "is not up"),
    }
    folder.remove()
}

/// The lab that stands.
fn standing(dir: &Path) -> Result<Lab> {
    let folder = state_dir(dir)?;
    match Lab::attach(&folder)? {
        Some(lab) => Ok(lab),
        None => {
            folder.remove()?;
            bail!("the lab is not up; `lab up` brings it up")
        }
    }
}

/// `lab exec`: becomes the command.
pub(crate) fn exec(dir: &Path, name: &str, argv: &[String]) -> Result<ExitCode> {
    let lab = standing(dir)?;
    let error = lab.at(name)?.interactive(argv)?.exec();
    Err(error).context("starting nsenter")
}

/// `lab pod add`.
pub(crate) fn add_pod(dir: &Path, node: &str, name: &str) -> Result<()> {
    let pod = standing(dir)?.node(node)?.add_pod(name)?;
    print(&serde_json::to_string_pretty(pod.result())?)
}

/// `lab pod del`.
pub(crate) fn del_pod(dir: &Path, node: &str, name: &str) -> Result<()> {
    standing(dir)?.node(node)?.del_pod(name)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BoxStatus {
    name: String,
    pid: i32,
    alive: bool,
    addresses: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<&'static str>,
}

/// `lab status`: exit code 1 when something of the lab is gone.
pub(crate) fn status(dir: &Path, format: Format) -> Result<ExitCode> {
    let lab = standing(dir)?;
    let boxes: Vec<BoxStatus> = lab.boxes().map(|each| box_status(&lab, each)).collect();
    match format {
        Format::Json => print_json(&boxes)?,
        Format::Text => print(table(&boxes).trim_end())?,
    }
    Ok(match lab.missing().is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn box_status(lab: &Lab, each: &LabBox) -> BoxStatus {
    let plan = lab
        .topology()
        .boxes
        .iter()
        .find(|plan| plan.name == each.name());
    let addresses = plan
        .map(|plan| plan.addresses.as_slice())
        .unwrap_or_default();
    BoxStatus {
        name: each.name().to_owned(),
        pid: each.init().pid,
        alive: each.alive(),
        addresses: addresses
            .iter()
            .map(|a| format!("{}/{}", a.address, a.length))
            .collect(),
        agent: lab.node(each.name()).ok().map(|node| agent_word(&node)),
    }
}

fn agent_word(node: &Node) -> &'static str {
    match node.agent() {
        Ok(Some(_)) => match node.wait_ready(Duration::ZERO) {
            Ok(()) => "ready",
            Err(_) => "not ready",
        },
        Ok(None) | Err(_) => "none",
    }
}

fn table(boxes: &[BoxStatus]) -> String {
    let mut text = format!("{:<6} {:>7}  {:<9}  ADDRESSES\n", "BOX", "PID", "AGENT");
    for BoxStatus {
        name,
        pid,
        alive,
        addresses,
        agent,
    } in boxes
    {
        let agent = if *alive {
            agent.unwrap_or("-")
        } else {
            "BOX GONE"
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{name:<6} {pid:>7}  {agent:<9}  {}",
            addresses.join(" ")
        );
    }
    text
}
