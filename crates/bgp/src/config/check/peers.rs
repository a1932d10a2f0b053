//! Neighbours and ranges.

use super::faults::{address, name, other_family, reserved, zero};
use super::{at, item, under};
use crate::config::{
    Config, ConfigError, ConfigFault, Connect, Neighbour, Range, Role, Settings, Ttl,
};
use crate::policy::FilterName;
use gingham_model::{Family, Prefix};
use std::collections::BTreeSet;

pub(super) fn faults(config: &Config) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    let (mut names, mut addresses, mut prefixes) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (index, one) in config.neighbours.iter().enumerate() {
        let address = one.address;
        let twice = !addresses.insert(address);
        let faults = [
            at("name", peer_name(&one.name, &mut names)),
            at(
                "address",
                twice.then_some(ConfigFault::DuplicateAddress(address)),
            ),
        ];
        let faults = faults.into_iter().flatten().chain(neighbour(config, one));
        errors.extend(under(item("neighbours", index, &one.name), faults));
    }
    for (index, one) in config.ranges.iter().enumerate() {
        let twice = !prefixes.insert(one.prefix);
        let faults = [
            at("name", peer_name(&one.name, &mut names)),
            at(
                "prefix",
                twice.then_some(ConfigFault::DuplicatePrefix(one.prefix)),
            ),
        ];
        let faults = faults.into_iter().flatten().chain(range(config, one));
        errors.extend(under(item("ranges", index, &one.name), faults));
    }
    errors
}

/// Names are unique among neighbours and ranges together.
fn peer_name<'a>(text: &'a str, seen: &mut BTreeSet<&'a str>) -> Option<ConfigFault> {
    let twice = !seen.insert(text);
    name(text).or_else(|| twice.then(|| ConfigFault::DuplicateName(text.to_owned())))
}

fn neighbour(config: &Config, one: &Neighbour) -> impl Iterator<Item = ConfigError> {
    let family = Family::of(one.address);
    let host = Prefix::host(one.address);
    let unheard = (one.connect == Connect::Passive)
        .then(|| unheard(config, "passive", family))
        .flatten();
    // A connection we dial asks no key of the listener's.
    let key = (one.connect != Connect::Active)
        .then(|| key_of_range(config, host, &one.settings))
        .flatten();
    let fields = [
        at("address", address(one.address)),
        at("port", zero(one.port)),
        at("connect", unheard),
        at("password", key),
    ];
    let local = one
        .settings
        .local_address
        .and_then(|local| other_family(local, family, one.address));
    let fields = fields.into_iter().chain([at("localAddress", local)]);
    fields.flatten().chain(settings(config, &one.settings))
}

fn range(config: &Config, one: &Range) -> impl Iterator<Item = ConfigError> {
    let family = one.prefix.family();
    let local = one
        .settings
        .local_address
        .and_then(|local| other_family(local, family, one.prefix));
    let fields = [
        at("prefix", unheard(config, "a range", family)),
        at("limit", zero(one.limit)),
        at("password", key_of_range(config, one.prefix, &one.settings)),
        at("localAddress", local),
    ];
    fields
        .into_iter()
        .flatten()
        .chain(settings(config, &one.settings))
}

fn unheard(config: &Config, waits: &'static str, family: Family) -> Option<ConfigFault> {
    let heard = config.listen.iter().any(|at| Family::of(at.ip()) == family);
    (!heard).then_some(ConfigFault::NobodyListens { waits, family })
}

/// The kernel knows a longer prefix with another key, but none without one: who lies in a range with a
/// password cannot do without.
fn key_of_range(config: &Config, peers: Prefix, settings: &Settings) -> Option<ConfigFault> {
    if settings.password.is_some() {
        return None;
    }
    let around = config
        .ranges
        .iter()
        .find(|range| range.settings.password.is_some() && range.prefix.covers(peers))?;
    Some(ConfigFault::PasswordOfRange {
        range: around.name.clone(),
        prefix: around.prefix,
    })
}

fn settings(config: &Config, settings: &Settings) -> impl Iterator<Item = ConfigError> {
    let hold = settings.hold_seconds;
    let octets = settings.password.as_ref().map(|password| password.0.len());
    let unknown = |filter: &Option<FilterName>| {
        let name = filter
            .as_ref()
            .filter(|name| !config.filters.contains_key(name))?;
        Some(ConfigFault::UnknownFilter(name.clone()))
    };
    let stranger = settings.role == Role::Client && settings.asn != config.asn;
    let fields = [
        at("asn", reserved(settings.asn)),
        at("localAddress", settings.local_address.and_then(address)),
        at(
            "role",
            stranger.then_some(ConfigFault::RoleOfExternal {
                role: settings.role,
                asn: settings.asn,
            }),
        ),
        at(
            "holdSeconds",
            matches!(hold, 1 | 2).then_some(ConfigFault::HoldSeconds(hold)),
        ),
        at(
            "password",
            octets
                .filter(|octets| !(1..=80).contains(octets))
                .map(ConfigFault::PasswordLength),
        ),
        ttl(settings.ttl),
        at("import", unknown(&settings.import)),
        at("export", unknown(&settings.export)),
    ];
    let families = settings.families.iter().filter_map(|(family, of)| {
        let limit = of.max_prefixes?;
        at(
            format!("families[{family}].maxPrefixes.count"),
            zero(limit.count),
        )
    });
    fields
        .into_iter()
        .flatten()
        .chain(families)
        .collect::<Vec<_>>()
        .into_iter()
}

fn ttl(ttl: Ttl) -> Option<ConfigError> {
    match ttl {
        Ttl::Default => None,
        Ttl::Multihop(hops) => at("ttl.multihop", zero(hops)),
        Ttl::Security(hops) => at("ttl.security", zero(hops)),
    }
}
