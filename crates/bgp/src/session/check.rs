//! What makes an OPEN unacceptable, and the exact words to say so (RFC 4271 section 6.2).

use super::negotiate::common_families;
use super::notice::{
    self, BAD_BGP_IDENTIFIER, BAD_PEER_AS, UNACCEPTABLE_HOLD_TIME, UNSUPPORTED_CAPABILITY,
};
use crate::wire::{Notification, Open};
use crate::{Asn, RouterId};
use gingham_model::Family;
use std::net::Ipv4Addr;

/// Whether a peer that must be in `peer_asn` and was offered `ours` may open with `theirs`; if not,
/// what it is told.
pub(super) fn check(peer_asn: Asn, ours: &Open, theirs: &Open) -> Result<(), Notification> {
    // AS 0 is nobody's (RFC 7607 section 2), whatever is configured.
    if theirs.asn == Asn(0) || theirs.asn != peer_asn {
        return Err(notice::open_error(BAD_PEER_AS));
    }
    // RFC 6286 section 2.2: identifiers are unique inside an AS only.
    let ours_too = theirs.asn == ours.asn && theirs.router_id == ours.router_id;
    if theirs.router_id == RouterId(Ipv4Addr::UNSPECIFIED) || ours_too {
        return Err(notice::open_error(BAD_BGP_IDENTIFIER));
    }
    if matches!(theirs.hold_seconds, 1 | 2) {
        return Err(notice::open_error(UNACCEPTABLE_HOLD_TIME));
    }
    if common_families(ours, theirs).is_empty() {
        let mut refusal = notice::open_error(UNSUPPORTED_CAPABILITY);
        let wanted = ours.capabilities.families.iter();
        refusal.data = wanted.flat_map(multiprotocol).collect();
        return Err(refusal);
    }
    Ok(())
}

/// The capability a peer would have to send to speak `family`: code 1, 4 octets, AFI, reserved,
/// unicast (RFC 4760 section 8). RFC 5492 section 5 wants it in the data of the refusal.
fn multiprotocol(family: &Family) -> [u8; 6] {
    let afi = notice::afi(*family);
    [1, 4, 0, afi, 0, 1]
}
