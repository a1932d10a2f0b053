//! FRR: its bgpd alone, without zebra, and vtysh, which prints JSON.

use super::peer::{Daemon, FOLDER, Launch, Session, patient};
use super::plan::{Dial, Neighbour, Origin, Role, Speaker, Ttl};
use super::table::{self, Path, Table, number, words};
use super::world::Host;
use anyhow::{Context, Result, bail};
use gingham_model::Family;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

/// The daemon.
#[derive(Debug)]
pub(super) struct Frr;

/// Prefixes asked for in one call: each is a word of vtysh's command line.
const AT_ONCE: usize = 2000;

impl Daemon for Frr {
    fn files(&self, speaker: &Speaker) -> Vec<(String, String)> {
        vec![(format!("{FOLDER}/frr.conf"), configuration(speaker))]
    }

    fn preparations(&self) -> &'static [&'static [&'static str]] {
        // It keeps a log of crashes there, which is the host's folder otherwise.
        &[
            &["mount", "-t", "tmpfs", "tmpfs", "/var/tmp"],
            &["mkdir", "-p", "/run/frr"],
        ]
    }

    fn argv(&self, _launch: Launch) -> Result<Vec<String>> {
        let line = format!(
            "/usr/lib/frr/bgpd --no_kernel --no_zebra --skip_runas -u root -g root -A 127.0.0.1 \
             -f {FOLDER}/frr.conf --vty_socket /run/frr -i {FOLDER}/frr.pid"
        );
        Ok(line.split(' ').map(str::to_owned).collect())
    }

    fn client(&self, host: &Host, request: &[&str]) -> Result<String> {
        let mut words = vec!["vtysh", "--vty_socket", "/run/frr"];
        for command in request {
            words.extend(["-c", command]);
        }
        let said = patient(host, &words).text()?;
        if said.contains("% Unknown command") {
            bail!("vtysh {request:?}: {said}");
        }
        Ok(said)
    }

    fn sessions(&self, host: &Host) -> Result<BTreeMap<IpAddr, Session>> {
        let said = self.client(host, &["show bgp neighbors json"])?;
        let shown: BTreeMap<String, Value> =
            serde_json::from_str(&said).with_context(|| format!("bgpd's neighbours: {said}"))?;
        let by_address = shown.iter().filter_map(|(address, shown)| {
            let state = shown["bgpState"].as_str()?;
            Some((address.parse().ok()?, Session::named(state)))
        });
        Ok(by_address.collect())
    }

    fn table(&self, host: &Host, family: Family) -> Result<Table> {
        let said = self.client(host, &[&format!("show bgp {} unicast json", name(family))])?;
        let list: Value = serde_json::from_str(&said).context("bgpd's table")?;
        let prefixes: Vec<&String> = match list["routes"].as_object() {
            Some(routes) => routes.keys().collect(),
            None => Vec::new(),
        };
        let mut table = Table::new();
        // Communities are told only of one prefix at a time.
        for some in prefixes.chunks(AT_ONCE) {
            let ask = |prefix: &&String| format!("show bgp {} unicast {prefix} json", name(family));
            let requests: Vec<String> = some.iter().map(ask).collect();
            let words: Vec<&str> = requests.iter().map(String::as_str).collect();
            let said = self.client(host, &words)?;
            for shown in serde_json::Deserializer::from_str(&said).into_iter() {
                let shown: Value = shown.context("bgpd's prefix")?;
                // One that went meanwhile is an empty object.
                if let Some(prefix) = shown["prefix"].as_str() {
                    table.insert(table::prefix(prefix)?, paths(&shown)?);
                }
            }
        }
        Ok(table)
    }
}

fn name(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    }
}

fn configuration(speaker: &Speaker) -> String {
    let mut text = "frr defaults traditional\nlog stdout informational\n".to_owned();
    for (number, origin) in speaker.originate.iter().enumerate() {
        text += &route_map(origin, number);
    }
    let _ = write!(
        text,
        "router bgp {}\n bgp router-id {}\n bgp log-neighbor-changes\n no bgp ebgp-requires-policy\n \
         no bgp network import-check\n no bgp default ipv4-unicast\n coalesce-time 0\n",
        speaker.asn, speaker.router_id
    );
    if let Some(cluster) = speaker.cluster_id {
        let _ = writeln!(text, " bgp cluster-id {cluster}");
    }
    if let Some(restart) = speaker.restart {
        let _ = writeln!(
            text,
            " bgp graceful-restart\n bgp graceful-restart restart-time {}\n \
             bgp graceful-restart preserve-fw-state",
            restart.seconds
        );
    }
    for neighbour in &speaker.neighbours {
        text += &session(neighbour);
    }
    for family in [Family::V4, Family::V6] {
        text += &address_family(speaker, family);
    }
    text
}

