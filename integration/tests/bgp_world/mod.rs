//! What the scenarios with real BGP peers share: two speakers and what each is to hear of the other.
#![allow(dead_code, reason = "each scenario file uses its part")]
#![allow(unused_macros, reason = "each scenario file uses its part")]

use anyhow::{Result, ensure};
use gingham_integration::bgp::{Kind, Neighbour, Origin, Path, Peer, Speaker, Table, World};
use gingham_integration::eventually;
use gingham_model::{Family, Prefix};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// Ten times what anything here takes on an idle machine, and more.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The AS of the speaker under test.
pub(crate) const OUR_ASN: u32 = 65001;
/// Another.
pub(crate) const OTHER_ASN: u32 = 65002;
/// A host of every scene in which nothing runs yet.
pub(crate) const WITNESS: &str = "witness";

/// Makes one test for each scenario and each peer named.
macro_rules! against {
    ($($module:ident $kind:ident: $($scenario:ident),+;)+) => {$(
        mod $module {
            $(
                #[test]
                fn $scenario() {
                    super::$scenario(gingham_integration::bgp::Kind::$kind);
                }
            )+
        }
    )+};
}
#[allow(unused_imports, reason = "each scenario file uses its part")]
pub(crate) use against;

/// Waits for `look` to succeed.
#[track_caller]
pub(crate) fn wait<T>(what: &str, look: impl FnMut() -> Result<T>) -> T {
    eventually(what, PATIENCE, look).unwrap()
}

/// A prefix out of its text.
pub(crate) fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

/// Ours and one other, not started yet.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) ours: Speaker,
    pub(crate) other: Speaker,
    /// The family of the transport.
    pub(crate) transport: Family,
}

/// Both running.
pub(crate) struct Pair {
    pub(crate) ours: Peer,
    pub(crate) other: Peer,
    pub(crate) transport: Family,
    /// Last: the peers end before their boxes.
    pub(crate) world: World,
}

impl Scene {
    /// Two speakers that know each other, and each originates two prefixes, one with every attribute.
    pub(crate) fn new(transport: Family, other_asn: u32) -> Self {
        let world = World::of(&["ours", "other", WITNESS]).unwrap();
        let (us, them) = (world.host("ours").unwrap(), world.host("other").unwrap());
        let (here, there) = (us.address(transport), them.address(transport));
        let ours = Speaker::new(OUR_ASN, us.v4())
            .with(Neighbour::new(here, there, other_asn))
            .originating(originated(transport, 1));
        let other = Speaker::new(other_asn, them.v4())
            .with(Neighbour::new(there, here, OUR_ASN))
            .originating(originated(transport, 2));
        Scene {
            world,
            ours,
            other,
            transport,
        }
    }

    /// Changes how ours sees the other.
    pub(crate) fn our_side(mut self, change: impl FnOnce(&mut Neighbour)) -> Self {
        change(&mut self.ours.neighbours[0]);
        self
    }

    /// Changes how the other sees ours.
    pub(crate) fn other_side(mut self, change: impl FnOnce(&mut Neighbour)) -> Self {
        change(&mut self.other.neighbours[0]);
        self
    }

    /// Changes both.
    pub(crate) fn both_sides(self, change: impl Fn(&mut Neighbour)) -> Self {
        self.our_side(&change).other_side(&change)
    }

    /// Starts both.
    pub(crate) fn start(self, kind: Kind) -> Pair {
        let us = self.world.host("ours").unwrap();
        let them = self.world.host("other").unwrap();
        Pair {
            ours: Peer::start(Kind::Ours, &us, self.ours).unwrap(),
            other: Peer::start(kind, &them, self.other).unwrap(),
            transport: self.transport,
            world: self.world,
        }
    }
}

impl Pair {
    /// Where ours is on the session.
    pub(crate) fn our_address(&self) -> IpAddr {
        self.ours.host().address(self.transport)
    }

    /// Where the other is.
    pub(crate) fn other_address(&self) -> IpAddr {
        self.other.host().address(self.transport)
    }

    /// Both ends say that the session is established.
    pub(crate) fn established(&self) -> Result<()> {
        self.ours.established(self.other_address())?;
        self.other.established(self.our_address())
    }

    #[track_caller]
    pub(crate) fn wait_established(&self) {
        wait("both ends are established", || self.established());
    }

    /// What ours has heard of the other.
    pub(crate) fn at_ours(&self, family: Family) -> Result<Table> {
        self.ours.heard(family, self.other_address())
    }

    /// What the other has heard of ours.
    pub(crate) fn at_other(&self, family: Family) -> Result<Table> {
        self.other.heard(family, self.our_address())
    }

    /// Each has heard exactly what the other originates, attribute by attribute.
    #[track_caller]
    pub(crate) fn wait_equal(&self, family: Family) {
        let wanted = told(&self.other, &self.ours, family, self.transport);
        wait("ours has heard the other's table", || {
            same(&wanted, &self.at_ours(family)?)
        });
        let wanted = told(&self.ours, &self.other, family, self.transport);
        wait("the other has heard our table", || {
            same(&wanted, &self.at_other(family)?)
        });
    }
}

/// Whether two tables are the same; names a few prefixes where they are not.
pub(crate) fn same(wanted: &Table, seen: &Table) -> Result<()> {
    let all: BTreeSet<&String> = wanted.keys().chain(seen.keys()).collect();
    let differs = |prefix: &&String| wanted.get(*prefix) != seen.get(*prefix);
    let odd: Vec<&String> = all.into_iter().filter(differs).collect();
    let first = odd
        .first()
        .map(|prefix| (wanted.get(*prefix), seen.get(*prefix)));
    ensure!(
        odd.is_empty(),
        "{} of {} prefixes differ, such as {:?}: {first:#?}",
        odd.len(),
        wanted.len(),
        odd.first()
    );
    Ok(())
}

/// Two prefixes of a speaker, one with every attribute that it may choose.
pub(crate) fn originated(family: Family, speaker: u8) -> Vec<Origin> {
    let [plain, rich] = match family {
        Family::V4 => [
            format!("10.10{speaker}.1.0/24"),
            format!("10.10{speaker}.2.0/24"),
        ],
        Family::V6 => [
            format!("fd00:10{speaker}:1::/48"),
            format!("fd00:10{speaker}:2::/48"),
        ],
    };
    vec![Origin::plain(prefix(&plain)), rich_origin(&rich)]
}

/// A prefix with every attribute that a speaker may choose.
pub(crate) fn rich_origin(text: &str) -> Origin {
    Origin {
        med: Some(7),
        communities: vec!["64512:1".to_owned(), "64512:65535".to_owned()],
        large_communities: vec!["64512:1:4294967295".to_owned()],
        ..Origin::plain(prefix(text))
    }
}

/// What `to` is to hear of `from` in one family, over a transport of another.
pub(crate) fn told(from: &Peer, to: &Peer, family: Family, transport: Family) -> Table {
    let (speaker, host) = (from.speaker(), from.host());
    let mut table = BTreeMap::new();
    for origin in &speaker.originate {
        if origin.prefix.family() != family {
            continue;
        }
        let mut path = Path::via(origin.next_hop.unwrap_or(host.address(family)));
        path.from = Some(host.address(transport));
        if speaker.asn != to.speaker().asn {
            path.as_path = vec![speaker.asn];
        }
        path.med = origin.med.unwrap_or(0);
        let communities = origin.communities.iter().map(|text| text.parse().unwrap());
        path.communities = communities.collect();
        path.large_communities = origin.large_communities.iter().cloned().collect();
        table.insert(origin.prefix.to_string(), vec![path]);
    }
    table
}
