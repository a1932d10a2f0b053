//! A router that speaks BGP: which daemon, and with whom.

use gingham_model::{Family, Prefix};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// A router that speaks BGP: IPv4 prefixes over IPv4 sessions, IPv6 prefixes over IPv6 ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterPlan {
    /// What runs on it.
    pub daemon: Daemon,
    /// Its AS.
    pub as_number: u32,
    /// Its BGP identifier.
    pub router_id: Ipv4Addr,
    /// The connected prefixes that it announces.
    pub originates: Vec<Prefix>,
    /// The others.
    pub neighbours: Vec<Neighbour>,
}

/// The other end of a session. Both ends dial and accept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// The box it is.
    pub on: String,
    /// Its address, on a shared link.
    pub address: IpAddr,
    /// The router's own address on that link.
    pub local: IpAddr,
    /// Its AS.
    pub as_number: u32,
}

/// The routing daemons of the lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Daemon {
    /// FRR: zebra and bgpd.
    Frr,
    /// BIRD 2.
    Bird,
}

/// The times of BGP, short enough to be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timers {
    /// Hold time in seconds; a keepalive goes out three times as often.
    pub hold_seconds: u16,
    /// Seconds for which the routes of a neighbour that restarts stay as they are (RFC 4724).
    pub restart_seconds: u16,
    /// Seconds for which they then stay as the last choice (RFC 9494).
    pub long_lived_stale_seconds: u32,
}

impl Default for Timers {
    fn default() -> Self {
        Timers {
            hold_seconds: 9,
            restart_seconds: 20,
            long_lived_stale_seconds: 40,
        }
    }
}

impl fmt::Display for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Daemon::Frr => "FRR",
            Daemon::Bird => "BIRD",
        })
    }
}

impl RouterPlan {
    /// The neighbours of its own AS.
    pub fn internal(&self) -> impl Iterator<Item = &Neighbour> {
        let own = |peer: &&Neighbour| peer.as_number == self.as_number;
        self.neighbours.iter().filter(own)
    }

    /// The neighbours of other ASes.
    pub fn external(&self) -> impl Iterator<Item = &Neighbour> {
        let other = |peer: &&Neighbour| peer.as_number != self.as_number;
        self.neighbours.iter().filter(other)
    }
}

impl Neighbour {
    /// What the session is over, and what it carries.
    pub fn family(&self) -> Family {
        Family::of(self.address)
    }
}