fn route_map(origin: &Origin, number: usize) -> String {
    if origin.is_plain() {
        return String::new();
    }
    let mut text = format!("route-map origin{number} permit 1\n");
    match origin.next_hop {
        Some(IpAddr::V4(next_hop)) => {
            let _ = writeln!(text, " set ip next-hop {next_hop}");
        }
        Some(IpAddr::V6(next_hop)) => {
            let _ = writeln!(text, " set ipv6 next-hop global {next_hop}");
        }
        None => {}
    }
    if let Some(med) = origin.med {
        let _ = writeln!(text, " set metric {med}");
    }
    if !origin.communities.is_empty() {
        let _ = writeln!(text, " set community {}", origin.communities.join(" "));
    }
    if !origin.large_communities.is_empty() {
        let _ = writeln!(
            text,
            " set large-community {}",
            origin.large_communities.join(" ")
        );
    }
    text + "exit\n"
}

fn session(neighbour: &Neighbour) -> String {
    let Neighbour {
        address,
        local,
        asn,
        hold_seconds,
        ..
    } = neighbour;
    let mut text = format!(
        " neighbor {address} remote-as {asn}\n neighbor {address} update-source {local}\n \
         neighbor {address} timers {} {hold_seconds}\n neighbor {address} timers connect 1\n \
         neighbor {address} advertisement-interval 0\n neighbor {address} disable-connected-check\n",
        hold_seconds / 3
    );
    if neighbour.dial == Dial::Passive {
        let _ = writeln!(text, " neighbor {address} passive");
    }
    if let Some(password) = &neighbour.password {
        let _ = writeln!(text, " neighbor {address} password {password}");
    }
    if neighbour.ttl == Ttl::Security {
        let _ = writeln!(text, " neighbor {address} ttl-security hops 1");
    }
    text
}

fn address_family(speaker: &Speaker, family: Family) -> String {
    let mut text = format!(" address-family {} unicast\n", name(family));
    for (number, origin) in speaker.originate.iter().enumerate() {
        if origin.prefix.family() == family {
            let _ = write!(text, "  network {}", origin.prefix);
            if !origin.is_plain() {
                let _ = write!(text, " route-map origin{number}");
            }
            text.push('\n');
        }
    }
    for neighbour in &speaker.neighbours {
        if neighbour.families.contains(&family) {
            text += &exchange(neighbour);
        }
    }
    text + " exit-address-family\n"
}

fn exchange(neighbour: &Neighbour) -> String {
    let address = neighbour.address;
    let mut text = format!("  neighbor {address} activate\n");
    if neighbour.role == Role::Client {
        let _ = writeln!(text, "  neighbor {address} route-reflector-client");
    }
    if neighbour.add_path.sends() {
        let _ = writeln!(text, "  neighbor {address} addpath-tx-all-paths");
    }
    if !neighbour.add_path.receives() {
        let _ = writeln!(text, "  neighbor {address} disable-addpath-rx");
    }
    if let Some(limit) = neighbour.max_prefixes {
        let _ = writeln!(text, "  neighbor {address} maximum-prefix {limit}");
    }
    text
}

fn paths(shown: &Value) -> Result<Vec<Path>> {
    let all = shown["paths"].as_array().into_iter().flatten();
    let mut paths = all.map(path).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn path(shown: &Value) -> Result<Path> {
    let hops = shown["nexthops"].as_array().into_iter().flatten();
    // A link-local next hop beside the global one is of the same neighbour.
    let hop = hops
        .filter(|hop| hop["scope"] != "link-local")
        .find_map(|hop| hop["ip"].as_str());
    let hop = hop.with_context(|| format!("no next hop in {shown}"))?;
    let mut path = Path::via(hop.parse().with_context(|| format!("next hop {hop:?}"))?);
    path.from = shown["peer"]["peerId"]
        .as_str()
        .and_then(|peer| peer.parse().ok());
    path.as_path = table::as_path(shown["aspath"]["string"].as_str().unwrap_or_default());
    path.local_pref = number(&shown["locPrf"]).unwrap_or(100);
    path.med = number(&shown["metric"]).unwrap_or(0);
    let communities = words(&shown["community"]["list"]).map(|word| word.parse());
    path.communities = communities.collect::<Result<_>>()?;
    path.large_communities = words(&shown["largeCommunity"]["list"])
        .map(str::to_owned)
        .collect();
    path.originator = shown["originatorId"]
        .as_str()
        .and_then(|id| id.parse().ok());
    let clusters = words(&shown["clusterList"]["list"]).map(str::parse);
    path.cluster_list = clusters
        .collect::<Result<_, _>>()
        .context("a cluster list")?;
    path.stale = shown["stale"] == true;
    Ok(path)
}
