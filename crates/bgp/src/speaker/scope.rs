//! What a peer may say of a prefix, and where its path is from: by the scope the peer has, and by whose
//! prefix it is.

#[cfg(test)]
mod tests;

use crate::config::{Holder, Scope, Territory};
use crate::rib::{Provenance, Refusal};
use gingham_model::Prefix;
use std::net::IpAddr;

/// What a peer says of a prefix, as far as scopes look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) prefix: Prefix,
    pub(super) next_hop: IpAddr,
    /// The peer's address.
    pub(super) peer: IpAddr,
}

impl Claim {
    /// Where the path is from, and why it is to be kept out if it is.
    pub(super) fn judge(
        &self,
        scope: Scope,
        territory: &Territory,
    ) -> (Provenance, Option<Refusal>) {
        let around = match scope {
            Scope::Anywhere => return (Provenance::Outside, None),
            _ => territory.around(self.prefix),
        };
        match (scope, around) {
            (Scope::Node, None) => (Provenance::Zone, Some(Refusal::NotItsBlock)),
            (Scope::Node | Scope::Fellow, Some((_, holder))) => {
                (Provenance::Zone, self.of_node(holder))
            }
            (Scope::Outside, Some((_, holder))) => {
                let refusal = match territory.holds(Some(holder)) {
                    true => Refusal::OwnBlock,
                    false => Refusal::ZoneBlock,
                };
                (Provenance::Outside, Some(refusal))
            }
            (Scope::Outside | Scope::Fellow | Scope::Anywhere, _) => (Provenance::Outside, None),
        }
    }

    /// A node speaks for itself alone.
    fn of_node(&self, holder: &Holder) -> Option<Refusal> {
        if !holder.addresses.contains(&self.peer) {
            Some(Refusal::NotItsBlock)
        } else if !holder.addresses.contains(&self.next_hop) {
            Some(Refusal::NotItsNextHop)
        } else {
            None
        }
    }
}
