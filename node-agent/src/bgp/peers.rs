//! The sessions a BGPPeer object stands for on one node. Pure.

use super::filters::{self, Home};
use super::kept::Kept;
use super::keys::Keys;
use super::part::{Part, Role};
use crate::cluster::Cluster;
use crate::objects::{At, BgpPeer, Node, Nodes};
use gingham_bgp::Asn;
use gingham_bgp::config::{
    AddPath, AddPathReceive, FamilySettings, Neighbour, NextHopMode, Password, Role as Reflection,
    Scope, Settings,
};
use gingham_bgp::policy::{Filter, FilterName, Rule};
use gingham_model::{Family, NodeName};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The most paths to one prefix a core or a node is told: one for each distinct next hop.
pub(super) const PATHS: u8 = 8;

/// The sessions of one BGPPeer, and the filters they name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sessions {
    /// One for each address of the other end.
    pub neighbours: Vec<Neighbour>,
    /// By name, as the neighbours name them.
    pub filters: BTreeMap<FilterName, Filter>,
}

/// All the sessions of a peer depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around<'a> {
    pub(super) me: &'a NodeName,
    pub(super) cluster: &'a Cluster,
    pub(super) part: &'a Part,
    pub(super) home: &'a Home,
    pub(super) gateways: &'a BTreeSet<IpAddr>,
    pub(super) keys: &'a Keys,
    pub(super) kept: &'a Kept,
}

/// What keeps a BGPPeer from being followed.
enum Fault {
    /// Its sessions stay as they are: field, value, reason.
    Unusable(String),
    /// It is another node's.
    Elsewhere,
}

