//! Custody of the zone's blocks, while this node reflects: a task beside the loop, which asks and
//! carries out what [`crate::custody`] finds. The loop never waits for it.

use super::live::Agent;
use crate::ask::{self, Speaker};
use crate::bgp::part;
use crate::cluster::Cluster;
use crate::custody::{Custody, Evidence, Members, Paths, Situation, Verdict, View, judge};
use crate::dirty::{Cause, Dirty};
use crate::store::{Inspected, Member, MemberEvent, Release, Store, StoreError};
use gingham_bgp::rib::{Freshness, Provenance};
use gingham_bgp::speaker::report::PathReport;
use gingham_model::{Block, BlockState, NodeName, Prefix, Zone};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

/// Between two looks, however much happens.
const PACE: Duration = Duration::from_secs(1);
/// Until Nodes are listed again after their watch has ended.
const MEMBERS_AGAIN: Duration = Duration::from_secs(5);
/// The longest without a look: what is due may have been missed.
const LONGEST: Duration = Duration::from_secs(60);

/// Whose blocks are looked after.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    zone: Zone,
    /// The label that says it.
    label: String,
    hearing: Hearing,
}

/// How the nodes of the zone are heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hearing {
    /// By their sessions with this reflector.
    Sessions,
    /// Not at all: the zone has no AS, and speaks no BGP.
    None,
}

/// What the task is told after each round.
#[derive(Clone, Debug)]
struct Told {
    cluster: Arc<Cluster>,
    reflectors: Vec<NodeName>,
}

/// The task, while there is one.
#[derive(Debug, Default)]
pub(super) struct Keeping(Option<Running>);

#[derive(Debug)]
struct Running {
    place: Place,
    told: watch::Sender<Told>,
    view: watch::Receiver<View>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Keeping {
    /// What it says.
    pub(super) fn view(&self) -> View {
        let running = self.0.as_ref();
        running.map_or_else(View::default, |running| running.view.borrow().clone())
    }
}

impl<S: Store> Agent<S> {
    /// Sees to it that custody is kept while this node reflects, and only then.
    pub(super) fn keep_custody(&mut self) {
        let Some((place, reflectors)) = self.place() else {
            self.custody = Keeping::default();
            return;
        };
        let told = Told {
            cluster: Arc::clone(&self.cluster),
            reflectors,
        };
        match &self.custody.0 {
            Some(running) if running.place == place && !running.task.is_finished() => {
                running.told.send_if_modified(|before| {
                    let same = Arc::ptr_eq(&before.cluster, &told.cluster)
                        && before.reflectors == told.reflectors;
                    *before = told;
                    !same
                });
            }
            _ => self.custody = Keeping(Some(self.begin_custody(place, told))),
        }
    }

    /// Where custody is this node's, and whose it is beside. Nodes go in a zone without BGP, too.
    fn place(&self) -> Option<(Place, Vec<NodeName>)> {
        let place = |zone, hearing| Place {
            zone,
            label: self.cluster.config().zone_label,
            hearing,
        };
        if let Some(zone) = self.bgp.reflects_for() {
            let reflectors = self.bgp.reflectors().iter();
            let names = reflectors.map(|reflector| reflector.name.clone());
            return Some((place(zone.clone(), Hearing::Sessions), names.collect()));
        }
        let speaks = self.bgp.handle().borrow().is_some();
        let zone = part::without_bgp(&self.cluster, &self.me).filter(|_| !speaks)?;
        let labelled = part::labelled(&self.cluster, &zone);
        let names: Vec<NodeName> = labelled.map(|node| node.name.clone()).collect();
        let ours = names.contains(&self.me);
        ours.then(|| (place(zone, Hearing::None), names))
    }

