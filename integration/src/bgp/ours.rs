//! The speaker under test: the example of `crates/bgp`, and its control socket.

use super::peer::{Daemon, FOLDER, Launch, Session};
use super::plan::{AsnWidth, Dial, Neighbour, Origin, Range, Role, Speaker, Ttl};
use super::table::{self, Path, Table, number, words};
use super::world::Host;
use crate::Binaries;
use anyhow::{Context, Result, bail};
use gingham_model::Family;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// The speaker.
#[derive(Debug)]
pub(super) struct Ours;

/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(60);
/// The filter that takes everything: an external peer without one is told nothing.
const ALL: &str = "all";

impl Daemon for Ours {
    /// JSON is YAML.
    fn files(&self, speaker: &Speaker) -> Vec<(String, String)> {
        let text = configuration(speaker).to_string();
        vec![(format!("{FOLDER}/speaker.yaml"), text)]
    }

    fn argv(&self, launch: Launch) -> Result<Vec<String>> {
        let mut argv = vec![Binaries::speaker()?.display().to_string()];
        let restarted = match launch {
            Launch::Fresh => "",
            Launch::Again => " --restarted",
        };
        let line = format!("{FOLDER}/speaker.yaml --control {FOLDER}/control{restarted}");
        argv.extend(line.split(' ').map(str::to_owned));
        Ok(argv)
    }

    fn client(&self, host: &Host, request: &[&str]) -> Result<String> {
        let line = request.join(" ");
        let said = exchange(host, &line).with_context(|| format!("control socket: {line}"))?;
        let error = serde_json::from_str::<Value>(&said).ok();
        if let Some(error) = error.as_ref().and_then(|said| said["error"].as_str()) {
            bail!("control socket: {line}: {error}");
        }
        Ok(said)
    }

    fn sessions(&self, host: &Host) -> Result<BTreeMap<IpAddr, Session>> {
        let mut sessions = BTreeMap::new();
        for (_, shown) in peers(host)? {
            let address = shown["address"]
                .as_str()
                .context("a peer without address")?;
            let state = shown["state"].as_str().context("a peer without state")?;
            sessions.insert(address.parse()?, Session::named(state));
        }
        Ok(sessions)
    }

    fn table(&self, host: &Host, family: Family) -> Result<Table> {
        let peers = peers(host)?;
        let said: Value = serde_json::from_str(&self.client(host, &["rib"])?)?;
        let mut table = Table::new();
        for shown in said.as_array().into_iter().flatten() {
            let prefix = table::prefix(shown["prefix"].as_str().context("no prefix")?)?;
            let known = shown["paths"].as_array().into_iter().flatten();
            // Kept, but not to be used: refused on import, such as what leads back to us.
            let taken = known.filter(|path| path["standing"]["refused"].is_null());
            let mut paths = taken
                .map(|shown| path(shown, &peers))
                .collect::<Result<Vec<_>>>()?;
            paths.sort();
            if prefix.contains(':') == (family == Family::V6) && !paths.is_empty() {
                table.insert(prefix, paths);
            }
        }
        Ok(table)
    }
}

fn exchange(host: &Host, line: &str) -> Result<String> {
    let mut socket = UnixStream::connect(host.inside().path(&format!("{FOLDER}/control")))?;
    socket.set_read_timeout(Some(DEADLINE))?;
    writeln!(socket, "{line}")?;
    socket.shutdown(Shutdown::Write)?;
    let mut said = String::new();
    socket.read_to_string(&mut said)?;
    Ok(said)
}

/// What it says of its peers, by name.
fn peers(host: &Host) -> Result<BTreeMap<String, Value>> {
    let said: Vec<Value> = serde_json::from_str(&Ours.client(host, &["peers"])?)?;
    let named = said
        .into_iter()
        .map(|shown| (shown["name"].as_str().unwrap_or_default().to_owned(), shown));
    Ok(named.collect())
}

