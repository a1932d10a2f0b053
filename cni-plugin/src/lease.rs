//! An attachment in the lease store.

use gingham_cni::Attachment;
use gingham_ipam::{Lease, LeaseKey, Leases};

/// The attachment, as the lease store knows it.
pub(crate) fn key(attachment: &Attachment) -> LeaseKey {
    LeaseKey {
        network: attachment.network.to_string(),
        container_id: attachment.container_id.to_string(),
        ifname: attachment.ifname.to_string(),
    }
}

/// Its live lease. One that was recovered from the kernel knows no key, and is found by the host end,
/// whose name is a function of it.
pub(crate) fn find<'a>(
    leases: &'a Leases,
    attachment: &Attachment,
    host_if: &str,
) -> Option<&'a Lease> {
    let recovered = |lease: &&Lease| lease.is_recovered() && lease.host_if == host_if;
    let by_host_if = || leases.live().iter().find(recovered);
    leases.find(&key(attachment)).or_else(by_host_if)
}
