//! Which reflector of a zone takes a step first.

use gingham_model::{NodeName, Prefix};
use sha2::{Digest, Sha256};

/// How many of the others come before `me` with this block. Every reflector makes the same order, and
/// another one for each block, so that each has its part of the work.
pub fn turn<'a>(
    block: Prefix,
    me: &NodeName,
    reflectors: impl Iterator<Item = &'a NodeName>,
) -> u32 {
    let mine = place(block, me);
    let before = reflectors.filter(|other| *other != me && place(block, other) < mine);
    u32::try_from(before.count()).unwrap_or(u32::MAX)
}

/// By the bytes of the digest; names differ, so places do.
fn place(block: Prefix, name: &NodeName) -> ([u8; 32], &str) {
    let text = format!("{block} {name}");
    (Sha256::digest(text.as_bytes()).into(), name.as_str())
}
