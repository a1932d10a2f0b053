//! Which part a node plays in the BGP of its zone, and who reflects there. Pure.
//!
//! ```text
//!   own Node, its zone ──┐
//!   Nodes by label ──────┼──► Part ──► derive
//!   RoutingConfig.zones ─┤
//!   Kept (what was so) ──┘
//! ```
//!
//! Labels vanish by mistake, and with the last reflector of a zone every prefix of other zones would
//! go (law 11). So a set that is suddenly empty is taken to be the one before, and the operator is
//! told; and one that has lost its label alone counts on for 10 s.

use super::kept::Kept;
use crate::cluster::Cluster;
use crate::objects::Node;
use gingham_bgp::{Asn, RouterId};
use gingham_model::{Family, NodeName, Zone};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// What a node is to its zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It dials the reflectors.
    Node,
    /// It listens for the zone's nodes and dials the cores.
    Reflector,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Role::Node => "node",
            Role::Reflector => "reflector",
        })
    }
}

/// A reflector of a zone, as its Node object describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reflector {
    /// The name of the Node.
    pub name: NodeName,
    /// Its InternalIPs.
    pub addresses: Vec<IpAddr>,
}

/// The part of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its zone.
    pub zone: Zone,
    /// The AS of the zone.
    pub asn: Asn,
    /// Its identifier, and as a reflector its cluster (RFC 4456).
    pub router_id: RouterId,
    /// What it is to the zone.
    pub role: Role,
    /// Its own end of every session, by family.
    pub addresses: BTreeMap<Family, IpAddr>,
    /// The reflectors of the zone, itself included, by name.
    pub reflectors: Vec<Reflector>,
}

impl Part {
    /// The part of node `me`, with what an operator should know about it.
    ///
    /// # Errors
    /// Why there is no BGP on this node.
    pub fn of(
        cluster: &Cluster,
        me: &NodeName,
        kept: &Kept,
    ) -> Result<(Self, Vec<String>), String> {
        let (node, zone) = cluster.identity(me)?;
        // A kubelet that starts may have none for a moment.
        if node.internal_ips.is_empty() {
            return Err(format!("Node {me} has no InternalIP"));
        }
        let mut notices = Vec::new();
        let asn = asn(cluster, &zone, kept, &mut notices)?;
        let reflectors = reflectors(cluster, &zone, kept, &mut notices);
        let is_reflector = reflectors.iter().any(|reflector| reflector.name == *me);
        let part = Part {
            asn,
            router_id: router_id(node),
            role: if is_reflector {
                Role::Reflector
            } else {
                Role::Node
            },
            addresses: by_family(&node.internal_ips),
            reflectors,
            zone,
        };
        Ok((part, notices))
    }

    /// The reflectors but for node `me`.
    pub fn other_reflectors(&self, me: &NodeName) -> impl Iterator<Item = &Reflector> {
        self.reflectors
            .iter()
            .filter(move |reflector| reflector.name != *me)
    }
}

impl Reflector {
    /// Its end of the sessions, by family.
    pub fn by_family(&self) -> BTreeMap<Family, IpAddr> {
        by_family(&self.addresses)
    }
}

/// The AS of the zone. One that is not configured any more counts on: turning BGP off is not what
/// somebody means who loses an object.
fn asn(
    cluster: &Cluster,
    zone: &Zone,
    kept: &Kept,
    notices: &mut Vec<String>,
) -> Result<Asn, String> {
    let config = cluster.config();
    if let Some(zone) = config.zones.get(zone) {
        return Ok(Asn(zone.as_number));
    }
    let missing = format!("RoutingConfig default: spec.zones has no zone {zone}");
    match kept.asn(zone) {
        Some(asn) => {
            notices.push(format!("{missing}; AS {asn} counts on"));
            Ok(asn)
        }
        None => Err(missing),
    }
}

/// The zone of node `me`, where it is known to have no AS: BGP is not spoken in it.
pub fn without_bgp(cluster: &Cluster, me: &NodeName) -> Option<Zone> {
    let (_, zone) = cluster.synced(me).ok()?;
    (!cluster.config().zones.contains_key(&zone)).then_some(zone)
}

/// The Nodes that are labelled as reflectors of a zone.
pub fn labelled<'a>(cluster: &'a Cluster, zone: &'a Zone) -> impl Iterator<Item = &'a Node> {
    let label = cluster.config().zone_label;
    cluster.nodes().filter(move |node| {
        node.is_reflector() && node.zone(&label).is_ok_and(|labelled| labelled == *zone)
    })
}

/// Whoever has lost the label counts on for a moment, which is [`Kept::observe`]'s to end.
fn reflectors(
    cluster: &Cluster,
    zone: &Zone,
    kept: &Kept,
    notices: &mut Vec<String>,
) -> Vec<Reflector> {
    let before = kept.reflectors(zone).to_vec();
    let labelled = labelled(cluster, zone).map(|node| {
        let known = before.iter().find(|known| known.name == node.name);
        let lost = known.filter(|_| node.internal_ips.is_empty());
        lost.cloned().unwrap_or_else(|| Reflector {
            name: node.name.clone(),
            addresses: node.internal_ips.clone(),
        })
    });
    let mut labelled: Vec<Reflector> = labelled.collect();
    if !labelled.is_empty() {
        let names: BTreeSet<NodeName> = labelled.iter().map(|one| one.name.clone()).collect();
        labelled.extend(before.into_iter().filter(|one| !names.contains(&one.name)));
        labelled.sort_by(|a, b| a.name.cmp(&b.name));
        return labelled;
    }
    let names: Vec<&str> = before.iter().map(|one| one.name.as_str()).collect();
    notices.push(match names.is_empty() {
        true => format!("zone {zone} has no reflector: no Node of it is labelled as one"),
        false => format!(
            "zone {zone} has no reflector any more: no Node of it is labelled as one; {} count on",
            names.join(", ")
        ),
    });
    before
}

/// The first address of each family.
fn by_family(addresses: &[IpAddr]) -> BTreeMap<Family, IpAddr> {
    let mut first = BTreeMap::new();
    for address in addresses {
        first.entry(Family::of(*address)).or_insert(*address);
    }
    first
}

/// The IPv4 InternalIP, else four octets that no other node is likely to have.
fn router_id(node: &Node) -> RouterId {
    let v4 = node.internal_ips.iter().find_map(|ip| match ip {
        IpAddr::V4(v4) => Some(*v4),
        IpAddr::V6(_) => None,
    });
    RouterId(v4.unwrap_or_else(|| {
        let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(node.uid.as_bytes()));
        Ipv4Addr::new(a, b, c, d)
    }))
}
