//! The core: every neighbour, the RIB between them, and what follows from an event. It touches no
//! socket and reads no clock.
//!
//! ```text
//! (Moment, Event of a peer | command) ──► Core ──► [Effect]   dial, send, close, follow this log
//! ```

#[cfg(test)]
mod tests;

use super::calendar::Calendar;
use super::deferral::Deferral;
use super::known::Known;
use super::learned::Shared;
use super::peer::{self, Beginning, Origin, Peer, Session, Wanted};
use super::sessions::Board;
use super::spread::Spread;
use crate::attributes::Interner;
use crate::config::{Announcement, Config, Settings};
use crate::export::Cursor;
use crate::rib::Rib;
use crate::session::{Action, ConnectionId, Ends, Event, Negotiated};
use crate::wire::RefreshPart;
use crate::{Moment, PeerId, wire};
use bytes::Bytes;
use gingham_model::{Family, NodeName, Prefix};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// What the rim is to do.
#[derive(Debug)]
pub(super) enum Effect {
    /// Open a connection to a peer.
    Dial(PeerId),
    /// Write a message, ahead of updates that were not begun.
    Send(ConnectionId, Bytes),
    /// Close, once what was sent is written.
    Close(ConnectionId),
    /// Take messages up to this length from now on.
    MaxLength(ConnectionId, u16),
    /// Write this log after what was sent.
    Follow(ConnectionId, Family, Cursor),
    /// Set or clear the key for connections from here.
    Keys,
}

/// A speaker without its sockets.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) config: Config,
    pub(super) beginning: Beginning,
    pub(super) peers: BTreeMap<PeerId, Peer>,
    pub(super) rib: Rib,
    pub(super) interner: Interner,
    pub(super) spread: Spread,
    pub(super) learned: Shared,
    pub(super) sessions: Board,
    /// Set while nobody is told anything, since peers have yet to say what they have.
    pub(super) deferred: Option<Deferral>,
    pub(super) effects: Vec<Effect>,
    /// What is announced only while there is a part of it.
    pub(super) aggregates: BTreeMap<Prefix, Announcement>,
    /// Which node of the zone is where.
    pub(super) nodes: BTreeMap<IpAddr, NodeName>,
    pub(super) known: Known,
    calendar: Calendar,
    last_peer: u32,
}

impl Core {
    /// A speaker that has done nothing yet.
    pub(super) fn new(config: Config, beginning: Beginning, learned: Shared) -> Self {
        let restarts = !beginning.forwarding.is_empty();
        let deferral =
            std::time::Duration::from_secs(config.graceful_restart.deferral_seconds.into());
        let mut core = Core {
            rib: Rib::new(config.multipath),
            beginning,
            peers: BTreeMap::new(),
            interner: Interner::default(),
            spread: Spread::default(),
            learned,
            sessions: Board::new(),
            deferred: restarts.then(|| Deferral::new(Moment::START + deferral)),
            effects: Vec::new(),
            aggregates: BTreeMap::new(),
            nodes: config.territory.nodes(),
            known: Known::default(),
            calendar: Calendar::default(),
            last_peer: PeerId::LOCAL.0,
            config,
        };
        for announcement in core.config.announce.clone() {
            core.announce(&announcement);
        }
        for neighbour in core.config.neighbours.clone() {
            core.add_neighbour(Moment::START, &neighbour);
        }
        core.await_callers();
        core.sessions.defer(restarts);
        core.sessions.publish();
        core
    }

