//! The blocks of this node: claimed when addresses run short, given back when they are not needed.

use super::AgentError;
use super::live::Agent;
use crate::claiming::{self, Claiming};
use crate::giving_back::GivingBack;
use crate::pass;
use crate::store::Store;

impl<S: Store> Agent<S> {
    /// Sees to it that the node has the blocks it needs, and not many more. Says whether all went
    /// well.
    pub(super) async fn claim(&mut self) -> Result<bool, AgentError> {
        let (embargo, lacks) = self.create_again().await;
        // An outdated plan lacks the block that the last shortage claimed, and would find it again.
        let seen = self.seen.as_ref().filter(|_| self.round.error.is_none());
        // A list that may be broken tells neither what is free nor what is empty.
        if let Some(mass) = seen.and_then(|seen| seen.round.mass) {
            self.obstacles = vec![mass.to_string()];
            return Ok(!lacks);
        }
        let state = seen.and_then(|seen| seen.plan.node_state.clone().ok());
        let holding = match state {
            Some(state) => {
                let run_dir = self.run_dir.path().to_owned();
                let read = move || pass::holding(&run_dir, state).map(Some);
                tokio::task::spawn_blocking(read).await?
            }
            None => Ok(None),
        };
        let unread = holding.as_ref().err().cloned();
        let holding = holding.unwrap_or_default();
        let usage = holding.as_ref().map(|holding| holding.usage.clone());
        self.usage = usage.unwrap_or_default();
        let reserved = self.retaining.reserved();
        let claiming = Claiming {
            store: &*self.store,
            me: &self.me,
            cluster: &self.cluster,
            usage: &self.usage,
            reserved: &reserved,
            embargo: embargo.as_deref(),
        };
        let claimed = claiming::carry_out(claiming, &mut self.unlisted).await;
        self.obstacles = claimed.obstacles;
        self.obstacles.extend(unread);
        let told = seen.is_some_and(|seen| seen.published.is_ok());
        let giving_back = GivingBack {
            store: &*self.store,
            me: &self.me,
            cluster: &self.cluster,
            run_dir: self.run_dir.path(),
            holding: holding.as_ref().filter(|_| told),
        };
        let given_back = giving_back.carry_out(&mut self.waiting).await;
        Ok(!claimed.failed && !lacks && given_back)
    }
}
