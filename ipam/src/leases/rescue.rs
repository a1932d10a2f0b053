//! Leases out of a file that cannot be read as a whole, or is lost, and of what the kernel has.

use super::{Leases, Recovered};
use crate::{BootId, Lease, LeaseState};
use gingham_model::{Family, Prefix};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::IpAddr;

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
    /// killed, is found out by whoever looks twice. An attachment without an address is no lease: it is
    /// about to get one, or an ADD was killed.
    pub fn rescue(boot: &BootId, remains: &[u8], attachments: Vec<Recovered>) -> Rescue {
        let Remains {
            cursors,
            leases: told,
            lines,
        } = Remains::of(boot, remains);
        let mut leases = Leases {
            cursors,
            ..Leases::new(boot.clone())
        };
        for lease in told {
            if !leases.clash(&lease) && !denied(&lease, &attachments) {
                leases.taken.extend(lease.addresses());
                match lease.state {
                    LeaseState::Cooling => leases.cooling.push(lease),
                    LeaseState::Intent | LeaseState::Held => leases.live.push(lease),
                }
            }
        }
        leases.cooling.sort_by_key(|lease| lease.since);
        let mut adopted = 0;
        for attachment in attachments {
            adopted += usize::from(leases.adopt_rest(attachment));
        }
        let kept = leases.live.len() + leases.cooling.len() - adopted;
        Rescue {
            leases,
            kept,
            adopted,
            dropped: lines - kept,
        }
    }

    /// Whether a line repeats what one before it tells.
    fn clash(&self, lease: &Lease) -> bool {
        let again = |live: &Lease| live.host_if == lease.host_if || live.is_of(&lease.key());
        let is_live = lease.state != LeaseState::Cooling;
        lease
            .addresses()
            .any(|address| self.taken.contains(&address))
            || is_live && self.live.iter().any(again)
    }

    /// Takes up what of an attachment no live lease has. Two may show one address, after a foreign
    /// hand has been at work; the other one of each still counts.
    fn adopt_rest(&mut self, attachment: Recovered) -> bool {
        let free = |address: IpAddr| !self.live.iter().any(|lease| lease.has(address));
        let rest = Recovered {
            v4: attachment.v4.filter(|v4| free(IpAddr::V4(*v4))),
            v6: attachment.v6.filter(|v6| free(IpAddr::V6(*v6))),
            ..attachment
        };
        // Since when nobody knows.
        (rest.v4.is_some() || rest.v6.is_some()) && self.adopt(rest, 0).is_ok()
    }
}

/// Whether the kernel says otherwise than a live lease: its own attachment shows another address, or
/// only somebody else's shows one of its.
fn denied(lease: &Lease, attachments: &[Recovered]) -> bool {
    if lease.state == LeaseState::Cooling {
        return false;
    }
    let own = attachments.iter().filter(|a| a.host_if == lease.host_if);
    Family::ALL.into_iter().any(|family| {
        let address = lease.address(family);
        match own.clone().find_map(|a| a.address(family)) {
            Some(shown) => address != Some(shown),
            None => address.is_some() && attachments.iter().any(|a| a.address(family) == address),
        }
    })
}

/// What of a file can still be read.
#[derive(Default)]
struct Remains {
    cursors: BTreeMap<Prefix, u64>,
    leases: Vec<Lease>,
    /// How many lines tell of leases or should; a head that cannot be read is one.
    lines: usize,
}

impl Remains {
    /// A head that cannot be read tells nothing; one of another boot that all of it is past.
    fn of(boot: &BootId, bytes: &[u8]) -> Self {
        let lines = bytes
            .split(|byte| matches!(byte, b'\n' | 0))
            .map(<[u8]>::trim_ascii);
        let mut lines = lines.filter(|line| !line.is_empty());
        let Some(first) = lines.next() else {
            return Remains::default();
        };
        let (cursors, spoilt) = match serde_json::from_slice::<Head>(&[first, b"]}"].concat()) {
            Ok(head) if head.boot_id != *boot => return Remains::default(),
            Ok(head) => (head.cursors, 0),
            Err(_) => (BTreeMap::new(), 1),
        };
        let lines: Vec<&[u8]> = lines.collect();
        Remains {
            cursors,
            leases: lines.iter().filter_map(|line| lease(line)).collect(),
            lines: lines.len() + spoilt,
        }
    }
}

fn lease(line: &[u8]) -> Option<Lease> {
    let line = line
        .strip_suffix(b",")
        .or(line.strip_suffix(b"]}"))
        .unwrap_or(line);
    serde_json::from_slice(line).ok()
}
