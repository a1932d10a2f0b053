//! A short soak: the command itself, with every kind of client and every kind of disturbance.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

use gingham_integration::Binaries;
use std::process::Command;

#[test]
fn half_a_minute_of_churn_ends_well() {
    let speaker = Binaries::speaker().unwrap();
    let line = "--minutes 0.4 --clients 40 --prefixes 10 --flaps 100 --check 8 --line 8";
    let output = Command::new(env!("CARGO_BIN_EXE_bgp-soak"))
        .arg("--speaker")
        .arg(speaker)
        .args(line.split(' '))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let progress = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said, "verdict: ok\n", "{progress}");
    assert!(output.status.success(), "{}: {progress}", output.status);
    // The first check, one after each stretch of churn, and nothing amiss.
    let total = progress.lines().last().unwrap();
    let found = "4 checks: 0 missing, 0 unexpected, 0 different";
    assert!(total.ends_with(found), "{progress}");
}
