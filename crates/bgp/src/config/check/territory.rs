//! Blocks of the zone.

use super::faults::address;
use crate::config::{ConfigError, ConfigFault, Territory};

/// In the order of prefixes a block comes right before those inside it.
pub(super) fn faults(territory: &Territory) -> impl Iterator<Item = ConfigError> + '_ {
    let before = std::iter::once(None).chain(territory.blocks.keys().map(Some));
    let blocks = territory.blocks.iter().zip(before);
    blocks.flat_map(|((block, holder), before)| {
        let around = before.filter(|before| before.covers(*block));
        let overlap = around.map(|around| ("", ConfigFault::Overlap(*around)));
        let addresses = holder.addresses.iter().filter_map(|one| address(*one));
        let addresses = addresses.map(|fault| (".addresses", fault));
        let faults = overlap.into_iter().chain(addresses);
        faults.map(move |(field, fault)| ConfigError {
            field: format!("territory.blocks[{block}]{field}"),
            fault,
        })
    })
}
