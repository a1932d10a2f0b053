//! The one lab of this machine that outlives its `lab up`.

use crate::cli::{Format, print, print_json};
use anyhow::{Context, Result, bail};
use gingham_integration::topology::{self, Cores, Daemon, Neighbour, Zones};
use gingham_integration::{
    Binaries, Lab, LabBox, Lifetime, Node, Plan, Progress, Report, Router, StateDir, Store,
    preflight, tables,
};
use serde::Serialize;
use std::fmt::Write as _;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// How long an agent may take to do its first work.
pub(crate) const READY_DEADLINE: Duration = Duration::from_secs(30);

/// How long sessions may take to be established, and tables to settle.
pub(crate) const SETTLED_DEADLINE: Duration = Duration::from_secs(60);

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
        store: Store::Directory,
        lifetime: Lifetime::Detached(folder),
        progress,
    })?;
    start_routers(&lab, progress)?;
    if agents == Agents::Started {
        start_agents(&lab.nodes(), progress)?;
    }
    wait_settled(&lab, agents, progress)?;
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

/// Starts all, which then find each other by themselves.
pub(crate) fn start_routers(lab: &Lab, progress: Progress) -> Result<()> {
    for router in lab.routers() {
        router.start()?;
        let daemon = router.plan().daemon;
        progress.say(router.name(), &format!("{daemon} answers"));
    }
    Ok(())
}

/// Waits for the sessions of all routers, without agents for those with each other, and then for the
/// tables that follow.
pub(crate) fn wait_settled(lab: &Lab, agents: Agents, progress: Progress) -> Result<()> {
    let speaks = |peer: &Neighbour| agents == Agents::Started || lab.router(&peer.on).is_ok();
    for router in lab.routers() {
        router.wait_established(SETTLED_DEADLINE, speaks)?;
        let sessions = router.plan().neighbours.iter().filter(|peer| speaks(peer));
        let sessions = sessions.count();
        progress.say(router.name(), &format!("{sessions} sessions established"));
    }
    let wanted = match agents {
        Agents::Started => tables::expected(lab.topology()),
        Agents::None => tables::expected_without_agents(lab.topology()),
    };
    tables::wait_for(lab, &wanted, SETTLED_DEADLINE)?;
    let routes: usize = wanted.values().map(Vec::len).sum();
    let boxes = wanted.len();
    progress.say(
        "lab",
        &format!("{routes} routes in {boxes} boxes are as expected"),
    );
    Ok(())
}

/// What keeps the lab from being what `lab up` would make.
fn troubles(lab: &Lab, agents: Agents) -> Result<Vec<String>> {
    let mut troubles: Vec<String> = lab
        .missing()
        .iter()
        .map(|name| format!("{name} is gone"))
        .collect();
    if !troubles.is_empty() {
        return Ok(troubles);
    }
    for router in lab.routers() {
        if !router.runs()? {
            let daemon = router.plan().daemon;
            troubles.push(format!("{} has no {daemon}", router.name()));
        }
    }
    if agents == Agents::Started {
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

/// `lab tables`: exit code 1 when one differs.
pub(crate) fn tables(dir: &Path) -> Result<ExitCode> {
    let lab = standing(dir)?;
    let mut report = Report::default();
    for (name, wanted) in tables::expected(lab.topology()) {
        let compared = tables::compare(&tables::seen(lab.at(&name)?)?, &wanted);
        report.record(&name, compared.map(|()| wanted.join("\n")));
    }
    print(report.to_string().trim_end())?;
    Ok(match report.failed() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
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
    #[serde(skip_serializing_if = "Option::is_none")]
    router: Option<RouterStatus>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RouterStatus {
    daemon: Daemon,
    sessions: usize,
    /// `None` when the daemon does not answer.
    established: Option<usize>,
}

impl RouterStatus {
    fn of(router: &Router) -> Self {
        let sessions = router.plan().neighbours.len();
        let waiting = router.waits_for().ok();
        RouterStatus {
            daemon: router.plan().daemon,
            sessions,
            established: waiting.map(|waiting| sessions - waiting.len()),
        }
    }
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
        router: lab.router(each.name()).ok().as_ref().map(RouterStatus::of),
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
    let mut text = format!("{:<6} {:>7}  {:<15}  ADDRESSES\n", "BOX", "PID", "RUNS");
    for each in boxes {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{:<6} {:>7}  {:<15}  {}",
            each.name,
            each.pid,
            runs(each),
            each.addresses.join(" ")
        );
    }
    text
}

/// What runs in a box, for people: `agent ready`, `FRR 8/8`.
fn runs(each: &BoxStatus) -> String {
    match (each.alive, each.agent, &each.router) {
        (false, ..) => "BOX GONE".to_owned(),
        (_, Some(agent), _) => format!("agent {agent}"),
        (_, _, Some(router)) => match router.established {
            Some(established) => format!("{} {established}/{}", router.daemon, router.sessions),
            None => format!("{} silent", router.daemon),
        },
        _ => "-".to_owned(),
    }
}
