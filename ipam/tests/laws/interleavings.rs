//! Leases under any order of events, beside a naive model.

use crate::builders::{block, boot, key, request};
use gingham_ipam::{
    LeaseError, LeaseState, Leases, NodeBlock, NodeBlockState, Reservation, Supply,
};
use gingham_model::{Family, Prefix};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

const COOLDOWN: u64 = 10;

#[derive(Clone, Copy, Debug)]
enum Event {
    Reserve(u8),
    Confirm(u8),
    Cancel(u8),
    Release(u8),
    Wait(u64),
    /// The block of this index starts or stops to drain.
    Drain(usize),
}

fn any_event() -> impl Strategy<Value = Event> {
    let pod = 0u8..24;
    prop_oneof![
        8 => pod.clone().prop_map(Event::Reserve),
        3 => pod.clone().prop_map(Event::Confirm),
        1 => pod.clone().prop_map(Event::Cancel),
        4 => pod.prop_map(Event::Release),
        3 => (0u64..8).prop_map(Event::Wait),
        1 => (0usize..4).prop_map(Event::Drain),
    ]
}

/// Of different sizes per family, so that leases often cool on with one address only.
fn blocks() -> Vec<NodeBlock> {
    ["10.0.0.0/29", "fd00::/126", "10.0.1.248/29", "fd00::10/125"]
        .map(|cidr| block(cidr, NodeBlockState::Active))
        .to_vec()
}

/// What the model expects of one family.
#[derive(Debug, PartialEq)]
enum Expected {
    OneOf(BTreeSet<IpAddr>),
    AllCooling(u64),
    Exhausted,
}

/// Everything the slow and obvious way.
struct Model {
    blocks: Vec<NodeBlock>,
    given: BTreeSet<IpAddr>,
    live: BTreeMap<u8, (LeaseState, Vec<IpAddr>)>,
    /// In the order of release.
    cooling: Vec<(IpAddr, u64)>,
    now: u64,
}

impl Model {
    fn active(&self, family: Family) -> impl Iterator<Item = Prefix> {
        let active = self
            .blocks
            .iter()
            .filter(|b| b.state == NodeBlockState::Active);
        active
            .map(|b| b.cidr)
            .filter(move |cidr| cidr.family() == family)
    }

    fn gives(&self, address: IpAddr) -> bool {
        self.active(Family::of(address))
            .any(|cidr| cidr.contains(address))
    }

    fn addresses(cidr: Prefix) -> BTreeSet<IpAddr> {
        let all = (0..cidr.size()).map(|index| cidr.nth_address(index).unwrap());
        let unfit = |address: &IpAddr| match address {
            IpAddr::V4(v4) => [0, 255].contains(&v4.octets()[3]),
            IpAddr::V6(_) => *address == cidr.address(),
        };
        all.filter(|address| !unfit(address)).collect()
    }

    fn expected(&self, family: Family) -> Expected {
        for cidr in self.active(family) {
            let fresh = &Model::addresses(cidr) - &self.given;
            if !fresh.is_empty() {
                return Expected::OneOf(fresh);
            }
        }
        let idle =
            |(address, _): &&(IpAddr, u64)| Family::of(*address) == family && self.gives(*address);
        match self.cooling.iter().find(idle) {
            None => Expected::Exhausted,
            Some((_, since)) if since + COOLDOWN > self.now => {
                Expected::AllCooling(since + COOLDOWN)
            }
            Some((address, _)) => Expected::OneOf(BTreeSet::from([*address])),
        }
    }

    fn rest(&mut self, pod: u8) {
        let (_, addresses) = self.live.remove(&pod).unwrap();
        self.cooling
            .extend(addresses.into_iter().map(|address| (address, self.now)));
    }

    fn give(&mut self, pod: u8, addresses: Vec<IpAddr>) {
        self.cooling
            .retain(|(address, _)| !addresses.contains(address));
        self.given.extend(&addresses);
        self.live.insert(pod, (LeaseState::Intent, addresses));
    }
}

struct Both {
    leases: Leases,
    model: Model,
}

impl Both {
    fn new() -> Self {
        let model = Model {
            blocks: blocks(),
            given: BTreeSet::new(),
            live: BTreeMap::new(),
            cooling: Vec::new(),
            now: 1_000,
        };
        let leases = Leases::new(boot());
        Both { leases, model }
    }

    fn step(&mut self, event: Event) -> Result<(), TestCaseError> {
        let now = self.model.now;
        match event {
            Event::Reserve(pod) => self.reserve(pod)?,
            Event::Confirm(pod) => {
                let confirmed = self.leases.confirm(&key(pod), now);
                prop_assert_eq!(confirmed.is_ok(), self.model.live.contains_key(&pod));
                self.model
                    .live
                    .entry(pod)
                    .and_modify(|lease| lease.0 = LeaseState::Held);
            }
            Event::Cancel(pod) => {
                let is_intent = matches!(self.model.live.get(&pod), Some((LeaseState::Intent, _)));
                prop_assert_eq!(self.leases.cancel(&key(pod), now).is_some(), is_intent);
                is_intent.then(|| self.model.rest(pod));
            }
            Event::Release(pod) => {
                let is_live = self.model.live.contains_key(&pod);
                prop_assert_eq!(self.leases.release(&key(pod), now).is_some(), is_live);
                is_live.then(|| self.model.rest(pod));
            }
            Event::Wait(seconds) => self.model.now += seconds,
            Event::Drain(index) => {
                let state = &mut self.model.blocks[index].state;
                *state = match *state {
                    NodeBlockState::Active => NodeBlockState::Draining,
                    NodeBlockState::Draining => NodeBlockState::Active,
                };
            }
        }
        self.compare()
    }

