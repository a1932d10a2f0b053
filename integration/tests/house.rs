//! The shape of the house: who may use whom, read from what cargo really builds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

use std::collections::BTreeSet;
use std::process::Command;

/// Everything `package` builds with, itself left out. Asked for each package alone, since the
/// features of a dependency are united over a workspace.
fn dependencies(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--prefix",
            "none",
            "--edges",
            "normal",
            "--package",
            package,
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = String::from_utf8(output.stdout).unwrap();
    let names = lines.lines().filter_map(|line| line.split(' ').next());
    names
        .filter(|name| *name != package && !name.is_empty())
        .map(str::to_owned)
        .collect()
}

fn ours(package: &str) -> Vec<String> {
    dependencies(package)
        .into_iter()
        .filter(|name| name.starts_with("gingham"))
        .collect()
}

#[test]
fn model_stands_in_the_middle_and_the_leaves_never_see_each_other() {
    assert_eq!(ours("gingham-model"), [""; 0]);
    for leaf in [
        "gingham-bgp",
        "gingham-cni",
        "gingham-ipam",
        "gingham-netlink",
    ] {
        assert_eq!(ours(leaf), ["gingham-model"], "{leaf}");
    }
}

#[test]
fn the_plugin_is_alone() {
    assert_eq!(
        ours("gingham"),
        [
            "gingham-cni",
            "gingham-ipam",
            "gingham-model",
            "gingham-netlink"
        ]
    );
    let never = [
        "tokio",
        "kube",
        "hyper",
        "axum",
        "rtnetlink",
        "netlink-proto",
    ];
    let found = dependencies("gingham");
    let found: Vec<&str> = never
        .into_iter()
        .filter(|name| found.contains(*name))
        .collect();
    assert!(found.is_empty(), "the plugin builds with {found:?}");
}

#[test]
fn pure_crates_stay_pure() {
    let never = [
        "tokio",
        "kube",
        "nix",
        "netlink-sys",
        "netlink-packet-route",
        "rand",
    ];
    for pure in ["gingham-model", "gingham-cni", "gingham-ipam"] {
        let found = dependencies(pure);
        let found: Vec<&str> = never
            .into_iter()
            .filter(|name| found.contains(*name))
            .collect();
        assert!(found.is_empty(), "{pure} builds with {found:?}");
    }
    let bgp = dependencies("gingham-bgp");
    for never in [
        "kube",
        "netlink-sys",
        "netlink-packet-route",
        "hyper",
        "serde_json",
    ] {
        assert!(!bgp.contains(never), "gingham-bgp builds with {never}");
    }
    let netlink = dependencies("gingham-netlink");
    assert!(!netlink.contains("tokio") && !netlink.contains("kube"));
}

#[test]
fn the_model_needs_three_libraries() {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree", "--locked", "--prefix", "none", "--edges", "normal", "--depth", "1",
        ])
        .args(["--package", "gingham-model"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let lines = String::from_utf8(output.stdout).unwrap();
    let direct: Vec<&str> = lines
        .lines()
        .skip(1)
        .filter_map(|l| l.split(' ').next())
        .collect();
    assert_eq!(direct, ["ipnetwork", "serde", "thiserror"]);
}
