//! Junos, as `set` commands.

use super::{Fabric, Run, preamble};
use gingham_model::Family;
use std::fmt::Write;

pub(super) fn core(fabric: &Fabric) -> String {
    let mut text = preamble(fabric, ("#", "Junos"), Run::Never);
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "set routing-options autonomous-system {}\n\
         set routing-options forwarding-table export gingham-load-balance\n\
         set policy-options policy-statement gingham-load-balance then load-balance per-flow\n\
         set policy-options policy-statement gingham-outward term external from protocol bgp\n\
         set policy-options policy-statement gingham-outward term external from route-type external\n\
         set policy-options policy-statement gingham-outward term external then next-hop self\n\
         set policy-options policy-statement gingham-outward term external then accept\n",
        fabric.as_number
    );
    let term = "set policy-options policy-statement gingham-outward term subnets";
    for subnet in &fabric.node_cidrs {
        let _ = writeln!(text, "{term} from route-filter {subnet} exact");
    }
    if !fabric.node_cidrs.is_empty() {
        let _ = writeln!(text, "{term} then accept");
    }
    for family in fabric.families() {
        text += &group(fabric, family);
    }
    text
}

fn group(fabric: &Fabric, family: Family) -> String {
    let (name, unicast) = match family {
        Family::V4 => ("reflectors4", "family inet unicast"),
        Family::V6 => ("reflectors6", "family inet6 unicast"),
    };
    let set = format!("set protocols bgp group {name}");
    let mut text = format!(
        "{set} type internal\n{set} hold-time {}\n{set} multipath\n{set} export gingham-outward\n\
         {set} {unicast} add-path receive\n",
        fabric.hold_seconds
    );
    if fabric.password_secret.is_some() {
        let _ = writeln!(text, "{set} authentication-key KEY");
    }
    for (name, address) in fabric.sessions(family) {
        let _ = writeln!(text, "{set} neighbor {address} description {name}");
    }
    text
}
