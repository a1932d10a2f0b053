//! The rim of BGP in the agent: one speaker, told what [`super::derive`] says and heard for what it
//! learned.
//!
//! ```text
//!   Cluster, Seen, keys, Presence ──derive──► Config ──start, configure──► speaker
//!   Dirty(Learned) ◄── Learned, Sessions ◄────────────────────────────────────┘
//! ```

use super::connected::Connected;
use super::derive::{self, Derived, Inputs, Presence};
use super::kept::Kept;
use super::keyring::{Keyed, Keyring};
use super::keys::Keys;
use super::learned::Learned;
use super::part::{self, Part, Reflector, Role};
use super::running::Running;
use crate::cluster::Cluster;
use crate::dirty::{Cause, Dirty};
use crate::pass::Seen;
use crate::status::BgpStatus;
use gingham_bgp::config::Config;
use gingham_bgp::session::Farewell;
use gingham_bgp::speaker::{self, Beginning, Handle, Options};
use gingham_model::{Family, NodeName, Owner, Prefix, SecretName, Zone};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;
use tokio::task::JoinError;

/// Where the speaker of this node finds what is its own.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// This node.
    pub(crate) me: NodeName,
    /// Families whose forwarding went on while no agent ran.
    pub(crate) forwarding: BTreeSet<Family>,
}

/// The BGP of this node.
#[derive(Debug)]
pub(crate) struct Bgp {
    places: Places,
    keyring: Keyring,
    dirty: Dirty,
    kept: Kept,
    /// Whether all objects have once been known, by this agent or the one before.
    known: bool,
    running: Option<Running>,
    handle: watch::Sender<Option<Handle>>,
    followed: Option<Followed>,
    connected: Connected,
    said: Said,
}

/// What of the world the speaker was last told by.
#[derive(Debug, PartialEq, Eq)]
struct Followed {
    cluster: Arc<Cluster>,
    own_blocks: BTreeSet<Prefix>,
    gateways: BTreeSet<IpAddr>,
    keys: Keys,
    reflectors: Vec<Reflector>,
    presence: Presence,
}

/// What there is to say about it.
#[derive(Debug, Default)]
struct Said {
    /// The part this node plays.
    part: Option<Part>,
    /// What an operator ought to know.
    notices: Vec<String>,
    /// What could not be carried out, and is tried again.
    failure: Option<String>,
}

impl Bgp {
    /// With what the agent before has left, if it has.
    pub(crate) fn new(
        (places, keyring): (Places, Keyring),
        dirty: Dirty,
        before: Option<Kept>,
    ) -> Self {
        Bgp {
            known: before.is_some(),
            kept: before.unwrap_or_default(),
            places,
            keyring,
            dirty,
            running: None,
            handle: watch::Sender::new(None),
            followed: None,
            connected: Connected::default(),
            said: Said::default(),
        }
    }

    /// The speaker, while there is one.
    pub(crate) fn handle(&self) -> watch::Receiver<Option<Handle>> {
        self.handle.subscribe()
    }

    /// How BGP stands, but for the sessions: the speaker itself is asked for those. `learned` is what
    /// the last look at the kernel went by.
    pub(crate) fn status(&self, learned: Option<&Learned>) -> BgpStatus {
        let Said {
            part,
            notices,
            failure,
        } = &self.said;
        let running = part.as_ref().filter(|_| self.running.is_some());
        let counted = |family: Family| {
            let routes = learned.map(|learned| learned.routes.keys());
            let of_family = |prefix: &&Prefix| prefix.family() == family;
            (
                family,
                routes.map_or(0, |routes| routes.filter(of_family).count()),
            )
        };
        let reflects = running.is_some_and(|part| part.role == Role::Reflector);
        let speaker = self.running.as_ref().filter(|_| reflects);
        let deferring = speaker.is_some_and(|speaker| speaker.sessions.borrow().deferring);
        let defers = deferring.then(|| "BGP: waits for its peers to say what they have".to_owned());
        BgpStatus {
            part: running.map_or("none".to_owned(), |part| part.role.to_string()),
            asn: running.map(|part| part.asn),
            router_id: running.map(|part| part.router_id),
            cluster_id: running
                .filter(|part| part.role == Role::Reflector)
                .map(|part| part.router_id),
            sessions: None,
            learned: running.map_or_else(BTreeMap::new, |_| Family::ALL.map(counted).into()),
            pending: learned
                .map(|learned| learned.pending.clone())
                .unwrap_or_default(),
            notices: notices.clone(),
            troubles: failure.iter().cloned().chain(defers).collect(),
        }
    }

