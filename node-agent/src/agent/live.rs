//! The loop itself, and one round of it.

use super::custody::Keeping;
use super::retaining::Retaining;
use super::speaking::{Before, Remembering};
use super::{AgentError, Shown};
use crate::belief::Belief;
use crate::bgp::keyring::Keyring;
use crate::bgp::speaker::Bgp;
use crate::claim::Unlisted;
use crate::cluster::Cluster;
use crate::conf;
use crate::custody;
use crate::dirty::{Cause, Dirty, Marks};
use crate::ear::Ear;
use crate::give_back::Waiting;
use crate::http::Asked;
use crate::interest::Interest;
use crate::journal::{self, Journal};
use crate::metrics::Metrics;
use crate::pass::{Hands, Pass, Seen, Wired};
use crate::routes::reconcile::Memory;
use crate::run_dir::RunDir;
use crate::schedule::{Looked, Outcome, Schedule};
use crate::since::Since;
use crate::snapshot::{self, Known};
use crate::status::{BgpStatus, RoundStatus};
use crate::store::{Event, Store};
use gingham_ipam::{BootId, NodeState, Usage};
use gingham_model::{Family, NodeName, Zone};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How often the loop shows that it lives while nothing else happens.
const PULSE: Duration = Duration::from_secs(5);

/// What comes in from outside.
pub(super) struct Inbox {
    pub(super) events: mpsc::Receiver<Vec<Event>>,
    pub(super) asked: mpsc::Receiver<Asked>,
}

/// The agent's own state: what it knows, what it remembers, what it shows.
pub(super) struct Agent<S> {
    pub(super) me: NodeName,
    pub(super) store: Arc<S>,
    pub(super) run_dir: RunDir,
    pub(super) boot: BootId,
    pub(super) cluster: Arc<Cluster>,
    pub(super) since: Since,
    pub(super) belief: Belief,
    pub(super) unlisted: Unlisted,
    pub(super) waiting: Waiting,
    pub(super) usage: BTreeMap<Family, Usage>,
    pub(super) obstacles: Vec<String>,
    /// A pass works with them; nobody else looks at them meanwhile.
    pub(super) hands: Arc<Mutex<Hands>>,
    pub(super) seen: Option<Arc<Seen>>,
    pub(super) pods: Arc<Wired>,
    pub(super) round: RoundStatus,
    pub(super) dirty: Dirty,
    pub(super) schedule: Schedule,
    pub(super) journal: Journal,
    pub(super) shown: watch::Sender<Shown>,
    pub(super) interest: watch::Sender<Interest>,
    /// How the network configuration stands that is kept, if one is.
    pub(super) conf: watch::Sender<Option<conf::Verdict>>,
    pub(super) bgp: Bgp,
    pub(super) custody: Keeping,
    pub(super) retaining: Retaining,
    pub(super) remembering: Remembering,
    pub(super) metrics: Metrics,
    pub(super) random: RandomState,
}

impl<S: Store> Agent<S> {
    pub(super) fn new(
        me: NodeName,
        (store, run_dir, boot): (S, RunDir, BootId),
        hands: Hands,
        before: Before,
    ) -> Self {
        let Before {
            zone,
            cluster,
            places,
            kept,
            remembering,
        } = before;
        let (cluster, now) = (Arc::new(cluster), Instant::now());
        let mut since = Since::default();
        since.note(&cluster, SystemTime::now());
        let remembered = Arc::clone(&cluster);
        let known = Known {
            me: me.clone(),
            boot: boot.clone(),
            run_dir: run_dir.path().to_owned(),
            cluster: Arc::clone(&cluster),
            since: since.clone(),
            seen: None,
            pods: Arc::default(),
            usage: BTreeMap::new(),
            claims: Vec::new(),
            round: RoundStatus::default(),
            memory: Memory::default(),
            bgp: BgpStatus::default(),
            custody: custody::View::default(),
            retained: Arc::default(),
            conf: None,
        };
        let dirty = Dirty::default();
        dirty.mark(Cause::Start);
        let keyring = Keyring::new(store.clone(), dirty.clone());
        let bgp = Bgp::new((places, keyring), dirty.clone(), kept);
        Agent {
            belief: Belief::before(zone),
            me,
            store: Arc::new(store),
            run_dir,
            boot,
            cluster,
            since,
            unlisted: Unlisted::default(),
            waiting: Waiting::default(),
            usage: BTreeMap::new(),
            obstacles: Vec::new(),
            hands: Arc::new(Mutex::new(hands)),
            seen: None,
            pods: Arc::default(),
            round: RoundStatus::default(),
            dirty,
            schedule: Schedule::new(now),
            journal: Journal::default(),
            shown: watch::Sender::new(Shown {
                known: Arc::new(known),
                ready: false,
                pulse: now,
            }),
            interest: watch::Sender::default(),
            conf: watch::Sender::default(),
            bgp,
            custody: Keeping::default(),
            retaining: Retaining::after(remembered),
            remembering,
            metrics: Metrics::new(),
            random: RandomState::new(),
        }
    }

