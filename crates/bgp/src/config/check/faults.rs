//! What can be wrong with one value.

use crate::config::ConfigFault;
use crate::{Asn, RouterId};
use gingham_model::Family;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr};

pub(super) fn reserved(asn: Asn) -> Option<ConfigFault> {
    let why = match asn.0 {
        0 => "RFC 7607",
        23456 => "AS_TRANS, RFC 6793",
        65535 | u32::MAX => "RFC 7300",
        _ => return None,
    };
    Some(ConfigFault::ReservedAsn(asn, why))
}

pub(super) fn router_id(id: RouterId) -> Option<ConfigFault> {
    let why = unusable(id.0)?;
    Some(ConfigFault::RouterId(id, why))
}

/// An address no single host on a network can have.
pub(super) fn address(address: IpAddr) -> Option<ConfigFault> {
    let why = match address {
        IpAddr::V4(v4) => unusable(v4)?,
        IpAddr::V6(v6) if v6.is_unspecified() => "unspecified",
        IpAddr::V6(v6) if v6.is_multicast() => "multicast",
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => "IPv4 in disguise",
        IpAddr::V6(_) => return None,
    };
    Some(ConfigFault::Address(address, why))
}

fn unusable(address: Ipv4Addr) -> Option<&'static str> {
    if address.is_unspecified() {
        Some("unspecified")
    } else if address.is_multicast() {
        Some("multicast")
    } else if address.is_broadcast() {
        Some("broadcast")
    } else {
        None
    }
}

pub(super) fn other_family(
    address: IpAddr,
    wanted: Family,
    beside: impl Display,
) -> Option<ConfigFault> {
    (Family::of(address) != wanted).then(|| ConfigFault::OtherFamily {
        address,
        wanted,
        beside: beside.to_string(),
    })
}

pub(super) fn twice<T: Ord + Copy>(
    value: T,
    seen: &mut BTreeSet<T>,
    fault: impl FnOnce(T) -> ConfigFault,
) -> Option<ConfigFault> {
    (!seen.insert(value)).then(|| fault(value))
}

pub(super) fn more_than(most: u64, value: impl Into<u64>) -> Option<ConfigFault> {
    let value = value.into();
    (value > most).then_some(ConfigFault::TooGreat { value, most })
}

pub(super) fn zero<T: Default + PartialEq>(value: T) -> Option<ConfigFault> {
    (value == T::default()).then_some(ConfigFault::Zero)
}

/// Requests name peers among other words, and peers of a range are called `NAME/ADDRESS`.
pub(super) fn name(name: &str) -> Option<ConfigFault> {
    let breaks = |letter: char| letter.is_whitespace() || letter.is_control() || letter == '/';
    if name.is_empty() {
        Some(ConfigFault::EmptyName)
    } else if name.contains(breaks) {
        Some(ConfigFault::Name(name.to_owned()))
    } else {
        None
    }
}
