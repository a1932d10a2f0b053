//! The plugin as it lands on hosts: one static file that asks the kernel little and nobody else
//! anything.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

use gingham_integration::Binaries;
use gingham_netlink::Netns;
use serde_json::json;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::process::{Command, Stdio};

fn plugin() -> PathBuf {
    Binaries::locate()
        .unwrap()
        .gingham()
        .unwrap()
        .plugin
        .clone()
}

#[test]
fn it_is_static_and_under_four_megabytes() {
    let plugin = plugin();
    let size = plugin.metadata().unwrap().len();
    assert!(size < 4_000_000, "{} has {size} bytes", plugin.display());
    let shown = Command::new("readelf")
        .args(["--program-headers", "--dynamic"])
        .arg(&plugin)
        .output();
    let shown = String::from_utf8(shown.expect("readelf of binutils").stdout).unwrap();
    assert!(shown.contains("LOAD"), "{shown}");
    assert!(
        !shown.contains("INTERP") && !shown.contains("(NEEDED)"),
        "{shown}"
    );
}

/// What the plugin asks of the kernel during an ADD and a DEL, as `strace` sees it.
#[test]
fn an_add_starts_no_process_and_sends_no_dump_request() {
    let host = Netns::create().expect("needs root: it makes network namespaces");
    let pod = Netns::create().unwrap();
    let run_dir = tempfile::tempdir().unwrap();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let state = json!({
        "version": 1, "bootId": boot.trim(), "node": "n", "zone": "z1", "mtu": 1500,
        "families": ["IPv4", "IPv6"], "cooldownSeconds": 120,
        "blocks": [
            {"cidr": "10.101.21.0/24", "pool": "z1", "state": "Active"},
            {"cidr": "fd00:101:0:21::/64", "pool": "z1", "state": "Active"},
        ],
    });
    std::fs::write(run_dir.path().join("node.json"), state.to_string()).unwrap();
    // The first ADD of a boot, which finds no leases, makes sure that there are no pods either.
    let leases = json!({"version": 1, "bootId": boot.trim(), "leases": []});
    std::fs::write(run_dir.path().join("leases.json"), leases.to_string()).unwrap();
    let conf = json!({
        "cniVersion": "1.1.0", "name": "gingham", "type": "gingham", "runDir": run_dir.path(),
    });
    for verb in ["ADD", "DEL"] {
        let trace = run_dir.path().join(verb);
        let run = || {
            let mut child = Command::new("strace")
                .args([
                    "--follow-forks",
                    "--trace=sendto,sendmsg,connect,%process",
                    "--output",
                ])
                .arg(&trace)
                .arg(plugin())
                .env("CNI_COMMAND", verb)
                .env("CNI_CONTAINERID", "c1")
                .env(
                    "CNI_NETNS",
                    format!(
                        "/proc/{}/fd/{}",
                        std::process::id(),
                        pod.as_fd().as_raw_fd()
                    ),
                )
                .env("CNI_IFNAME", "eth0")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("strace, which integration/test.sh installs");
            child
                .stdin
                .take()
                .unwrap()
                .write_all(conf.to_string().as_bytes())
                .unwrap();
            child.wait_with_output().unwrap()
        };
        let output = host.visit(run).unwrap();
        let trace = std::fs::read_to_string(&trace).unwrap();
        assert!(
            output.status.success(),
            "{verb}: {}",
            String::from_utf8_lossy(&output.stdout)
        );
        let calls: Vec<&str> = trace.lines().filter_map(call).collect();
        assert!(calls.contains(&"sendto"), "the requests are seen: {trace}");
        // In a namespace that is not its own strace prints the flags as a number.
        for dump in ["NLM_F_DUMP", "NLM_F_ROOT", "|0x300"] {
            assert!(!trace.contains(dump), "{trace}");
        }
        assert_eq!(
            calls.iter().filter(|call| **call == "execve").count(),
            1,
            "{trace}"
        );
        let threads = trace.matches("CLONE_THREAD").count();
        let started = calls
            .iter()
            .filter(|call| call.contains("clone") || call.contains("fork"));
        assert_eq!(
            started.count(),
            threads,
            "a thread may visit the pod, no process: {trace}"
        );
        assert!(!calls.contains(&"connect"), "{trace}");
    }
}

/// The system call of a line `PID CALL(ARGUMENTS) = RESULT`.
fn call(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once(' ')?;
    let (name, _) = rest.trim_start().split_once('(')?;
    Some(name)
}