    fn reserve(&mut self, pod: u8) -> Result<(), TestCaseError> {
        let before = self.leases.clone();
        let earlier = self.model.live.get(&pod).cloned();
        let expected = Family::ALL.map(|family| self.model.expected(family));
        let blocks = self.model.blocks.clone();
        let supply = Supply {
            blocks: &blocks,
            families: &Family::ALL,
            cooldown: COOLDOWN as u32,
        };
        let outcome = self.leases.reserve(request(pod), &supply, self.model.now);
        if outcome.is_err() {
            prop_assert_eq!(&self.leases, &before, "a refusal changes nothing");
        }
        match (outcome, earlier) {
            (Err(LeaseError::AlreadyHeld(lease)), Some((LeaseState::Held, addresses))) => {
                prop_assert_eq!(lease.addresses().collect::<Vec<_>>(), addresses);
            }
            (Ok(Reservation::Resumed(lease)), Some((LeaseState::Intent, addresses))) => {
                prop_assert!(addresses.iter().all(|address| self.model.gives(*address)));
                prop_assert_eq!(lease.addresses().collect::<Vec<_>>(), addresses);
            }
            (Ok(Reservation::New(lease)), earlier) => {
                for (family, expected) in Family::ALL.into_iter().zip(expected) {
                    let address = lease.address(family).unwrap();
                    let Expected::OneOf(fit) = expected else {
                        return Err(TestCaseError::fail(format!("{address}, not {expected:?}")));
                    };
                    prop_assert!(fit.contains(&address), "{address} not of {fit:?}");
                }
                if let Some((state, addresses)) = earlier {
                    prop_assert_eq!(state, LeaseState::Intent);
                    prop_assert!(!addresses.iter().all(|address| self.model.gives(*address)));
                    self.model.rest(pod);
                }
                self.model.give(pod, lease.addresses().collect());
            }
            (Err(LeaseError::AllCooling { family, until }), _) => {
                prop_assert_eq!(&expected[family as usize], &Expected::AllCooling(until));
                prop_assert!(!expected.contains(&Expected::Exhausted));
            }
            (Err(LeaseError::Exhausted { family }), _) => {
                prop_assert_eq!(&expected[family as usize], &Expected::Exhausted);
            }
            (outcome, earlier) => {
                return Err(TestCaseError::fail(format!("{outcome:?} with {earlier:?}")));
            }
        }
        Ok(())
    }

    fn compare(&self) -> Result<(), TestCaseError> {
        let bytes = self.leases.to_json().unwrap();
        prop_assert_eq!(&Leases::parse(&bytes).unwrap(), &self.leases);

        let live = self.leases.live().iter().map(|lease| {
            let pod: u8 = lease.container_id.parse().unwrap();
            (pod, (lease.state, lease.addresses().collect::<Vec<_>>()))
        });
        prop_assert_eq!(&live.collect::<BTreeMap<_, _>>(), &self.model.live);
        let mut seen = BTreeSet::new();
        let every = self
            .model
            .live
            .values()
            .flat_map(|(_, addresses)| addresses);
        prop_assert!(
            every.into_iter().all(|address| seen.insert(*address)),
            "an address twice"
        );

        let supply = Supply {
            blocks: &self.model.blocks,
            families: &Family::ALL,
            cooldown: COOLDOWN as u32,
        };
        for (family, usage) in self.leases.usage(&supply, self.model.now) {
            let of =
                |address: &IpAddr| Family::of(*address) == family && self.model.gives(*address);
            let all: u64 = self
                .model
                .active(family)
                .map(|cidr| Model::addresses(cidr).len() as u64)
                .sum();
            let rests = |(address, since): &&(IpAddr, u64)| {
                of(address) && since + COOLDOWN > self.model.now
            };
            prop_assert_eq!(usage.capacity, all);
            prop_assert_eq!(
                usage.held,
                seen.iter().filter(|address| of(address)).count() as u64
            );
            prop_assert_eq!(
                usage.resting,
                self.model.cooling.iter().filter(rests).count() as u64
            );
            prop_assert_eq!(usage.free, all - usage.held - usage.resting);
            let cooling = self
                .leases
                .cooling()
                .iter()
                .filter_map(|lease| lease.address(family));
            let expected = self.model.cooling.iter().map(|(address, _)| *address);
            let expected = expected.filter(|address| Family::of(*address) == family);
            prop_assert_eq!(cooling.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// No address twice, none within its rest, both families or none, never-given ones first and
    /// then the longest idle, and what is written reads back the same: after every single step.
    #[test]
    fn leases_do_what_the_naive_model_does(events in proptest::collection::vec(any_event(), 0..160)) {
        let mut both = Both::new();
        for event in events {
            both.step(event)?;
        }
    }
}
