//! Who takes part, and whose the prefixes are.

use gingham_integration::bgp::frame::Slash24;
use std::net::Ipv4Addr;

/// Everyone's autonomous system.
pub(crate) const ASN: u16 = 64_512;
/// The speaker's address, identifier and cluster.
pub(crate) const REFLECTOR: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 1);
/// What all addresses lie in: local to the soak's network without any interface (AnyIP).
pub(crate) const RANGE: &str = "10.64.0.0/12";
/// The client whose session stays and whose first prefix is the probe.
pub(crate) const ANCHOR: usize = 0;
/// The prefix that delays are measured with.
pub(crate) const PROBE: usize = 0;
/// The first client's address.
const CLIENTS: u32 = Ipv4Addr::new(10, 65, 0, 0).to_bits();
/// The first prefix is 20.0.0.0/24; counted in /24.
const PREFIXES: usize = 20 << 16;
/// Of so many prefixes, the last has two owners.
const SHARED: usize = 10;
/// One of so many clients sleeps now and then.
const SLEEPERS: usize = 50;

/// How a client behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Keeps its session, and announces the probe.
    Anchor,
    /// Never reads once its session is up, and announces nothing.
    Deaf,
    /// Sends malformed attributes now and then, and must keep its session (RFC 7606).
    Careless,
    /// Stops reading for a while and goes on.
    Sleeper,
    /// Loses its session and dials again, with graceful restart (RFC 4724).
    Restarting,
    /// Loses its session and dials again.
    Plain,
}

impl Role {
    /// Whether its table must be right whenever all is quiet.
    pub(crate) fn is_well_behaved(self) -> bool {
        self != Role::Deaf
    }

    /// Whether it ends its session by itself.
    pub(crate) fn redials(self) -> bool {
        matches!(self, Role::Restarting | Role::Plain)
    }
}

/// How many there are. Clients and prefixes count from 0; the prefix after those of the clients is the
/// speaker's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) clients: usize,
    pub(crate) each: usize,
}

impl Layout {
    /// How many prefixes clients have.
    pub(crate) fn total(self) -> usize {
        self.clients * self.each
    }

    /// The prefix of the speaker's own configuration.
    pub(crate) fn own(self) -> usize {
        self.total()
    }

    pub(crate) fn role(self, client: usize) -> Role {
        match client {
            ANCHOR => Role::Anchor,
            1 => Role::Deaf,
            2 => Role::Careless,
            other if other < 4 + self.clients / SLEEPERS => Role::Sleeper,
            even if even % 2 == 0 => Role::Restarting,
            _ => Role::Plain,
        }
    }

    /// Who may announce a prefix. Every tenth has two owners, of whom the speaker must choose.
    pub(crate) fn owners(self, prefix: usize) -> [Option<usize>; 2] {
        let first = prefix / self.each;
        let second = (first + self.clients / 2) % self.clients;
        let shared = prefix % SHARED == SHARED - 1;
        let speaks = |owner: usize| self.role(owner) != Role::Deaf;
        [
            Some(first).filter(|first| speaks(*first)),
            Some(second).filter(|second| shared && speaks(*second)),
        ]
    }

    /// The prefixes a client may announce.
    pub(crate) fn of_client(self, client: usize) -> impl Iterator<Item = usize> {
        (0..self.total()).filter(move |prefix| self.owners(*prefix).contains(&Some(client)))
    }

    /// The prefix that stands in an UPDATE; `None` when it is none of these.
    pub(crate) fn prefix(self, [length, a, b, c]: Slash24) -> Option<usize> {
        let number = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let number = number.checked_sub(PREFIXES)?;
        (length == 24 && number <= self.own()).then_some(number)
    }
}

/// Where a client dials from; its identifier and next hop too.
pub(crate) fn address(client: usize) -> Ipv4Addr {
    let offset = u32::try_from(client + 1).unwrap_or(u32::MAX);
    Ipv4Addr::from_bits(CLIENTS.saturating_add(offset))
}

/// A prefix as it stands in an UPDATE.
pub(crate) fn nlri(prefix: usize) -> Slash24 {
    let number = u32::try_from(PREFIXES + prefix).unwrap_or(u32::MAX);
    let [_, a, b, c] = number.to_be_bytes();
    [24, a, b, c]
}

/// A prefix as people write it.
pub(crate) fn text(prefix: usize) -> String {
    let [length, a, b, c] = nlri(prefix);
    format!("{a}.{b}.{c}.0/{length}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_again() {
        let layout = Layout {
            clients: 500,
            each: 20,
        };
        for number in [0, 255, 256, 9_999, layout.own()] {
            assert_eq!(layout.prefix(nlri(number)), Some(number));
        }
        assert_eq!(layout.prefix(nlri(10_001)), None);
        assert_eq!(text(257), "20.1.1.0/24");
        assert_eq!(address(255).to_string(), "10.65.1.0");
    }

    #[test]
    fn a_deaf_client_owns_nothing_and_some_prefixes_have_two_owners() {
        let layout = Layout {
            clients: 10,
            each: 10,
        };
        assert_eq!(layout.owners(8), [Some(0), None]);
        assert_eq!(layout.owners(9), [Some(0), Some(5)]);
        assert_eq!(layout.owners(10), [None, None]);
        assert_eq!(layout.owners(69), [Some(6), None], "the second is deaf");
        assert_eq!(layout.of_client(1).count(), 0);
        let fifth: Vec<_> = layout.of_client(5).collect();
        assert_eq!(fifth.len(), 11);
        assert_eq!(fifth[0], 9);
    }
}
