//! Arista EOS.

use super::{Fabric, MULTIPATH, Run, lower, preamble};
use gingham_model::Family;
use std::fmt::Write;

pub(super) fn core(fabric: &Fabric) -> String {
    let mut text = preamble(fabric, ("!", "Arista EOS"), Run::Never);
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "router bgp {}\n   no bgp default ipv4-unicast\n   maximum-paths {MULTIPATH} ecmp {MULTIPATH}\n   \
         bgp additional-paths receive\n",
        fabric.as_number
    );
    if fabric.long_lived_stale_seconds > 0 {
        text += "   graceful-restart-helper long-lived\n";
    }
    for family in fabric.families() {
        text += &sessions(fabric, family);
    }
    for family in fabric.families() {
        let group = group(family);
        let _ = write!(
            text,
            "   !\n   address-family {}\n      neighbor {group} activate\n",
            lower(family)
        );
        for subnet in fabric.subnets(family) {
            let _ = writeln!(text, "      network {subnet}");
        }
    }
    text
}

fn group(family: Family) -> &'static str {
    match family {
        Family::V4 => "REFLECTORS4",
        Family::V6 => "REFLECTORS6",
    }
}

fn sessions(fabric: &Fabric, family: Family) -> String {
    let group = group(family);
    let mut text = format!(
        "   neighbor {group} peer group\n   neighbor {group} remote-as {}\n   \
         neighbor {group} next-hop-self\n   neighbor {group} timers {} {}\n",
        fabric.as_number,
        fabric.keepalive_seconds(),
        fabric.hold_seconds
    );
    if fabric.port != 179 {
        let _ = writeln!(
            text,
            "   neighbor {group} transport remote-port {}",
            fabric.port
        );
    }
    if fabric.password_secret.is_some() {
        let _ = writeln!(text, "   neighbor {group} password 0 KEY");
    }
    for (name, address) in fabric.sessions(family) {
        let _ = write!(
            text,
            "   neighbor {address} peer group {group}\n   neighbor {address} description {name}\n"
        );
    }
    text
}
