//! GoBGP: one process that is told its routes by its client, which prints JSON.

use super::peer::{Daemon, FOLDER, Launch, Session, patient};
use super::plan::{Dial, Neighbour, Origin, Role, Speaker, Ttl};
use super::table::{self, Community, Path, Table};
use super::world::Host;
use crate::tools;
use anyhow::{Context, Result, bail};
use gingham_model::Family;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The daemon.
#[derive(Debug)]
pub(super) struct GoBgp;

/// Where it answers: its own choice lies among the ports from which the kernel lets connections begin.
const PORT: &str = "5005";
/// The states by the numbers of its API.
const STATES: [&str; 7] = [
    "unknown",
    "idle",
    "connect",
    "active",
    "opensent",
    "openconfirm",
    "established",
];

impl Daemon for GoBgp {
    fn files(&self, speaker: &Speaker) -> Vec<(String, String)> {
        let text = configuration(speaker).to_string();
        vec![(format!("{FOLDER}/gobgp.json"), text)]
    }

    fn argv(&self, launch: Launch) -> Result<Vec<String>> {
        let daemon = tools::locate("gobgpd")?;
        let again = match launch {
            Launch::Fresh => "",
            Launch::Again => " -r",
        };
        let line = format!(
            "-t json -f {FOLDER}/gobgp.json --api-hosts 127.0.0.1:{PORT} --pprof-disable -p{again}"
        );
        let mut argv = vec![daemon.display().to_string()];
        argv.extend(line.split(' ').map(str::to_owned));
        Ok(argv)
    }

    fn client(&self, host: &Host, request: &[&str]) -> Result<String> {
        let client = tools::locate("gobgp")?.display().to_string();
        patient(host, &[&[&*client, "-p", PORT], request].concat()).text()
    }

    fn tell(&self, host: &Host, speaker: &Speaker) -> Result<()> {
        for origin in &speaker.originate {
            let line = addition(origin);
            let words: Vec<&str> = line.split(' ').collect();
            self.client(host, &words)?;
        }
        Ok(())
    }

    fn sessions(&self, host: &Host) -> Result<BTreeMap<IpAddr, Session>> {
        let shown: Value = serde_json::from_str(&self.client(host, &["-j", "neighbor"])?)?;
        let mut sessions = BTreeMap::new();
        for shown in shown.as_array().into_iter().flatten() {
            let address = shown["conf"]["neighbor_address"]
                .as_str()
                .unwrap_or_default();
            let number = shown["state"]["session_state"].as_u64().unwrap_or(0);
            let state = usize::try_from(number)
                .ok()
                .and_then(|number| STATES.get(number));
            let state = state.with_context(|| format!("state {number} of {address}"))?;
            sessions.insert(address.parse()?, Session::named(state));
        }
        Ok(sessions)
    }