    pub(super) fn ear(&self) -> Ear {
        Ear {
            dirty: self.dirty.clone(),
            interest: self.interest.subscribe(),
            overruns: self.metrics.overruns.clone(),
        }
    }

    pub(super) async fn live(
        &mut self,
        mut inbox: Inbox,
        tasks: &mut JoinSet<Result<(), AgentError>>,
        stop: &CancellationToken,
    ) -> Result<(), AgentError> {
        let dirty = self.dirty.clone();
        loop {
            self.shown.send_modify(|shown| shown.pulse = Instant::now());
            let due = self.schedule.next().into();
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Some(ended) = tasks.join_next() => ended??,
                Some(batch) = inbox.events.recv() => self.take_in(batch),
                Some(asked) = inbox.asked.recv() => self.answer(asked),
                () = dirty.marked() => self.marked(),
                () = tokio::time::sleep_until(due) => self.round().await?,
                () = tokio::time::sleep(PULSE) => {}
            }
        }
    }

    fn take_in(&mut self, batch: Vec<Event>) {
        let cluster = Arc::make_mut(&mut self.cluster);
        let changes = batch.into_iter().map(|event| cluster.apply(event));
        // Every event has to be applied, so no `any`.
        if changes.filter(|changed| *changed).count() > 0 {
            self.since.note(&self.cluster, SystemTime::now());
            self.dirty.mark(Cause::Cluster);
        }
    }

    fn answer(&mut self, asked: Asked) {
        match asked {
            Asked::ConfirmRemovals(answer) => {
                let held = self.seen.as_ref().and_then(|seen| seen.round.mass);
                if held.is_some() {
                    lock(&self.hands).memory.guard.confirm();
                    tracing::warn!("an operator confirmed the removals that are held");
                    self.dirty.mark(Cause::Operator);
                }
                // Who asked may be gone.
                let _ = answer.send(held);
            }
        }
    }

    fn marked(&mut self) {
        let now = Instant::now();
        if self.dirty.is_of_kernel() {
            self.schedule.heard(now);
        }
        if self.dirty.is_of_bgp() {
            self.schedule.learned(now);
        }
        if self.dirty.is_of_others() {
            self.schedule.marked(now);
        }
    }

    async fn round(&mut self) -> Result<(), AgentError> {
        let start = Instant::now();
        let mut marks = self.dirty.take();
        for cause in self.schedule.begin(start) {
            marks.causes.entry(cause).or_insert(start);
        }
        self.run_dir.check()?;
        self.believe(start);
        self.retain(start).await?;
        let (looked, well) = self.look(start, marks).await?;
        let mut failed = !well;
        failed |= !self.speak().await?;
        self.keep_custody();
        failed |= !self.claim().await?;
        self.show();
        let seen = self.seen.as_ref().and_then(|seen| seen.round.again);
        let spoken = self.bgp.next(Instant::now());
        self.remember();
        let carve = self.retaining.rollback.next(Instant::now());
        let put_off = [seen, self.pods.again, self.belief.next(), spoken, carve];
        self.schedule.put_off(put_off.into_iter().flatten().min());
        let jitter = self.random.hash_one(self.round.number);
        self.schedule
            .end(Instant::now(), Outcome { looked, failed }, jitter);
        Ok(())
    }

    /// Settles which zone this node stands in.
    fn believe(&mut self, now: Instant) {
        self.belief.hear(self.cluster.label(&self.me).ok(), now);
        let zone = self.belief.zone().cloned();
        if self.cluster.believed() != zone.as_ref() {
            Arc::make_mut(&mut self.cluster).believe(zone);
        }
        let label = self.cluster.config().zone_label;
        self.store.select(self.cluster.believed(), &label);
    }

    /// Looks at the kernel and sets it right. Says how far it looked, and whether all went well.
    async fn look(&mut self, start: Instant, marks: Marks) -> Result<(Looked, bool), AgentError> {
        let pass = Pass {
            me: self.me.clone(),
            cluster: Arc::clone(&self.cluster),
            learned: self.bgp.learned(start),
            retained: Arc::clone(&self.retaining.retained),
            aggregates: match self.cluster.synced(&self.me) {
                Ok(_) => self.bgp.aggregates(&self.cluster),
                // Those that are there stay, since nothing is removed now.
                Err(_) => BTreeSet::new(),
            },
            boot: self.boot.clone(),
            run_dir: self.run_dir.path().to_owned(),
            before: self.seen.clone(),
            marks,
        };
        let hands = Arc::clone(&self.hands);
        let (pass, result) = tokio::task::spawn_blocking(move || {
            let result = pass.run(&mut lock(&hands));
            (pass, result)
        })
        .await?;
        let found = match result {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "kernel not read");
                let causes = &pass.marks.causes;
                self.round = snapshot::round(&self.round, causes, start.elapsed());
                self.round.error = Some(error.to_string());
                return Ok((Looked::AtAll, false));
            }
        };
        let only_pods = pass
            .before
            .is_some_and(|before| Arc::ptr_eq(&before, &found.seen));
        if !only_pods {
            self.note(&found.seen, (&pass.marks, start));
        }
        self.metrics.count_pods(&found.pods);
        let changed = !only_pods && !found.seen.round.applied.is_empty();
        if changed || !found.pods.repaired.is_empty() {
            self.metrics.answered(&pass.marks);
        }
        let well = found.seen.is_well() && found.pods.troubles.is_empty();
        self.seen = Some(found.seen);
        self.pods = Arc::new(found.pods);
        let interest = Interest::new(self.seen.clone(), Arc::clone(&self.pods));
        self.interest.send_replace(interest);
        let looked = if only_pods {
            Looked::AtPods
        } else {
            Looked::AtAll
        };
        Ok((looked, well))
    }

    /// Notes and logs what a pass over everything did.
    fn note(&mut self, seen: &Seen, (marks, start): (&Marks, Instant)) {
        let took = start.elapsed();
        self.metrics.count(seen, took);
        self.round = snapshot::round(&self.round, &marks.causes, took);
        self.round.applied = seen.round.applied.len();
        self.round.applied_since_start += self.round.applied;
        self.round.failed = seen.round.failed.len();
        journal::changes(seen, &marks.causes);
    }

    fn show(&mut self) {
        let known = Known {
            me: self.me.clone(),
            boot: self.boot.clone(),
            run_dir: self.run_dir.path().to_owned(),
            cluster: Arc::clone(&self.cluster),
            since: self.since.clone(),
            seen: self.seen.clone(),
            pods: Arc::clone(&self.pods),
            usage: self.usage.clone(),
            claims: self.obstacles.clone(),
            round: self.round.clone(),
            memory: lock(&self.hands).memory.clone(),
            bgp: self
                .bgp
                .status(self.seen.as_ref().map(|seen| &seen.learned)),
            custody: self.custody.view(),
            retained: Arc::clone(&self.retaining.retained),
            conf: self.conf.borrow().clone(),
        };
        self.journal.news(&known);
        let reasons = known.reasons();
        let ready = reasons.is_empty();
        if ready != self.shown.borrow().ready {
            tracing::info!(ready, ?reasons, "readiness changed");
        }
        let known = Arc::new(known);
        self.shown.send_modify(|shown| {
            shown.ready = ready;
            shown.known = known;
        });
    }
}

/// A panic in a pass ends the agent, so what it left is never used.
fn lock(hands: &Mutex<Hands>) -> MutexGuard<'_, Hands> {
    hands.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The zone this node was published to stand in, in this boot.
pub(super) fn zone_before(run_dir: &RunDir, boot: &BootId, me: &NodeName) -> Option<Zone> {
    let state = NodeState::read(&run_dir.node_state()).ok()?;
    (state.boot_id == *boot && state.node == *me).then_some(state.zone)
}
