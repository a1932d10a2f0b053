//! Blocks of this node that the cluster does not show as its own: kept, created again, or given up.

use super::AgentError;
use super::live::Agent;
use crate::cluster::Cluster;
use crate::pass;
use crate::retained::{Inputs, Retained, suspects};
use crate::rollback::Rollback;
use crate::store::{Claim, Store, StoreError};
use gingham_ipam::NodeState;
use gingham_model::{Block, Prefix};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Instant;

/// What is known of them.
#[derive(Debug, Default)]
pub(super) struct Retaining {
    pub(super) retained: Arc<Retained>,
    pub(super) rollback: Rollback,
    /// Blocks a claim has shown to be another node's, while the list does not.
    taken: BTreeMap<Prefix, Block>,
    /// Why blocks could not be created again.
    refused: BTreeMap<Prefix, StoreError>,
    /// The cluster that was looked at last.
    looked: Option<Arc<Cluster>>,
}

impl Retaining {
    /// By an agent that remembers this much of the one before.
    pub(super) fn after(remembered: Arc<Cluster>) -> Self {
        Retaining {
            looked: Some(Arc::clone(&remembered)),
            rollback: Rollback::after(remembered),
            ..Retaining::default()
        }
    }

    /// What looks free and may be somebody's.
    pub(super) fn reserved(&self) -> BTreeSet<Prefix> {
        let missing = self.retained.missing.iter().map(|block| block.cidr);
        self.rollback.gone().chain(missing).collect()
    }
}

impl<S: Store> Agent<S> {
    /// Looks for them, before anything is planned without them.
    pub(super) async fn retain(&mut self, now: Instant) -> Result<(), AgentError> {
        let random = self.random.hash_one(self.round.number);
        let rollback = &mut self.retaining.rollback;
        if rollback.observe(&self.cluster, &self.me, (now, random)) {
            tracing::warn!(
                "an Active block of the zone is gone: the store may have been set back, or a node \
                 has moved; nothing is carved for a while"
            );
        }
        let same = |looked: &Arc<Cluster>| Arc::ptr_eq(looked, &self.cluster);
        let looked = self.retaining.looked.as_ref();
        if looked.is_some_and(same) && self.retaining.retained.is_empty() {
            return Ok(());
        }
        if self.cluster.synced(&self.me).is_err() {
            return Ok(());
        }
        self.retaining.looked = Some(Arc::clone(&self.cluster));
        let cluster = &self.cluster;
        let gone = |cidr: &Prefix| cluster.blocks().all(|block| block.cidr != *cidr);
        self.retaining.taken.retain(|cidr, _| gone(cidr));
        let (run_dir, boot) = (self.run_dir.path().to_owned(), self.boot.clone());
        let (me, cluster) = (self.me.clone(), Arc::clone(&self.cluster));
        let taken = self.retaining.taken.clone();
        let found = tokio::task::spawn_blocking(move || {
            let told = NodeState::read(&run_dir.join("node.json")).ok();
            let told = told.filter(|told| told.boot_id == boot && told.node == me);
            let Some(told) = told.filter(|told| suspects(&cluster, &me, told).next().is_some())
            else {
                return Ok(Retained::default());
            };
            let in_use = pass::in_use(&run_dir, &told)?;
            Ok(Retained::of(&Inputs {
                me: &me,
                cluster: &cluster,
                told: &told,
                in_use: &in_use,
                taken: &taken,
            }))
        });
        match found.await? {
            Ok(found) if found == *self.retaining.retained => {}
            Ok(found) => self.retaining.retained = Arc::new(found),
            // Without a look at the leases nobody knows; what was retained is.
            Err(error) => {
                let error: String = error;
                tracing::warn!(error, "leases not read");
            }
        }
        Ok(())
    }

    /// Creates again what is missing. Says why nothing may be carved, and whether something failed.
    pub(super) async fn create_again(&mut self) -> (Option<String>, bool) {
        let now = Instant::now();
        let mut failed = false;
        let is_missing = |cidr: &Prefix| {
            let mut missing = self.retaining.retained.missing.iter();
            missing.any(|block| block.cidr == *cidr)
        };
        let mut refused = std::mem::take(&mut self.retaining.refused);
        refused.retain(|cidr, _| is_missing(cidr));
        self.retaining.refused = refused;
        if self.cluster.complete(&self.me).is_ok() {
            let retained = Arc::clone(&self.retaining.retained);
            for block in &retained.missing {
                failed |= !self.create_one(block, now).await;
            }
        }
        let pending = &self.retaining.retained.missing;
        let unclaimed = pending
            .iter()
            .filter(|block| !self.unlisted.holds(block.cidr));
        // What the store will not have is no reason to wait for ever; it is not carved anyway.
        let refused = |cidr: &Prefix| self.retaining.refused.get(cidr);
        let mut awaited =
            unclaimed.filter(|block| !refused(&block.cidr).is_some_and(StoreError::is_refusal));
        let why = match awaited.next() {
            Some(Block { cidr, .. }) => Some(match refused(cidr) {
                Some(error) => format!("block {cidr} is to be created again first: {error}"),
                None => format!("block {cidr} is to be created again first"),
            }),
            None if self.retaining.rollback.holds(now) => {
                Some("the store may have been set back; others create their blocks again".into())
            }
            None => None,
        };
        (why, failed)
    }

    async fn create_one(&mut self, block: &Block, now: Instant) -> bool {
        let Block { cidr, pool, .. } = block;
        // The list lags behind.
        if self.unlisted.holds(*cidr) {
            return true;
        }
        match self.store.claim(block).await {
            Ok(Claim::Ours) => {
                self.retaining.refused.remove(cidr);
                let cause = "its object was gone, and the plugin gives addresses out of it";
                tracing::info!(prefix = %cidr, %pool, node = %self.me, cause, "block created again");
                self.unlisted.note(block.clone(), now);
                true
            }
            Ok(Claim::Taken(theirs)) => {
                self.retaining.refused.remove(cidr);
                let node = &theirs.node;
                tracing::error!(prefix = %cidr, %pool, %node, "block is in the hands of another \
                    node, while this one has given addresses out of it");
                self.retaining.taken.insert(*cidr, theirs);
                // The plugin must hear of it at once.
                self.dirty.mark(crate::dirty::Cause::Cluster);
                true
            }
            Err(error) => {
                tracing::warn!(prefix = %cidr, %error, "block not created again");
                self.retaining.refused.insert(*cidr, error);
                false
            }
        }
    }
}
