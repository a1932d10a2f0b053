//! Chooses the next block of a pool for a node.

use crate::spread::spread;
use gingham_model::{CidrState, Family, NodeName, Pool, Prefix};
use std::collections::BTreeSet;

/// A free block of the pool's block length, out of the first Active CIDR of `family` that has one;
/// `None` when all are full.
///
/// The search starts at a point given by the node's name and takes the first free block from there,
/// wrapping: the same arguments give the same block, while nodes that carve at the same moment
/// rarely want the same one. Prefixes in `taken` may be longer or shorter than a block and may lie
/// outside the pool; the result overlaps none of them.
///
/// The cost grows with the number of taken prefixes, never with the size of the pool.
pub fn carve(
    pool: &Pool,
    family: Family,
    taken: &BTreeSet<Prefix>,
    node: &NodeName,
) -> Option<Prefix> {
    let length = pool.spec.block_size.of(family);
    pool.spec
        .cidrs
        .iter()
        .filter(|c| c.state == CidrState::Active && c.cidr.family() == family)
        .find_map(|c| carve_cidr(c.cidr, length, taken, node))
}

fn carve_cidr(
    cidr: Prefix,
    length: u8,
    taken: &BTreeSet<Prefix>,
    node: &NodeName,
) -> Option<Prefix> {
    let covered = (0..cidr.length())
        .filter_map(|shorter| Prefix::containing(cidr.address(), shorter).ok())
        .any(|covering| taken.contains(&covering));
    if covered {
        return None;
    }
    // Prefixes order by address, then length: those inside `cidr` stand together, by first address.
    let inside = || taken.range(cidr..).take_while(|t| cidr.covers(**t));
    let spans = || inside().map(|t| span(cidr, length, *t));
    let start = spread(node.as_str(), cidr.count(length)?);
    let free_from = |index| cidr.nth(length, first_gap(index, spans())?);
    free_from(start).or_else(|| free_from(0))
}

/// The first and last index, among the blocks of `length` bits in `cidr`, of those that share an
/// address with `taken`, which lies inside `cidr`.
fn span(cidr: Prefix, length: u8, taken: Prefix) -> (u128, u128) {
    let shift = u32::from(cidr.family().bits() - length);
    let first = cidr.index_of(taken.address()).unwrap_or(0);
    let last = first + (taken.size() - 1);
    let block = |address: u128| address.checked_shr(shift).unwrap_or(0);
    (block(first), block(last))
}

/// The first index from `start` on that lies in no span; `None` past the end of the numbers. The
/// spans come ordered by their first index; they may overlap.
fn first_gap(start: u128, spans: impl Iterator<Item = (u128, u128)>) -> Option<u128> {
    let mut gap = start;
    for (first, last) in spans {
        if first > gap {
            break;
        }
        gap = gap.max(last.checked_add(1)?);
    }
    Some(gap)
}
