//! Address families as numbers: only unicast is spoken here.

use gingham_model::Family;
use rustbgpd_wire::{Afi, Safi};

/// The family as the codec crate names it; the subsequent one is always unicast.
pub(super) fn afi(family: Family) -> Afi {
    match family {
        Family::V4 => Afi::Ipv4,
        Family::V6 => Afi::Ipv6,
    }
}

/// The family of a pair of the crate's names, if it is one of ours.
pub(super) fn family(afi: Afi, safi: Safi) -> Option<Family> {
    Family::ALL
        .into_iter()
        .find(|family| safi == Safi::Unicast && self::afi(*family) == afi)
}

/// The family of a pair of numbers (RFC 4760 section 6), if it is one of ours.
pub(super) fn of_numbers(afi: u16, safi: u8) -> Option<Family> {
    family(Afi::from_u16(afi)?, Safi::from_u8(safi)?)
}

/// The pair of numbers of a family, as three octets.
pub(super) fn octets(family: Family) -> [u8; 3] {
    let [high, low] = (afi(family) as u16).to_be_bytes();
    [high, low, Safi::Unicast as u8]
}
