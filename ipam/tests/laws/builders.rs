//! Short ways to the values the tests speak of.

use gingham_ipam::{
    BootId, Lease, LeaseKey, Leases, NodeBlock, NodeBlockState, Recovered, Repair, Request,
    Unknown, Wanted, Witness,
};
use gingham_model::{MacAddress, Prefix};
use std::cell::RefCell;

pub(crate) const BOOT: &str = "0b0e1d5c-0001-4a6e-9c1e-5f3f0c9a7e11";
pub(crate) const OTHER_BOOT: &str = "0b0e1d5c-0002-4a6e-9c1e-5f3f0c9a7e11";

pub(crate) fn boot() -> BootId {
    BOOT.parse().unwrap()
}

pub(crate) fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

pub(crate) fn block(cidr: &str, state: NodeBlockState) -> NodeBlock {
    NodeBlock {
        cidr: prefix(cidr),
        pool: "pool".parse().unwrap(),
        state,
        unknown: Unknown::new(),
    }
}

pub(crate) fn active(cidr: &str) -> NodeBlock {
    block(cidr, NodeBlockState::Active)
}

pub(crate) fn key(container: impl ToString) -> LeaseKey {
    LeaseKey {
        network: "gingham".into(),
        container_id: container.to_string(),
        ifname: "eth0".into(),
    }
}

pub(crate) fn request(container: impl ToString) -> Request {
    let key = key(container);
    Request {
        pod: format!("default/{}", key.container_id),
        mac: MacAddress([2, 0x67, 0, 0, 0, 1]),
        host_if: format!("gh{}", key.container_id),
        key,
        wanted: Wanted::default(),
    }
}

/// A DEL of what [`request`] asked for.
pub(crate) fn release(leases: &mut Leases, container: impl ToString, now: u64) -> Option<Lease> {
    let Request { key, host_if, .. } = request(container);
    leases.release(&key, &host_if, now)
}

/// A kernel that has these attachments, and what it was told of repairs.
#[derive(Default)]
pub(crate) struct Kernel {
    pub(crate) attachments: Vec<Recovered>,
    pub(crate) repairs: RefCell<Vec<Repair>>,
}

impl Witness for Kernel {
    fn attachments(&self) -> Result<Vec<Recovered>, String> {
        Ok(self.attachments.clone())
    }

    fn repaired(&self, repair: &Repair) {
        self.repairs.borrow_mut().push(repair.clone());
    }
}

/// A kernel without pods.
pub(crate) fn no_pods() -> Kernel {
    Kernel::default()
}
