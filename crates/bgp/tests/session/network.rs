//! Two machines and the TCP between them, in simulated time. What is sent in one direction of a
//! connection arrives in order; everything else takes as long as a generator says.

use crate::bench::ends;
use gingham_bgp::Moment;
use gingham_bgp::session::{Action, ConnectionId, Event, Machine, Plan};
use std::collections::BTreeMap;
use std::time::Duration;

/// One of the two ends.
pub(crate) type Side = usize;

pub(crate) struct Network {
    pub(crate) now: Moment,
    pub(crate) nodes: [Node; 2],
    links: BTreeMap<ConnectionId, Link>,
    queue: BTreeMap<(Moment, u64), (Side, Arrival)>,
    dice: u64,
    delay: Duration,
    /// One dial in so many is refused; 0 for none.
    pub(crate) refused: u64,
    count: u64,
}

pub(crate) struct Node {
    pub(crate) machine: Machine,
    /// The connection of the session, while it is up.
    pub(crate) up: Option<ConnectionId>,
    /// Every Up, Down and Dial there was.
    pub(crate) ups: usize,
    pub(crate) downs: usize,
    pub(crate) dials: usize,
    pub(crate) changed: Moment,
}

/// Which ends of a connection are still open, and when the last thing sent to each arrives.
#[derive(Clone, Copy, Default)]
struct Link {
    open: [bool; 2],
    last: [Moment; 2],
}

enum Arrival {
    /// To the machine whatever the connections are: Start, Stop, DialFailed.
    Plain(Event),
    /// To an end of a connection, if it is open.
    Of(ConnectionId, Event),
}

impl Network {
    pub(crate) fn new(plans: [Plan; 2], seed: u64, delay: Duration) -> Network {
        let mut seed_of = seed;
        let nodes = plans.map(|plan| {
            seed_of += 1;
            Node {
                machine: Machine::new(plan, seed_of),
                up: None,
                ups: 0,
                downs: 0,
                dials: 0,
                changed: Moment::START,
            }
        });
        Network {
            now: Moment::START,
            nodes,
            links: BTreeMap::new(),
            queue: BTreeMap::new(),
            dice: seed,
            delay,
            refused: 20,
            count: 0,
        }
    }

    /// A number below `below`, by a linear congruence.
    fn roll(&mut self, below: u64) -> u64 {
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % below.max(1)
    }

    fn later(&mut self) -> Moment {
        let most = u64::try_from(self.delay.as_micros()).unwrap();
        let delay = Duration::from_micros(1 + self.roll(most));
        self.now + delay
    }

    fn put(&mut self, at: Moment, to: Side, arrival: Arrival) {
        self.count += 1;
        self.queue.insert((at, self.count), (to, arrival));
    }

    /// Something for the machine itself, at a moment.
    pub(crate) fn plan(&mut self, at: Moment, to: Side, event: Event) {
        self.put(at, to, Arrival::Plain(event));
    }

    /// To one end of a connection, after all that is under way to it.
    fn deliver(&mut self, id: ConnectionId, to: Side, event: Event) {
        let later = self.later();
        if let Some(link) = self.links.get_mut(&id) {
            let at = later.max(link.last[to]);
            link.last[to] = at;
            self.put(at, to, Arrival::Of(id, event));
        }
    }

    fn dial(&mut self, from: Side) {
        self.nodes[from].dials += 1;
        if self.refused > 0 && self.roll(self.refused) == 0 {
            let at = self.later();
            return self.plan(at, from, Event::DialFailed("refused".to_owned()));
        }
        self.count += 1;
        let id = ConnectionId(self.count);
        let link = Link {
            open: [true; 2],
            ..Link::default()
        };
        self.links.insert(id, link);
        self.deliver(id, from, Event::Dialled(id, ends()));
        self.deliver(id, 1 - from, Event::Accepted(id, ends()));
    }

