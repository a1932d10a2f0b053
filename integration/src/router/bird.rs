//! BIRD 2: one process, with its kernel protocol.

use super::{FOLDER, Program, Router, Suite};
use crate::topology::{Neighbour, RouterPlan, Timers};
use anyhow::{Context, Result};
use gingham_model::Family;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

pub(super) struct Bird;

impl Suite for Bird {
    fn files(&self, plan: &RouterPlan, timers: Timers) -> Vec<(String, String)> {
        vec![(format!("{FOLDER}/bird.conf"), configuration(plan, timers))]
    }

    fn preparations(&self) -> &'static [&'static [&'static str]] {
        &[]
    }

    fn programs(&self) -> Vec<Program> {
        vec![Program {
            name: "bird",
            command: format!("bird -f -c {FOLDER}/bird.conf -s {SOCKET}"),
            answers_at: SOCKET,
        }]
    }

    fn client<'a>(&self, request: &[&'a str]) -> Vec<&'a str> {
        [&["birdc", "-s", SOCKET], request].concat()
    }

    fn sessions(&self, router: &Router) -> Result<BTreeMap<IpAddr, String>> {
        let said = router.ask(&["show", "protocols"])?;
        let mut sessions = BTreeMap::new();
        for peer in &router.plan().neighbours {
            let name = name(peer);
            // NAME BGP TABLE STATE SINCE INFO, the last one being the state of the session.
            let line = said
                .lines()
                .find(|line| line.split(' ').next() == Some(&name));
            let line = line.with_context(|| format!("{}: no {name} in {said}", router.name()))?;
            let state = line.split_whitespace().nth(5).unwrap_or("Down");
            sessions.insert(peer.address, state.to_owned());
        }
        Ok(sessions)
    }
}

const SOCKET: &str = "/run/router/bird.ctl";

fn configuration(plan: &RouterPlan, timers: Timers) -> String {
    let mut text = format!(
        "log stderr all;\n\
         router id {};\n\
         protocol device {{}}\n\
         protocol direct {{ ipv4; ipv6; }}\n\
         filter outward {{\n  \
         if source = RTS_BGP then accept;\n",
        plan.router_id
    );
    for prefix in &plan.originates {
        let _ = writeln!(
            text,
            "  if source = RTS_DEVICE && net = {prefix} then accept;"
        );
    }
    text.push_str("  reject;\n}\n");
    for family in Family::ALL {
        let channel = channel(family);
        let _ = writeln!(
            text,
            "protocol kernel {{\n  \
             merge paths on limit 64;\n  \
             {channel} {{ import none; export where source = RTS_BGP; }};\n}}"
        );
    }
    for peer in &plan.neighbours {
        text += &session(plan, timers, peer);
    }
    text
}

fn session(plan: &RouterPlan, timers: Timers, peer: &Neighbour) -> String {
    let hold = timers.hold_seconds;
    let mut text = format!(
        "protocol bgp {} {{\n  \
         local as {};\n  \
         neighbor {} as {};\n  \
         direct;\n  \
         hold time {hold};\n  \
         keepalive time {};\n  \
         connect delay time 1;\n  \
         connect retry time 1;\n  \
         error wait time 1, 1;\n  \
         error forget time 1;\n  \
         graceful restart aware;\n  \
         long lived graceful restart aware;\n",
        name(peer),
        plan.as_number,
        peer.address,
        peer.as_number,
        hold / 3,
    );
    let internal = match peer.as_number == plan.as_number {
        true => " next hop self; add paths rx;",
        false => "",
    };
    let _ = writeln!(
        text,
        "  {} {{ import all; export filter outward;{internal} }};\n}}",
        channel(peer.family())
    );
    text
}

/// The name of the protocol of a session: `z2m1_ipv4`.
fn name(peer: &Neighbour) -> String {
    format!("{}_{}", peer.on.replace('-', "_"), channel(peer.family()))
}

fn channel(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    }
}
