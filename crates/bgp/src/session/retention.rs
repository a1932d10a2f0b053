//! Which routes of a lost peer are kept, and for how long (RFC 4724, RFC 8538, RFC 9494).

use super::{Cause, Farewell, Keep, Negotiated};
use gingham_model::Family;
use std::collections::BTreeMap;
use std::time::Duration;

/// The families whose routes outlive a session that agreed on `negotiated` and ended by `cause`.
pub(super) fn kept(negotiated: &Negotiated, cause: &Cause) -> BTreeMap<Family, Keep> {
    let Some(restart) = &negotiated.restart else {
        return BTreeMap::new();
    };
    let keeps = match cause {
        Cause::Closed(_) | Cause::Replaced => true,
        // Each of these puts a NOTIFICATION on the wire, which without the N bit ends the agreement
        // (RFC 4724 section 4, RFC 8538 section 4).
        Cause::HoldTimer | Cause::SendHoldTimer | Cause::Sent(_) => restart.notification,
        Cause::Received(notification) => restart.notification && !notification.is_hard_reset(),
        Cause::Stopped(farewell) => restart.notification && outlives(farewell),
    };
    match keeps {
        true => times(negotiated, restart.time),
        false => BTreeMap::new(),
    }
}

/// Whether routes are meant to outlive a session we end so, where the agreement allows it.
pub(super) fn outlives(farewell: &Farewell) -> bool {
    match farewell {
        Farewell::Reset(_) | Farewell::ConfigurationChange => true,
        Farewell::Shutdown(_)
        | Farewell::HardReset(_)
        | Farewell::Deconfigured
        | Farewell::MaxPrefixes(..)
        | Farewell::BfdDown
        | Farewell::Restart => false,
    }
}

/// RFC 9494 section 4.2: a family the peer has for long-lived stale routes only goes there at once.
fn times(negotiated: &Negotiated, restart_time: Duration) -> BTreeMap<Family, Keep> {
    let families = negotiated.codec.families.iter().filter_map(|family| {
        let restart = negotiated.restart.as_ref()?;
        let listed = restart.families.contains_key(family);
        let long_lived = negotiated.long_lived.get(family).map(|offer| offer.time);
        let keep = Keep {
            stale: if listed { restart_time } else { Duration::ZERO },
            long_lived: long_lived.unwrap_or_default(),
        };
        let lasts = keep.stale + keep.long_lived > Duration::ZERO;
        lasts.then_some((*family, keep))
    });
    families.collect()
}
