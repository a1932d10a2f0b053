//! Blocks of the zone.

use super::faults::address;
use super::{at, under};
use crate::config::{ConfigError, ConfigFault, Territory};

/// In the order of prefixes a block comes right before those inside it.
pub(super) fn faults(territory: &Territory) -> impl Iterator<Item = ConfigError> + '_ {
    let before = std::iter::once(None).chain(territory.blocks.keys().map(Some));
    territory
        .blocks
        .iter()
        .zip(before)
        .flat_map(|((block, holder), before)| {
            let overlap = before
                .filter(|before| before.covers(*block))
                .map(|before| ConfigFault::Overlap(*before));
            let path = format!("territory.blocks[{block}]");
            let addresses = holder.addresses.iter();
            let addresses = addresses.filter_map(|one| at("addresses", address(*one)));
            let overlap = at(path.as_str(), overlap);
            overlap.into_iter().chain(under(path, addresses))
        })
}
