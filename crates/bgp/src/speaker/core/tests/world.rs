//! Speakers on one segment, their connections, and time. Nothing takes any time but waiting.

use super::super::{Core, Effect};
use super::listing;
use crate::Moment;
use crate::PeerId;
use crate::config::Config;
use crate::session::{ConnectionId, Ends, Event, State};
use crate::speaker::learned::{self, Learned};
use crate::speaker::outbox::Outbox;
use crate::speaker::peer::{Beginning, Origin};
use crate::wire;
use bytes::BytesMut;
use gingham_model::{Family, Prefix};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The last octet of a speaker's addresses, 10.0.0.N and fd00::N.
pub(super) type At = u8;

#[derive(Default)]
pub(super) struct World {
    now: Duration,
    nodes: BTreeMap<At, Node>,
    wires: BTreeMap<u64, [End; 2]>,
    cut: BTreeSet<[At; 2]>,
    last_wire: u64,
}

struct Node {
    core: Core,
    born: Duration,
    _learned: Learned,
}

/// One end of a connection.
struct End {
    node: At,
    peer: PeerId,
    outbox: Outbox,
    inbox: BytesMut,
    max_length: u16,
}

pub(super) fn config(yaml: &str) -> Config {
    let config: Config = serde_saphyr::from_str(yaml).unwrap();
    assert_eq!(config.check(), Ok(()));
    config
}

pub(super) fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

pub(super) fn address(node: At, family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::from([10, 0, 0, node]),
        Family::V6 => IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(node)]),
    }
}

fn node_at(address: IpAddr) -> At {
    match address {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(address) => address.octets()[15],
    }
}

fn pair(one: At, other: At) -> [At; 2] {
    [one.min(other), one.max(other)]
}

/// A connection's number says which wire it is an end of, and which end.
fn connection(wire: u64, side: usize) -> ConnectionId {
    ConnectionId(2 * wire + side as u64)
}

fn wire_of(id: ConnectionId) -> (u64, usize) {
    (id.0 / 2, usize::from(id.0 % 2 == 1))
}

impl World {
    pub(super) fn new(configs: &[(At, &str)]) -> World {
        let mut world = World::default();
        for (at, yaml) in configs {
            world.start(*at, config(yaml), Beginning::default());
        }
        world.run(10);
        world
    }

    /// A speaker starts, with no memory of any before it.
    pub(super) fn start(&mut self, at: At, config: Config, beginning: Beginning) {
        let (shared, learned) = learned::channel();
        let node = Node {
            core: Core::new(config, beginning, shared),
            born: self.now,
            _learned: learned,
        };
        assert!(self.nodes.insert(at, node).is_none(), "{at} runs");
    }

    /// A speaker is no more; its connections break.
    pub(super) fn kill(&mut self, at: At) {
        self.nodes.remove(&at);
        self.break_wires(|ends| ends.contains(&at));
    }

    pub(super) fn runs(&self, at: At) -> bool {
        self.nodes.contains_key(&at)
    }

    /// Connections between the two break, and there are none until [`World::heal`].
    pub(super) fn cut(&mut self, one: At, other: At) {
        self.cut.insert(pair(one, other));
        self.break_wires(|ends| ends == pair(one, other));
    }

    pub(super) fn heal(&mut self, one: At, other: At) {
        self.cut.remove(&pair(one, other));
    }

    pub(super) fn is_cut(&self, one: At, other: At) -> bool {
        self.cut.contains(&pair(one, other))
    }

    pub(super) fn core(&mut self, at: At) -> &mut Core {
        &mut self.nodes.get_mut(&at).unwrap().core
    }

    pub(super) fn moment(&self, at: At) -> Moment {
        Moment::after_start(self.now - self.nodes[&at].born)
    }

    /// Takes another configuration.
    pub(super) fn configure(&mut self, at: At, yaml: &str) {
        let now = self.moment(at);
        self.core(at).configure(now, config(yaml));
        self.settle();
    }

