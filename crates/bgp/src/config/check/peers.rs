//! Neighbours and ranges.

use super::faults::{address, name, other_family, reserved, twice, zero};
use super::{at, item, under};
use crate::config::{
    Config, ConfigError, ConfigFault, Connect, Neighbour, Password, Range, Role, Settings, Ttl,
};
use crate::policy::FilterName;
use gingham_model::{Family, Prefix};
use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::IpAddr;

pub(super) fn faults(config: &Config) -> Vec<ConfigError> {
    let mut seen = Seen::default();
    let mut errors = Vec::new();
    for (index, one) in config.neighbours.iter().enumerate() {
        let path = item("neighbours", index, &one.name);
        errors.extend(under(path, neighbour(config, one, &mut seen)));
    }
    for (index, one) in config.ranges.iter().enumerate() {
        let path = item("ranges", index, &one.name);
        errors.extend(under(path, range(config, one, &mut seen)));
    }
    errors
}

/// What peers so far have taken. Names are unique among neighbours and ranges together.
#[derive(Default)]
struct Seen<'a> {
    names: BTreeSet<&'a str>,
    addresses: BTreeSet<IpAddr>,
    prefixes: BTreeSet<Prefix>,
}

fn neighbour<'a>(config: &Config, one: &'a Neighbour, seen: &mut Seen<'a>) -> Vec<ConfigError> {
    let own = &one.settings;
    let family = Family::of(one.address);
    let waits = one.connect == Connect::Passive;
    // A connection we dial asks no key of the listener's.
    let answers = one.connect != Connect::Active;
    let host = Prefix::host(one.address);
    let fields = [
        at("name", peer_name(&one.name, &mut seen.names)),
        at("address", address(one.address)),
        at(
            "address",
            twice(
                one.address,
                &mut seen.addresses,
                ConfigFault::DuplicateAddress,
            ),
        ),
        at("port", zero(one.port)),
        at(
            "connect",
            waits.then(|| unheard(config, "passive", family)).flatten(),
        ),
        at("localAddress", local(own, family, one.address)),
        at(
            "password",
            answers.then(|| key_of_range(config, host, own)).flatten(),
        ),
    ];
    let fields = fields.into_iter().flatten();
    fields.chain(settings(config, own)).collect()
}

fn range<'a>(config: &Config, one: &'a Range, seen: &mut Seen<'a>) -> Vec<ConfigError> {
    let own = &one.settings;
    let family = one.prefix.family();
    let fields = [
        at("name", peer_name(&one.name, &mut seen.names)),
        at(
            "prefix",
            twice(one.prefix, &mut seen.prefixes, ConfigFault::DuplicatePrefix),
        ),
        at("prefix", unheard(config, "a range", family)),
        at("limit", zero(one.limit)),
        at("localAddress", local(own, family, one.prefix)),
        at("password", key_of_range(config, one.prefix, own)),
    ];
    let fields = fields.into_iter().flatten();
    fields.chain(settings(config, own)).collect()
}

fn peer_name<'a>(text: &'a str, seen: &mut BTreeSet<&'a str>) -> Option<ConfigFault> {
    let twice = twice(text, seen, |text| {
        ConfigFault::DuplicateName(text.to_owned())
    });
    name(text).or(twice)
}

fn local(settings: &Settings, peer: Family, beside: impl Display) -> Option<ConfigFault> {
    let local = settings.local_address?;
    address(local).or_else(|| other_family(local, peer, beside))
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

fn settings(config: &Config, settings: &Settings) -> Vec<ConfigError> {
    let Settings { asn, role, .. } = *settings;
    let unknown = |filter: &Option<FilterName>| {
        let name = filter.as_ref()?;
        let known = config.filters.contains_key(name);
        (!known).then(|| ConfigFault::UnknownFilter(name.clone()))
    };
    let foreign = role == Role::Client && asn != config.asn;
    let fields = [
        at("asn", reserved(asn)),
        at("role", foreign.then_some(ConfigFault::ForeignClient(asn))),
        at("holdSeconds", hold(settings.hold_seconds)),
        at("password", settings.password.as_ref().and_then(length)),
        ttl(settings.ttl),
        at("import", unknown(&settings.import)),
        at("export", unknown(&settings.export)),
    ];
    let families = settings.families.iter().filter_map(|(family, of)| {
        let field = format!("families[{family}].maxPrefixes.count");
        at(field, of.max_prefixes.and_then(|most| zero(most.count)))
    });
    fields.into_iter().flatten().chain(families).collect()
}

/// RFC 4271 section 4.2.
fn hold(seconds: u16) -> Option<ConfigFault> {
    matches!(seconds, 1 | 2).then_some(ConfigFault::HoldSeconds(seconds))
}

fn length(password: &Password) -> Option<ConfigFault> {
    let octets = password.0.len();
    let fits = (1..=Password::MOST_OCTETS).contains(&octets);
    (!fits).then_some(ConfigFault::PasswordLength(octets))
}

fn ttl(ttl: Ttl) -> Option<ConfigError> {
    match ttl {
        Ttl::Default => None,
        Ttl::Multihop(hops) => at("ttl.multihop", zero(hops)),
        Ttl::Security(hops) => at("ttl.security", zero(hops)),
    }
}
