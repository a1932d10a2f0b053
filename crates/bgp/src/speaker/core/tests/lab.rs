//! One core, and peers by hand: what is sent to it is made here, what it sends is read here.

use super::super::{Core, Effect};
use super::listing;
use super::world::{config, prefix};
use crate::attributes::{AsPath, Attributes};
use crate::session::{ConnectionId, Ends, Event};
use crate::speaker::learned::{self, Learned};
use crate::speaker::outbox::Outbox;
use crate::speaker::peer::Beginning;
use crate::wire::{
    self, Capabilities, Codec, LongLivedOffer, Message, Open, RefreshPart, RestartOffer,
};
use crate::{Asn, Moment, Nlri, PeerId, RouterId};
use bytes::{Bytes, BytesMut};
use gingham_model::Family;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub(super) struct Lab {
    pub(super) core: Core,
    now: Moment,
    lines: BTreeMap<ConnectionId, Line>,
    pub(super) learned: Learned,
}

/// A connection as the peer has it.
struct Line {
    peer: PeerId,
    outbox: Outbox,
    open: bool,
}

/// The OPEN of 10.0.0.LAST, IPv4, no hold time, route refresh but no more.
pub(super) fn open(asn: u32, last: u8) -> Open {
    Open {
        asn: Asn(asn),
        hold_seconds: 0,
        router_id: RouterId([10, 0, 0, last].into()),
        capabilities: Capabilities {
            families: BTreeSet::from([Family::V4]),
            refresh: true,
            ..Capabilities::default()
        },
    }
}

/// The same with graceful restart of 100 s, and whether forwarding went on.
pub(super) fn restarting(asn: u32, last: u8, forwarding: bool) -> Open {
    let mut open = open(asn, last);
    open.capabilities.restart = Some(RestartOffer {
        restarting: forwarding,
        notification: true,
        time: Duration::from_secs(100),
        families: BTreeMap::from([(Family::V4, forwarding)]),
    });
    open
}

/// The same with 1000 s of long-lived stale routes.
pub(super) fn long_lived(asn: u32, last: u8, forwarding: bool) -> Open {
    let mut open = restarting(asn, last, forwarding);
    let time = Duration::from_secs(1000);
    let offer = LongLivedOffer { forwarding, time };
    open.capabilities.long_lived = BTreeMap::from([(Family::V4, offer)]);
    open
}

impl Lab {
    pub(super) fn new(yaml: &str) -> Lab {
        Lab::after(yaml, Beginning::default())
    }

    pub(super) fn after(yaml: &str, beginning: Beginning) -> Lab {
        let (shared, learned) = learned::channel();
        Lab {
            core: Core::new(config(yaml), beginning, shared),
            now: Moment::START,
            lines: BTreeMap::new(),
            learned,
        }
    }

    /// A peer dials from an address; `None` when nobody wants it.
    pub(super) fn dial(&mut self, from: &str, open: Open) -> Option<ConnectionId> {
        let from: IpAddr = from.parse().unwrap();
        let ends = Ends {
            local: "10.0.0.1:179".parse().unwrap(),
            remote: SocketAddr::new(from, 40_000),
        };
        let peer = self.core.caller(self.now, ends)?;
        let id = ConnectionId(self.lines.len() as u64 + 1);
        let line = Line {
            peer,
            outbox: Outbox::default(),
            open: true,
        };
        self.lines.insert(id, line);
        self.core.event(self.now, peer, &Event::Accepted(id, ends));
        self.say(id, wire::encode_open(&open));
        self.say(id, wire::encode_keepalive());
        Some(id)
    }

    /// A peer whose session is up, and what it was told at once is forgotten.
    pub(super) fn peer(&mut self, from: &str, open: Open) -> ConnectionId {
        let id = self.dial(from, open).unwrap();
        self.heard(id);
        id
    }

    pub(super) fn say(&mut self, id: ConnectionId, frame: Bytes) {
        let peer = self.lines[&id].peer;
        self.core.event(self.now, peer, &Event::Frame(id, frame));
        self.settle();
    }

    /// The connection breaks.
    pub(super) fn lose(&mut self, id: ConnectionId) {
        let peer = self.lines[&id].peer;
        let closed = Event::Closed(id, "lost".to_owned());
        self.core.event(self.now, peer, &closed);
        self.settle();
    }

    pub(super) fn withdraw(&mut self, id: ConnectionId, prefixes: &[&str]) {
        let nlri: Vec<Nlri> = prefixes.iter().map(|it| Nlri::plain(prefix(it))).collect();
        let mut frames = Vec::new();
        wire::pack_unreach(&self.codec(id), &nlri, &mut frames);
        self.say(id, frames.into());
    }

