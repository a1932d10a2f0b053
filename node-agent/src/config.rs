//! The RoutingConfig: settings of the whole cluster, checked field by field.

mod network;
mod pod_cidrs;
mod sessions;

pub use network::NetworkUnavailable;
pub use pod_cidrs::PodCidrs;
pub(crate) use sessions::hold_seconds;
pub use sessions::{GracefulRestart, Reflectors, Timers};

use gingham_model::{Owner, Prefix, RouteProtocol, Zone};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The only RoutingConfig that is read.
pub const NAME: &str = "default";

/// The well-known label of a node's zone.
pub const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// Seconds a mass removal is held where nothing else is said.
const MASS_REMOVAL_HOLD: u64 = 300;

/// Seconds a block must have been empty where nothing else is said.
const EMPTY_BLOCK: u64 = 300;

/// Seconds a block stays its owner's after the owner's Node is gone, where nothing else is said.
const BLOCK_RELEASE_DELAY: u64 = 600;

/// Paths that share the load of a prefix where nothing else is said.
const MULTIPATH: usize = 16;

/// The `spec` as written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Spec {
    zones: Vec<ZoneSpec>,
    paused: bool,
    zone_label: Option<String>,
    #[serde(rename = "nonMasqueradeCIDRs")]
    non_masquerade_cidrs: Vec<Prefix>,
    take_over_protocols: Vec<u8>,
    mass_removal_hold_seconds: Option<u32>,
    empty_block_seconds: Option<u32>,
    block_release_delay_seconds: Option<u32>,
    timers: Timers,
    graceful_restart: GracefulRestart,
    reflectors: Reflectors,
    multipath: Option<usize>,
    #[serde(rename = "podCIDRs")]
    pod_cidrs: Option<PodCidrs>,
    network_unavailable: NetworkUnavailable,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ZoneSpec {
    name: Zone,
    as_number: u32,
    #[serde(default, rename = "nodeCIDRs")]
    node_cidrs: Vec<Prefix>,
}

/// What the configuration says of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneConfig {
    /// Its autonomous system.
    pub as_number: u32,
    /// The subnets its nodes stand in.
    pub node_cidrs: Vec<Prefix>,
}

/// The cluster's settings; [`RoutingConfig::default`] where there is no such object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutingConfig {
    /// The zones of the cluster.
    pub zones: BTreeMap<Zone, ZoneConfig>,
    /// While set, no agent removes anything.
    pub paused: bool,
    /// The key of the label that says a node's zone.
    pub zone_label: String,
    /// Destinations, beside all pools and node subnets, that see the pods' own addresses.
    pub non_masquerade_cidrs: BTreeSet<Prefix>,
    /// Routes of these protocols that stand in the way of ours are taken over.
    pub take_over: BTreeSet<RouteProtocol>,
    /// How long a mass removal is held until it counts as meant.
    pub mass_removal_hold: Duration,
    /// How long a block must have been empty before it is given back.
    pub empty_block: Duration,
    /// How long a block stays its owner's after the owner's Node is gone.
    pub block_release_delay: Duration,
    /// Times of BGP sessions.
    pub timers: Timers,
    /// How long routes outlive a session.
    pub graceful_restart: GracefulRestart,
    /// The sessions of reflectors with their nodes.
    pub reflectors: Reflectors,
    /// The most next hops of one learned prefix, 1 to 128.
    pub multipath: usize,
    /// Where set, blocks are not carved: they are the podCIDRs of the Nodes.
    pub pod_cidrs: Option<PodCidrs>,
    /// What becomes of the condition NetworkUnavailable of Nodes.
    pub network_unavailable: NetworkUnavailable,
}

impl Default for RoutingConfig {
    fn default() -> Self {
        RoutingConfig {
            zones: BTreeMap::new(),
            paused: false,
            zone_label: ZONE_LABEL.to_owned(),
            non_masquerade_cidrs: BTreeSet::new(),
            take_over: BTreeSet::new(),
            mass_removal_hold: Duration::from_secs(MASS_REMOVAL_HOLD),
            empty_block: Duration::from_secs(EMPTY_BLOCK),
            block_release_delay: Duration::from_secs(BLOCK_RELEASE_DELAY),
            timers: Timers::default(),
            graceful_restart: GracefulRestart::default(),
            reflectors: Reflectors::default(),
            multipath: MULTIPATH,
            pod_cidrs: None,
            network_unavailable: NetworkUnavailable::default(),
        }
    }
}

impl TryFrom<Spec> for RoutingConfig {
    type Error = String;

