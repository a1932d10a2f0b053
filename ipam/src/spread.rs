//! Where to start looking: the same for the same names, and far apart for different ones.

use sha2::{Digest, Sha256};

/// A number below `size`, evenly spread by `name`; 0 when `size` is 0.
pub(crate) fn spread(name: &str, size: u128) -> u128 {
    let digest = Sha256::digest(name.as_bytes());
    let number = digest
        .iter()
        .take(16)
        .fold(0u128, |number, byte| number << 8 | u128::from(*byte));
    number.checked_rem(size).unwrap_or(0)
}