    /// Something happened to a peer's session.
    pub(super) fn event(&mut self, now: Moment, id: PeerId, event: &Event) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if let Event::Frame(..) = event {
            peer.counters.messages_in += 1;
        }
        for action in peer.machine.handle(now, event) {
            self.act(now, id, action);
        }
        self.settle(id);
        if !matches!(event, Event::Start) {
            self.forget_spent(id);
        }
    }

    /// The peer whose connection this is: a neighbour, or one out of a range; `None` for a stranger.
    pub(super) fn caller(&mut self, now: Moment, ends: Ends) -> Option<PeerId> {
        let address = ends.remote.ip();
        if let Some(known) = self.known.at(address) {
            return Some(known);
        }
        let range = self.config.range_of(address)?;
        let of_range = Origin::Range(range.name.clone());
        if self.known.callers(&range.name) >= range.limit {
            tracing::warn!(range = range.name, %address, limit = range.limit, "range is full, connection refused");
            return None;
        }
        let (name, settings) = (format!("{}/{address}", range.name), range.settings.clone());
        Some(self.add_peer(now, name, (address, of_range, settings)))
    }

    /// Adds a neighbour of the configuration and starts it.
    pub(super) fn add_neighbour(&mut self, now: Moment, neighbour: &crate::config::Neighbour) {
        let at = SocketAddr::new(neighbour.address, neighbour.port);
        let origin = Origin::Configured(at, neighbour.connect);
        let wanted = (neighbour.address, origin, neighbour.settings.clone());
        self.add_peer(now, neighbour.name.clone(), wanted);
    }

    fn add_peer(
        &mut self,
        now: Moment,
        name: String,
        (address, origin, settings): (IpAddr, Origin, Settings),
    ) -> PeerId {
        self.last_peer += 1;
        let id = PeerId(self.last_peer);
        let wanted = Wanted {
            id,
            name,
            address,
            origin,
            settings,
        };
        let plan = peer::plan(&self.config, &self.beginning, &wanted);
        self.known.add(id, address, &wanted.origin);
        self.peers.insert(id, Peer::new(wanted, plan));
        self.rename(id);
        self.note_session(id);
        self.event(now, id, &Event::Start);
        id
    }

    /// Forgets a peer out of a range that nothing is left of; also where nothing came of its call.
    pub(super) fn forget_spent(&mut self, id: PeerId) {
        if self.peers.get(&id).is_some_and(Peer::is_spent) {
            self.forget(id);
        }
    }

    /// Forgets a peer whose session and routes are gone.
    pub(super) fn forget(&mut self, id: PeerId) {
        let Some(peer) = self.peers.remove(&id) else {
            return;
        };
        self.calendar.move_to(id, peer.due, None);
        self.known.remove(id, peer.address, &peer.origin);
        if let Origin::Configured(..) = peer.origin {
            self.sessions.note(&peer.name, None);
        }
    }

    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Moment> {
        let deferred = self.deferred.as_ref().map(|deferral| deferral.until);
        self.calendar.first().into_iter().chain(deferred).min()
    }

    /// Everything that is due at `now`.
    pub(super) fn elapse(&mut self, now: Moment) {
        while let Some(id) = self.calendar.due(now) {
            self.expire_retained(now, id);
            self.expire_refreshes(now, id);
            self.event(now, id, &Event::Deadline);
        }
        if self.deferred.as_ref().is_some_and(|it| it.until <= now) {
            tracing::info!("deferral time is over, peers are told what there is");
            self.end_deferral();
        }
    }

    /// Whether there is something to tell that was not told.
    pub(super) fn has_news(&self) -> bool {
        self.rib.is_dirty()
    }

    /// Tells everybody what is new. Whether there is something to write.
    pub(super) fn flush(&mut self) -> bool {
        let mut changed = self.rib.take_dirty();
        self.aggregate(&changed);
        changed.extend(self.rib.take_dirty());
        self.spread.flush(&self.rib, &changed, &self.learned)
    }

    /// Lets a peer that was cut off from its log follow it again.
    pub(super) fn catch_up(&mut self, id: PeerId, family: Family, cursor: &mut Cursor) {
        let session = self.peers.get(&id).and_then(|peer| peer.session.as_ref());
        let profile = session.and_then(|session| session.groups.get(&family).cloned());
        if let Some(group) = profile.and_then(|profile| self.spread.group(&profile)) {
            group.catch_up(cursor);
        }
    }

    /// The peer of this name.
    pub(super) fn named(&self, name: &str) -> Option<PeerId> {
        let mut peers = self.peers.iter();
        peers.find(|(_, peer)| peer.name == name).map(|(id, _)| *id)
    }

    fn act(&mut self, now: Moment, id: PeerId, action: Action) {
        match action {
            Action::Dial => self.effects.push(Effect::Dial(id)),
            Action::Send(connection, frame) => {
                if let Some(peer) = self.peers.get_mut(&id) {
                    peer.counters.messages_out += 1;
                }
                self.effects.push(Effect::Send(connection, frame));
            }
            Action::Close(connection) => self.effects.push(Effect::Close(connection)),
            Action::Up(negotiated) => self.up(now, id, *negotiated),
            Action::Update(update) => self.update(now, id, update),
            Action::Refresh(family, part) => self.refresh(now, id, (family, part)),
            Action::Down(down) => self.down(now, id, &down),
            Action::Failed(error) => self.failed(id, error),
        }
    }

    fn failed(&mut self, id: PeerId, error: String) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if peer.last_error.as_ref() != Some(&error) {
            tracing::info!(peer = peer.name, error, "session was not established");
        }
        peer.last_error = Some(error);
    }

    fn up(&mut self, now: Moment, id: PeerId, negotiated: Negotiated) {
        let local = self.config.asn;
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        tracing::info!(
            peer = peer.name,
            asn = negotiated.peer_asn.0,
            router_id = %negotiated.peer_router_id,
            local = %negotiated.ends.local,
            remote = %negotiated.ends.remote,
            "session established"
        );
        peer.counters.established += 1;
        peer.last_error = None;
        peer.identify(local, negotiated.peer_router_id);
        let max_length = negotiated.codec.max_length;
        self.effects
            .push(Effect::MaxLength(negotiated.connection, max_length));
        peer.session = Some(Session {
            since: now,
            groups: BTreeMap::new(),
            ended: Default::default(),
            refreshing: BTreeMap::new(),
            negotiated,
        });
        self.note_session(id);
        self.confirm_retained(now, id);
        match self.deferred {
            None => self.tell(id),
            Some(_) => self.heard(id),
        }
    }

    /// Asks a peer for its routes again. `false` when it cannot be asked.
    pub(super) fn ask_again(&mut self, id: PeerId) -> bool {
        let session = self.peers.get(&id).and_then(|peer| peer.session.as_ref());
        let Some(session) = session else {
            return false;
        };
        if session.negotiated.refresh == crate::session::RefreshKind::None {
            return false;
        }
        for family in &session.negotiated.codec.families {
            let frame = wire::encode_refresh(*family, RefreshPart::Request);
            self.effects
                .push(Effect::Send(session.negotiated.connection, frame));
        }
        true
    }

    /// Puts the peer down in the calendar for when it needs attention.
    fn settle(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let due = peer.deadline();
        self.calendar.move_to(id, peer.due, due);
        peer.due = due;
    }
}
