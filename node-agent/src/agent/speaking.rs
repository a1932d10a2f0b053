//! What the loop does for BGP, and for the time without a cluster store: tells the speaker what follows
//! from a round, and remembers what outlives the agent.

use super::AgentError;
use super::live::Agent;
use crate::bgp::derive::Presence;
use crate::bgp::kept::Kept;
use crate::bgp::presence::presence;
use crate::bgp::speaker::Places;
use crate::cluster::Cluster;
use crate::config::RoutingConfig;
use crate::memory::{LastKnown, Lasting, Memory};
use crate::objects::Object;
use crate::store::Store;
use gingham_bgp::Asn;
use gingham_model::{NodeName, Zone};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::task::JoinHandle;

/// What an agent begins with: what the one before has left in files and in the kernel.
pub(super) struct Before {
    /// The zone this node stood in, in this boot.
    pub(super) zone: Option<Zone>,
    pub(super) cluster: Cluster,
    pub(super) kept: Option<Kept>,
    pub(super) places: Places,
    pub(super) remembering: Remembering,
}

impl Before {
    /// Reads it, but for the kernel's part.
    pub(super) fn read((me, zone): (&NodeName, Option<Zone>), state_dir: &Path) -> Self {
        let (memory, last) = Memory::open(state_dir, me);
        let mut cluster = Cluster::default();
        cluster.stand_for(me);
        let LastKnown {
            mut objects,
            reflectors,
        } = last;
        // Pods of this boot may have addresses of its blocks. After a reboot they have none, and after
        // a long one the blocks may be another node's by now (law 2).
        let heard = (memory.heard(), release_delay(&objects));
        if zone.is_none() && !is_recent(heard, SystemTime::now()) {
            objects.retain(|object| !matches!(object, Object::Block(block) if block.node == *me));
        }
        let is_known = !objects.is_empty();
        cluster.remember(objects);
        let remembered = || cluster.identity(me).map(|(_, zone)| zone).ok();
        let stood = zone.clone().or_else(remembered);
        let kept = stood.filter(|_| is_known).and_then(|zone| {
            let config = cluster.config();
            let asn = Asn(config.zones.get(&zone)?.as_number);
            Some(Kept::before(zone, asn, reflectors))
        });
        if is_known {
            let objects = cluster.saved(me).count();
            tracing::info!(objects, reflects = ?kept, "cluster remembered until its store answers");
        }
        Before {
            zone,
            cluster,
            kept,
            places: Places {
                me: me.clone(),
                forwarding: BTreeSet::new(),
            },
            remembering: Remembering::new(memory),
        }
    }
}

/// How long a block of a node that has vanished is nobody else's (law 17), as last known.
fn release_delay(objects: &[Object]) -> Duration {
    let mut configs = objects.iter().filter_map(|object| match object {
        Object::Config(config) => Some(config.block_release_delay),
        _ => None,
    });
    let default = || RoutingConfig::default().block_release_delay;
    configs.next().unwrap_or_else(default)
}

/// Whether what was true then cannot have been undone by now, which takes `delay` at least. A clock
/// that went back tells nothing.
fn is_recent((heard, delay): (Option<SystemTime>, Duration), now: SystemTime) -> bool {
    let age = heard.and_then(|heard| now.duration_since(heard).ok());
    age.is_some_and(|age| age < delay)
}

impl<S: Store> Agent<S> {
    /// Tells the speaker what follows from the last look. Says whether all went well.
    pub(super) async fn speak(&mut self) -> Result<bool, AgentError> {
        // Without a look at the kernel nobody knows what is connected.
        let Some(seen) = self.seen.clone() else {
            return Ok(true);
        };
        let presence = self.presence();
        Ok(self.bgp.follow(&self.cluster, &seen, presence).await?)
    }

    /// Ends every session, as befits why the agent stops.
    pub(super) async fn fall_silent(self) {
        let presence = self.presence();
        self.bgp.end(presence).await;
    }

    fn presence(&self) -> Presence {
        presence(self.run_dir.path(), &self.cluster, &self.me)
    }

    /// Remembers the cluster, while all of it is known by the store's own words. What is put off now is caught up with by the
    /// next round.
    pub(super) fn remember(&mut self) {
        if self.cluster.current(&self.me).is_err() {
            return;
        }
        let cluster = Arc::clone(&self.cluster);
        let reflectors = self.bgp.reflectors().to_vec();
        self.remembering.keep(Lasting {
            cluster,
            reflectors,
        });
    }
}

/// The memory, and the write that goes on: a disk that hangs holds up nobody.
pub(super) struct Remembering {
    memory: Arc<Mutex<Memory>>,
    writing: Option<JoinHandle<()>>,
}

impl Remembering {
    fn new(memory: Memory) -> Self {
        Remembering {
            memory: Arc::new(Mutex::new(memory)),
            writing: None,
        }
    }

    fn keep(&mut self, known: Lasting) {
        if self
            .writing
            .as_ref()
            .is_some_and(|writing| !writing.is_finished())
        {
            return;
        }
        let memory = Arc::clone(&self.memory);
        self.writing = Some(tokio::task::spawn_blocking(move || {
            // One that panicked left a memory that at worst writes again.
            let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
            memory.keep(Instant::now(), &known);
        }));
    }
}