    /// Checks what the types alone do not.
    ///
    /// # Errors
    /// The first field that does not hold, with its value.
    fn try_from(spec: Spec) -> Result<Self, String> {
        let zones = zones(spec.zones)?;
        let zone_label = spec.zone_label.unwrap_or_else(|| ZONE_LABEL.to_owned());
        if zone_label.is_empty() || zone_label.contains(char::is_whitespace) {
            return Err(format!("spec.zoneLabel: {zone_label:?} is no label key"));
        }
        for (index, cidr) in spec.non_masquerade_cidrs.iter().enumerate() {
            if cidr.length() == 0 {
                let field = format!("spec.nonMasqueradeCIDRs[{index}]");
                return Err(format!(
                    "{field}: {cidr} would end all masquerading; set natOutgoing: false in the \
                     ZonePools for that"
                ));
            }
        }
        for (index, protocol) in spec.take_over_protocols.iter().enumerate() {
            if let Some(why) = never_taken_over(*protocol) {
                let field = format!("spec.takeOverProtocols[{index}]");
                return Err(format!("{field}: {protocol} {why}"));
            }
        }
        let multipath = spec.multipath.unwrap_or(MULTIPATH);
        spec.timers.check()?;
        spec.graceful_restart.check()?;
        spec.reflectors.check()?;
        spec.pod_cidrs.as_ref().map_or(Ok(()), PodCidrs::check)?;
        if spec.block_release_delay_seconds == Some(0) {
            let why = "a Node that is registered anew would find its blocks in other hands";
            return Err(format!("spec.blockReleaseDelaySeconds: 0 is none; {why}"));
        }
        if !(1..=128).contains(&multipath) {
            return Err(format!("spec.multipath: {multipath} is not 1 to 128"));
        }
        let protocols = spec.take_over_protocols.into_iter().map(RouteProtocol);
        let seconds = |given: Option<u32>, default: u64| {
            Duration::from_secs(given.map_or(default, u64::from))
        };
        Ok(RoutingConfig {
            zones,
            paused: spec.paused,
            zone_label,
            non_masquerade_cidrs: spec.non_masquerade_cidrs.into_iter().collect(),
            take_over: protocols.collect(),
            mass_removal_hold: seconds(spec.mass_removal_hold_seconds, MASS_REMOVAL_HOLD),
            empty_block: seconds(spec.empty_block_seconds, EMPTY_BLOCK),
            block_release_delay: seconds(spec.block_release_delay_seconds, BLOCK_RELEASE_DELAY),
            timers: spec.timers,
            graceful_restart: spec.graceful_restart,
            reflectors: spec.reflectors,
            multipath,
            pod_cidrs: spec.pod_cidrs,
            network_unavailable: spec.network_unavailable,
        })
    }
}

impl RoutingConfig {
    /// The `spec` that reads as this.
    pub(crate) fn spec(&self) -> Value {
        let zones = self.zones.iter().map(|(name, zone)| {
            json!({"name": name, "asNumber": zone.as_number, "nodeCIDRs": zone.node_cidrs})
        });
        let protocols = self.take_over.iter().map(|protocol| protocol.0);
        json!({
            "zones": zones.collect::<Value>(),
            "paused": self.paused,
            "zoneLabel": self.zone_label,
            "nonMasqueradeCIDRs": self.non_masquerade_cidrs,
            "takeOverProtocols": protocols.collect::<Value>(),
            "massRemovalHoldSeconds": self.mass_removal_hold.as_secs(),
            "emptyBlockSeconds": self.empty_block.as_secs(),
            "blockReleaseDelaySeconds": self.block_release_delay.as_secs(),
            "timers": self.timers,
            "gracefulRestart": self.graceful_restart,
            "reflectors": self.reflectors,
            "multipath": self.multipath,
            "podCIDRs": self.pod_cidrs,
            "networkUnavailable": self.network_unavailable,
        })
    }
}

/// One AS to a zone and one zone to an AS, and no subnet in two zones: where a path comes from is
/// told by its AS, and where a node stands by its subnet.
fn zones(specs: Vec<ZoneSpec>) -> Result<BTreeMap<Zone, ZoneConfig>, String> {
    let mut zones: BTreeMap<Zone, ZoneConfig> = BTreeMap::new();
    for (index, zone) in specs.into_iter().enumerate() {
        let ZoneSpec {
            name,
            as_number,
            node_cidrs,
        } = zone;
        let field = format!("spec.zones[{index}]");
        if let Some(why) = reserved_as(as_number) {
            return Err(format!("{field}.asNumber: {as_number} {why}"));
        }
        if zones.contains_key(&name) {
            return Err(format!("{field}.name: {name} is given twice"));
        }
        for (other, zone) in &zones {
            if zone.as_number == as_number {
                return Err(format!(
                    "{field}.asNumber: {as_number} is that of zone {other}"
                ));
            }
            if let Some((at, met)) = first_overlap(&node_cidrs, &zone.node_cidrs) {
                let cidr = node_cidrs[at];
                return Err(format!(
                    "{field}.nodeCIDRs[{at}]: {cidr} overlaps {met} of zone {other}"
                ));
            }
        }
        let config = ZoneConfig {
            as_number,
            node_cidrs,
        };
        zones.insert(name, config);
    }
    Ok(zones)
}

/// Which of `own` meets one of the others, and which.
fn first_overlap(own: &[Prefix], others: &[Prefix]) -> Option<(usize, Prefix)> {
    own.iter().enumerate().find_map(|(at, cidr)| {
        let met = others.iter().find(|other| other.overlaps(*cidr))?;
        Some((at, *met))
    })
}

/// Protocols whose routes are not for taking.
fn never_taken_over(protocol: u8) -> Option<&'static str> {
    match protocol {
        0 => Some("is no protocol (RTPROT_UNSPEC)"),
        2 => Some("is the kernel's own (RTPROT_KERNEL)"),
        own if Owner::of(RouteProtocol(own)).is_some() => Some("is one of Gingham's own"),
        _ => None,
    }
}

/// Numbers no network may use as its own.
pub(crate) fn reserved_as(number: u32) -> Option<&'static str> {
    match number {
        0 => Some("is reserved (RFC 7607)"),
        23456 => Some("is AS_TRANS (RFC 6793)"),
        65535 | u32::MAX => Some("is reserved (RFC 7300)"),
        _ => None,
    }
}
