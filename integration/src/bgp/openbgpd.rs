//! OpenBGPD: three processes under one, and bgpctl, which prints JSON.

use super::peer::{Daemon, FOLDER, Launch, Session, patient};
use super::plan::{AsnWidth, Dial, Neighbour, Origin, Role, Speaker, Ttl};
use super::table::{self, Path, Table, number, words};
use super::world::Host;
use anyhow::{Context, Result};
use gingham_model::Family;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;

/// The daemon.
#[derive(Debug)]
pub(super) struct OpenBgpd;

impl Daemon for OpenBgpd {
    fn files(&self, speaker: &Speaker) -> Vec<(String, String)> {
        vec![(format!("{FOLDER}/bgpd.conf"), configuration(speaker))]
    }

    fn preparations(&self) -> &'static [&'static [&'static str]] {
        // Where its children are locked in, and its socket.
        &[&["mkdir", "-p", "/run/openbgpd"]]
    }

    fn argv(&self, _launch: Launch) -> Result<Vec<String>> {
        let line = format!("/usr/sbin/bgpd -d -f {FOLDER}/bgpd.conf");
        Ok(line.split(' ').map(str::to_owned).collect())
    }

    fn client(&self, host: &Host, request: &[&str]) -> Result<String> {
        patient(host, &[&["bgpctl", "-j"], request].concat()).text()
    }

    fn sessions(&self, host: &Host) -> Result<BTreeMap<IpAddr, Session>> {
        let shown: Value = serde_json::from_str(&self.client(host, &["show"])?)?;
        let neighbours = shown["neighbors"].as_array().into_iter().flatten();
        let by_address = neighbours.filter_map(|shown| {
            let address = shown["remote_addr"].as_str()?.parse().ok()?;
            Some((address, Session::named(shown["state"].as_str()?)))
        });
        Ok(by_address.collect())
    }

    fn table(&self, host: &Host, family: Family) -> Result<Table> {
        let family = match family {
            Family::V4 => "ipv4",
            Family::V6 => "ipv6",
        };
        let said = self.client(host, &["show", "rib", family, "detail"])?;
        let shown: Value = serde_json::from_str(&said).context("bgpctl's table")?;
        let mut table = Table::new();
        let paths = shown["rib"].as_array().into_iter().flatten();
        // It keeps those whose AS path leads through itself, marked as not to be used.
        for shown in paths.filter(|shown| shown["valid"] == true) {
            let prefix = shown["prefix"].as_str().context("a path without prefix")?;
            let paths = table.entry(table::prefix(prefix)?).or_default();
            paths.push(path(shown)?);
            paths.sort();
        }
        Ok(table)
    }
}

fn configuration(speaker: &Speaker) -> String {
    let mut text = format!(
        "AS {}\nrouter-id {}\nfib-update no\nconnect-retry 1\n",
        speaker.asn, speaker.router_id
    );
    let locals: BTreeSet<IpAddr> = speaker.neighbours.iter().map(|peer| peer.local).collect();
    for local in locals {
        let _ = writeln!(text, "listen on {local}");
    }
    for origin in &speaker.originate {
        let _ = writeln!(text, "network {}{}", origin.prefix, attributes(origin));
    }
    for neighbour in &speaker.neighbours {
        text += &session(speaker, neighbour);
    }
    text + "allow from any\nallow to any\n"
}

/// ` set { metric 7 ... }`, or nothing.
fn attributes(origin: &Origin) -> String {
    if origin.is_plain() {
        return String::new();
    }
    let mut text = " set {".to_owned();
    if let Some(next_hop) = origin.next_hop {
        let _ = write!(text, " nexthop {next_hop}");
    }
    if let Some(med) = origin.med {
        let _ = write!(text, " metric {med}");
    }
    for community in &origin.communities {
        let _ = write!(text, " community {community}");
    }
    for community in &origin.large_communities {
        let _ = write!(text, " large-community {community}");
    }
    text + " }"
}

fn session(speaker: &Speaker, neighbour: &Neighbour) -> String {
    let Neighbour {
        address,
        local,
        asn,
        hold_seconds,
        ..
    } = neighbour;
    let mut text = format!(
        "neighbor {address} {{\n  remote-as {asn}\n  local-address {local}\n  \
         holdtime {hold_seconds}\n  announce enhanced refresh yes\n"
    );
    for (family, name) in [(Family::V4, "IPv4"), (Family::V6, "IPv6")] {
        let what = if neighbour.families.contains(&family) {
            "unicast"
        } else {
            "none"
        };
        let _ = writeln!(text, "  announce {name} {what}");
    }
    if neighbour.dial == Dial::Passive {
        text.push_str("  passive\n");
    }
    if neighbour.role == Role::Client {
        let cluster = speaker.cluster_id.unwrap_or(speaker.router_id);
        let _ = writeln!(text, "  route-reflector {cluster}");
    }
    if neighbour.add_path.receives() {
        text.push_str(
            "  announce add-path recv yes
",
        );
    }
    if neighbour.add_path.sends() {
        text.push_str(
            "  announce add-path send all
",
        );
    }
    if neighbour.asn_width == AsnWidth::Two {
        text.push_str("  announce as-4byte no\n");
    }
    if neighbour.ttl == Ttl::Security {
        text.push_str("  ttl-security yes\n");
    }
    if let Some(password) = &neighbour.password {
        let _ = writeln!(text, "  tcp md5sig password \"{password}\"");
    }
    if let Some(limit) = neighbour.max_prefixes {
        let _ = writeln!(text, "  max-prefix {limit}");
    }
    text + "}\n"
}

fn path(shown: &Value) -> Result<Path> {
    let text = |name: &str| shown[name].as_str().unwrap_or_default();
    let hop = text("exit_nexthop");
    let mut path = Path::via(hop.parse().with_context(|| format!("next hop {hop:?}"))?);
    let from = shown["neighbor"]["remote_addr"].as_str();
    // Of what it originates it says "???".
    path.from = from.and_then(|from| from.parse().ok());
    path.as_path = table::as_path(text("aspath"));
    path.local_pref = number(&shown["localpref"]).unwrap_or(100);
    path.med = number(&shown["metric"]).unwrap_or(0);
    let communities = words(&shown["communities"]).map(str::parse);
    path.communities = communities.collect::<Result<_>>()?;
    path.large_communities = words(&shown["large_communities"])
        .map(str::to_owned)
        .collect();
    path.originator = text("originator").parse().ok();
    let clusters = words(&shown["cluster_list"]).map(str::parse);
    path.cluster_list = clusters
        .collect::<Result<_, _>>()
        .context("a cluster list")?;
    path.stale = shown["stale"] == true;
    Ok(path)
}
