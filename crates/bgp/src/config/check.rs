//! What no field alone can see. Each check is a list of fields with the fault found there, if any.

mod faults;
mod filters;
mod peers;
mod territory;

pub use filters::check_rules;

use super::{Announcement, Config, ConfigError, ConfigFault};
use faults::{address, more_than, other_family, reserved, router_id, twice, zero};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

impl Config {
    /// Whether the configuration can be used as it is.
    ///
    /// # Errors
    /// Every field that stands in the way: the speaker's own, then peers, filters, announcements and the
    /// territory.
    pub fn check(&self) -> Result<(), Vec<ConfigError>> {
        let mut errors: Vec<ConfigError> = self.own_faults().collect();
        errors.extend(peers::faults(self));
        errors.extend(filters::faults(&self.filters));
        errors.extend(announcement_faults(&self.announce));
        errors.extend(territory::faults(&self.territory));
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }

    fn own_faults(&self) -> impl Iterator<Item = ConfigError> {
        let restart = &self.graceful_restart;
        // A cluster is any number but 0 (RFC 4456 section 7).
        let no_cluster = self.cluster_id.filter(|id| id.0 == Ipv4Addr::UNSPECIFIED);
        let multipath = zero(self.multipath).or_else(|| more_than(128, self.multipath as u64));
        // 12 bits (RFC 4724 section 3) and 24 (RFC 9494 section 3.1).
        let restart_time = more_than(0xFFF, restart.restart_seconds);
        let long_lived = more_than(0x00FF_FFFF, restart.long_lived_stale_seconds);
        let fields = [
            at("asn", reserved(self.asn)),
            at("routerId", router_id(self.router_id)),
            at("clusterId", no_cluster.and_then(router_id)),
            at("gracefulRestart.restartSeconds", restart_time),
            at("gracefulRestart.longLivedStaleSeconds", long_lived),
            at("multipath", multipath),
        ];
        fields.into_iter().flatten()
    }
}

fn announcement_faults(announcements: &[Announcement]) -> impl Iterator<Item = ConfigError> {
    let mut seen = BTreeSet::new();
    announcements.iter().flat_map(move |announcement| {
        let prefix = announcement.prefix;
        let next_hop = announcement.next_hop.and_then(|next_hop| {
            address(next_hop).or_else(|| other_family(next_hop, prefix.family(), prefix))
        });
        let fields = [
            at(
                "prefix",
                twice(prefix, &mut seen, ConfigFault::DuplicatePrefix),
            ),
            at("nextHop", next_hop),
        ];
        under(format!("announce[{prefix}]"), fields.into_iter().flatten())
    })
}

/// The fault of a field, if it has one.
fn at(field: impl Into<String>, fault: Option<ConfigFault>) -> Option<ConfigError> {
    let field = field.into();
    fault.map(|fault| ConfigError { field, fault })
}

/// The same errors, with the path that leads to their fields.
fn under(
    path: String,
    errors: impl IntoIterator<Item = ConfigError>,
) -> impl Iterator<Item = ConfigError> {
    errors.into_iter().map(move |error| ConfigError {
        field: format!("{path}.{}", error.field),
        fault: error.fault,
    })
}

/// How an item of a list is called in a path: by name, or by number where it has none.
fn item(list: &str, index: usize, name: &str) -> String {
    if name.is_empty() {
        format!("{list}[{index}]")
    } else {
        format!("{list}[{name}]")
    }
}
