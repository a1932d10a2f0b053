//! What the scenarios between zones share: a lab that has settled, tables that differ in little, and
//! watchers over the routes of several boxes.

use super::{PATIENCE, agent, start_agents, wait, without_agents};
use anyhow::{Context, Result, bail, ensure};
use gingham_integration::tables::{self, Tables};
use gingham_integration::{Flow, Lab, Node, Pod, RouteMonitor, Store, Topology, Traffic};
use gingham_model::{Family, Prefix};
use serde_json::Value;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Routes that have not changed for so long are at rest.
const REST: Duration = Duration::from_secs(2);

/// A lab that stands alone among those of its process: each has a dozen agents and more, and all of the
/// machine may together have 128 inotify instances (`fs.inotify.max_user_instances`).
pub(crate) struct Alone {
    lab: Lab,
    // Dropped after the lab.
    _turn: MutexGuard<'static, ()>,
}

impl Deref for Alone {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.lab
    }
}

/// A lab whose tables are as expected.
pub(crate) fn settled(store: Store, topology: Topology) -> Alone {
    static TURN: Mutex<()> = Mutex::new(());
    // A test that failed has left nothing behind.
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let lab = without_agents(store, topology);
    for router in lab.routers() {
        router.start().unwrap();
    }
    start_agents(&lab);
    for router in lab.routers() {
        router.wait_established(PATIENCE, |_| true).unwrap();
    }
    wait_for_all(&lab);
    Alone { lab, _turn: turn }
}

/// Waits until every box is as after [`settled`].
pub(crate) fn wait_for_all(lab: &Lab) {
    let wanted = tables::expected(lab.topology());
    tables::wait_for(lab, &wanted, PATIENCE).unwrap();
}

/// The blocks of a node.
pub(crate) fn blocks(lab: &Lab, node: &str) -> Vec<Prefix> {
    lab.node(node).unwrap().plan().blocks.clone()
}

/// What the zone of a node announces for all its nodes.
pub(crate) fn aggregates(lab: &Lab, node: &str) -> Vec<Prefix> {
    let zone = lab.node(node).unwrap().plan().zone.clone();
    let mut zones = lab.topology().zones.iter();
    let zone = zones.find(|plan| plan.name == zone).unwrap();
    zone.pod_cidrs.clone()
}

/// The destination of a line of a table.
pub(crate) fn is_to(line: &str, prefix: &Prefix) -> bool {
    let prefix = prefix.to_string();
    line.split(' ').any(|word| word == prefix)
}

/// Takes the routes to these prefixes out of a table. They must be there.
pub(crate) fn without(tables: &mut Tables, at: &str, prefixes: &[Prefix]) {
    let table = tables.get_mut(at).unwrap();
    for prefix in prefixes {
        let before = table.len();
        table.retain(|line| !is_to(line, prefix));
        assert_eq!(table.len() + 1, before, "{at}: {prefix}");
    }
}

/// Takes these next hops out of the routes to `prefixes`. Others must be left.
pub(crate) fn without_hops(
    tables: &mut Tables,
    at: &str,
    (prefixes, hops): (&[Prefix], &[IpAddr]),
) {
    let table = tables.get_mut(at).unwrap();
    for prefix in prefixes {
        let mut lines = table.iter_mut();
        let line = lines.find(|line| is_to(line, prefix)).unwrap();
        let (destination, all) = line.split_once(" via ").unwrap();
        let gone = |hop: &&str| hops.iter().any(|gone| gone.to_string() == **hop);
        let left: Vec<&str> = all.split(", ").filter(|hop| !gone(hop)).collect();
        assert!(!left.is_empty(), "{at}: {prefix}");
        *line = format!("{destination} via {}", left.join(", "));
    }
}

/// Watches over the routes of several boxes.
pub(crate) struct Watch(Vec<(String, RouteMonitor)>);

impl Watch {
    /// Begins once nothing happens any more of what went before: FRR writes routes again, unchanged,
    /// when it hears of them once more.
    pub(crate) fn over(lab: &Lab, names: &[&str]) -> Self {
        wait("routes come to rest", || {
            let watch = Watch::at_once(lab, names);
            sleep(REST);
            match watch.seen() {
                seen if seen.is_empty() => Ok(watch),
                seen => bail!("{seen:#?}"),
            }
        })
    }

    fn at_once(lab: &Lab, names: &[&str]) -> Self {
        let start = |name: &&str| {
            let monitor = RouteMonitor::start(lab.at(name).unwrap());
            ((*name).to_owned(), monitor.unwrap())
        };
        Watch(names.iter().map(start).collect())
    }

    fn seen(&self) -> Vec<String> {
        let seen = self.0.iter().flat_map(|(name, monitor)| {
            let seen = monitor.seen().unwrap();
            seen.into_iter().map(move |line| format!("{name}: {line}"))
        });
        seen.collect()
    }

    /// Nothing has happened up to now.
    pub(crate) fn assert_silent(&self, during: &str) {
        assert_eq!(self.seen(), [""; 0], "{during}");
    }
}

/// A thousand packets a second in each family, from each pod to the other, while `disturb` goes on:
/// how many got lost, and how long that took.
pub(crate) fn lost(pods: [&Pod; 2], disturb: impl FnOnce()) -> (u64, Duration) {
    let [a, b] = pods;
    let mut flows = Vec::new();
    for (from, to) in [(a, b), (b, a)] {
        for family in Family::ALL {
            let flow = Flow { family, rate: 1000 };
            flows.push(Traffic::start(from, to, flow).unwrap());
        }
    }
    let began = Instant::now();
    disturb();
    let took = began.elapsed();
    let mut lost = 0;
    for flow in flows {
        let count = flow.stop().unwrap();
        // A sender that hardly sent proves nothing.
        let least = u64::try_from(took.as_millis()).unwrap() / 2;
        assert!(count.sent.sent > least, "{count:?} in {took:?}");
        lost += count.lost();
    }
    (lost, took)
}

/// What a question to the agent of a node brings, as JSON.
pub(crate) fn asked(node: &Node, question: &[&str]) -> Result<Value> {
    let said = agent(node, &[question, &["-o", "json"]].concat());
    serde_json::from_str(&said.stdout)
        .with_context(|| format!("{}: {question:?}: {said:?}", node.name()))
}

/// The peers of a node by name, each with its report.
pub(crate) fn peers(node: &Node) -> Result<Vec<Value>> {
    let said = asked(node, &["peers"])?;
    Ok(said["peers"].as_array().cloned().unwrap_or_default())
}

/// Waits until the sessions of a node are up, and everything its peers have has come over them.
pub(crate) fn wait_for_sessions(node: &Node) {
    wait(&format!("{}: its sessions", node.name()), || {
        let peers = peers(node)?;
        ensure!(!peers.is_empty());
        for peer in &peers {
            let mut families = peer["families"].as_object().into_iter().flatten();
            let up = peer["state"] == "Established";
            let heard = families.all(|(_, family)| family["endOfRib"] == true);
            ensure!(up && heard, "{peer:#}");
        }
        Ok(())
    });
}

/// How often each session was established, and lost, by the name of the peer.
pub(crate) fn sessions(node: &Node) -> Vec<(String, u64, u64)> {
    let peers = peers(node).unwrap();
    let mut sessions: Vec<_> = peers
        .iter()
        .map(|peer| {
            let count = |what: &str| peer[what].as_u64().unwrap();
            let name = peer["name"].as_str().unwrap().to_owned();
            (name, count("established"), count("lost"))
        })
        .collect();
    sessions.sort();
    sessions
}