fn configuration(speaker: &Speaker) -> Value {
    let listen: BTreeSet<String> = speaker.neighbours.iter().map(listener).collect();
    let listen = match speaker.ranges.is_empty() {
        true => json!(listen),
        false => json!(["0.0.0.0:179", "[::]:179"]),
    };
    let neighbours: Vec<Value> = speaker
        .neighbours
        .iter()
        .map(|peer| neighbour(speaker, peer))
        .collect();
    let restart = speaker.restart;
    json!({
        "asn": speaker.asn,
        "routerId": speaker.router_id,
        "clusterId": speaker.cluster_id,
        "listen": listen,
        "gracefulRestart": {
            "restartSeconds": restart.map_or(0, |restart| restart.seconds),
            "longLivedStaleSeconds": restart.map_or(0, |restart| restart.long_lived_seconds),
        },
        "neighbours": neighbours,
        "ranges": speaker.ranges.iter().map(range).collect::<Vec<_>>(),
        "filters": { ALL: { "otherwise": "accept" } },
        "announce": speaker.originate.iter().map(announcement).collect::<Vec<_>>(),
    })
}

fn listener(neighbour: &Neighbour) -> String {
    match neighbour.local {
        IpAddr::V4(address) => format!("{address}:179"),
        IpAddr::V6(address) => format!("[{address}]:179"),
    }
}

fn neighbour(speaker: &Speaker, peer: &Neighbour) -> Value {
    let families = peer
        .families
        .iter()
        .map(|family| (name(*family), family_settings(peer)));
    let families: Map<String, Value> = families.collect();
    let mut shown = json!({
        "name": peer.address.to_string(),
        "address": peer.address,
        "asn": peer.asn,
        "localAddress": peer.local,
        "connect": match peer.dial { Dial::Both => "both", Dial::Passive => "passive" },
        "role": match peer.role { Role::Peer => "peer", Role::Client => "client" },
        "families": families,
        "holdSeconds": peer.hold_seconds,
        "password": peer.password,
        "asnWidth": match peer.asn_width { AsnWidth::Four => "four", AsnWidth::Two => "two" },
    });
    if peer.ttl == Ttl::Security {
        shown["ttl"] = json!({ "security": 1 });
    }
    if speaker.is_external(peer) {
        shown["import"] = json!(ALL);
        shown["export"] = json!(ALL);
    }
    shown
}

fn name(family: Family) -> String {
    // As the model writes it.
    serde_json::to_value(family)
        .ok()
        .and_then(|name| name.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn family_settings(peer: &Neighbour) -> Value {
    let mut settings = json!({});
    if peer.add_path.receives() {
        settings["addPath"]["receive"] = json!("on");
    }
    if peer.add_path.sends() {
        settings["addPath"]["send"] = json!(8);
    }
    if let Some(count) = peer.max_prefixes {
        settings["maxPrefixes"] = json!({ "count": count });
    }
    settings
}

fn range(range: &Range) -> Value {
    json!({
        "name": "range",
        "prefix": range.prefix,
        "asn": range.asn,
        "password": range.password,
        "import": ALL,
        "export": ALL,
    })
}

/// As the configuration and the control socket's `announce` have it.
pub(super) fn announcement(origin: &Origin) -> Value {
    json!({
        "prefix": origin.prefix,
        "nextHop": origin.next_hop,
        "med": origin.med,
        "communities": origin.communities,
        "largeCommunities": origin.large_communities,
    })
}

fn path(shown: &Value, peers: &BTreeMap<String, Value>) -> Result<Path> {
    let hop = shown["nextHop"].as_str().unwrap_or("0.0.0.0");
    let mut path = Path::via(hop.parse().with_context(|| format!("next hop {hop:?}"))?);
    let peer = shown["peer"].as_str().and_then(|name| peers.get(name));
    let from = peer.and_then(|peer| peer["address"].as_str());
    path.from = from.and_then(|from| from.parse().ok());
    path.as_path = table::as_path(&shown["asPath"].to_string());
    path.local_pref = number(&shown["localPref"]).unwrap_or(100);
    path.med = number(&shown["med"]).unwrap_or(0);
    let communities = words(&shown["communities"]).map(str::parse);
    path.communities = communities.collect::<Result<_>>()?;
    path.large_communities = words(&shown["largeCommunities"])
        .map(str::to_owned)
        .collect();
    path.originator = shown["originatorId"]
        .as_str()
        .and_then(|id| id.parse().ok());
    let clusters = words(&shown["clusterList"]).map(str::parse);
    path.cluster_list = clusters
        .collect::<Result<_, _>>()
        .context("a cluster list")?;
    let freshness = shown["freshness"].as_str().unwrap_or("fresh");
    path.stale = !freshness.eq_ignore_ascii_case("fresh");
    Ok(path)
}
