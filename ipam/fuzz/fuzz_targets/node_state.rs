//! Any bytes as `node.json`: refused by name, or read, written and read the same; and any ADD gets an
//! address out of its blocks, or is told why not.
#![no_main]

use gingham_ipam::{BootId, LeaseKey, Leases, NodeState, Request, Wanted};
use gingham_model::{Family, MacAddress};
use libfuzzer_sys::fuzz_target;

const BOOT: &str = "0b0e1d5c-0001-4a6e-9c1e-5f3f0c9a7e11";

fuzz_target!(|bytes: &[u8]| {
    let state = match NodeState::parse(bytes) {
        Ok(state) => state,
        Err(fault) => return assert!(!fault.to_string().is_empty()),
    };
    let written = serde_json::to_vec(&state).expect("a node's state is JSON");
    assert_eq!(NodeState::parse(&written), Ok(state.clone()));
    let boot: BootId = BOOT.parse().expect("a boot id");
    if let Err(why) = state.usable(&boot) {
        assert!(!why.to_string().is_empty());
    }
    let supply = state.supply();
    let mut leases = Leases::new(boot);
    for ask in 0..8 {
        let Ok(given) = leases.reserve(request(ask), &supply, 100 * ask) else {
            continue;
        };
        let lease = given.lease();
        for family in Family::ALL {
            let address = lease.address(family);
            assert_eq!(address.is_some(), state.families.contains(&family));
            let mut active = supply.active(family);
            assert!(address.is_none_or(|address| active.any(|block| block.contains(address))));
        }
        leases.release(&lease.key(), &lease.host_if, 100 * ask);
    }
    for usage in leases.usage(&supply, 1000).values() {
        assert_eq!(usage.capacity, usage.held + usage.resting + usage.free);
    }
});

fn request(ask: u64) -> Request {
    Request {
        key: LeaseKey {
            network: "gingham".into(),
            container_id: ask.to_string(),
            ifname: "eth0".into(),
        },
        pod: String::new(),
        mac: MacAddress([2, 0x67, 0, 0, 0, 1]),
        host_if: format!("gh{ask}"),
        wanted: Wanted::default(),
    }
}
