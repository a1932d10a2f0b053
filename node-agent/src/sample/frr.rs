//! FRRouting.

use super::{Fabric, MULTIPATH, Run, lower, preamble};
use gingham_model::Family;
use std::fmt::Write;

pub(super) fn core(fabric: &Fabric) -> String {
    let Fabric {
        as_number,
        long_lived_stale_seconds,
        ..
    } = fabric;
    let mut text = preamble(fabric, ("!", "FRR"), Run::InTheLab);
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "router bgp {as_number}\n no bgp default ipv4-unicast\n \
         bgp bestpath as-path multipath-relax\n"
    );
    if *long_lived_stale_seconds > 0 {
        let _ = writeln!(
            text,
            " bgp long-lived-graceful-restart stale-time {long_lived_stale_seconds}"
        );
    }
    for family in fabric.families() {
        text += &sessions(fabric, family);
    }
    for family in fabric.families() {
        text += &exchange(fabric, family);
    }
    text + "exit\n"
}

fn group(family: Family) -> &'static str {
    match family {
        Family::V4 => "reflectors4",
        Family::V6 => "reflectors6",
    }
}

fn sessions(fabric: &Fabric, family: Family) -> String {
    let (group, hold) = (group(family), fabric.hold_seconds);
    let mut text = format!(
        " neighbor {group} peer-group\n neighbor {group} remote-as {}\n \
         neighbor {group} timers {} {hold}\n neighbor {group} timers connect 5\n",
        fabric.as_number,
        fabric.keepalive_seconds(),
    );
    if fabric.port != 179 {
        let _ = writeln!(text, " neighbor {group} port {}", fabric.port);
    }
    if fabric.password_secret.is_some() {
        let _ = writeln!(text, " neighbor {group} password KEY");
    }
    for (name, address) in fabric.sessions(family) {
        let _ = write!(
            text,
            " neighbor {address} peer-group {group}\n neighbor {address} description {name}\n"
        );
    }
    text
}

/// Unless told otherwise several paths of a prefix are taken, no-export is heeded, and routes of a
/// reflector that restarts are kept.
fn exchange(fabric: &Fabric, family: Family) -> String {
    let group = group(family);
    let mut text = format!(" !\n address-family {} unicast\n", lower(family));
    for subnet in fabric.subnets(family) {
        let _ = writeln!(text, "  network {subnet}");
    }
    let _ = write!(
        text,
        "  neighbor {group} activate\n  neighbor {group} next-hop-self\n"
    );
    let _ = write!(
        text,
        "  maximum-paths {MULTIPATH}\n  maximum-paths ibgp {MULTIPATH}\n exit-address-family\n"
    );
    text
}