    /// Something happens to a peer by its name.
    pub(super) fn tell(&mut self, at: At, peer: &str, event: &Event) {
        let now = self.moment(at);
        let core = self.core(at);
        let id = core.named(peer).unwrap();
        core.event(now, id, event);
        self.settle();
    }

    /// Asks a peer for its routes again, if it is there to be asked.
    pub(super) fn refresh(&mut self, at: At, peer: &str) {
        let core = self.core(at);
        let id = core.named(peer).unwrap();
        core.ask_again(id);
        self.settle();
    }

    pub(super) fn announce(&mut self, at: At, yaml: &str) {
        let announcement = serde_saphyr::from_str(yaml).unwrap();
        self.core(at).announce(&announcement);
        self.settle();
    }

    pub(super) fn withdraw(&mut self, at: At, text: &str) {
        self.core(at).withdraw(prefix(text));
        self.settle();
    }

    /// Lets so many seconds pass.
    pub(super) fn run(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        self.settle();
        while let Some(at) = self.next_deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            let nodes: Vec<At> = self.nodes.keys().copied().collect();
            for node in nodes {
                let now = self.moment(node);
                self.core(node).elapse(now);
                assert!(self.core(node).deadline().is_none_or(|due| due > now));
            }
            self.settle();
        }
        self.now = until;
    }

    fn next_deadline(&self) -> Option<Duration> {
        let due = |node: &Node| Some(node.born + node.core.deadline()?.elapsed());
        self.nodes.values().filter_map(due).min()
    }

    /// Until nobody has anything to do now.
    pub(super) fn settle(&mut self) {
        for _ in 0..10_000 {
            let mut busy = false;
            let nodes: Vec<At> = self.nodes.keys().copied().collect();
            for node in nodes {
                busy |= self.carry_out(node);
                let core = self.core(node);
                if core.has_news() {
                    core.flush();
                    busy = true;
                }
            }
            let wires: Vec<u64> = self.wires.keys().copied().collect();
            for wire in wires {
                busy |= self.carry(wire, 0) | self.carry(wire, 1);
            }
            if !busy {
                return;
            }
        }
        panic!("the speakers never come to rest");
    }

    fn carry_out(&mut self, at: At) -> bool {
        let effects = match self.nodes.get_mut(&at) {
            Some(node) => std::mem::take(&mut node.core.effects),
            None => return false,
        };
        let busy = !effects.is_empty();
        for effect in effects {
            match effect {
                Effect::Dial(peer) => self.dial(at, peer),
                Effect::Send(id, frame) => self.with(id, |end| end.outbox.send(frame)),
                Effect::MaxLength(id, octets) => self.with(id, |end| end.max_length = octets),
                Effect::Follow(id, family, cursor) => {
                    self.with(id, |end| end.outbox.follow(family, cursor));
                }
                Effect::Close(id) => self.close(id),
                Effect::Keys => {}
            }
        }
        busy
    }

    fn with(&mut self, id: ConnectionId, act: impl FnOnce(&mut End)) {
        let (wire, side) = wire_of(id);
        if let Some(ends) = self.wires.get_mut(&wire) {
            act(&mut ends[side]);
        }
    }

    fn dial(&mut self, from: At, peer: PeerId) {
        let Origin::Configured(to, _) = self.core(from).peers[&peer].origin else {
            panic!("a peer out of a range is not dialled");
        };
        let target = node_at(to.ip());
        if self.is_cut(from, target) || !self.runs(target) {
            let now = self.moment(from);
            let refused = Event::DialFailed("refused".to_owned());
            return self.core(from).event(now, peer, &refused);
        }
        self.last_wire += 1;
        let wire = self.last_wire;
        let here = SocketAddr::new(address(from, Family::of(to.ip())), 40_000);
        let [ours, theirs] = [(here, to), (to, here)].map(|(local, remote)| Ends { local, remote });
        let (now, then) = (self.moment(from), self.moment(target));
        let Some(caller) = self.core(target).caller(then, theirs) else {
            self.core(from)
                .event(now, peer, &Event::Dialled(connection(wire, 0), ours));
            let closed = Event::Closed(connection(wire, 0), "a stranger".to_owned());
            return self.core(from).event(now, peer, &closed);
        };
        let end = |(node, peer)| End {
            node,
            peer,
            outbox: Outbox::default(),
            inbox: BytesMut::new(),
            max_length: wire::MAX_STANDARD,
        };
        self.wires
            .insert(wire, [(from, peer), (target, caller)].map(end));
        self.core(from)
            .event(now, peer, &Event::Dialled(connection(wire, 0), ours));
        self.core(target)
            .event(then, caller, &Event::Accepted(connection(wire, 1), theirs));
    }

    fn close(&mut self, id: ConnectionId) {
        let (wire, side) = wire_of(id);
        self.with(id, |end| end.outbox.hush());
        self.carry(wire, side);
        if let Some(ends) = self.wires.remove(&wire) {
            self.closed(&ends[1 - side], connection(wire, 1 - side));
        }
    }

    fn break_wires(&mut self, broken: impl Fn([At; 2]) -> bool) {
        let gone = |ends: &[End; 2]| broken(pair(ends[0].node, ends[1].node));
        let all = std::mem::take(&mut self.wires);
        let (broken, kept): (BTreeMap<_, _>, _) = all.into_iter().partition(|(_, it)| gone(it));
        self.wires = kept;
        for (wire, ends) in broken {
            for side in [0, 1] {
                self.closed(&ends[side], connection(wire, side));
            }
        }
        self.settle();
    }

    fn closed(&mut self, end: &End, id: ConnectionId) {
        if self.runs(end.node) {
            let now = self.moment(end.node);
            let closed = Event::Closed(id, "closed by the peer".to_owned());
            self.core(end.node).event(now, end.peer, &closed);
        }
    }

    /// Carries what one end has to say to the other. Whether there was anything.
    fn carry(&mut self, wire: u64, side: usize) -> bool {
        let Some(ends) = self.wires.get_mut(&wire) else {
            return false;
        };
        let said = drain(&mut ends[side].outbox);
        ends[1 - side].inbox.extend_from_slice(&said);
        while let Some(ends) = self.wires.get_mut(&wire) {
            let end = &mut ends[1 - side];
            let (node, peer) = (end.node, end.peer);
            let Some(frame) = wire::split(&mut end.inbox, end.max_length) else {
                break;
            };
            let now = self.moment(node);
            let heard = Event::Frame(connection(wire, 1 - side), frame);
            self.core(node).event(now, peer, &heard);
            self.carry_out(node);
        }
        !said.is_empty()
    }
}

