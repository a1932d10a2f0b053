//! Agent and plugin of different ages, as in the middle of an upgrade or after a half one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod fleet_world;

use fleet_world::{
    PATIENCE, assert_none_lost, bare, client, fetch, host, server, traffic, wait_ready,
};
use gingham_integration::fleet::FleetPod;
use gingham_integration::fleet::chart::REPOSITORY;
use gingham_integration::{Binaries, Fleet, Gingham, images};
use std::path::PathBuf;
use std::process::Command;

/// A plugin of before results were kept by their versions, and an agent of the first chart.
const PLUGIN: &str = "825464c";
const AGENT: &str = "284ba87";
/// The tag of the image with the older program.
const OLDER: &str = "0.0.9";

#[test]
#[ignore = "builds an earlier commit: integration/test.sh --all"]
fn an_older_plugin_works_with_this_agent_and_is_replaced_under_its_pods() {
    let older = Gingham {
        plugin: earlier(PLUGIN, "gingham"),
        ..today()
    };
    works_and_is_upgraded(&older);
}

#[test]
#[ignore = "builds an earlier commit: integration/test.sh --all"]
fn an_older_agent_works_with_this_plugin_and_is_replaced_under_its_pods() {
    let older = Gingham {
        agent: earlier(AGENT, "gingham-agent"),
        ..today()
    };
    works_and_is_upgraded(&older);
}

fn works_and_is_upgraded(older: &Gingham) {
    let fleet = bare();
    let image = images::gingham(older, &format!("{REPOSITORY}:{OLDER}")).unwrap();
    fleet.load(&[image]).unwrap();
    fleet.upgrade(&[&format!("image.tag={OLDER}")]).unwrap();
    fleet.settle(PATIENCE).unwrap();
    wait_ready(&fleet);
    let near = fleet.run(&client("near").on("z1w1")).unwrap();
    let far = fleet.run(&server("far").on("z2w1")).unwrap();
    reaches(&fleet, &near, &far);
    let running = traffic(&fleet, &[(&near, &far), (&far, &near)]);
    fleet.upgrade(&[]).unwrap();
    fleet.wait_agents(PATIENCE).unwrap();
    assert_none_lost(running, "the upgrade");
    // What the older one wired the newer one takes down, and wires in its place.
    fleet.delete("far").unwrap();
    let far = fleet.run(&server("far").on("z2w1")).unwrap();
    reaches(&fleet, &near, &far);
}

fn reaches(fleet: &Fleet, from: &FleetPod, to: &FleetPod) {
    for address in &to.addresses {
        let url = format!("http://{}:8080/hostname", host(*address));
        let said = gingham_integration::eventually(&url, PATIENCE, || fetch(fleet, from, &url));
        assert_eq!(said.unwrap(), to.name);
    }
}

fn today() -> Gingham {
    Binaries::locate().unwrap().gingham.unwrap()
}

/// A program of an earlier commit.
fn earlier(commit: &str, package: &str) -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../integration/earlier.sh");
    let built = Command::new(script)
        .args([commit, package])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{said}");
    PathBuf::from(String::from_utf8(built.stdout).unwrap().trim())
}
