//! The `spec` of BGPPeer and RouteFilter, as written and back.

use crate::config::{hold_seconds, reserved_as};
use crate::objects::{At, BgpPeer, Nodes, RouteFilter};
use crate::selector::LabelSelector;
use gingham_bgp::config::{Connect, Excess, MaxPrefixes, NextHopMode, Ttl, check_rules};
use gingham_bgp::policy::Rule;
use gingham_model::{Family, NodeName, PeerName, RouteFilterName, SecretName, Zone};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The port of BGP (RFC 4271 section 8.2.1).
const PORT: u16 = 179;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PeerSpec {
    zone: Option<Zone>,
    node: Option<NodeName>,
    node_selector: Option<LabelSelector>,
    #[serde(rename = "peerIP")]
    peer_ip: Option<IpAddr>,
    peer_selector: Option<LabelSelector>,
    default_gateway: Option<DefaultGateway>,
    as_number: Option<u32>,
    #[serde(default = "port")]
    port: u16,
    #[serde(default)]
    connect: Connect,
    hold_seconds: Option<u16>,
    password_secret: Option<SecretName>,
    ttl_security: Option<TtlSecurity>,
    ebgp_multihop: Option<EbgpMultihop>,
    max_prefixes: Option<MaxPrefixesSpec>,
    #[serde(default, with = "NextHopSpec")]
    next_hop: NextHopMode,
    #[serde(default, rename = "allowOwnAS")]
    allow_own_as: u8,
    #[serde(default)]
    families: BTreeSet<Family>,
    #[serde(default)]
    filters: Vec<RouteFilterName>,
}

fn port() -> u16 {
    PORT
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DefaultGateway {
    #[serde(default)]
    ip_families: BTreeSet<Family>,
}

#[derive(Serialize, Deserialize)]
struct TtlSecurity {
    hops: u8,
}

#[derive(Serialize, Deserialize)]
struct EbgpMultihop {
    ttl: u8,
}

#[derive(Serialize, Deserialize)]
struct MaxPrefixesSpec {
    count: u32,
    #[serde(default, with = "ExcessSpec")]
    action: Excess,
}

/// As Kubernetes writes it.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Excess")]
enum ExcessSpec {
    Reset,
    Warn,
}

/// As Kubernetes writes it.
#[derive(Serialize, Deserialize)]
#[serde(remote = "NextHopMode")]
enum NextHopSpec {
    Auto,
    Own,
    Unchanged,
}

impl PeerSpec {
    /// # Errors
    /// The first field that does not hold, with its value.
    pub(super) fn check(self, name: PeerName) -> Result<BgpPeer, String> {
        let at = at(self.peer_ip, self.peer_selector, self.default_gateway)?;
        if let Some(number) = self.as_number {
            if matches!(at, At::Selected(_)) {
                return Err(format!(
                    "spec.asNumber: {number} must not be given with spec.peerSelector: a node has \
                     the AS of its zone"
                ));
            }
            if let Some(why) = reserved_as(number) {
                return Err(format!("spec.asNumber: {number} {why}"));
            }
        }
        if self.port == 0 {
            return Err("spec.port: 0 is no port".to_owned());
        }
        if let Some(seconds) = self.hold_seconds {
            hold_seconds("spec.holdSeconds", seconds)?;
        }
        if self
            .max_prefixes
            .as_ref()
            .is_some_and(|most| most.count == 0)
        {
            return Err("spec.maxPrefixes.count: must be at least 1, is 0".to_owned());
        }
        let mut named = BTreeSet::new();
        let filters = self.filters.iter().enumerate();
        if let Some((index, filter)) = filters.into_iter().find(|(_, f)| !named.insert(*f)) {
            return Err(format!("spec.filters[{index}]: {filter} is given twice"));
        }
        Ok(BgpPeer {
            name,
            zone: self.zone,
            nodes: nodes(self.node, self.node_selector)?,
            at,
            as_number: self.as_number,
            port: self.port,
            connect: self.connect,
            hold_seconds: self.hold_seconds,
            password_secret: self.password_secret,
            ttl: ttl(self.ttl_security, self.ebgp_multihop)?,
            max_prefixes: self.max_prefixes.map(|most| MaxPrefixes {
                count: most.count,
                then: most.action,
            }),
            next_hop: self.next_hop,
            allow_own_as: self.allow_own_as,
            families: self.families,
            filters: self.filters,
        })
    }

    pub(super) fn of(peer: BgpPeer) -> Self {
        let (node, node_selector) = match peer.nodes {
            Nodes::Reflectors => (None, None),
            Nodes::Named(node) => (Some(node), None),
            Nodes::Selected(selector) => (None, Some(selector)),
        };
        let (peer_ip, peer_selector, default_gateway) = match peer.at {
            At::Address(ip) => (Some(ip), None, None),
            At::Selected(selector) => (None, Some(selector), None),
            At::DefaultGateway(ip_families) => (None, None, Some(DefaultGateway { ip_families })),
        };
        let (ttl_security, ebgp_multihop) = match peer.ttl {
            Ttl::Default => (None, None),
            Ttl::Security(hops) => (Some(TtlSecurity { hops }), None),
            Ttl::Multihop(ttl) => (None, Some(EbgpMultihop { ttl })),
        };
        PeerSpec {
            zone: peer.zone,
            node,
            node_selector,
            peer_ip,
            peer_selector,
            default_gateway,
            as_number: peer.as_number,
            port: peer.port,
            connect: peer.connect,
            hold_seconds: peer.hold_seconds,
            password_secret: peer.password_secret,
            ttl_security,
            ebgp_multihop,
            max_prefixes: peer.max_prefixes.map(|most| MaxPrefixesSpec {
                count: most.count,
                action: most.then,
            }),
            next_hop: peer.next_hop,
            allow_own_as: peer.allow_own_as,
            families: peer.families,
            filters: peer.filters,
        }
    }
}

fn nodes(node: Option<NodeName>, selector: Option<LabelSelector>) -> Result<Nodes, String> {
    match (node, selector) {
        (None, None) => Ok(Nodes::Reflectors),
        (Some(node), None) => Ok(Nodes::Named(node)),
        (None, Some(selector)) => Ok(Nodes::Selected(selector)),
        (Some(node), Some(_)) => Err(format!(
            "spec.node: {node} must not be given with spec.nodeSelector"
        )),
    }
}

fn at(
    ip: Option<IpAddr>,
    selector: Option<LabelSelector>,
    gateway: Option<DefaultGateway>,
) -> Result<At, String> {
    const ONE: &str = "exactly one of peerIP, peerSelector and defaultGateway";
    match (ip, selector, gateway) {
        (Some(ip), None, None) => match no_host(ip) {
            Some(why) => Err(format!("spec.peerIP: {ip} is {why}")),
            None => Ok(At::Address(ip)),
        },
        (None, Some(selector), None) => Ok(At::Selected(selector)),
        (None, None, Some(DefaultGateway { ip_families })) if ip_families.is_empty() => {
            Ok(At::DefaultGateway(Family::ALL.into()))
        }
        (None, None, Some(gateway)) => Ok(At::DefaultGateway(gateway.ip_families)),
        (None, None, None) => Err(format!("spec: must have {ONE}, has none")),
        (ip, selector, gateway) => {
            let given = [
                ip.map(|_| "peerIP"),
                selector.map(|_| "peerSelector"),
                gateway.map(|_| "defaultGateway"),
            ];
            let given: Vec<&str> = given.into_iter().flatten().collect();
            Err(format!(
                "spec: must have {ONE}, has {}",
                given.join(" and ")
            ))
        }
    }
}

/// Why no session can be had with this address as it stands.
fn no_host(ip: IpAddr) -> Option<&'static str> {
    match ip {
        _ if ip.is_unspecified() => Some("unspecified"),
        _ if ip.is_multicast() => Some("multicast"),
        IpAddr::V4(v4) if v4.is_broadcast() => Some("broadcast"),
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => Some("IPv4 in disguise"),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => {
            Some("link-local: which link is meant cannot be said")
        }
        _ => None,
    }
}

