//! How sure the index is: what may be built on it, and what may be taken away by it.
//!
//! | | a source was never heard out | one was, and is lost | a setting was never valid |
//! |---|---|---|---|
//! | [`Cluster::synced`]: routes, `node.json`, readiness | no | yes | yes |
//! | [`Cluster::current`]: what is worth remembering | no | no | yes |
//! | [`Cluster::complete`]: removals and claims | no | no | no |
//!
//! Only [`Cluster::complete`] makes a [`Complete`], and only with one may a route be removed.

use super::{Cluster, SourceView, unknown};
use crate::objects::{Kind, Node};
use gingham_model::{NodeName, Zone};

/// Proof that every source has said all it holds, and who this node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Complete(());

impl Cluster {
    /// Whether every source but those of BGP alone has said all it holds, now or before, and who
    /// this node is.
    ///
    /// # Errors
    /// Every reason why that is not so.
    pub fn synced(&self, me: &NodeName) -> Result<(&Node, Zone), Vec<String>> {
        let mut reasons = self.each(Kind::is_of_cluster, |source| source.unsynced());
        match self.identity(me) {
            Ok(identity) if reasons.is_empty() => Ok(identity),
            Ok(_) => Err(reasons),
            Err(reason) => {
                add(&mut reasons, reason);
                Err(reasons)
            }
        }
    }

    /// Whether that is so, and the sources would say what changed.
    ///
    /// # Errors
    /// Every reason why not.
    pub fn current(&self, me: &NodeName) -> Result<(), Vec<String>> {
        let mut reasons = self.synced(me).err().unwrap_or_default();
        reasons.extend(self.each(Kind::is_of_cluster, |source| source.lost()));
        none(reasons)
    }

    /// Whether all is known that says with whom BGP is spoken, and about what; it may have been
    /// known before.
    ///
    /// # Errors
    /// Every reason why not.
    pub fn bgp_synced(&self, me: &NodeName) -> Result<(), Vec<String>> {
        let mut reasons = self.synced(me).err().unwrap_or_default();
        reasons.extend(self.each(Kind::is_of_bgp, |source| source.unsynced()));
        none(reasons)
    }

    /// Whether all is known that a removal or a claim leans on.
    ///
    /// # Errors
    /// Every reason why not.
    pub fn complete(&self, me: &NodeName) -> Result<Complete, Vec<String>> {
        let mut reasons = self.current(me).err().unwrap_or_default();
        if !self.is_registered(me) {
            add(&mut reasons, unknown(me));
        }
        reasons.extend(self.configs.unread().map(|refusal| {
            format!(
                "{} {}: no valid version is known",
                refusal.kind, refusal.name
            )
        }));
        none(reasons).map(|()| Complete(()))
    }

    /// What there is to say of sources of these kinds.
    fn each(
        &self,
        which: impl Fn(Kind) -> bool,
        said: impl Fn(&SourceView<'_>) -> Option<String>,
    ) -> Vec<String> {
        let sources = self.sources();
        let sources = sources.iter().filter(|source| which(source.kind));
        sources.filter_map(said).collect()
    }
}

fn add(reasons: &mut Vec<String>, reason: String) {
    if !reasons.contains(&reason) {
        reasons.push(reason);
    }
}

fn none(reasons: Vec<String>) -> Result<(), Vec<String>> {
    match reasons.is_empty() {
        true => Ok(()),
        false => Err(reasons),
    }
}
