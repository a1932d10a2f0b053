//! However little a socket takes at a time, what is written is whole frames in the right order.

use super::*;
use crate::attributes::{Attributes, Interner};
use crate::export::{Audience, Borders, Group, Profile};
use crate::rib::{Freshness, Import, Path, Provenance, Rib, Source, SourceKind};
use crate::wire::{Codec, Notification, PeerKind};
use crate::{PeerId, RouterId};
use bytes::BytesMut;
use gingham_model::Prefix;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

#[derive(Clone, Debug)]
enum Step {
    /// So many prefixes more are told, each with attributes of its own.
    News(u8),
    /// A message of the session.
    Urgent,
    /// The socket takes at most so many octets.
    Write(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (1..20u8).prop_map(Step::News),
        Just(Step::Urgent),
        (1..30usize).prop_map(Step::Write),
        (1..3000usize).prop_map(Step::Write),
    ];
    prop::collection::vec(step, 0..60)
}

/// An outbox that follows a group, and everything it wrote.
struct Bench {
    rib: Rib,
    interner: Interner,
    group: Group,
    outbox: Outbox,
    /// A member that is told the same.
    other: Cursor,
    written: Vec<u8>,
    /// How much had been written when each urgent message was queued.
    queued: Vec<usize>,
    told: u32,
}

impl Bench {
    fn new() -> Bench {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut group = Group::new(Profile {
            family: Family::V4,
            audience: Audience::Client {
                cluster: RouterId(Ipv4Addr::LOCALHOST),
            },
            codec: Codec::opening(PeerKind::Internal),
            paths: 1,
            own_next_hop: Some(address),
            next_hop: Default::default(),
            long_lived: false,
            filter: None,
        });
        let mut outbox = Outbox::default();
        outbox.follow(Family::V4, group.join(PeerId(1), Borders::default()));
        Bench {
            rib: Rib::new(1),
            interner: Interner::default(),
            other: group.join(PeerId(2), Borders::default()),
            group,
            outbox,
            written: Vec::new(),
            queued: Vec::new(),
            told: 0,
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::News(count) => (0..*count).for_each(|_| self.tell()),
            Step::Urgent => {
                self.queued.push(self.written.len());
                let number = self.queued.len() as u32;
                self.outbox.send(urgent(number));
            }
            Step::Write(most) => self.write(*most),
        }
        self.group.flush();
    }

    fn tell(&mut self) {
        self.told += 1;
        let prefix = Prefix::host(IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + self.told)));
        let mut attributes = Attributes::originated([10, 0, 0, 1].into());
        attributes.med = Some(self.told);
        let attributes = self.interner.intern(attributes);
        let source = Source {
            peer: PeerId::LOCAL,
            kind: SourceKind::Local,
            router_id: RouterId(Ipv4Addr::LOCALHOST),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            node: None,
        };
        let path = Path {
            source: Arc::new(source),
            path_id: 0,
            received: attributes.clone(),
            import: Import::Accepted(attributes),
            provenance: Provenance::Own,
            freshness: Freshness::Fresh,
        };
        self.rib.update(prefix, path);
        self.group.offer(prefix, &self.rib.select(prefix));
    }

    fn write(&mut self, most: usize) {
        let front: Vec<u8> = self
            .outbox
            .front()
            .iter()
            .flat_map(|it| it.to_vec())
            .collect();
        let taken = &front[..most.min(front.len())];
        self.written.extend_from_slice(taken);
        if !taken.is_empty() {
            self.outbox.wrote(taken.len());
        }
    }

    fn drain(&mut self) {
        while !self.outbox.front().is_empty() {
            self.write(usize::MAX);
        }
    }

    /// What was written, frame by frame, each with where it begins.
    fn frames(&self) -> Vec<(usize, Bytes)> {
        let mut octets = BytesMut::from(&self.written[..]);
        let mut frames = Vec::new();
        while let Some(frame) = wire::split(&mut octets, wire::MAX_STANDARD) {
            let end = self.written.len() - octets.len();
            wire::decode(&frame, &Codec::opening(PeerKind::Internal)).unwrap();
            frames.push((end - frame.len(), frame));
        }
        assert!(octets.is_empty(), "the last frame is not whole");
        frames
    }

    fn all_of_the_log(&mut self) -> Vec<u8> {
        std::iter::from_fn(|| self.other.next(4096))
            .flatten()
            .collect()
    }
}

fn urgent(number: u32) -> Bytes {
    let mut notification = Notification::new(6, 2);
    notification.data = Bytes::copy_from_slice(&number.to_be_bytes());
    wire::encode_notification(&notification)
}

/// Splits frames into those of the session and those of the log.
fn parted(frames: Vec<(usize, Bytes)>) -> [Vec<(usize, Bytes)>; 2] {
    const NOTIFICATION: u8 = 3;
    let (ours, log) = frames
        .into_iter()
        .partition(|(_, frame)| frame[18] == NOTIFICATION);
    [ours, log]
}

proptest! {
    #[test]
    fn frames_stay_whole_and_urgent_ones_go_first(steps in steps(), hushed in any::<bool>()) {
        let mut bench = Bench::new();
        for step in &steps {
            bench.step(step);
        }
        let end = bench.written.len();
        if hushed {
            bench.outbox.hush();
        }
        bench.drain();
        prop_assert_eq!(bench.outbox.written, bench.written.len() as u64);
        let [ours, log] = parted(bench.frames());

        let sent: Vec<Bytes> = ours.iter().map(|(_, frame)| frame.clone()).collect();
        let queued: Vec<Bytes> = (1..=bench.queued.len() as u32).map(urgent).collect();
        prop_assert_eq!(sent, queued);
        for ((at, _), queued) in ours.iter().zip(&bench.queued) {
            let overtook = log.iter().any(|(begun, _)| begun >= queued && begun < at);
            prop_assert!(!overtook, "an update was begun after {} before the message at {}", queued, at);
        }

        let told: Vec<u8> = log.iter().flat_map(|(_, frame)| frame.to_vec()).collect();
        let all = bench.all_of_the_log();
        if hushed {
            prop_assert!(all.starts_with(&told));
            prop_assert!(log.iter().all(|(begun, _)| *begun < end), "a frame was begun after the hush");
        } else {
            prop_assert_eq!(told, all);
        }
    }
}
