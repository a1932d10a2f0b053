//! Kubernetes' own tests of a cluster's network, with ours as the network.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod fleet_world;

use gingham_integration::e2e::{self, Place, Target, Verdict};
use std::io::Write;
use std::time::Duration;

/// Ten times what they take on two cores, and more.
const QUICK: Duration = Duration::from_secs(30 * 60);
const LONG: Duration = Duration::from_secs(3 * 60 * 60);

/// Runs every spec of these places in a fleet of its own; all must pass.
#[track_caller]
fn all_pass(places: &[Place], deadline: Duration) {
    let specs = e2e::specs().unwrap();
    let chosen = specs.iter().filter(|spec| places.contains(&spec.place));
    let names: Vec<&str> = chosen.map(|spec| spec.name.as_str()).collect();
    let fleet = fleet_world::installed();
    fleet.apply_dns(fleet_world::PATIENCE).unwrap();
    let kubeconfig = fleet.admin_kubeconfig().display().to_string();
    let target = Target {
        from: fleet.lab().at("cp").unwrap(),
        kubeconfig: &kubeconfig,
        nodes: fleet.nodes().count(),
    };
    let verdicts = e2e::run(&target, &names, deadline).unwrap();
    let (passed, others): (Vec<_>, Vec<_>) = verdicts.iter().partition(|v| v.passed());
    for verdict in &passed {
        let _ = writeln!(std::io::stderr(), "{verdict}");
    }
    let told: Vec<String> = others.iter().map(|v: &&Verdict| v.to_string()).collect();
    assert!(
        told.is_empty(),
        "{} of {} did not pass:\n{}",
        told.len(),
        names.len(),
        told.join("\n\n")
    );
}

#[test]
fn one_spec_of_each_kind_of_traffic_passes() {
    all_pass(&[Place::Quick], QUICK);
}

#[test]
#[ignore = "eleven minutes: integration/test.sh --all"]
fn every_spec_that_can_run_here_passes() {
    all_pass(&[Place::Quick, Place::Long], LONG);
}
