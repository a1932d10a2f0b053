//! The routers of the reference lab among themselves: no agent runs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

use anyhow::{Result, ensure};
use gingham_integration::tables::{self, Tables, expected_without_agents};
use gingham_integration::topology::{Cores, Zones, reference};
use gingham_integration::{Binaries, Lab, Plan, eventually};
use gingham_model::Prefix;
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::time::Duration;

/// Ten times what anything here takes on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn up(zones: Zones, cores: Cores) -> Lab {
    let topology = reference(zones, cores).unwrap();
    let lab = Lab::up(Plan::scoped(topology, Binaries::lab_only().unwrap())).unwrap();
    for router in lab.routers() {
        router.start().unwrap();
    }
    for router in lab.routers() {
        let speaks = |on: &str| lab.router(on).is_ok();
        router
            .wait_established(PATIENCE, |peer| speaks(&peer.on))
            .unwrap();
    }
    lab
}

fn prefix_of(line: &str) -> Prefix {
    let words = line.split(' ').find(|word| word.contains('/'));
    words.unwrap().parse().unwrap()
}

fn wait_for(lab: &Lab, wanted: &Tables) {
    tables::wait_for(lab, wanted, PATIENCE).unwrap();
}

#[test]
fn every_router_learns_every_subnet() {
    for (zones, cores) in [(Zones::Three, Cores::One), (Zones::Two, Cores::Two)] {
        let lab = up(zones, cores);
        let wanted = expected_without_agents(lab.topology());
        wait_for(&lab, &wanted);
    }
}

#[test]
fn the_client_reaches_every_node_in_both_families() -> Result<()> {
    let lab = up(Zones::Three, Cores::One);
    wait_for(&lab, &expected_without_agents(lab.topology()));
    for node in lab.topology().nodes() {
        for address in &node.internal_ips {
            let result = lab.at("cl")?.ping(*address, 1)?;
            ensure!(result.complete(), "{} {address}: {result:?}", node.name);
        }
    }
    Ok(())
}

/// Both daemons lose one of two ways when a cable is pulled, and find it again.
#[test]
fn a_cut_link_moves_the_routes_and_a_restored_one_brings_them_back() -> Result<()> {
    let lab = up(Zones::Three, Cores::One);
    let whole = expected_without_agents(lab.topology());
    wait_for(&lab, &whole);
    for (core, left) in [
        ("c1", ["10.250.1.2", "fd00:250:1::102"]),
        ("c2", ["10.250.2.2", "fd00:250:2::102"]),
    ] {
        lab.cut(core, "bb1")?;
        let table = whole[core].iter().map(|line| {
            let prefix = prefix_of(line);
            let left = if prefix.address().is_ipv4() {
                left[0]
            } else {
                left[1]
            };
            format!("{prefix} via {left}")
        });
        let table = table.collect();
        wait_for(&lab, &BTreeMap::from([(core.to_owned(), table)]));
        lab.restore(core, "bb1")?;
        wait_for(&lab, &whole);
    }
    Ok(())
}

/// Its kernel forwards meanwhile, and what it had is taken up again.
#[test]
fn a_router_is_killed_and_started_again() -> Result<()> {
    let lab = up(Zones::Two, Cores::One);
    let whole = expected_without_agents(lab.topology());
    wait_for(&lab, &whole);
    for name in ["c1", "c2"] {
        let router = lab.router(name)?;
        assert!(router.runs()?);
        router.stop(Signal::SIGKILL)?;
        assert!(!router.runs()?);
        assert_eq!(tables::seen(router.host())?, whole[name]);
        let backbone = lab.router("bb1")?;
        eventually("the backbone misses it", PATIENCE, || {
            let waiting = backbone.waits_for()?;
            ensure!(
                waiting.iter().all(|(peer, _)| peer.on == name),
                "{waiting:?}"
            );
            ensure!(waiting.len() == 2, "{waiting:?}");
            Ok(())
        })?;
        router.start()?;
        wait_for(&lab, &whole);
    }
    Ok(())
}