impl Around<'_> {
    /// The sessions of `peer` on this node, none where it is for others; and what to tell the
    /// operator. What cannot be followed leaves its sessions as they were.
    pub(super) fn sessions(&self, peer: &BgpPeer) -> (Sessions, Option<String>) {
        match self.follow(peer) {
            Ok(sessions) => (sessions, None),
            Err(Fault::Elsewhere) => (Sessions::default(), None),
            Err(Fault::Unusable(why)) => {
                let kept = self.kept.sessions(&self.part.zone, &peer.name);
                let stay = match kept {
                    Some(sessions) if !sessions.neighbours.is_empty() => {
                        "its sessions stay as they were"
                    }
                    _ => "it has no session here",
                };
                let notice = format!("BGPPeer {}: {why}; {stay}", peer.name);
                (kept.cloned().unwrap_or_default(), Some(notice))
            }
        }
    }

    fn follow(&self, peer: &BgpPeer) -> Result<Sessions, Fault> {
        self.concerns(peer)?;
        let ends = self.ends(peer)?;
        let (import, export) = self.rules(peer)?;
        let password = self.password(peer, &ends)?;
        let asn = peer.as_number.map_or(self.part.asn, Asn);
        let names = Names::of(peer);
        let neighbour = |address: &IpAddr| {
            let family = Family::of(*address);
            let own = self.part.addresses.get(&family).copied();
            let own = own.ok_or_else(|| {
                Fault::Unusable(format!(
                    "{address} cannot be reached: this node has no {family} InternalIP"
                ))
            })?;
            Ok(Neighbour {
                name: format!("{}-{address}", peer.name),
                address: *address,
                port: peer.port,
                connect: peer.connect,
                settings: Settings {
                    asn,
                    local_address: Some(own),
                    role: self.reflection(asn),
                    families: self.families(peer, family),
                    hold_seconds: self.hold_seconds(peer),
                    password: password.clone(),
                    ttl: peer.ttl,
                    import: Some(names.import.clone()),
                    export: Some(names.export.clone()),
                    next_hop: self.next_hop(peer, asn),
                    allow_own_asn: peer.allow_own_as,
                    node: None,
                    asn_width: Default::default(),
                    messages: Default::default(),
                    scope: Scope::Outside,
                },
            })
        };
        let neighbours: Result<Vec<Neighbour>, Fault> = ends.iter().map(neighbour).collect();
        let builtin = match self.part.role {
            Role::Reflector => filters::to_cores(self.home),
            Role::Node => filters::own(),
        };
        let import = filters::then(filters::outside(self.home), filters::of_peer_import(import));
        let export = filters::then(builtin, filters::accepting(export));
        Ok(Sessions {
            neighbours: neighbours?,
            filters: [(names.import, import), (names.export, export)].into(),
        })
    }

    /// Whether this node is one of those that have the session.
    fn concerns(&self, peer: &BgpPeer) -> Result<(), Fault> {
        if peer
            .zone
            .as_ref()
            .is_some_and(|zone| *zone != self.part.zone)
        {
            return Err(Fault::Elsewhere);
        }
        let is_meant = match &peer.nodes {
            Nodes::Reflectors => self.part.role == Role::Reflector,
            Nodes::Named(name) => name == self.me,
            Nodes::Selected(selector) => {
                let matches = |node: &&Node| selector.selects(&node.labels);
                let mut matching = self.cluster.nodes().filter(matches).peekable();
                if matching.peek().is_none() {
                    return Err(Fault::Unusable(format!(
                        "spec.nodeSelector: {selector} matches no Node"
                    )));
                }
                matching.any(|node| node.name == *self.me)
            }
        };
        match is_meant {
            true => Ok(()),
            false => Err(Fault::Elsewhere),
        }
    }

    /// The addresses of the other ends.
    fn ends(&self, peer: &BgpPeer) -> Result<BTreeSet<IpAddr>, Fault> {
        let (ends, nobody): (BTreeSet<IpAddr>, String) = match &peer.at {
            At::Address(address) => ([*address].into(), String::new()),
            At::Selected(selector) => {
                let others = self.cluster.nodes().filter(|node| node.name != *self.me);
                let matching = others.filter(|node| selector.selects(&node.labels));
                let ips = matching.flat_map(|node| first_of_each(&node.internal_ips));
                let ours = |ip: &IpAddr| self.part.addresses.contains_key(&Family::of(*ip));
                (
                    ips.filter(ours).collect(),
                    format!("spec.peerSelector: {selector} matches no other Node"),
                )
            }
            At::DefaultGateway(families) => {
                let wanted = |ip: &&IpAddr| families.contains(&Family::of(**ip));
                let global = |ip: &&IpAddr| !crate::links::is_link_local(**ip);
                let gateways = self.gateways.iter().filter(wanted).filter(global);
                (
                    gateways.copied().collect(),
                    "spec.defaultGateway: this node has no default gateway with a global address"
                        .to_owned(),
                )
            }
        };
        match ends.is_empty() {
            true => Err(Fault::Unusable(nobody)),
            false => Ok(ends),
        }
    }

    /// The rules of its filters, those of the first filter first.
    fn rules(&self, peer: &BgpPeer) -> Result<(Vec<Rule>, Vec<Rule>), Fault> {
        let (mut import, mut export) = (Vec::new(), Vec::new());
        for (index, name) in peer.filters.iter().enumerate() {
            let mut known = self.cluster.filters();
            let filter = known.find(|filter| filter.name == *name).ok_or_else(|| {
                Fault::Unusable(format!(
                    "spec.filters[{index}]: there is no RouteFilter {name}"
                ))
            })?;
            // A rule's name is the reason of a refusal, and is to say whose rule it is.
            let named = |rule: &Rule| Rule {
                name: format!("{name}/{}", rule.name),
                ..rule.clone()
            };
            import.extend(filter.import.iter().map(named));
            export.extend(filter.export.iter().map(named));
        }
        Ok((import, export))
    }

    /// Its key. Where nodes use one it covers their subnets, and whoever else is in there needs one.
    fn password(&self, peer: &BgpPeer, ends: &BTreeSet<IpAddr>) -> Result<Option<Password>, Fault> {
        let config = self.cluster.config();
        let unusable = |why| Fault::Unusable(format!("spec.passwordSecret: {why}"));
        if let Some(secret) = &peer.password_secret {
            return Ok(Some(self.keys.get(secret).map_err(unusable)?));
        }
        let covered = ends.iter().find(|end| {
            let mut subnets = self.home.nodes.iter();
            self.part.role == Role::Reflector && subnets.any(|subnet| subnet.contains(**end))
        });
        match (covered, &config.reflectors.password_secret) {
            (Some(end), Some(_)) => Err(unusable(format!(
                "is missing, but {end} stands in a node subnet, where every connection carries the \
                 key of spec.reflectors.passwordSecret of the RoutingConfig"
            ))),
            _ => Ok(None),
        }
    }

    /// An internal peer of a reflector is its client: it is told what nodes say.
    fn reflection(&self, asn: Asn) -> Reflection {
        match self.part.role {
            Role::Reflector if asn == self.part.asn => Reflection::Client,
            _ => Reflection::Peer,
        }
    }

    fn families(&self, peer: &BgpPeer, transport: Family) -> BTreeMap<Family, FamilySettings> {
        let mut families = peer.families.clone();
        if families.is_empty() {
            families.insert(transport);
        }
        let add_path = AddPath {
            receive: AddPathReceive::On,
            send: PATHS,
        };
        let settings = |family: Family| FamilySettings {
            add_path,
            max_prefixes: peer.max_prefixes,
            own_next_hop: match family == transport {
                true => None,
                false => self.part.addresses.get(&family).copied(),
            },
        };
        families
            .into_iter()
            .map(|family| (family, settings(family)))
            .collect()
    }

    fn hold_seconds(&self, peer: &BgpPeer) -> u16 {
        let of_all = self.cluster.config().timers.hold_seconds;
        peer.hold_seconds.unwrap_or(of_all)
    }

    /// A reflector is on nobody's way, so an external core too is told where the nodes are.
    fn next_hop(&self, peer: &BgpPeer, asn: Asn) -> NextHopMode {
        let external = asn != self.part.asn;
        match (peer.next_hop, self.part.role) {
            (NextHopMode::Auto, Role::Reflector) if external => NextHopMode::Unchanged,
            (mode, _) => mode,
        }
    }
}

/// The names of a peer's own filters.
struct Names {
    import: FilterName,
    export: FilterName,
}

impl Names {
    fn of(peer: &BgpPeer) -> Self {
        Names {
            import: FilterName(format!("import-of-{}", peer.name)),
            export: FilterName(format!("export-to-{}", peer.name)),
        }
    }
}

/// The first address of each family.
fn first_of_each(addresses: &[IpAddr]) -> impl Iterator<Item = IpAddr> + '_ {
    let families = Family::ALL.into_iter();
    families.filter_map(|family| {
        let mut own = addresses
            .iter()
            .filter(move |ip| Family::of(**ip) == family);
        own.next().copied()
    })
}
