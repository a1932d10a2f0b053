//! What the kernel lets this process do.

use std::fs;

/// `CAP_NET_ADMIN` of `linux/capability.h`: routes, interfaces, nftables, keys of TCP sessions, settings
/// below `net`.
pub const NET_ADMIN: u32 = 12;
/// Where the kernel shows them.
const STATUS: &str = "/proc/thread-self/status";

/// The effective capabilities of this thread (proc_pid_status(5), `CapEff`).
///
/// # Errors
/// procfs does not tell, in words.
pub fn effective() -> Result<u64, String> {
    let text = fs::read_to_string(STATUS).map_err(|error| format!("{STATUS}: {error}"))?;
    let bits = text.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
    bits.ok_or_else(|| format!("{STATUS}: no CapEff"))
}

/// Whether `capability` is among them.
pub fn has(capabilities: u64, capability: u32) -> bool {
    capabilities >> capability & 1 == 1
}
