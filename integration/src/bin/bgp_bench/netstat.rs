//! What the kernel counts of connections nobody took.

use anyhow::{Context, Result};
use std::fs;

const PATH: &str = "/proc/thread-self/net/netstat";

/// Counters of the calling thread's network, from its making on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listen {
    /// `ListenOverflows`: the queue of those to be accepted was full.
    pub(crate) overflows: u64,
    /// `ListenDrops`: these, and what was dropped for other reasons.
    pub(crate) drops: u64,
}

impl Listen {
    pub(crate) fn read() -> Result<Self> {
        let text = fs::read_to_string(PATH).with_context(|| format!("reading {PATH}"))?;
        Self::parse(&text).with_context(|| format!("{PATH}: no ListenOverflows"))
    }

    /// Each group has a line of names and one of values.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text
            .lines()
            .filter_map(|line| line.strip_prefix("TcpExt: "));
        let (names, values) = (lines.next()?, lines.next()?);
        let value = |name: &str| {
            let mut both = names.split(' ').zip(values.split(' '));
            both.find(|(have, _)| *have == name)?.1.parse().ok()
        };
        Some(Listen {
            overflows: value("ListenOverflows")?,
            drops: value("ListenDrops")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stands_below_its_name() {
        let text = "TcpExt: A ListenOverflows ListenDrops\nTcpExt: 1 2 3\nIpExt: A\nIpExt: 9\n";
        let (overflows, drops) = (2, 3);
        assert_eq!(Listen::parse(text), Some(Listen { overflows, drops }));
        assert_eq!(Listen::parse("IpExt: A\nIpExt: 9\n"), None);
    }
}
