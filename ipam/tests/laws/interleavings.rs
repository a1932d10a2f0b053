//! Leases under any order of events, beside a naive model.

use crate::builders::{boot, key, release, request};
use crate::naive::{COOLDOWN, Expected, Model, Standing, blocks};
use gingham_ipam::{
    Lease, LeaseError, LeaseState, Leases, NodeBlockState, Recovered, Reservation, Supply,
};
use gingham_model::{Family, MacAddress};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

#[derive(Clone, Copy, Debug)]
enum Event {
    /// Of any addresses, or of one or both of these of all.
    Reserve(u8, [Option<usize>; 2]),
    Confirm(u8),
    Cancel(u8),
    Release(u8),
    /// The agent takes note of the lease of a pod.
    Look(u8),
    /// The agent takes the lease it has last noted for lost.
    Forfeit,
    /// The agent finds the interface of a pod without a lease, with one or both of these of all
    /// addresses.
    Adopt(u8, [Option<usize>; 2]),
    Wait(u64),
    /// The block of this index starts or stops to drain.
    Drain(usize),
}

fn any_event() -> impl Strategy<Value = Event> {
    let pod = 0u8..24;
    prop_oneof![
        6 => pod.clone().prop_map(|pod| Event::Reserve(pod, [None; 2])),
        2 => (pod.clone(), any_addresses()).prop_map(|(pod, at)| Event::Reserve(pod, at)),
        3 => pod.clone().prop_map(Event::Confirm),
        1 => pod.clone().prop_map(Event::Cancel),
        4 => pod.clone().prop_map(Event::Release),
        2 => pod.clone().prop_map(Event::Look),
        2 => Just(Event::Forfeit),
        3 => (pod, any_addresses()).prop_map(|(pod, at)| Event::Adopt(pod, at)),
        3 => (0u64..8).prop_map(Event::Wait),
        1 => (0usize..4).prop_map(Event::Drain),
    ]
}

fn any_addresses() -> impl Strategy<Value = [Option<usize>; 2]> {
    prop_oneof![
        3 => (0usize..64, 0usize..64).prop_map(|(v4, v6)| [Some(v4), Some(v6)]),
        1 => (0usize..64).prop_map(|v4| [Some(v4), None]),
        1 => (0usize..64).prop_map(|v6| [None, Some(v6)]),
    ]
}

