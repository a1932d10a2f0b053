//! An `nft` that is missing, says no, hangs, is of another version, or is not alone. Where the real
//! one cannot be brought to that, a script stands before it.

use crate::nftables::{dual, nft, set};
use crate::site::netns;
use gingham_agent::firewall::Firewall;
use gingham_agent::nft::{Nft, NftError, Outcome};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// An `nft` that is this shell script; `$0.pid` and the like lie beside it.
///
/// Another process writes it: a file we had open for writing might still be open in a child that
/// another test is just starting, and could not be run (`ETXTBSY`).
fn script(body: &str) -> (TempDir, Nft) {
    let folder = tempfile::tempdir().unwrap();
    let write = "printf '#!/bin/sh\\n%s\\n' \"$0\" > nft && chmod +x nft";
    let mut shell = Command::new("sh");
    let written = shell.args(["-c", write, body]).current_dir(&folder);
    assert!(written.status().unwrap().success());
    let nft = Nft::at(folder.path().join("nft"));
    (folder, nft)
}

#[test]
fn what_stops_nft_is_said() {
    let missing = Nft::at("/no/such/nft".into()).differs(&dual()).unwrap_err();
    assert!(matches!(missing, NftError::Missing), "{missing}");
    let refused = netns().visit(|| Nft::new().spoofed()).unwrap().unwrap_err();
    let command = "nft -j list counter inet gingham spoofed";
    let says = format!("{command}: exit status: 1: Error: No such file or directory");
    assert!(refused.to_string().starts_with(&says), "{refused}");
}

/// The input, which does not fit into a pipe, is not waited for.
#[test]
fn a_refusal_says_why_even_if_the_input_was_not_read() {
    let (_folder, mut nft) = script("[ \"$1\" = -f ] || exit 0; echo 'not today' >&2; exit 3");
    let prefixes = (0..20_000u32).map(|n| format!("10.{}.{}.0/24", n / 256, n % 256));
    let wide = Firewall {
        masqueraded: prefixes.map(|cidr| cidr.parse().unwrap()).collect(),
        ..Firewall::default()
    };
    let error = nft.set(&wide).unwrap_err();
    assert_eq!(error.to_string(), "nft -f -: exit status: 3: not today");
}

#[test]
fn an_nft_that_hangs_is_killed_and_reaped() {
    let (folder, nft) = script("echo $$ > $0.pid; exec sleep 1000");
    let error = nft.differs(&dual()).unwrap_err();
    assert!(matches!(error, NftError::Timeout { .. }), "{error}");
    let pid = std::fs::read_to_string(folder.path().join("nft.pid")).unwrap();
    let process = Path::new("/proc").join(pid.trim());
    let deadline = Instant::now() + Duration::from_secs(60);
    while process.exists() {
        assert!(Instant::now() < deadline, "{process:?} is still there");
        thread::sleep(Duration::from_millis(10));
    }
}

/// As versions from 1.1.4 on, which spell some results of `fib` another way.
#[test]
fn an_nft_that_lists_otherwise_is_taken_at_its_word() {
    let node = netns();
    let (_folder, mut agent) =
        script("listing=$(nft \"$@\") || exit; echo \"$listing\" | sed 's/oif 0/check missing/'");
    assert_eq!(set(&node, &mut agent, &dual()), Outcome::Installed);
    assert_eq!(set(&node, &mut agent, &dual()), Outcome::Unchanged);
    nft(&node, "flush set inet gingham spared6");
    assert_eq!(set(&node, &mut agent, &dual()), Outcome::Repaired);
    let empty = Firewall::default();
    assert_eq!(set(&node, &mut agent, &empty), Outcome::Replaced);
    assert_eq!(set(&node, &mut agent, &empty), Outcome::Unchanged);
}

/// It is told, and not taken for how this `nft` lists what we wrote.
#[test]
fn a_hand_that_is_quicker_than_the_reading_back_is_noticed() {
    let (node, empty) = (netns(), Firewall::default());
    let (folder, mut agent) = script(
        "nft \"$@\" || exit; [ -e $0.foe ] && [ \"$1\" = -f ] || exit 0
         nft flush set inet gingham spared4",
    );
    assert_eq!(set(&node, &mut agent, &empty), Outcome::Installed);
    let foe = folder.path().join("nft.foe");
    std::fs::write(&foe, "").unwrap();
    for _ in 0..2 {
        let error = node.visit(|| agent.set(&dual())).unwrap().unwrap_err();
        assert!(matches!(error, NftError::Contended), "{error}");
    }
    std::fs::remove_file(foe).unwrap();
    assert_eq!(set(&node, &mut agent, &dual()), Outcome::Replaced);
}
