//! A fleet stands and falls: nodes, pods, power.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

use gingham_integration::fleet::PodSpec;
use gingham_integration::topology::Workers;
use gingham_integration::{Binaries, Fleet, FleetPlan, Progress};
use std::fs;
use std::time::Duration;

#[test]
fn trial() {
    let mut fleet = Fleet::up(FleetPlan {
        workers: Workers::One,
        images: Vec::new(),
        progress: Progress::to_stderr(),
    })
    .unwrap();
    let progress = Progress::to_stderr();
    let deploy = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../deploy/chart/crds/crds.yaml"
    );
    fleet.apply(&fs::read_to_string(deploy).unwrap()).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    fleet.apply_settings().unwrap();
    let g = Binaries::locate().unwrap().gingham.unwrap();
    println!(
        "{}",
        fleet
            .kubectl(&["get", "nodes", "-o", "wide"])
            .text()
            .unwrap()
    );
    let names: Vec<String> = fleet.nodes().map(str::to_owned).collect();
    let kc = format!("{}", fleet.admin_kubeconfig().display());
    let start = |fleet: &Fleet, n: &str| {
        let host = fleet.node(n).unwrap();
        fs::copy(&g.plugin, host.path("/opt/cni/bin/gingham")).unwrap();
        let lo = gingham_integration::tools::locate("loopback").unwrap();
        fs::copy(lo, host.path("/opt/cni/bin/loopback")).unwrap();
        fs::copy(&g.conflist, host.path("/etc/cni/net.d/10-gingham.conflist")).unwrap();
        let agent = g.agent.display().to_string();
        host.spawn("agent", &[&agent, "run", "--node", n, "--kubeconfig", &kc])
            .unwrap();
    };
    for n in &names {
        start(&fleet, n);
    }
    progress.say("x", "agents");
    if let Err(e) = fleet.wait_nodes_ready(Duration::from_secs(60)) {
        eprintln!("{e:#}");
        std::thread::sleep(Duration::from_secs(600));
    }
    progress.say("x", "ready");
    let a = fleet.run(&PodSpec::new("a").on("z1w1")).unwrap();
    let b = fleet.run(&PodSpec::new("b").on("z2w1")).unwrap();
    progress.say("x", "pods");
    for ip in &b.addresses {
        println!(
            "{}",
            fleet
                .exec(&a, &["ping", "-c2", &ip.to_string()])
                .text()
                .unwrap()
        );
    }
    println!("{}", fleet.kubectl(&["logs", "a"]).text().unwrap());
    fleet.power_off("z2w1").unwrap();
    progress.say("x", "off");
    fleet.power_on("z2w1").unwrap();
    start(&fleet, "z2w1");
    progress.say("x", "on");
    fleet.wait_nodes_ready(Duration::from_secs(60)).unwrap();
    std::thread::sleep(Duration::from_secs(10));
    println!(
        "{}",
        fleet
            .kubectl(&["get", "pods", "-o", "wide"])
            .text()
            .unwrap()
    );
    if std::env::var("HOLD").is_ok() {
        std::thread::sleep(Duration::from_secs(600));
    }
}
