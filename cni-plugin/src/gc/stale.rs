//! Which leases GC takes away.

use crate::run_dir::Adds;
use gingham_cni::Gc;
use gingham_ipam::{LONGEST_INTENT, Lease, LeaseState};
use std::fmt;

/// What GC does with a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is valid, or another network's.
    Kept,
    /// It may be anybody's.
    Left(Left),
    /// It goes, and its link.
    Stale,
}

/// Why a lease is left that is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Its network is not known.
    Recovered,
    /// Its ADD may be running.
    Young,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Left::Recovered => "it was recovered from the kernel, which does not tell its network",
            Left::Young => "its ADD may be running",
        })
    }
}

/// A runtime promises no GC beside an ADD of the network, yet ours are not the only processes on the
/// node. So an Intent goes only if no ADD runs at all, or if it is older than any that does.
pub(super) fn verdict(lease: &Lease, gc: &Gc, adds: Adds, now: u64) -> Verdict {
    if lease.is_recovered() {
        return Verdict::Left(Left::Recovered);
    }
    let is_it = |network: &str, container: &str, ifname: &str| {
        (network, container, ifname) == (&lease.network, &lease.container_id, &lease.ifname)
    };
    let valid = gc.valid.iter().any(|attachment| {
        is_it(
            attachment.network.as_str(),
            attachment.container_id.as_str(),
            attachment.ifname.as_str(),
        )
    });
    if lease.network != gc.conf.name.as_str() || valid {
        return Verdict::Kept;
    }
    let ended = adds == Adds::None || lease.since.saturating_add(LONGEST_INTENT) < now;
    match lease.state {
        LeaseState::Intent if !ended => Verdict::Left(Left::Young),
        _ => Verdict::Stale,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gingham_cni::{Command, Environment, Request};
    use gingham_model::MacAddress;

    const NOW: u64 = 10 * LONGEST_INTENT;

    /// A GC of network `gingham` to which `c1` is valid.
    fn gc() -> Gc {
        let stdin = br#"{"cniVersion": "1.1.0", "name": "gingham", "type": "gingham",
            "cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}]}"#;
        let env = Environment::from_vars(std::iter::empty());
        match Request::parse(Command::Gc, &env, stdin).unwrap() {
            Request::Gc(gc) => gc,
            other => panic!("{other:?}"),
        }
    }

    fn lease(network: &str, container_id: &str, state: LeaseState, since: u64) -> Lease {
        Lease {
            network: network.into(),
            container_id: container_id.into(),
            ifname: "eth0".into(),
            pod: String::new(),
            v4: None,
            v6: None,
            mac: MacAddress([2, 0, 0, 0, 0, 1]),
            host_if: "gh0".into(),
            state,
            since,
            unknown: gingham_ipam::Unknown::new(),
        }
    }

    #[test]
    fn only_what_is_ours_and_not_valid_goes() {
        use LeaseState::{Held, Intent};
        let (young, old) = (NOW - LONGEST_INTENT, NOW - LONGEST_INTENT - 1);
        let left = |why| [Verdict::Left(why); 2];
        let by_age = [Verdict::Stale, Verdict::Left(Left::Young)];
        for (network, container, state, since, verdicts) in [
            ("gingham", "c1", Held, 0, [Verdict::Kept; 2]),
            ("gingham", "c1", Intent, 0, [Verdict::Kept; 2]),
            ("gingham", "c2", Held, NOW, [Verdict::Stale; 2]),
            ("gingham", "c2", Intent, old, [Verdict::Stale; 2]),
            ("gingham", "c2", Intent, young, by_age),
            // Of a clock that has gone back: it tells no age.
            ("gingham", "c2", Intent, NOW + 1, by_age),
            ("other", "c2", Held, 0, [Verdict::Kept; 2]),
            ("other", "c1", Intent, 0, [Verdict::Kept; 2]),
            ("", "", Held, 0, left(Left::Recovered)),
        ] {
            let lease = lease(network, container, state, since);
            let given = [Adds::None, Adds::Some].map(|adds| verdict(&lease, &gc(), adds, NOW));
            assert_eq!(given, verdicts, "{network} {container} {state:?} {since}");
        }
    }
}
