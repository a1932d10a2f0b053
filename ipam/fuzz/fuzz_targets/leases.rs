//! Any bytes as `leases.json`, beside any pods: read or refused; and rescued, so that no address of a
//! pod is given again, none is given twice and none is lost.
//!
//! The first line is the kernel: three bytes a pod, its interface and the last bytes of its
//! addresses, 0 for none. What follows is the file.
#![no_main]

use gingham_ipam::{
    LeaseError, LeaseKey, Leases, NodeBlock, NodeBlockState, Recovered, Request, Supply, Unknown,
    Wanted,
};
use gingham_model::{Family, MacAddress};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const BOOT: &str = "0b0e1d5c-0001-4a6e-9c1e-5f3f0c9a7e11";
const MAC: MacAddress = MacAddress([2, 0x67, 0, 0, 0, 1]);
const COOLDOWN: u32 = 120;

fuzz_target!(|input: &[u8]| {
    let (pods, file) = match input.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (&[][..], input),
    };
    match Leases::parse(file) {
        Ok(leases) => same_again(&leases),
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
    let pods = attachments(pods);
    let shown: BTreeSet<IpAddr> = pods.iter().flat_map(addresses).collect();
    let boot = BOOT.parse().expect("a boot id");
    let rescue = Leases::rescue(&boot, file, pods.clone());
    let known = rescue.leases.live().len() + rescue.leases.cooling().len();
    assert_eq!(rescue.kept + rescue.adopted, known);
    same_again(&rescue.leases);
    for address in &shown {
        let mut live = rescue.leases.live().iter();
        let holder = live.find(|lease| lease.has(*address));
        let holder = holder.unwrap_or_else(|| panic!("{address} is free"));
        let its = |pod: &Recovered| {
            pod.host_if == holder.host_if && addresses(pod).any(|a| a == *address)
        };
        assert!(pods.iter().any(its), "{address} is held by {holder:?}");
    }
    give_all(rescue.leases, &shown);
});

fn same_again(leases: &Leases) {
    let bytes = leases.to_json().expect("leases are JSON");
    assert_eq!(Leases::parse(&bytes).as_ref(), Ok(leases));
}

fn attachments(bytes: &[u8]) -> Vec<Recovered> {
    let mut names = BTreeSet::new();
    let pods = bytes.chunks_exact(3).filter(|pod| names.insert(pod[0]));
    let some = |byte: u8| Some(byte % 16).filter(|last| *last > 0);
    pods.map(|pod| Recovered {
        host_if: format!("gh{}", pod[0]),
        pod: String::new(),
        v4: some(pod[1]).map(|last| Ipv4Addr::new(10, 64, 3, last)),
        v6: some(pod[2]).map(|last| Ipv6Addr::new(0xfd00, 0x10, 0, 0, 0, 0, 0, last.into())),
        mac: MAC,
    })
    .collect()
}

fn addresses(pod: &Recovered) -> impl Iterator<Item = IpAddr> + use<> {
    let v4 = pod.v4.map(IpAddr::V4);
    v4.into_iter().chain(pod.v6.map(IpAddr::V6))
}

/// Gives until nothing is left. What is not given is held.
fn give_all(mut leases: Leases, pods: &BTreeSet<IpAddr>) {
    let blocks = ["10.64.3.0/28", "fd00:10::/124"].map(|cidr| NodeBlock {
        cidr: cidr.parse().expect("a prefix"),
        pool: "z1".parse().expect("a name"),
        state: NodeBlockState::Active,
        unknown: Unknown::new(),
    });
    let mut now = 1_000;
    for family in Family::ALL {
        let families = [family];
        let supply = Supply {
            blocks: &blocks,
            families: &families,
            cooldown: COOLDOWN,
        };
        // Each gives an address or waits for one; the block has 15.
        for ask in 0.. {
            assert!(ask < 64, "{family} addresses without end: {leases:?}");
            match leases.reserve(request(format!("{family}-{ask}")), &supply, now) {
                Ok(given) => assert!(given.lease().addresses().all(|a| !pods.contains(&a))),
                Err(LeaseError::AllCooling { until, .. }) => {
                    assert!(until > now && until <= now + u64::from(COOLDOWN));
                    let Request { key, host_if, .. } = request("none".into());
                    leases.release(&key, &host_if, now);
                    now = until;
                }
                Err(LeaseError::Exhausted { .. }) => break,
                // The file may have a lease of this very name.
                Err(LeaseError::AlreadyHeld(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        let usage = leases.usage(&supply, now)[&family];
        assert_eq!((usage.capacity, usage.held), (15, 15));
        same_again(&leases);
    }
}

fn request(container_id: String) -> Request {
    Request {
        host_if: format!("of {container_id}"),
        key: LeaseKey {
            network: "gingham".into(),
            container_id,
            ifname: "eth0".into(),
        },
        pod: String::new(),
        mac: MAC,
        wanted: Wanted::default(),
    }
}