    fn begin_custody(&self, place: Place, told: Told) -> Running {
        tracing::info!(zone = %place.zone, label = place.label, "custody of the zone's blocks begins");
        let (told, heard) = watch::channel(told);
        let (say, view) = watch::channel(View::default());
        let custodian = Custodian {
            store: Arc::clone(&self.store),
            me: self.me.clone(),
            place: place.clone(),
            speaker: self.bgp.handle(),
            begun: Instant::now(),
            custody: Custody::default(),
            members: Members::default(),
        };
        let task = tokio::spawn(custodian.keep(heard, say, self.dirty.clone()));
        Running {
            place,
            told,
            view,
            task,
        }
    }
}

/// The task's own state.
struct Custodian<S> {
    store: Arc<S>,
    me: NodeName,
    place: Place,
    speaker: Speaker,
    begun: Instant,
    custody: Custody,
    members: Members,
}

impl<S: Store> Custodian<S> {
    /// Keeps custody until it is dropped.
    async fn keep(
        mut self,
        mut told: watch::Receiver<Told>,
        say: watch::Sender<View>,
        dirty: Dirty,
    ) {
        let mut watching = JoinSet::new();
        let mut events = self.watch(&mut watching, Duration::ZERO);
        let mut due = Instant::now();
        loop {
            tokio::select! {
                changed = told.changed() => match changed {
                    Ok(()) => {}
                    Err(_) => return,
                },
                Some(batch) = events.recv() => {
                    batch.into_iter().for_each(|event| self.members.apply(event));
                }
                Some(ended) = watching.join_next() => {
                    let why = ended.map_or_else(|join| join.to_string(), ended_because);
                    tracing::warn!(zone = %self.place.zone, error = why, "Nodes not watched");
                    self.members = Members::default();
                    self.members.apply(MemberEvent::Failed(why));
                    events = self.watch(&mut watching, MEMBERS_AGAIN);
                }
                () = tokio::time::sleep_until(due.into()) => {}
            }
            while let Ok(batch) = events.try_recv() {
                batch
                    .into_iter()
                    .for_each(|event| self.members.apply(event));
            }
            let now = told.borrow_and_update().clone();
            let (view, again) = self.look(&now).await;
            if say.send_if_modified(|before| std::mem::replace(before, view.clone()) != view) {
                dirty.mark(Cause::Due);
            }
            drop(now);
            tokio::time::sleep(PACE).await;
            let longest = Instant::now() + LONGEST;
            due = again.map_or(longest, |again| again.min(longest));
        }
    }

    /// Starts to watch the Nodes of the zone.
    fn watch(
        &self,
        watching: &mut JoinSet<Result<(), StoreError>>,
        pause: Duration,
    ) -> mpsc::Receiver<Vec<MemberEvent>> {
        let (sender, events) = mpsc::channel(16);
        let members = self
            .store
            .members(&self.place.zone, &self.place.label, sender);
        watching.spawn(async move {
            tokio::time::sleep(pause).await;
            members.await
        });
        events
    }

    /// One look, and what follows from it. Says when to look again.
    async fn look(&mut self, told: &Told) -> (View, Option<Instant>) {
        let Ok(complete) = told.cluster.complete(&self.me) else {
            return (View::default(), None);
        };
        let look = self.custody.look(&Situation {
            me: &self.me,
            reflectors: &told.reflectors,
            zone: &self.place.zone,
            cluster: &told.cluster,
            complete,
            members: &self.members,
            now: Instant::now(),
        });
        let view = View {
            orphaned: Some(look.orphaned),
            notices: look.notices,
        };
        let mut again = look.again;
        for block in &look.examine {
            // A store that does not answer is not asked about the others too.
            if !self.settle(block, &told.cluster).await {
                break;
            }
        }
        if !look.examine.is_empty() {
            again = Some(Instant::now());
        }
        (view, again)
    }

    /// Does with a block what is to be done. Says whether the store answered.
    async fn settle(&mut self, block: &Block, cluster: &Cluster) -> bool {
        let (cidr, node) = (block.cidr, &block.node);
        match self.examine(block, cluster).await {
            Ok(verdict) => {
                self.custody.found(cidr, &verdict, Instant::now());
                true
            }
            Err(error) => {
                tracing::warn!(prefix = %cidr, %node, %error, "block not looked into");
                self.custody.failed(cidr, Instant::now());
                false
            }
        }
    }

