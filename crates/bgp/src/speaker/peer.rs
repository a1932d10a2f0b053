//! One neighbour as the core knows it: its settings, its machine, and what became of its routes.

use super::report::Counters;
use crate::config::{Config, Connect, FamilySettings, Role, Settings};
use crate::export::Profile;
use crate::rib::{Source, SourceKind};
use crate::session::{Machine, Negotiated, Plan, State};
use crate::{Asn, Moment, PeerId, RouterId};
use gingham_model::Family;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// How a neighbour came to be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// By its address; it is dialled here.
    Configured(SocketAddr, Connect),
    /// By dialling in from the range of this name; forgotten when its session and its routes are gone.
    Range(String),
}

/// A neighbour.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) name: String,
    pub(super) address: IpAddr,
    pub(super) origin: Origin,
    pub(super) settings: Settings,
    pub(super) machine: Machine,
    pub(super) source: Arc<Source>,
    pub(super) session: Option<Session>,
    /// What the session before had agreed on: what is kept of it is judged by that.
    pub(super) before: Option<Negotiated>,
    /// Families whose routes outlive their session, or wait to be confirmed by a new one.
    pub(super) retained: BTreeMap<Family, Retained>,
    pub(super) counters: Counters,
    pub(super) last_error: Option<String>,
    /// The moment it is down for in the core's calendar.
    pub(super) due: Option<Moment>,
}

/// An established session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) negotiated: Negotiated,
    pub(super) since: Moment,
    /// The update group of each family, once the peer is told anything.
    pub(super) groups: BTreeMap<Family, Arc<Profile>>,
    /// Families whose End-of-RIB has come.
    pub(super) ended: BTreeSet<Family>,
    /// Families the peer sends all over again, and when it must be through (RFC 7313).
    pub(super) refreshing: BTreeMap<Family, Moment>,
}

/// Why routes are held that no session stands by, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retained {
    /// The peer is away (RFC 4724); then they are long-lived for so long.
    Stale(Moment, Duration),
    /// The peer has been away for longer (RFC 9494).
    LongLived(Moment),
    /// The peer is back and says everything again.
    Returning(Moment),
}

impl Retained {
    fn until(self) -> Moment {
        match self {
            Retained::Stale(until, _) | Retained::LongLived(until) | Retained::Returning(until) => {
                until
            }
        }
    }
}

/// Who is asked for: everything a new [`Peer`] begins with.
pub(super) struct Wanted {
    pub(super) id: PeerId,
    pub(super) name: String,
    pub(super) address: IpAddr,
    pub(super) origin: Origin,
    pub(super) settings: Settings,
}

impl Peer {
    /// A neighbour that has not been heard of yet.
    pub(super) fn new(wanted: Wanted, plan: Plan) -> Self {
        let kind = source_kind(plan.local_asn, &wanted.settings);
        // Two peers that lost their sessions together do not dial together.
        let seed = u64::from(wanted.id.0) << 32 ^ u64::from(u32::from(plan.router_id.0));
        Peer {
            source: Arc::new(Source {
                peer: wanted.id,
                kind,
                router_id: RouterId(Ipv4Addr::UNSPECIFIED),
                address: wanted.address,
                node: None,
            }),
            name: wanted.name,
            address: wanted.address,
            origin: wanted.origin,
            settings: wanted.settings,
            machine: Machine::new(plan, seed),
            session: None,
            before: None,
            retained: BTreeMap::new(),
            counters: Counters::default(),
            last_error: None,
            due: None,
        }
    }

    /// When something is to be done if nothing happens before.
    pub(super) fn deadline(&self) -> Option<Moment> {
        let retained = self.retained.values().map(|retained| retained.until());
        let refreshing = self
            .session
            .iter()
            .flat_map(|session| session.refreshing.values().copied());
        self.machine
            .deadline()
            .into_iter()
            .chain(retained)
            .chain(refreshing)
            .min()
    }

    /// Whether it came out of a range and nothing of it is left to wait for.
    pub(super) fn is_spent(&self) -> bool {
        matches!(self.origin, Origin::Range(_))
            && self.machine.state() < State::OpenSent
            && self.session.is_none()
            && self.deadline().is_none()
    }

    /// What the session has agreed on, or the one before had.
    pub(super) fn agreed(&self) -> Option<&Negotiated> {
        let session = self.session.as_ref().map(|session| &session.negotiated);
        session.or(self.before.as_ref())
    }

    /// The source of paths of a session with the router of this identifier.
    pub(super) fn identify(&mut self, local: Asn, router_id: RouterId) {
        self.source = Arc::new(Source {
            router_id,
            kind: source_kind(local, &self.settings),
            ..(*self.source).clone()
        });
    }
}

fn source_kind(local: Asn, settings: &Settings) -> SourceKind {
    match settings.role {
        _ if settings.asn != local => SourceKind::External,
        Role::Client => SourceKind::Client,
        Role::Peer => SourceKind::Internal,
    }
}

/// The families of a session: those asked for, else the transport's.
pub(super) fn families(settings: &Settings, address: IpAddr) -> BTreeMap<Family, FamilySettings> {
    if settings.families.is_empty() {
        return BTreeMap::from([(Family::of(address), FamilySettings::default())]);
    }
    settings.families.clone()
}

/// How this speaker began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beginning {
    /// Families whose forwarding went on while no speaker ran: this start is a restart (RFC 4724
    /// section 4.1). Empty for a first start.
    pub forwarding: BTreeSet<Family>,
}

/// What the machine of a peer is to bring about.
pub(super) fn plan(config: &Config, beginning: &Beginning, peer: &Wanted) -> Plan {
    let restarts = !beginning.forwarding.is_empty();
    let restart_time = Duration::from_secs(config.graceful_restart.restart_seconds.into());
    Plan {
        local_asn: config.asn,
        router_id: config.router_id,
        peer_asn: peer.settings.asn,
        connect: match peer.origin {
            Origin::Configured(_, connect) => connect,
            Origin::Range(_) => Connect::Passive,
        },
        hold: Duration::from_secs(peer.settings.hold_seconds.into()),
        families: families(&peer.settings, peer.address),
        asn_width: peer.settings.asn_width,
        messages: peer.settings.messages,
        restart: config.graceful_restart,
        forwarding: beginning.forwarding.clone(),
        restarting_until: if restarts {
            Moment::START + restart_time
        } else {
            Moment::START
        },
    }
}
