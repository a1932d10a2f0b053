//! FRR: zebra, which writes the kernel's routes, and bgpd.

use super::{FOLDER, Program, Router, Suite};
use crate::topology::{Neighbour, RouterPlan, Timers};
use anyhow::{Context, Result};
use gingham_model::Family;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

pub(super) struct Frr;

/// Routes carry their next hops: of a nexthop group the kernel takes out members whose link goes down,
/// and zebra 8.4 does not put them back.
const ZEBRA: &str = "log stdout informational\nno zebra nexthop kernel enable\n";

impl Suite for Frr {
    fn files(&self, plan: &RouterPlan, timers: Timers) -> Vec<(String, String)> {
        vec![
            (format!("{FOLDER}/zebra.conf"), ZEBRA.to_owned()),
            (format!("{FOLDER}/bgpd.conf"), configuration(plan, timers)),
        ]
    }

    fn preparations(&self) -> &'static [&'static [&'static str]] {
        // The daemons keep a log of crashes in /var/tmp, which is the host's folder otherwise.
        &[
            &["mount", "-t", "tmpfs", "tmpfs", "/var/tmp"],
            &["install", "-d", "-o", "frr", "-g", "frr", "/run/frr"],
        ]
    }

    fn programs(&self) -> Vec<Program> {
        let command = |name, more| {
            format!(
                "/usr/lib/frr/{name}{more} -A 127.0.0.1 -f {FOLDER}/{name}.conf \
                 --vty_socket /run/frr -i /run/frr/{name}.pid"
            )
        };
        vec![
            // It is there first: a bgpd that finds no zebra tries again after 10 s only. It replaces IPv6
            // routes as it does IPv4 ones, where it would delete and add them.
            Program {
                name: "zebra",
                command: command("zebra", " --v6-rr-semantics"),
                answers_at: "/run/frr/zserv.api",
            },
            Program {
                name: "bgpd",
                command: command("bgpd", ""),
                answers_at: "/run/frr/bgpd.vty",
            },
        ]
    }

    fn client<'a>(&self, request: &[&'a str]) -> Vec<&'a str> {
        let mut words = vec!["vtysh", "--vty_socket", "/run/frr"];
        words.extend(request.iter().flat_map(|command| ["-c", command]));
        words
    }

    fn sessions(&self, router: &Router) -> Result<BTreeMap<IpAddr, String>> {
        let said = router.ask(&["show bgp summary json"])?;
        let what = || format!("{}: bgpd's summary: {said}", router.name());
        let families: BTreeMap<String, Value> = serde_json::from_str(&said).with_context(what)?;
        let mut sessions = BTreeMap::new();
        for peers in families
            .values()
            .filter_map(|family| family["peers"].as_object())
        {
            for (address, peer) in peers {
                let address = address.parse().with_context(what)?;
                let state = peer["state"].as_str().with_context(what)?;
                sessions.insert(address, state.to_owned());
            }
        }
        Ok(sessions)
    }
}

fn configuration(plan: &RouterPlan, timers: Timers) -> String {
    let hold = timers.hold_seconds;
    let mut text = format!(
        "frr defaults traditional\n\
         log stdout informational\n\
         bgp route-map delay-timer 0\n\
         {}\
         router bgp {}\n \
         bgp router-id {}\n \
         bgp log-neighbor-changes\n \
         no bgp ebgp-requires-policy\n \
         no bgp default ipv4-unicast\n \
         bgp bestpath as-path multipath-relax\n \
         bgp long-lived-graceful-restart stale-time {}\n \
         timers bgp {} {hold}\n \
         coalesce-time 0\n",
        route_maps(plan),
        plan.as_number,
        plan.router_id,
        timers.long_lived_stale_seconds,
        hold / 3,
    );
    for Neighbour {
        on,
        address,
        as_number,
        ..
    } in &plan.neighbours
    {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            " neighbor {address} remote-as {as_number}\n \
             neighbor {address} description {on}\n \
             neighbor {address} timers connect 1\n \
             neighbor {address} advertisement-interval 0\n"
        );
    }
    for family in Family::ALL {
        text += &address_family(plan, family);
    }
    text
}

/// What a route map is for. They stand before those who use them, and so need no second look: by its timer
/// bgpd would write routes once more 5 s after the start, as they are.
///
/// Of the two IPv6 next hops of a router on the same link the kernel would be given the link-local one,
/// which no table names: `global` prefers the other. But then bgpd passes that one on to internal peers,
/// whatever `next-hop-self` says (8.4.4), so `self` says it once more.
fn route_maps(plan: &RouterPlan) -> String {
    let mut text = "route-map global permit 1\n set ipv6 next-hop prefer-global\nexit\n".to_owned();
    let mut internal = plan.internal().filter(|peer| peer.family() == Family::V6);
    if let Some(peer) = internal.next() {
        let local = peer.local;
        let _ = write!(
            text,
            "route-map self permit 1\n set ipv6 next-hop global {local}\nexit\n"
        );
    }
    text
}

fn address_family(plan: &RouterPlan, family: Family) -> String {
    let name = match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    };
    let mut text =
        format!(" address-family {name} unicast\n  maximum-paths 64\n  maximum-paths ibgp 64\n");
    let own = plan.originates.iter();
    for prefix in own.filter(|prefix| prefix.family() == family) {
        let _ = writeln!(text, "  network {prefix}");
    }
    for peer in plan
        .neighbours
        .iter()
        .filter(|peer| peer.family() == family)
    {
        let address = peer.address;
        let _ = writeln!(text, "  neighbor {address} activate");
        let internal = peer.as_number == plan.as_number;
        if internal {
            let _ = writeln!(text, "  neighbor {address} next-hop-self");
        }
        if internal && family == Family::V6 {
            let _ = writeln!(text, "  neighbor {address} route-map self out");
        }
        if !internal && family == Family::V6 {
            let _ = writeln!(text, "  neighbor {address} route-map global in");
        }
    }
    text + " exit-address-family\n"
}