    /// Who reflects in this node's zone, as last known.
    pub(crate) fn reflectors(&self) -> &[Reflector] {
        self.said.part.as_ref().map_or(&[], |part| &part.reflectors)
    }

    /// The zone this node is a reflector of, while its speaker runs.
    pub(crate) fn reflects_for(&self) -> Option<&Zone> {
        let part = self.said.part.as_ref().filter(|_| self.running.is_some());
        let reflects = part.filter(|part| part.role == Role::Reflector);
        reflects.map(|part| &part.zone)
    }

    /// The prefixes this node announces as aggregates by these objects.
    pub(crate) fn aggregates(&self, cluster: &Cluster) -> BTreeSet<Prefix> {
        let part = Part::of(cluster, &self.places.me, &self.kept);
        part.map_or_else(
            |_| BTreeSet::new(),
            |(part, _)| derive::aggregates(cluster, &part),
        )
    }

    /// What was learned, and which families are not heard out. Before there is a speaker, none is.
    pub(crate) fn learned(&mut self, now: Instant) -> Learned {
        let Some(running) = &mut self.running else {
            return Learned::nothing_yet("no BGP speaker runs");
        };
        running.learned(now)
    }

    /// When something is due although nothing happens: a family counts as heard out, a prefix as no
    /// longer connected, or a reflector as none.
    pub(crate) fn next(&self, now: Instant) -> Option<Instant> {
        let running = self.running.as_ref()?;
        let heard = running.hearing.next(&running.config, now);
        let others = [self.connected.next(now), self.kept.next()];
        heard.into_iter().chain(others.into_iter().flatten()).min()
    }

    /// Tells the speaker what follows from the world as it is. Says whether all went well.
    ///
    /// # Errors
    /// The speaker has failed.
    pub(crate) async fn follow(
        &mut self,
        cluster: &Arc<Cluster>,
        seen: &Seen,
        presence: Presence,
    ) -> Result<bool, JoinError> {
        if let Some(ended) = self.running.take_if(|running| running.task.is_finished()) {
            ended.task.await?;
        }
        match cluster.bgp_synced(&self.places.me) {
            Ok(()) => self.known = true,
            // To begin with half of the objects would take back the other half (RFC 4724: what is not
            // said before End-of-RIB is gone).
            Err(reasons) if !self.known => {
                self.said.notices = vec![format!("BGP waits: {}", reasons.join("; "))];
                return Ok(true);
            }
            Err(_) => {}
        }
        let connected = seen.links.connected().iter().map(|(prefix, _)| *prefix);
        self.connected.see(connected, Instant::now());
        self.observe(cluster, Instant::now());
        self.keyring.want(secrets(cluster), self.keyed());
        let keys = match (self.keyring.keys(), &self.running) {
            (Some(keys), _) => keys,
            // They are there or not in a moment; what there is to begin with may not be said in parts.
            (None, None) => return Ok(true),
            (None, Some(_)) => self.keyring.known(),
        };
        let world = Followed {
            cluster: Arc::clone(cluster),
            own_blocks: own_blocks(seen, &self.places.me),
            gateways: seen.gateways.clone(),
            keys,
            reflectors: self.kept.known().to_vec(),
            presence,
        };
        let told = match self.followed.as_ref() == Some(&world) && self.said.failure.is_none() {
            true => Ok(()),
            false => self.tell(world).await,
        };
        let outcome = match told {
            Ok(()) => self.connect().await,
            Err(why) => Err(why),
        };
        self.said.failure = outcome.err();
        Ok(self.said.failure.is_none())
    }

    fn observe(&mut self, cluster: &Cluster, now: Instant) {
        if let Ok((_, zone)) = cluster.identity(&self.places.me) {
            let labelled = part::labelled(cluster, &zone).map(|node| &node.name);
            self.kept.observe(&labelled.collect(), now);
        }
    }