    /// What `from` does to a connection reaches the other end, or comes back where that is gone.
    fn act(&mut self, from: Side, action: Action) {
        let now = self.now;
        match action {
            Action::Dial => self.dial(from),
            Action::Send(id, frame) => match self.is_open(id, 1 - from) {
                true => self.deliver(id, 1 - from, Event::Frame(id, frame)),
                false => self.deliver(id, from, Event::Closed(id, "reset".to_owned())),
            },
            Action::Close(id) => {
                self.shut(id, from);
                self.deliver(id, 1 - from, Event::Closed(id, "closed".to_owned()));
            }
            Action::Up(negotiated) => {
                let node = &mut self.nodes[from];
                assert_eq!(node.up, None, "two sessions");
                (node.up, node.changed) = (Some(negotiated.connection), now);
                node.ups += 1;
            }
            Action::Down(_) => {
                let node = &mut self.nodes[from];
                assert!(node.up.is_some(), "no session");
                (node.up, node.changed) = (None, now);
                node.downs += 1;
            }
            Action::Update(_) | Action::Refresh(..) | Action::Failed(_) => {}
        }
    }

    fn is_open(&self, id: ConnectionId, side: Side) -> bool {
        self.links.get(&id).is_some_and(|link| link.open[side])
    }

    fn shut(&mut self, id: ConnectionId, side: Side) {
        if let Some(link) = self.links.get_mut(&id) {
            link.open[side] = false;
        }
    }

    /// Breaks every connection: one end, or both, hear of it now; the other when it next sends.
    pub(crate) fn cut(&mut self, ends: &[Side]) {
        let ids: Vec<ConnectionId> = self.links.keys().copied().collect();
        for (id, side) in ids
            .iter()
            .flat_map(|id| ends.iter().map(|side| (*id, *side)))
        {
            if self.is_open(id, side) {
                self.shut(id, side);
                self.tell(side, Event::Closed(id, "lost".to_owned()));
            }
        }
    }

    fn tell(&mut self, to: Side, event: Event) {
        let machine = &mut self.nodes[to].machine;
        let actions = machine.handle(self.now, &event);
        if event == Event::Deadline {
            let next = machine.deadline();
            assert!(next.is_none_or(|next| next > self.now), "a deadline stays");
        }
        for action in actions {
            self.act(to, action);
        }
    }

    /// Lets everything up to `until` happen.
    pub(crate) fn run(&mut self, until: Moment) {
        loop {
            let deadline = |side: Side| self.nodes[side].machine.deadline().map(|at| (at, side));
            let deadline = [deadline(0), deadline(1)].into_iter().flatten().min();
            let arrival = self.queue.first_key_value().map(|((at, _), _)| *at);
            let deadline_first =
                deadline.filter(|(at, _)| arrival.is_none_or(|arrival| *at <= arrival));
            match (deadline_first, arrival) {
                (Some((at, side)), _) if at <= until => {
                    self.now = self.now.max(at);
                    self.tell(side, Event::Deadline);
                }
                (None, Some(at)) if at <= until => {
                    self.now = at;
                    self.arrive();
                }
                _ => break,
            }
        }
        self.now = until;
    }

    fn arrive(&mut self) {
        let Some((_, (to, arrival))) = self.queue.pop_first() else {
            return;
        };
        match arrival {
            Arrival::Plain(event) => self.tell(to, event),
            Arrival::Of(id, event) if self.is_open(id, to) => {
                if let Event::Closed(..) = event {
                    self.shut(id, to);
                }
                self.tell(to, event);
            }
            Arrival::Of(..) => {}
        }
    }

    /// Connections with an end that is open.
    pub(crate) fn alive(&self) -> Vec<ConnectionId> {
        let alive = self
            .links
            .iter()
            .filter(|(_, link)| link.open != [false; 2]);
        alive.map(|(id, _)| *id).collect()
    }

    /// Both ends are up on the same connection, and there is no other.
    pub(crate) fn assert_one_session(&self) {
        let [left, right] = &self.nodes;
        assert!(left.up.is_some(), "the first is {:?}", left.machine.state());
        assert_eq!(left.up, right.up);
        assert_eq!(self.alive(), Vec::from_iter(left.up));
    }
}
