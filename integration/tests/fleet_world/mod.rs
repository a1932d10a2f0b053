//! What scenarios in a fleet begin with.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "every scenario is a crate of its own and takes what it needs"
)]

use gingham_integration::topology::Workers;
use gingham_integration::{Binaries, Fleet, FleetPlan, Gingham, Progress, eventually, tools};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Ten times what is seen where everything waits for one disk.
pub const PATIENCE: Duration = Duration::from_secs(180);
/// The plugins of the chained list besides ours.
const CHAINED: [&str; 4] = ["loopback", "portmap", "bandwidth", "tuning"];
/// The manifest of the cluster's DNS.
const COREDNS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cluster/coredns.yaml");
const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy");

/// A fleet of one worker a zone, with agents on its nodes and DNS, all of it ready.
#[track_caller]
pub fn ready() -> Fleet {
    let fleet = Fleet::up(FleetPlan {
        workers: Workers::One,
        images: Vec::new(),
        progress: Progress::to_stderr(),
    })
    .expect("a fleet");
    start_agents(&fleet);
    fleet.wait_nodes_ready(PATIENCE).expect("ready nodes");
    apply_dns(&fleet);
    fleet
}

/// Gives the cluster its network: an agent started on each node, with the files it leaves to others.
#[track_caller]
pub fn start_agents(fleet: &Fleet) {
    let crds = fs::read_to_string(Path::new(DEPLOY).join("crds.yaml")).unwrap();
    fleet.apply(&crds).expect("CRDs");
    eventually("the kinds are known", PATIENCE, || fleet.apply_settings()).expect("settings");
    let gingham = Binaries::locate().unwrap().gingham.unwrap();
    for node in fleet.nodes() {
        start_agent(fleet, node, &gingham);
    }
}

fn start_agent(fleet: &Fleet, node: &str, gingham: &Gingham) {
    let host = fleet.node(node).unwrap();
    let copy = |from: &Path, to: &str| {
        fs::copy(from, host.path(to)).unwrap_or_else(|error| panic!("{}: {error}", from.display()))
    };
    copy(&gingham.plugin, "/opt/cni/bin/gingham");
    for plugin in CHAINED {
        let from = tools::locate(plugin).unwrap();
        copy(&from, &format!("/opt/cni/bin/{plugin}"));
    }
    let agent = gingham.agent.display().to_string();
    let kubeconfig = fleet.admin_kubeconfig().display().to_string();
    let words = [&*agent, "run", "--node", node, "--kubeconfig", &kubeconfig];
    host.spawn("agent", &words).unwrap();
    let conf = Path::new(DEPLOY).join("10-gingham-chained.conflist");
    copy(&conf, "/etc/cni/net.d/10-gingham.conflist");
}

/// Gives the cluster its DNS.
#[track_caller]
pub fn apply_dns(fleet: &Fleet) {
    let manifest = fs::read_to_string(COREDNS).unwrap();
    fleet.apply(&manifest).expect("CoreDNS");
    let patience = format!("--timeout={}s", PATIENCE.as_secs());
    let words = [
        "rollout",
        "status",
        "--namespace=kube-system",
        "deployment/coredns",
        &patience,
    ];
    fleet
        .kubectl(&words)
        .deadline(PATIENCE)
        .text()
        .expect("CoreDNS");
}