struct Both {
    leases: Leases,
    model: Model,
    /// What the agent has last looked at, and of which pod it is.
    noted: Option<(u8, Lease)>,
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
        Both {
            leases,
            model,
            noted: None,
        }
    }

    fn step(&mut self, event: Event) -> Result<(), TestCaseError> {
        let now = self.model.now;
        match event {
            Event::Reserve(pod, at) => self.reserve(pod, at)?,
            Event::Confirm(pod) => {
                let confirmed = self.leases.confirm(&key(pod), now);
                let known = self.model.live.get_mut(&pod);
                let known = known.filter(|(standing, _)| *standing != Standing::Recovered);
                prop_assert_eq!(confirmed.is_ok(), known.is_some());
                known.into_iter().for_each(|lease| lease.0 = Standing::Held);
            }
            Event::Cancel(pod) => {
                let is_intent = matches!(self.model.live.get(&pod), Some((Standing::Intent, _)));
                prop_assert_eq!(self.leases.cancel(&key(pod), now).is_some(), is_intent);
                is_intent.then(|| self.model.rest(pod));
            }
            Event::Release(pod) => {
                let is_live = self.model.live.contains_key(&pod);
                prop_assert_eq!(release(&mut self.leases, pod, now).is_some(), is_live);
                is_live.then(|| self.model.rest(pod));
            }
            Event::Look(pod) => {
                let seen = self.leases.live().iter().find(|lease| pod_of(lease) == pod);
                self.noted = seen.map(|lease| (pod, lease.clone()));
            }
            Event::Forfeit => self.forfeit()?,
            Event::Adopt(pod, at) => self.adopt(pod, at)?,
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

    fn reserve(&mut self, pod: u8, at: [Option<usize>; 2]) -> Result<(), TestCaseError> {
        let before = self.leases.clone();
        let earlier = self.model.live.get(&pod).cloned();
        let asked = [0, 1].map(|of| Some(self.model.nth(Family::ALL[of], at[of]?)));
        let expected = [0, 1].map(|of| match asked[of] {
            Some(address) => self.model.expected_of(address, pod),
            None => self.model.expected(Family::ALL[of]),
        });
        let mut request = request(pod);
        for address in asked.into_iter().flatten() {
            match address {
                IpAddr::V4(v4) => request.wanted.v4 = Some(v4),
                IpAddr::V6(v6) => request.wanted.v6 = Some(v6),
            }
        }
        let blocks = self.model.blocks.clone();
        let supply = Supply {
            blocks: &blocks,
            families: &Family::ALL,
            cooldown: COOLDOWN as u32,
        };
        let outcome = self.leases.reserve(request, &supply, self.model.now);
        if outcome.is_err() {
            prop_assert_eq!(&self.leases, &before, "a refusal changes nothing");
        }
        match (outcome, earlier) {
            (
                Err(LeaseError::AlreadyHeld(lease)),
                Some((Standing::Held | Standing::Recovered, addresses)),
            ) => {
                prop_assert_eq!(lease.key(), key(pod), "by its name, recovered or not");
                prop_assert_eq!(lease.addresses().collect::<Vec<_>>(), addresses);
            }
            (Ok(Reservation::Resumed(lease)), Some((Standing::Intent, addresses))) => {
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
                if let Some((standing, addresses)) = earlier {
                    prop_assert_eq!(standing, Standing::Intent);
                    let fits = |address: &IpAddr| {
                        let asked = asked[Family::of(*address) as usize];
                        self.model.gives(*address) && asked.is_none_or(|asked| asked == *address)
                    };
                    prop_assert!(!addresses.iter().all(fits));
                    self.model.rest(pod);
                }
                self.model
                    .give(pod, Standing::Intent, lease.addresses().collect());
            }
            (Err(LeaseError::AllCooling { family, until }), _) => {
                prop_assert_eq!(&expected[family as usize], &Expected::AllCooling(until));
                prop_assert!(!expected.contains(&Expected::Exhausted));
            }
            (Err(LeaseError::Exhausted { family }), _) => {
                prop_assert_eq!(&expected[family as usize], &Expected::Exhausted);
            }
            (Err(LeaseError::NotGiven { address, .. }), _) => {
                prop_assert_eq!(&expected[Family::of(address) as usize], &Expected::NotGiven);
            }
            (Err(LeaseError::Taken { address, holder }), _) => {
                prop_assert_eq!(&expected[Family::of(address) as usize], &Expected::Taken);
                prop_assert!(holder.has(address));
            }
            (outcome, earlier) => {
                return Err(TestCaseError::fail(format!("{outcome:?} with {earlier:?}")));
            }
        }
        Ok(())
    }

    fn forfeit(&mut self) -> Result<(), TestCaseError> {
        let Some((pod, lease)) = self.noted.clone() else {
            return Ok(());
        };
        let before = self.leases.clone();
        let as_seen = before.live().contains(&lease);
        let forfeited = self.leases.forfeit(&lease, self.model.now);
        prop_assert_eq!(forfeited.is_some(), as_seen);
        match forfeited {
            Some(_) => self.model.rest(pod),
            None => prop_assert_eq!(&self.leases, &before),
        }
        Ok(())
    }

    fn adopt(&mut self, pod: u8, at: [Option<usize>; 2]) -> Result<(), TestCaseError> {
        let [v4, v6] = [0, 1].map(|of| Some(self.model.nth(Family::ALL[of], at[of]?)));
        let addresses: Vec<IpAddr> = v4.into_iter().chain(v6).collect();
        let before = self.leases.clone();
        let found = Recovered {
            host_if: request(pod).host_if,
            pod: String::new(),
            v4: v4.and_then(|address| address.to_string().parse().ok()),
            v6: v6.and_then(|address| address.to_string().parse().ok()),
            mac: MacAddress([2, 0x67, 0, 0, 0, 1]),
        };
        let held = |(other, (_, theirs)): (&u8, &(Standing, Vec<IpAddr>))| {
            *other == pod || theirs.iter().any(|address| addresses.contains(address))
        };
        let refused = self.model.live.iter().any(held);
        match self.leases.adopt(found, self.model.now) {
            Ok(lease) => {
                prop_assert!(!refused, "{lease:?}");
                self.model.give(pod, Standing::Recovered, addresses);
            }
            Err(error) => {
                prop_assert!(refused, "{error}");
                prop_assert_eq!(&self.leases, &before);
            }
        }
        Ok(())
    }

    fn compare(&self) -> Result<(), TestCaseError> {
        let bytes = self.leases.to_json().unwrap();
        prop_assert_eq!(&Leases::parse(&bytes).unwrap(), &self.leases);

        let live = self.leases.live().iter().map(|lease| {
            let standing = match lease.state {
                LeaseState::Held if lease.is_recovered() => Standing::Recovered,
                LeaseState::Held => Standing::Held,
                _ => Standing::Intent,
            };
            (pod_of(lease), (standing, lease.addresses().collect()))
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
        for block in &self.model.blocks {
            let rests = |(_, since): &&(IpAddr, u64)| since + COOLDOWN > self.model.now;
            let resting = self.model.cooling.iter().filter(rests).map(|(a, _)| a);
            let mut used = seen.iter().chain(resting);
            let in_use = self.leases.in_use(block.cidr, &supply, self.model.now);
            prop_assert_eq!(in_use, used.any(|address| block.cidr.contains(*address)));
        }
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

/// By the one thing that every lease has.
fn pod_of(lease: &Lease) -> u8 {
    lease.host_if["gh".len()..].parse().unwrap()
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