    /// The peer announces prefixes, as its own AS would if it has one.
    pub(super) fn announce(&mut self, id: ConnectionId, prefixes: &[&str]) {
        self.announce_as(id, prefixes, |_| {});
    }

    pub(super) fn announce_as(
        &mut self,
        id: ConnectionId,
        prefixes: &[&str],
        change: impl FnOnce(&mut Attributes),
    ) {
        let peer = &self.core.peers[&self.lines[&id].peer];
        let (asn, next_hop) = (peer.settings.asn, peer.address);
        let mut attributes = Attributes::originated(next_hop);
        if asn == self.core.config.asn {
            attributes.local_pref = Some(100);
        } else {
            attributes.as_path = AsPath::sequence([asn]);
        }
        change(&mut attributes);
        let nlri: Vec<Nlri> = prefixes.iter().map(|it| Nlri::plain(prefix(it))).collect();
        let mut frames = Vec::new();
        wire::pack_reach(&self.codec(id), &attributes, &nlri, &mut frames).unwrap();
        self.say(id, frames.into());
    }

    pub(super) fn end_of_rib(&mut self, id: ConnectionId) {
        self.say(id, wire::encode_end_of_rib(Family::V4));
    }

    pub(super) fn refresh(&mut self, id: ConnectionId, part: RefreshPart) {
        self.say(id, wire::encode_refresh(Family::V4, part));
    }

    pub(super) fn is_open(&self, id: ConnectionId) -> bool {
        self.lines[&id].open
    }

    /// Lets so many seconds pass.
    pub(super) fn pass(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        while let Some(due) = self.core.deadline().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.core.elapse(self.now);
            self.settle();
        }
        self.now = until;
    }

    pub(super) fn configure(&mut self, yaml: &str) {
        self.core.configure(self.now, config(yaml));
        self.settle();
    }

    pub(super) fn command(&mut self, peer: &str, event: &Event) {
        let id = self.core.named(peer).unwrap();
        self.core.event(self.now, id, event);
        self.settle();
    }

    pub(super) fn table(&self) -> Vec<String> {
        listing::learned(&self.core)
    }

    /// What a peer was told since this was asked before; KEEPALIVEs and OPENs are left out.
    pub(super) fn heard(&mut self, id: ConnectionId) -> Vec<String> {
        let codec = self.codec(id);
        let line = self.lines.get_mut(&id).unwrap();
        let mut octets = BytesMut::from(&super::world::drain(&mut line.outbox)[..]);
        let mut heard = Vec::new();
        while let Some(frame) = wire::split(&mut octets, codec.max_length) {
            words(wire::decode(&frame, &codec).unwrap(), &mut heard);
        }
        heard
    }

    fn codec(&self, id: ConnectionId) -> Codec {
        let peer = self.core.peers.get(&self.lines[&id].peer);
        let session = peer.and_then(|peer| peer.session.as_ref());
        let Some(session) = session else {
            return Codec::opening(crate::wire::PeerKind::Internal);
        };
        let agreed = &session.negotiated.codec;
        Codec {
            add_path_in: agreed.add_path_out.clone(),
            add_path_out: agreed.add_path_in.clone(),
            ..agreed.clone()
        }
    }

    pub(super) fn settle(&mut self) {
        for effect in std::mem::take(&mut self.core.effects) {
            match effect {
                Effect::Send(id, frame) => self.line(id).outbox.send(frame),
                Effect::Follow(id, family, cursor) => self.line(id).outbox.follow(family, cursor),
                Effect::Close(id) => {
                    self.line(id).outbox.hush();
                    self.line(id).open = false;
                }
                Effect::Dial(_) | Effect::MaxLength(..) | Effect::Keys => {}
            }
        }
        self.core.flush();
        self.core.publish();
    }

    fn line(&mut self, id: ConnectionId) -> &mut Line {
        self.lines.get_mut(&id).unwrap()
    }
}

fn words(message: Message, heard: &mut Vec<String>) {
    match message {
        Message::Open(_) | Message::Keepalive => {}
        Message::Notification(said) => heard.push(said.to_string()),
        Message::Refresh(refresh) => heard.push(format!("{:?}", refresh.part)),
        Message::Update(update) => {
            let gone = update.withdrawn.iter();
            heard.extend(gone.map(|nlri| format!("not {}", nlri.prefix)));
            for reach in update.announced {
                let communities: Vec<String> = reach
                    .attributes
                    .communities
                    .iter()
                    .map(ToString::to_string)
                    .collect();
                for nlri in reach.nlri {
                    let mut line = nlri.prefix.to_string();
                    if !communities.is_empty() {
                        line = format!("{line} with {}", communities.join(" "));
                    }
                    heard.push(line);
                }
            }
            heard.extend(update.end_of_rib.map(|_| "End-of-RIB".to_owned()));
        }
    }
}