    /// The object is read before the Node is asked for: an owner that comes back in between and
    /// rewrites its block has made another version of it.
    async fn examine(&self, block: &Block, cluster: &Cluster) -> Result<Verdict, StoreError> {
        let found = self.store.inspect(block.cidr).await?;
        let member = self.store.member(&block.node).await?;
        let is_orphaned = |found: &Inspected| found.block.state == BlockState::Orphaned;
        let paths = match found.as_ref().is_some_and(is_orphaned) {
            true => self.paths(&block.node, cluster).await,
            false => Paths::Unknown("nobody has looked".to_owned()),
        };
        let wall = SystemTime::now();
        let verdict = judge(&Evidence {
            listed: block,
            member: member.as_ref(),
            found: found.as_ref(),
            paths: &paths,
            watched: self.custody.watched(block.cidr, Instant::now()),
            delay: cluster.config().block_release_delay,
            wall,
        });
        let Some(found) = found else {
            return Ok(verdict);
        };
        let (ended, done) = match verdict {
            Verdict::Orphan => (self.store.orphan(&found, wall).await?, "block orphaned"),
            Verdict::Free => (self.store.free(&found).await?, "block freed"),
            _ => return Ok(verdict),
        };
        let Block {
            cidr, pool, node, ..
        } = block;
        let cause = cause(member.as_ref());
        let what = match ended {
            Release::Done => done.to_owned(),
            Release::Gone => "block was gone already".to_owned(),
            Release::Kept(why) => format!("block left as it is: it {why}"),
        };
        tracing::info!(prefix = %cidr, %pool, %node, cause, "{what}");
        Ok(verdict)
    }

    /// What is heard of a node by BGP, through any block of its.
    async fn paths(&self, node: &NodeName, cluster: &Cluster) -> Paths {
        if self.place.hearing == Hearing::None {
            return Paths::None;
        }
        // Whoever has not come back by then is not taken for restarting any more (RFC 4724).
        let restart = cluster.config().graceful_restart.restart_seconds;
        let restart = Duration::from_secs(restart.into());
        if self.begun.elapsed() < restart {
            let seconds = restart.as_secs();
            let why = format!("this reflector has not listened for {seconds} s yet");
            return Paths::Unknown(why);
        }
        let blocks = cluster.blocks().filter(|block| block.node == *node);
        let cidrs: Vec<Prefix> = blocks.map(|block| block.cidr).collect();
        let (mut live, mut stale) = (BTreeSet::new(), BTreeSet::new());
        for cidr in cidrs {
            let reports = match ask::rib(&self.speaker, Some(cidr)).await {
                Ok(reports) => reports,
                Err(error) => return Paths::Unknown(error.to_string()),
            };
            let paths = reports.into_iter().flat_map(|report| report.paths);
            for path in paths.filter(|path| path.provenance != Provenance::Own) {
                let PathReport {
                    peer, freshness, ..
                } = path;
                match freshness {
                    Freshness::Fresh => live.insert(peer),
                    Freshness::Stale | Freshness::LongLived => stale.insert(peer),
                };
            }
        }
        let list = |peers: BTreeSet<String>| peers.into_iter().collect::<Vec<_>>().join(", ");
        match (live.is_empty(), stale.is_empty()) {
            (false, _) => Paths::Live(list(live)),
            (true, false) => Paths::Stale(list(stale)),
            (true, true) => Paths::None,
        }
    }
}

/// Why a block has no owner.
fn cause(member: Option<&Member>) -> &'static str {
    match member {
        None => "there is no Node of that name any more",
        Some(_) => "the Node was registered anew, with other podCIDRs",
    }
}

fn ended_because(ended: Result<(), StoreError>) -> String {
    ended.map_or_else(|error| error.to_string(), |()| "the watch ended".to_owned())
}