    fn table(&self, host: &Host, family: Family) -> Result<Table> {
        let said = self.client(host, &["-j", "global", "rib", "-a", name(family)])?;
        // An empty table is a sentence.
        let shown: BTreeMap<String, Value> = match said.starts_with('{') {
            true => serde_json::from_str(&said).context("gobgp's table")?,
            false => BTreeMap::new(),
        };
        let mut table = Table::new();
        for (prefix, shown) in &shown {
            let all = shown.as_array().into_iter().flatten();
            let mut paths = all.map(path).collect::<Result<Vec<_>>>()?;
            paths.sort();
            table.insert(table::prefix(prefix)?, paths);
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

/// `global rib add ...`
fn addition(origin: &Origin) -> String {
    let mut line = format!(
        "global rib add -a {} {} origin igp",
        name(origin.prefix.family()),
        origin.prefix
    );
    if let Some(next_hop) = origin.next_hop {
        line += &format!(" nexthop {next_hop}");
    }
    if let Some(med) = origin.med {
        line += &format!(" med {med}");
    }
    if !origin.communities.is_empty() {
        line += &format!(" community {}", origin.communities.join(","));
    }
    if !origin.large_communities.is_empty() {
        line += &format!(" large-community {}", origin.large_communities.join(","));
    }
    line
}

fn configuration(speaker: &Speaker) -> Value {
    let locals: BTreeSet<IpAddr> = speaker.neighbours.iter().map(|peer| peer.local).collect();
    let neighbours: Vec<Value> = speaker
        .neighbours
        .iter()
        .map(|neighbour| session(speaker, neighbour))
        .collect();
    json!({
        "global": { "config": {
            "as": speaker.asn,
            "router-id": speaker.router_id,
            "local-address-list": locals,
        }},
        "neighbors": neighbours,
    })
}

fn session(speaker: &Speaker, neighbour: &Neighbour) -> Value {
    let families = neighbour.families.iter();
    let families: Vec<Value> = families
        .map(|family| exchange(speaker, neighbour, *family))
        .collect();
    let restart = speaker.restart;
    let long_lived = restart.is_some_and(|restart| restart.long_lived_seconds > 0);
    json!({
        "config": {
            "neighbor-address": neighbour.address,
            "peer-as": neighbour.asn,
            "auth-password": neighbour.password.clone().unwrap_or_default(),
        },
        "transport": { "config": {
            "local-address": neighbour.local,
            "passive-mode": neighbour.dial == Dial::Passive,
        }},
        "timers": { "config": {
            "hold-time": neighbour.hold_seconds,
            "keepalive-interval": neighbour.hold_seconds / 3,
            "connect-retry": 1,
            "idle-hold-time-after-reset": 1,
        }},
        "route-reflector": { "config": {
            "route-reflector-client": neighbour.role == Role::Client,
            "route-reflector-cluster-id": speaker.cluster_id.unwrap_or(speaker.router_id),
        }},
        "ttl-security": { "config": {
            "enabled": neighbour.ttl == Ttl::Security,
            "ttl-min": 255,
        }},
        "graceful-restart": { "config": {
            "enabled": restart.is_some(),
            "restart-time": restart.map_or(0, |restart| restart.seconds),
            "notification-enabled": restart.is_some(),
            "long-lived-enabled": long_lived,
        }},
        "afi-safis": families,
    })
}

fn exchange(speaker: &Speaker, neighbour: &Neighbour, family: Family) -> Value {
    let long_lived = speaker
        .restart
        .map_or(0, |restart| restart.long_lived_seconds);
    json!({
        "config": { "afi-safi-name": format!("{}-unicast", name(family)) },
        "mp-graceful-restart": { "config": { "enabled": speaker.restart.is_some() } },
        "long-lived-graceful-restart": { "config": {
            "enabled": long_lived > 0,
            "restart-time": long_lived,
        }},
        "add-paths": { "config": {
            "receive": neighbour.add_path.receives(),
            "send-max": if neighbour.add_path.sends() { 8 } else { 0 },
        }},
        "prefix-limit": { "config": { "max-prefixes": neighbour.max_prefixes.unwrap_or(0) } },
    })
}

fn path(shown: &Value) -> Result<Path> {
    let attributes: Vec<&Value> = shown["attrs"].as_array().into_iter().flatten().collect();
    let hop = attributes
        .iter()
        .find_map(|attribute| attribute["nexthop"].as_str());
    let hop = hop.with_context(|| format!("no next hop in {shown}"))?;
    let mut path = Path::via(hop.parse().with_context(|| format!("next hop {hop:?}"))?);
    let from = shown["peer-address"].as_str();
    path.from = from.and_then(|from| from.parse().ok());
    path.stale = shown["stale"] == true;
    for attribute in attributes {
        read_attribute(&mut path, attribute).with_context(|| format!("attribute {attribute}"))?;
    }
    Ok(path)
}

/// One attribute by its type code.
fn read_attribute(path: &mut Path, attribute: &Value) -> Result<()> {
    let value = &attribute["value"];
    match attribute["type"].as_u64().context("no type")? {
        2 => {
            let segments = attribute["as_paths"].as_array().into_iter().flatten();
            let numbers =
                segments.flat_map(|segment| segment["asns"].as_array().into_iter().flatten());
            path.as_path = numbers.map(number).collect::<Result<_>>()?;
        }
        4 => path.med = number(&attribute["metric"])?,
        5 => path.local_pref = number(value)?,
        8 => {
            let all = attribute["communities"].as_array().into_iter().flatten();
            path.communities = all
                .map(|value| Ok(Community(number(value)?)))
                .collect::<Result<_>>()?;
        }
        9 => path.originator = Some(value.as_str().context("no text")?.parse()?),
        10 => {
            let ids = value
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str);
            path.cluster_list = ids.map(str::parse).collect::<Result<_, _>>()?;
        }
        32 => {
            for one in value.as_array().into_iter().flatten() {
                let [asn, first, second] =
                    ["ASN", "LocalData1", "LocalData2"].map(|name| &one[name]);
                path.large_communities
                    .insert(format!("{asn}:{first}:{second}"));
            }
        }
        17 | 18 => bail!("AS4 attributes are for peers of two octets only"),
        _ => {}
    }
    Ok(())
}

fn number(value: &Value) -> Result<u32> {
    let number = value
        .as_u64()
        .with_context(|| format!("{value} is no number"))?;
    Ok(number.try_into()?)
}