    /// How the sessions that have keys stand.
    fn keyed(&self) -> Keyed {
        let Some(running) = &self.running else {
            return Keyed::Up;
        };
        let (sessions, neighbours) = (running.sessions.borrow(), &running.config.neighbours);
        let mut keyed = neighbours.iter().filter(|n| n.settings.password.is_some());
        let is_up = |name: &String| sessions.neighbours.get(name).is_some_and(|n| n.established);
        match keyed.all(|neighbour| is_up(&neighbour.name)) {
            true => Keyed::Up,
            false => Keyed::Down,
        }
    }

    /// Derives anew and applies it. What cannot be derived leaves everything as it is.
    async fn tell(&mut self, world: Followed) -> Result<(), String> {
        let derived = derive::derive(&Inputs {
            me: &self.places.me,
            cluster: &world.cluster,
            own_blocks: &world.own_blocks,
            gateways: &world.gateways,
            keys: &world.keys,
            kept: &self.kept,
            presence: &world.presence,
        });
        self.said.notices = world.keys.notices();
        self.followed = Some(world);
        let derived = match derived {
            Ok(derived) => derived,
            Err(why) => {
                self.said.notices.push(match self.running {
                    Some(_) => format!("{why}; BGP goes on as before"),
                    None => format!("no BGP: {why}"),
                });
                return Ok(());
            }
        };
        let Derived {
            part,
            config,
            peers,
            notices,
        } = derived;
        self.said.notices.extend(notices);
        self.kept.keep(&part, peers);
        self.said.part = Some(part);
        match &mut self.running {
            Some(running) => running.configure(config).await,
            None => self.start(config),
        }
    }

    fn start(&mut self, config: Config) -> Result<(), String> {
        let connected = self.connected.prefixes();
        let options = Options {
            beginning: Beginning {
                forwarding: self.places.forwarding.clone(),
            },
            recorder: None,
            connected: Some(connected.clone()),
        };
        let started = speaker::start(config.clone(), options);
        let started = started.map_err(|error| format!("BGP: {error}"))?;
        tracing::info!(asn = config.asn.0, router_id = %config.router_id,
            restart = ?self.places.forwarding, "BGP speaker started");
        let running = Running::new(started, (config, connected), &self.dirty);
        self.handle.send_replace(Some(running.handle.clone()));
        self.running = Some(running);
        self.dirty.mark(Cause::Learned);
        Ok(())
    }

    async fn connect(&mut self) -> Result<(), String> {
        let Some(running) = &mut self.running else {
            return Ok(());
        };
        running.connect(self.connected.prefixes()).await
    }

    /// Ends every session: without a word, so that peers keep the routes of a node whose agent only
    /// restarts (RFC 4724); where the node goes away, with a withdrawal and a hard reset (RFC 8538).
    pub(crate) async fn end(self, presence: Presence) {
        let Some(mut running) = self.running else {
            return;
        };
        self.handle.send_replace(None);
        let farewell = match presence {
            Presence::Present => Farewell::Restart,
            Presence::Withdrawn(why) => {
                tracing::info!(why, "everything is withdrawn");
                let mut config = running.config.clone();
                config.announce.clear();
                if let Err(error) = running.configure(config).await {
                    tracing::warn!(error, "not withdrawn");
                }
                Farewell::HardReset(why)
            }
        };
        if let Err(error) = running.end(farewell).await {
            tracing::warn!(error, "BGP speaker did not end in time");
        }
    }
}

/// The secrets the objects name.
fn secrets(cluster: &Cluster) -> BTreeSet<SecretName> {
    let of_peers = cluster
        .peers()
        .filter_map(|peer| peer.password_secret.clone());
    let of_zone = cluster.config().reflectors.password_secret;
    of_peers.chain(of_zone).collect()
}

/// The blocks of this node that the plan has a sink for.
fn own_blocks(seen: &Seen, me: &NodeName) -> BTreeSet<Prefix> {
    let owners = seen.plan.owners.iter();
    let own = owners.filter(|(key, owner)| *owner == me && **key == Owner::Sink.key(key.prefix));
    own.map(|(key, _)| key.prefix).collect()
}
