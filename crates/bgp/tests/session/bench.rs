//! One machine on a bench: a peer's messages by hand, time by hand.

use bytes::Bytes;
use gingham_bgp::config::{AsnWidth, Connect, FamilySettings, GracefulRestart, MessageSize};
use gingham_bgp::session::{
    Action, ConnectionId, Down, Ends, Event, Machine, Negotiated, Plan, State,
};
use gingham_bgp::wire::{self, Capabilities, Notification, Open, RestartOffer};
use gingham_bgp::{Asn, Moment, RouterId};
use gingham_model::Family;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(crate) const FIRST: ConnectionId = ConnectionId(1);
pub(crate) const SECOND: ConnectionId = ConnectionId(2);
pub(crate) const THIRD: ConnectionId = ConnectionId(3);

pub(crate) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(crate) fn router(last: u8) -> RouterId {
    RouterId([10, 0, 0, last].into())
}

pub(crate) fn ends() -> Ends {
    Ends {
        local: "10.0.0.5:179".parse().unwrap(),
        remote: "10.0.0.6:40000".parse().unwrap(),
    }
}

/// 10.0.0.5 in AS 64512 for an internal peer, IPv4, hold time 90 s, graceful restart.
pub(crate) fn plan() -> Plan {
    Plan {
        local_asn: Asn(64512),
        router_id: router(5),
        peer_asn: Asn(64512),
        connect: Connect::Both,
        hold: seconds(90),
        families: BTreeMap::from([(Family::V4, FamilySettings::default())]),
        asn_width: AsnWidth::Four,
        messages: MessageSize::Extended,
        restart: GracefulRestart::default(),
        forwarding: BTreeSet::new(),
        restarting_until: Moment::START,
    }
}

/// 10.0.0.6, all else as [`plan`] without graceful restart.
pub(crate) fn their_open() -> Open {
    Open {
        asn: Asn(64512),
        hold_seconds: 90,
        router_id: router(6),
        capabilities: Capabilities {
            families: BTreeSet::from([Family::V4]),
            ..Capabilities::default()
        },
    }
}

/// The same with graceful restart for 60 s, with or without the N bit.
pub(crate) fn their_restarting_open(notification: bool) -> Open {
    let mut open = their_open();
    open.capabilities.restart = Some(RestartOffer {
        restarting: false,
        notification,
        time: seconds(60),
        families: BTreeMap::from([(Family::V4, false)]),
    });
    open
}

pub(crate) struct Bench {
    pub(crate) machine: Machine,
    pub(crate) now: Moment,
}

impl Bench {
    /// A machine that was started; its first dial runs if it may dial.
    pub(crate) fn new(plan: Plan) -> Bench {
        let mut bench = Bench {
            machine: Machine::new(plan, 1),
            now: Moment::START + seconds(1000),
        };
        bench.tell(Event::Start);
        bench
    }

    pub(crate) fn tell(&mut self, event: Event) -> Vec<Action> {
        self.machine.handle(self.now, &event)
    }

    pub(crate) fn wait(&mut self, span: Duration) -> Vec<Action> {
        self.now = self.now + span;
        self.tell(Event::Deadline)
    }

    /// Lets time pass up to the machine's next deadline, and tells it.
    pub(crate) fn next_deadline(&mut self) -> (Duration, Vec<Action>) {
        let at = self.machine.deadline().expect("a deadline");
        let span = at.since(self.now);
        (span, self.wait(span))
    }

    pub(crate) fn frame(&mut self, id: ConnectionId, frame: Bytes) -> Vec<Action> {
        self.tell(Event::Frame(id, frame))
    }

    pub(crate) fn open(&mut self, id: ConnectionId, open: &Open) -> Vec<Action> {
        self.frame(id, wire::encode_open(open))
    }

    pub(crate) fn keepalive(&mut self, id: ConnectionId) -> Vec<Action> {
        self.frame(id, wire::encode_keepalive())
    }

    pub(crate) fn dialled(&mut self, id: ConnectionId) -> Vec<Action> {
        self.tell(Event::Dialled(id, ends()))
    }

    pub(crate) fn accepted(&mut self, id: ConnectionId) -> Vec<Action> {
        self.tell(Event::Accepted(id, ends()))
    }

    /// A session on the connection that was dialled.
    pub(crate) fn up(&mut self, id: ConnectionId, open: &Open) -> Negotiated {
        self.dialled(id);
        self.open(id, open);
        let actions = self.keepalive(id);
        assert_eq!(self.machine.state(), State::Established);
        match actions.as_slice() {
            [Action::Up(negotiated)] => (**negotiated).clone(),
            other => panic!("not up: {other:?}"),
        }
    }
}

/// A machine whose session is up on [`FIRST`].
pub(crate) fn established(plan: Plan, open: &Open) -> Bench {
    let mut bench = Bench::new(plan);
    bench.up(FIRST, open);
    bench
}

/// A NOTIFICATION by its octets.
pub(crate) fn notification(code: u8, subcode: u8, data: &[u8]) -> Bytes {
    let length = u16::try_from(21 + data.len()).unwrap();
    let mut frame = vec![0xFF; 16];
    frame.extend(length.to_be_bytes());
    frame.extend([3, code, subcode]);
    frame.extend(data);
    frame.into()
}

pub(crate) fn notice(code: u8, subcode: u8, data: &'static [u8]) -> Notification {
    Notification {
        code,
        subcode,
        data: Bytes::from_static(data),
    }
}

/// The only Down among the actions.
pub(crate) fn down(actions: &[Action]) -> Down {
    let mut downs = actions.iter().filter_map(|action| match action {
        Action::Down(down) => Some(down.clone()),
        _ => None,
    });
    let down = downs.next().expect("a Down");
    assert_eq!(downs.next(), None);
    down
}

pub(crate) fn is_up(actions: &[Action]) -> bool {
    actions.iter().any(|action| matches!(action, Action::Up(_)))
}
