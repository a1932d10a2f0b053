//! Carries out what [`crate::give_back`] decides, against the store.

use crate::cluster::Cluster;
use crate::give_back::{GiveBack, Holding, Situation, Waiting, give_back};
use crate::pass;
use crate::store::{Release, Store};
use gingham_model::{Block, NodeName};
use std::path::Path;
use std::time::Instant;

/// What blocks are given back by, and where.
pub(crate) struct GivingBack<'a, S> {
    pub(crate) store: &'a S,
    pub(crate) me: &'a NodeName,
    pub(crate) cluster: &'a Cluster,
    pub(crate) run_dir: &'a Path,
    /// `None` where it is not known what the plugin was told, or what it made of it.
    pub(crate) holding: Option<&'a Holding>,
}

impl<S: Store> GivingBack<'_, S> {
    /// Takes every step that is due, each whether or not one before it failed. Says whether all
    /// went well.
    pub(crate) async fn carry_out(self, waiting: &mut Waiting) -> bool {
        let now = Instant::now();
        waiting.observe(self.holding, now);
        let (Some(holding), Ok(complete)) = (self.holding, self.cluster.complete(self.me)) else {
            return true;
        };
        let steps = give_back(&Situation {
            me: self.me,
            cluster: self.cluster,
            complete,
            holding,
            waiting,
            now,
        });
        let mut well = true;
        for step in steps {
            match self.take(&step, holding).await {
                Ok(()) => waiting.asked(step, Instant::now()),
                Err(error) => {
                    tracing::warn!(prefix = %step.block().cidr, %error, "block not given back");
                    well = false;
                }
            }
        }
        well
    }

    async fn take(&self, step: &GiveBack, holding: &Holding) -> Result<(), String> {
        let done = match step {
            GiveBack::Drain(block) => {
                let updated = self.store.update(block).await;
                updated.map(|()| "block drained".to_owned())
            }
            GiveBack::Release(block) if self.is_in_use(block, holding).await? => {
                Ok("block in use after all".to_owned())
            }
            GiveBack::Release(block) => self.store.release(block).await.map(|ended| match ended {
                Release::Done => "block given back".to_owned(),
                Release::Gone => "block was gone before it was given back".to_owned(),
                Release::Kept(why) => format!("block kept: it {why}"),
            }),
        };
        let what = done.map_err(|error| error.to_string())?;
        let Block {
            cidr, pool, node, ..
        } = step.block();
        let cause = step.cause(self.cluster);
        tracing::info!(prefix = %cidr, %pool, %node, cause, "{what}");
        Ok(())
    }

    /// The last look, under the lock of the leases.
    async fn is_in_use(&self, block: &Block, holding: &Holding) -> Result<bool, String> {
        let (run_dir, told, cidr) = (self.run_dir.to_owned(), holding.told.clone(), block.cidr);
        let look = move || pass::is_in_use(&run_dir, &told, cidr);
        let looked = tokio::task::spawn_blocking(look).await;
        looked.map_err(|error| error.to_string())?
    }
}
