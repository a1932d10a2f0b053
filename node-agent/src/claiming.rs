//! Carries out what [`crate::claim`] decides, against the store.

use crate::claim::{self, Situation, Step, Unlisted, Wanted};
use crate::cluster::{Cluster, Complete};
use crate::store::{Claim, Store, StoreError};
use gingham_ipam::Usage;
use gingham_model::{Block, Family, NodeName, Prefix};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How often in one go others may be faster before the rest waits for the next round.
const ATTEMPTS: usize = 32;

/// The longest it may go on, beside the store's own deadline for one answer.
const LONGEST: Duration = Duration::from_secs(20);

/// What is to be carried out, and where.
pub(crate) struct Claiming<'a, S> {
    pub(crate) store: &'a S,
    pub(crate) me: &'a NodeName,
    pub(crate) cluster: &'a Cluster,
    pub(crate) usage: &'a BTreeMap<Family, Usage>,
    /// What looks free and may be somebody's.
    pub(crate) reserved: &'a BTreeSet<Prefix>,
    /// Why nothing may be carved now.
    pub(crate) embargo: Option<&'a str>,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Claimed {
    /// What keeps the node from a block it needs.
    pub(crate) obstacles: Vec<String>,
    /// Whether something failed that may succeed when tried again.
    pub(crate) failed: bool,
}

/// Updates and claims until nothing is wanted any more. Answers go to `unlisted`.
pub(crate) async fn carry_out<S: Store>(
    claiming: Claiming<'_, S>,
    unlisted: &mut Unlisted,
) -> Claimed {
    let mut claimed = Claimed::default();
    let complete = match claiming.cluster.complete(claiming.me) {
        Ok(complete) => complete,
        Err(reasons) => {
            claimed.obstacles = reasons;
            return claimed;
        }
    };
    let until = Instant::now() + LONGEST;
    unlisted.prune(claiming.cluster, Instant::now());
    for attempt in 0..ATTEMPTS {
        let Wanted {
            mut steps,
            mut obstacles,
        } = claiming.wanted(complete, unlisted);
        if let Some(why) = claiming.embargo {
            let before = steps.len();
            steps.retain(|step| !is_carved(step));
            obstacles.extend((steps.len() < before).then(|| why.to_owned()));
        }
        if attempt > 0 {
            // Updates are decided by the list alone and would come again with every attempt.
            steps.retain(|step| matches!(step, Step::Claim(_)));
        }
        claimed.obstacles = obstacles;
        let raced = claimed.take(claiming.store, steps, unlisted).await;
        if claimed.failed || !raced {
            return claimed;
        }
        if Instant::now() > until {
            break;
        }
    }
    claimed.fail("other nodes were faster every time".to_owned());
    claimed
}

impl<S> Claiming<'_, S> {
    fn wanted(&self, complete: Complete, unlisted: &Unlisted) -> Wanted {
        claim::wanted(&Situation {
            me: self.me,
            cluster: self.cluster,
            complete,
            unlisted,
            reserved: self.reserved,
            usage: self.usage,
        })
    }
}

impl Claimed {
    fn fail(&mut self, why: String) {
        self.obstacles.push(why);
        self.failed = true;
    }

    /// Takes the steps, each whether or not one before it failed. Says whether somebody else was
    /// faster at one of them.
    async fn take<S: Store>(
        &mut self,
        store: &S,
        steps: Vec<Step>,
        unlisted: &mut Unlisted,
    ) -> bool {
        let mut raced = false;
        for step in steps {
            match carry_out_one(store, step, unlisted).await {
                Ok(taken) => raced |= taken,
                Err(error) => {
                    tracing::warn!(%error, "block not claimed or updated");
                    self.fail(error.to_string());
                }
            }
        }
        raced
    }
}

/// Says whether somebody else was faster.
async fn carry_out_one<S: Store>(
    store: &S,
    step: Step,
    unlisted: &mut Unlisted,
) -> Result<bool, StoreError> {
    match step {
        Step::Update(block) => {
            store.update(&block).await?;
            log("block updated", &block);
            Ok(false)
        }
        Step::Claim(block) => match store.claim(&block).await? {
            Claim::Ours => {
                log("block claimed", &block);
                unlisted.note(block, Instant::now());
                Ok(false)
            }
            Claim::Taken(theirs) => {
                log("block taken by another node", &theirs);
                unlisted.note(theirs, Instant::now());
                Ok(true)
            }
        },
    }
}

/// Whether a step takes what looks free. A podCIDR was given to this node by its Node object.
fn is_carved(step: &Step) -> bool {
    matches!(step, Step::Claim(block) if !block.pool.is_node_pod_cidrs())
}

fn log(what: &str, block: &Block) {
    tracing::info!(prefix = %block.cidr, pool = %block.pool, node = %block.node, "{what}");
}
