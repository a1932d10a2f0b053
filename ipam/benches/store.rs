//! How long a reservation holds the lease store's lock: read, parse, choose, encode, rename, on
//! tmpfs. Prints figures, asserts nothing: `cargo bench -p gingham-ipam`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and stops where it cannot go on"
)]

use gingham_ipam::{
    BootId, LeaseError, LeaseKey, LeaseStore, NodeBlock, NodeBlockState, Recovered, Repair,
    Request, Reservation, Supply, Unknown, Wanted, Witness,
};
use gingham_model::{Family, MacAddress};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(10);
const CALLS: usize = 200;

fn main() {
    println!("{:>9}  {:>9}  {:>9}", "ADDRESSES", "MEDIAN us", "WORST us");
    for (v4, v6) in [(26, 122), (25, 121), (24, 120)] {
        let addresses = 1 << (32 - v4);
        let blocks = [
            block(format!("10.64.1.0/{v4}")),
            block(format!("fd00:10::/{v6}")),
        ];
        let mut times = on(&blocks, addresses);
        times.sort();
        let micros = |at: usize| times[at].as_secs_f64() * 1e6;
        println!(
            "{addresses:9}  {:9.0}  {:9.0}",
            micros(CALLS / 2),
            micros(CALLS - 1)
        );
    }
}

/// A node that has been up for long: half of its addresses are held, and all have been given once,
/// so that the store has a line for each. Reserves and releases one lease, over and over.
fn on(blocks: &[NodeBlock], addresses: usize) -> Vec<Duration> {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let store = LeaseStore::new(folder.path());
    let boot = BootId::of_this_boot().unwrap();
    let supply = Supply {
        blocks,
        families: &Family::ALL,
        cooldown: 0,
    };
    let reserve = |pod: usize| -> Result<Reservation, LeaseError> {
        store.update(&boot, DEADLINE, &NoPods, |leases| {
            leases.reserve(request(pod), &supply, 0)
        })
    };
    let release = |pod: usize| -> Result<_, LeaseError> {
        store.update(&boot, DEADLINE, &NoPods, |leases| {
            let Request { key, host_if, .. } = request(pod);
            Ok(leases.release(&key, &host_if, 0))
        })
    };
    for pod in 0..addresses / 2 {
        reserve(pod).unwrap();
    }
    let once = || {
        let start = Instant::now();
        reserve(addresses).unwrap();
        let took = start.elapsed();
        release(addresses).unwrap();
        took
    };
    for _ in 0..addresses {
        once();
    }
    (0..CALLS).map(|_| once()).collect()
}

fn block(cidr: String) -> NodeBlock {
    NodeBlock {
        cidr: cidr.parse().unwrap(),
        pool: "z1".parse().unwrap(),
        state: NodeBlockState::Active,
        unknown: Unknown::new(),
    }
}

fn request(pod: usize) -> Request {
    Request {
        key: LeaseKey {
            network: "gingham".to_owned(),
            container_id: format!("{pod:064}"),
            ifname: "eth0".to_owned(),
        },
        pod: format!("default/pod-{pod}"),
        mac: MacAddress([2, 0x67, 0, 0, 0, 1]),
        host_if: format!("gh{pod:012}"),
        wanted: Wanted::default(),
    }
}

/// A kernel without pods.
struct NoPods;

impl Witness for NoPods {
    fn attachments(&self) -> Result<Vec<Recovered>, String> {
        Ok(Vec::new())
    }

    fn repaired(&self, _: &Repair) {}
}