pub(super) fn drain(outbox: &mut Outbox) -> Vec<u8> {
    let mut said = Vec::new();
    loop {
        let front = outbox.front();
        let before = said.len();
        for slice in &front {
            said.extend_from_slice(slice);
        }
        if said.len() == before {
            return said;
        }
        outbox.wrote(said.len() - before);
    }
}

/// What tests look at.
impl World {
    /// Whether a session is up.
    pub(super) fn is_up(&mut self, at: At, peer: &str) -> bool {
        let core = self.core(at);
        let peer = core.named(peer).and_then(|id| core.peers.get(&id));
        peer.is_some_and(|peer| peer.machine.state() == State::Established)
    }

    /// How many sessions a speaker has lost.
    pub(super) fn lost(&mut self, at: At) -> u64 {
        let peers = self.core(at).peers.values();
        peers.map(|peer| peer.counters.lost).sum()
    }

    /// UPDATEs a speaker has had from a peer.
    pub(super) fn updates(&mut self, at: At, peer: &str) -> u64 {
        let core = self.core(at);
        let id = core.named(peer).unwrap();
        core.peers[&id].counters.updates_in
    }

    /// What a speaker has learned, as [`listing::learned`] writes it.
    pub(super) fn table(&mut self, at: At) -> Vec<String> {
        listing::learned(self.core(at))
    }
}
