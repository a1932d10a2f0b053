//! What the scenarios between zones share: a reference lab in which everything runs, and questions to
//! all of it.
#![allow(dead_code, reason = "each scenario file uses its part")]

use anyhow::{Context, Result, ensure};
use gingham_integration::tables::{self, Tables, expected};
use gingham_integration::topology::{Daemon, Topology};
use gingham_integration::{Binaries, Lab, Plan, Pod, Store, eventually};
use gingham_model::Family;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Ten times what anything here takes on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A lab whose routers and agents run, and whose tables are as expected.
pub(crate) fn up(store: Store, topology: Topology) -> Result<Lab> {
    let lab = Lab::up(Plan::scoped(topology, Binaries::locate()?).on(store))?;
    for router in lab.routers() {
        router.start()?;
    }
    for node in lab.nodes() {
        node.start_agent()?;
    }
    // One that has ended says why.
    for node in lab.nodes() {
        node.wait_ready(PATIENCE)?;
    }
    for router in lab.routers() {
        router.wait_established(PATIENCE, |_| true)?;
    }
    settled(&lab)?;
    Ok(lab)
}

/// Waits until every box has the tables that the topology, as it is now, makes one expect.
pub(crate) fn settled(lab: &Lab) -> Result<()> {
    tables::wait_for(lab, &expected(lab.topology()), PATIENCE)
}

/// Waits for tables that differ from the usual ones.
pub(crate) fn wait_for(lab: &Lab, wanted: &Tables) -> Result<()> {
    tables::wait_for(lab, wanted, PATIENCE)
}

/// Runs `event`, and tells how long it took.
#[expect(
    clippy::print_stdout,
    reason = "a figure for who reads a test's output"
)]
pub(crate) fn timed<T>(what: &str, event: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let outcome = event().with_context(|| what.to_owned())?;
    println!("{what}: {:.2} s", start.elapsed().as_secs_f64());
    Ok(outcome)
}

/// Whether each of `to` answers one echo request, in both families.
pub(crate) fn reach(from: &Pod, to: &[Pod]) -> Result<()> {
    for pod in to {
        for family in Family::ALL {
            let address = pod.address(family)?;
            let result = from.ping(address, 1)?;
            let words = || format!("{} -> {} {address}", from.name(), pod.name());
            ensure!(result.complete(), "{}: {result:?}", words());
        }
    }
    Ok(())
}

/// How often each session was established and lost, by who says so and about whom.
pub(crate) type Sessions = BTreeMap<String, [u64; 2]>;

/// All sessions, once all are established. BIRD does not count; the other end of each of its sessions
/// does.
pub(crate) fn sessions(lab: &Lab) -> Result<Sessions> {
    eventually("every session is established", PATIENCE, || {
        let sessions = counted(lab)?;
        let mut sides = sessions.iter();
        let waiting = sides.find(|(_, [established, lost])| established <= lost);
        ensure!(waiting.is_none(), "{waiting:?}");
        Ok(sessions)
    })
}

/// Whether none of the sessions of `before` was lost since.
pub(crate) fn undisturbed(before: &Sessions, lab: &Lab) -> Result<()> {
    let now = counted(lab)?;
    for (session, counts) in before {
        let now = now.get(session);
        ensure!(now == Some(counts), "{session}: {counts:?}, now {now:?}");
    }
    Ok(())
}

fn counted(lab: &Lab) -> Result<Sessions> {
    let mut sessions = BTreeMap::new();
    for node in lab.nodes() {
        let said = super::world::agent(&node, &["peers", "-o", "json"]);
        let what = || format!("{}: {said:?}", node.name());
        let said: Value = serde_json::from_str(&said.stdout).with_context(what)?;
        for peer in said["peers"].as_array().with_context(what)? {
            let count = |key: &str| peer[key].as_u64().with_context(what);
            let counts = [count("established")?, count("lost")?];
            let name = format!("{} with {}", node.name(), peer["name"]);
            sessions.insert(name, counts);
        }
    }
    for router in lab.routers() {
        if router.plan().daemon == Daemon::Frr {
            let said = router.ask(&["show bgp neighbors json"])?;
            let what = || format!("{}: {said}", router.name());
            let said: Value = serde_json::from_str(&said).with_context(what)?;
            for (peer, counted) in said.as_object().with_context(what)? {
                let count = |key: &str| counted[key].as_u64().with_context(what);
                let counts = [
                    count("connectionsEstablished")?,
                    count("connectionsDropped")?,
                ];
                sessions.insert(format!("{} with {peer}", router.name()), counts);
            }
        }
    }
    ensure!(!sessions.is_empty(), "no sessions");
    Ok(sessions)
}
