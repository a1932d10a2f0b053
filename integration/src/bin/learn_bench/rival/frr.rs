//! FRR: zebra, which writes routes, and bgpd, which learns them; as their own user, with Debian's size
//! of netlink buffers.

use super::{Life, write};
use crate::case::{self, ASN, Case, DEVICE, Feed, OUTSIDE, SUBNET};
use crate::world::RUN;
use anyhow::{Context, Result};
use gingham_integration::bench::Launch;
use nix::unistd::{User, chown};
use std::fmt::Write as _;
use std::path::Path;

/// Where its sockets are.
const FOLDER: &str = "/run/frr";

pub(super) fn prepare(case: Case) -> Result<()> {
    let frr = User::from_name("frr")?.context("there is no user frr")?;
    std::fs::create_dir(FOLDER).with_context(|| format!("creating {FOLDER}"))?;
    chown(FOLDER, Some(frr.uid), Some(frr.gid)).with_context(|| format!("chown of {FOLDER}"))?;
    write(&format!("{RUN}/zebra.conf"), "log stdout errors\n")?;
    write(&format!("{RUN}/bgpd.conf"), &configuration(case))
}

pub(super) fn launches(zebra: &Path, life: Life) -> Vec<Launch> {
    // Routes of the life before are swept after so many seconds.
    let recover = match life {
        Life::First => "",
        Life::Again => "-K 120",
    };
    let common = format!("-A 127.0.0.1 --vty_socket {FOLDER} -z {FOLDER}/zserv.api");
    let line = |name: &str, more: &str| {
        format!("{common} -f {RUN}/{name}.conf -i {FOLDER}/{name}.pid {more}")
    };
    let bgpd = zebra.with_file_name("bgpd");
    vec![
        Launch::of(zebra, &line("zebra", &format!("-s 90000000 {recover}"))),
        Launch::of(bgpd, &line("bgpd", "")),
    ]
}

fn configuration(case: Case) -> String {
    let mut text = format!(
        "log stdout errors
router bgp {ASN}
 bgp router-id {DEVICE}
 no bgp default ipv4-unicast
 bgp graceful-restart
 bgp graceful-restart restart-time 120
 bgp graceful-restart preserve-fw-state
 coalesce-time 0
"
    );
    match case {
        Case::Learn(feed) => text += &node(feed),
        Case::Reflect(_) => text += &reflector(),
    }
    text
}

fn node(feed: Feed) -> String {
    let mut text = String::new();
    let feeders = || (0..feed.feeders).map(case::feeder);
    for feeder in feeders() {
        let _ = write!(
            text,
            " neighbor {feeder} remote-as {ASN}
 neighbor {feeder} timers connect 1
"
        );
    }
    text.push_str(" address-family ipv4 unicast\n  maximum-paths ibgp 16\n");
    for feeder in feeders() {
        let _ = writeln!(text, "  neighbor {feeder} activate");
    }
    text + " exit-address-family\n"
}

/// Nodes are told what comes from the core, the core everything.
fn reflector() -> String {
    let core = case::feeder(0);
    format!(
        " bgp cluster-id {DEVICE}
 no bgp ebgp-requires-policy
 neighbor {core} remote-as {OUTSIDE}
 neighbor {core} timers connect 1
 neighbor nodes peer-group
 neighbor nodes remote-as {ASN}
 bgp listen limit 65535
 bgp listen range {SUBNET} peer-group nodes
 address-family ipv4 unicast
  neighbor {core} activate
  neighbor {core} attribute-unchanged next-hop
  neighbor nodes activate
  neighbor nodes route-reflector-client
  neighbor nodes filter-list outside out
 exit-address-family
exit
bgp as-path access-list outside permit _{OUTSIDE}_
"
    )
}
