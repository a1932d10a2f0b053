//! BIRD 2.

use super::{Fabric, MULTIPATH, Run, lower, preamble};
use gingham_model::{Family, NodeName, Prefix};
use std::fmt::Write;
use std::net::IpAddr;

pub(super) fn core(fabric: &Fabric) -> String {
    let mut text = preamble(fabric, ("#", "BIRD 2"), Run::InTheLab);
    text += "protocol device { }\nprotocol direct { ipv4; ipv6; }\n";
    for family in fabric.families() {
        text += &outward(fabric, family);
        let channel = lower(family);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "protocol kernel kernel_{channel} {{\n  merge paths on limit {MULTIPATH};\n  {channel} {{ import none; export where source = RTS_BGP; }};\n}}"
        );
    }
    text += &template(fabric);
    for family in fabric.families() {
        for session in fabric.sessions(family) {
            text += &protocol(fabric, family, session);
        }
    }
    text
}

/// What goes to peers: what other peers said, and the node subnets.
fn outward(fabric: &Fabric, family: Family) -> String {
    let channel = lower(family);
    let subnets: Vec<String> = fabric
        .subnets(family)
        .map(|s: Prefix| s.to_string())
        .collect();
    let ours = match subnets.is_empty() {
        true => String::new(),
        false => format!(
            "  if source = RTS_DEVICE && net ~ [ {} ] then accept;\n",
            subnets.join(", ")
        ),
    };
    format!(
        "filter outward_{channel} {{\n  if source = RTS_BGP then accept;\n{ours}  reject;\n}}\n"
    )
}

fn template(fabric: &Fabric) -> String {
    let Fabric {
        as_number,
        hold_seconds,
        ..
    } = fabric;
    let mut text = format!(
        "template bgp reflector {{\n  local as {as_number};\n  direct;\n  hold time {hold_seconds};\n  \
         keepalive time {};\n  connect retry time 5;\n  error wait time 1, 5;\n  \
         enable extended messages on;\n  graceful restart aware;\n  \
         long lived graceful restart aware;\n",
        fabric.keepalive_seconds()
    );
    if fabric.password_secret.is_some() {
        text += "  password \"KEY\";\n";
    }
    text + "}\n"
}

fn protocol(fabric: &Fabric, family: Family, (name, address): (&NodeName, IpAddr)) -> String {
    let channel = lower(family);
    let (symbol, as_number) = (name.as_str(), fabric.as_number);
    let port = match fabric.port {
        179 => String::new(),
        port => format!(" port {port}"),
    };
    format!(
        "protocol bgp '{symbol}_{channel}' from reflector {{\n  \
         neighbor {address}{port} as {as_number};\n  {channel} {{\n    import all;\n    \
         export filter outward_{channel};\n    next hop self;\n    add paths rx;\n  }};\n}}\n"
    )
}
