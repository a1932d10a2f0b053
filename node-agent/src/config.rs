//! The RoutingConfig: settings of the whole cluster, checked field by field.

use gingham_model::{Prefix, Zone};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The only RoutingConfig that is read.
pub const NAME: &str = "default";

/// The well-known label of a node's zone.
pub const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// The `spec` as written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Spec {
    zones: Vec<ZoneSpec>,
    paused: bool,
    zone_label: Option<String>,
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
}

impl Default for RoutingConfig {
    fn default() -> Self {
        RoutingConfig {
            zones: BTreeMap::new(),
            paused: false,
            zone_label: ZONE_LABEL.to_owned(),
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
        let mut zones = BTreeMap::new();
        for (index, zone) in spec.zones.into_iter().enumerate() {
            let ZoneSpec {
                name,
                as_number,
                node_cidrs,
            } = zone;
            if let Some(why) = reserved_as(as_number) {
                return Err(format!("spec.zones[{index}].asNumber: {as_number} {why}"));
            }
            let config = ZoneConfig {
                as_number,
                node_cidrs,
            };
            if zones.insert(name.clone(), config).is_some() {
                return Err(format!("spec.zones[{index}].name: {name} is given twice"));
            }
        }
        let zone_label = spec.zone_label.unwrap_or_else(|| ZONE_LABEL.to_owned());
        if zone_label.is_empty() || zone_label.contains(char::is_whitespace) {
            return Err(format!("spec.zoneLabel: {zone_label:?} is no label key"));
        }
        Ok(RoutingConfig {
            zones,
            paused: spec.paused,
            zone_label,
        })
    }
}

/// Numbers no network may use as its own.
fn reserved_as(number: u32) -> Option<&'static str> {
    match number {
        0 => Some("is reserved (RFC 7607)"),
        23456 => Some("is AS_TRANS (RFC 6793)"),
        65535 | u32::MAX => Some("is reserved (RFC 7300)"),
        _ => None,
    }
}
