//! The samples for routers we can run are read by those routers' own parsers.

use crate::kernel;
use gingham_agent::sample::{Fabric, Flavour, core};
use std::fs;
use std::net::IpAddr;
use std::process::{Command, Output};
use tempfile::TempDir;

fn fabric() -> Fabric {
    let reflector = |last: u8| {
        let addresses: [IpAddr; 2] = [
            format!("10.1.0.{last}").parse().unwrap(),
            format!("fd00:1::{last}").parse().unwrap(),
        ];
        // A name with everything a node's name may have.
        (
            format!("z1-m{last}.example").parse().unwrap(),
            addresses.to_vec(),
        )
    };
    Fabric {
        zone: "z1".parse().unwrap(),
        as_number: 64601,
        node_cidrs: ["10.1.0.0/24", "fd00:1::/64"]
            .map(|cidr| cidr.parse().unwrap())
            .to_vec(),
        reflectors: [11, 12].map(reflector).to_vec(),
        port: 1179,
        hold_seconds: 30,
        long_lived_stale_seconds: 86_400,
        peer: None,
        password_secret: Some("bgp".parse().unwrap()),
    }
}

/// Has a program judge a sample; the last argument is the file.
fn judged(flavour: Flavour, change: fn(String) -> String, program: &[&str]) -> Output {
    let root = TempDir::new().unwrap();
    let file = root.path().join("sample.conf");
    fs::write(&file, change(core(flavour, &fabric()))).unwrap();
    let mut command = Command::new(program[0]);
    command.args(&program[1..]).arg(&file);
    // Nothing of it may reach this host.
    let netns = kernel::World::new().node;
    let output = netns.visit(move || command.output()).unwrap();
    output.unwrap_or_else(|error| {
        panic!(
            "{}: {error}; this test needs Debian's packages frr and bird2",
            program[0]
        )
    })
}

#[track_caller]
fn assert_judges(flavour: Flavour, program: &[&str], bad: fn(String) -> String) {
    let good = judged(flavour, |text| text, program);
    let said = [good.stdout.as_slice(), b"\n", &good.stderr].concat();
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&said));
    assert!(
        !judged(flavour, bad, program).status.success(),
        "it takes anything"
    );
}

#[test]
fn frr_reads_its_sample() {
    let bad =
        |text: String| text.replace("long-lived-graceful-restart", "long-loved-graceful-restart");
    assert_judges(Flavour::Frr, &["vtysh", "-C", "-f"], bad);
}

/// It ends well whatever it reads, and names the lines it cannot carry out.
#[test]
fn frrs_bgpd_carries_out_its_sample() {
    let program = ["/usr/lib/frr/bgpd", "--log", "stdout", "-C", "-f"];
    let said = |change: fn(String) -> String| {
        let output = judged(Flavour::Frr, change, &program);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let good = said(|text| text);
    assert!(!good.contains("config line"), "{good}");
    let bad = said(|text| text.replace("long-lived", "long-loved"));
    assert!(bad.contains("No such command on config line"), "{bad}");
}

#[test]
fn bird_reads_its_sample() {
    let bad = |text: String| text.replace("add paths rx", "add paths for all");
    assert_judges(Flavour::Bird, &["bird", "-p", "-c"], bad);
}
