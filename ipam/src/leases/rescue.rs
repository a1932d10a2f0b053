//! Leases out of a file that cannot be read as a whole, or is lost, and of what the kernel has.

use super::{Leases, Recovered};
use crate::{BootId, Lease, LeaseState};
use gingham_model::Prefix;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The leases as far as they can be known again, and how they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rescue {
    /// The leases.
    pub leases: Leases,
    /// How many of them still stood in the file.
    pub kept: usize,
    /// How many the kernel alone knew.
    pub adopted: usize,
    /// How many lines of the file were no leases any more, or told otherwise than the kernel.
    pub dropped: usize,
}

/// The first line of the file, before the leases.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    boot_id: BootId,
    #[serde(default)]
    cursors: BTreeMap<Prefix, u64>,
}

impl Leases {
    /// The leases of `boot` out of the `remains` of their file, in which each has a line of its own,
    /// and out of the attachments the kernel has. What the kernel has counts: no address of an
    /// attachment is free afterwards, and none stands twice.
    ///
    /// A Held lease without its attachment stays, as does an Intent: that a pod is gone, or an ADD was
    /// killed, is found out by whoever looks twice.
    pub fn rescue(boot: &BootId, remains: &[u8], attachments: Vec<Recovered>) -> Rescue {
        let mut leases = Leases::new(boot.clone());
        let (lines, mut dropped) = salvage(boot, remains, &mut leases.cursors);
        for lease in lines {
            let said = attachments.iter().find(|a| a.host_if == lease.host_if);
            let denied =
                lease.state != LeaseState::Cooling && said.is_some_and(|a| !agrees(&lease, a));
            let known = |live: &Lease| live.host_if == lease.host_if || live.is_of(&lease.key());
            let twice = lease
                .addresses()
                .any(|address| leases.taken.contains(&address))
                || lease.state != LeaseState::Cooling && leases.live.iter().any(known);
            if denied || twice {
                dropped += 1;
                continue;
            }
            leases.taken.extend(lease.addresses());
            match lease.state {
                LeaseState::Cooling => leases.cooling.push(lease),
                LeaseState::Intent | LeaseState::Held => leases.live.push(lease),
            }
        }
        leases.cooling.sort_by_key(|lease| lease.since);
        let kept = leases.live.len() + leases.cooling.len();
        let mut rescue = Rescue {
            leases,
            kept,
            adopted: 0,
            dropped,
        };
        rescue.adopt_all(attachments);
        rescue
    }
}

impl Rescue {
    fn adopt_all(&mut self, attachments: Vec<Recovered>) {
        for attachment in attachments {
            let live = &mut self.leases.live;
            if live.iter().any(|lease| lease.host_if == attachment.host_if) {
                continue;
            }
            // Another one that the file gives the address to has no attachment: it would have a route.
            let clashes = |lease: &Lease| {
                let theirs = [attachment.v4.map(Into::into), attachment.v6.map(Into::into)];
                theirs
                    .into_iter()
                    .flatten()
                    .any(|address| lease.has(address))
            };
            let before = live.len();
            live.retain(|lease| !clashes(lease));
            let gone = before - live.len();
            self.kept -= gone;
            self.dropped += gone;
            // Since when nobody knows.
            self.adopted += usize::from(self.leases.adopt(attachment, 0).is_ok());
        }
        let both = self.leases.live.iter().chain(&self.leases.cooling);
        self.leases.taken = both.flat_map(Lease::addresses).collect();
    }
}

/// Whether a lease says nothing else than its attachment.
fn agrees(lease: &Lease, attachment: &Recovered) -> bool {
    attachment.v4.is_none_or(|v4| lease.v4 == Some(v4))
        && attachment.v6.is_none_or(|v6| lease.v6 == Some(v6))
}

/// The lines that still are leases of this boot, and how many are not. A head that cannot be read
/// tells nothing; one of another boot that all of it is past.
fn salvage(
    boot: &BootId,
    remains: &[u8],
    cursors: &mut BTreeMap<Prefix, u64>,
) -> (Vec<Lease>, usize) {
    let mut lines = remains
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty());
    let mut leases = Vec::new();
    let mut dropped = 0;
    let Some(first) = lines.next() else {
        return (leases, dropped);
    };
    match serde_json::from_slice::<Head>(&[first, b"]}"].concat()) {
        Ok(head) if head.boot_id != *boot => return (leases, dropped),
        Ok(head) => *cursors = head.cursors,
        Err(_) => dropped += 1,
    }
    for line in lines {
        let line = line.trim_ascii();
        let line = line
            .strip_suffix(b",")
            .or(line.strip_suffix(b"]}"))
            .unwrap_or(line);
        match serde_json::from_slice(line) {
            Ok(lease) => leases.push(lease),
            Err(_) => dropped += 1,
        }
    }
    (leases, dropped)
}