fn ttl(security: Option<TtlSecurity>, multihop: Option<EbgpMultihop>) -> Result<Ttl, String> {
    match (security, multihop) {
        (None, None) => Ok(Ttl::Default),
        (Some(TtlSecurity { hops: 0 }), _) => {
            Err("spec.ttlSecurity.hops: must be at least 1, is 0".to_owned())
        }
        (_, Some(EbgpMultihop { ttl: 0 })) => {
            Err("spec.ebgpMultihop.ttl: must be at least 1, is 0".to_owned())
        }
        (Some(TtlSecurity { hops }), None) => Ok(Ttl::Security(hops)),
        (None, Some(EbgpMultihop { ttl })) => Ok(Ttl::Multihop(ttl)),
        (Some(_), Some(EbgpMultihop { ttl })) => Err(format!(
            "spec.ebgpMultihop.ttl: {ttl} must not be given with spec.ttlSecurity"
        )),
    }
}

/// A field a rule does not know is refused, not only noted: a rule without one of its conditions
/// would say something else.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct FilterSpec {
    import: Vec<Rule>,
    export: Vec<Rule>,
}

impl FilterSpec {
    /// # Errors
    /// Every field that does not hold, with its value.
    pub(super) fn check(self, name: RouteFilterName) -> Result<RouteFilter, String> {
        let lists = [("spec.import", &self.import), ("spec.export", &self.export)];
        let errors = lists
            .into_iter()
            .flat_map(|(path, rules)| check_rules(path, rules));
        let errors: Vec<String> = errors.map(|error| error.to_string()).collect();
        if !errors.is_empty() {
            return Err(errors.join("; "));
        }
        let FilterSpec { import, export } = self;
        Ok(RouteFilter {
            name,
            import,
            export,
        })
    }

    pub(super) fn of(filter: RouteFilter) -> Self {
        let RouteFilter { import, export, .. } = filter;
        FilterSpec { import, export }
    }
}
