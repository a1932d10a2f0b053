//! What a speaker is to be, whichever daemon it is.

use gingham_model::{Family, Prefix};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

/// One speaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speaker {
    /// Its autonomous system.
    pub asn: u32,
    /// Its BGP identifier.
    pub router_id: Ipv4Addr,
    /// Its cluster as a reflector; its identifier when `None`.
    pub cluster_id: Option<Ipv4Addr>,
    /// Graceful restart, both roles; off when `None`.
    pub restart: Option<Restart>,
    /// Its peers.
    pub neighbours: Vec<Neighbour>,
    /// Peers known by where they dial from. Only ours takes them.
    pub ranges: Vec<Range>,
    /// What it originates.
    pub originate: Vec<Origin>,
}

/// How long routes outlive a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restart {
    /// The restart time, in seconds.
    pub seconds: u16,
    /// The long-lived stale time, in seconds; 0 for none.
    pub long_lived_seconds: u32,
}

/// One peer of a speaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Where it is.
    pub address: IpAddr,
    /// The speaker's own address on the session.
    pub local: IpAddr,
    /// Its autonomous system.
    pub asn: u32,
    /// Who dials.
    pub dial: Dial,
    /// What it is to a reflector.
    pub role: Role,
    /// The families to exchange.
    pub families: BTreeSet<Family>,
    /// Which directions carry several paths to a prefix.
    pub add_path: AddPath,
    /// The key of TCP's MD5 signatures.
    pub password: Option<String>,
    /// How far away it may be.
    pub ttl: Ttl,
    /// The hold time offered, in seconds.
    pub hold_seconds: u16,
    /// The most prefixes it may announce.
    pub max_prefixes: Option<u32>,
    /// Whether numbers of four octets are offered.
    pub asn_width: AsnWidth,
}

/// Peers that dial from somewhere in a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// Where they dial from.
    pub prefix: Prefix,
    /// Their autonomous system.
    pub asn: u32,
    /// The key of TCP's MD5 signatures.
    pub password: Option<String>,
}

/// Who opens the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dial {
    /// Both may.
    Both,
    /// The speaker only listens.
    Passive,
}

/// Which directions are offered to carry several paths to a prefix (RFC 7911).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddPath {
    /// None.
    Off,
    /// Towards the speaker.
    Receive,
    /// From the speaker.
    Send,
    /// Both.
    Both,
}

impl AddPath {
    /// All four.
    pub const ALL: [AddPath; 4] = [AddPath::Off, AddPath::Receive, AddPath::Send, AddPath::Both];

    /// Whether several paths are taken.
    pub fn receives(self) -> bool {
        matches!(self, AddPath::Receive | AddPath::Both)
    }

    /// Whether several paths are told.
    pub fn sends(self) -> bool {
        matches!(self, AddPath::Send | AddPath::Both)
    }
}

/// What an internal peer is to a reflector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A non-client.
    Peer,
    /// A client.
    Client,
}

/// How many hops away a peer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// As the daemon has it.
    Default,
    /// One hop, seen by the TTL of what arrives (RFC 5082).
    Security,
}

/// How wide AS numbers are offered to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsnWidth {
    /// Four octets (RFC 6793).
    Four,
    /// Two.
    Two,
}

/// A prefix that a speaker originates, origin IGP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The prefix.
    pub prefix: Prefix,
    /// The next hop; the speaker itself when `None`.
    pub next_hop: Option<IpAddr>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// Communities, such as `64512:1`.
    pub communities: Vec<String>,
    /// Large communities, such as `64512:1:2`.
    pub large_communities: Vec<String>,
}

impl Origin {
    /// A prefix with nothing but what it must have.
    pub fn plain(prefix: Prefix) -> Self {
        Origin {
            prefix,
            next_hop: None,
            med: None,
            communities: Vec::new(),
            large_communities: Vec::new(),
        }
    }

    /// Whether it has an attribute beyond the mandatory ones.
    pub(super) fn is_plain(&self) -> bool {
        *self == Origin::plain(self.prefix)
    }
}

impl Speaker {
    /// A speaker without peers.
    pub fn new(asn: u32, router_id: Ipv4Addr) -> Self {
        Speaker {
            asn,
            router_id,
            cluster_id: None,
            restart: None,
            neighbours: Vec::new(),
            ranges: Vec::new(),
            originate: Vec::new(),
        }
    }

    /// The same with one peer more.
    #[must_use]
    pub fn with(mut self, neighbour: Neighbour) -> Self {
        self.neighbours.push(neighbour);
        self
    }

    /// The same with these prefixes more.
    #[must_use]
    pub fn originating(mut self, routes: impl IntoIterator<Item = Origin>) -> Self {
        self.originate.extend(routes);
        self
    }

    /// Whether a peer is in another AS.
    pub(super) fn is_external(&self, neighbour: &Neighbour) -> bool {
        self.asn != neighbour.asn
    }

    /// What it originates in one family.
    pub(super) fn origins(&self, family: Family) -> impl Iterator<Item = &Origin> {
        let mine = move |origin: &&Origin| origin.prefix.family() == family;
        self.originate.iter().filter(mine)
    }
}

impl Neighbour {
    /// A peer at `address`, reached from `local`, that exchanges the family of the transport.
    pub fn new(local: IpAddr, address: IpAddr, asn: u32) -> Self {
        Neighbour {
            address,
            local,
            asn,
            dial: Dial::Both,
            role: Role::Peer,
            families: [Family::of(address)].into(),
            add_path: AddPath::Off,
            password: None,
            ttl: Ttl::Default,
            hold_seconds: 30,
            max_prefixes: None,
            asn_width: AsnWidth::Four,
        }
    }
}
