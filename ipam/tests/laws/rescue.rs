//! A lease store that is damaged or lost, and what the kernel has.

use crate::builders::{BOOT, Kernel, OTHER_BOOT, active, boot, key, no_pods, release, request};
use gingham_ipam::{
    Lease, LeaseError, LeaseState, LeaseStore, Leases, NodeBlock, Recovered, Repair, Reservation,
    StoreError, Supply, Witness,
};
use gingham_model::{Family, MacAddress};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(60);
const NOW: u64 = 1_000_000;

fn blocks() -> [NodeBlock; 2] {
    [active("10.64.3.0/27"), active("fd00:10::/123")]
}

fn supply(blocks: &[NodeBlock]) -> Supply<'_> {
    Supply {
        blocks,
        families: &Family::ALL,
        cooldown: 120,
    }
}

/// Pods 0 to 7 of which the even ones are gone and 7 is about to be wired.
fn leases() -> Leases {
    let (blocks, mut leases) = (blocks(), Leases::new(boot()));
    for pod in 0..8 {
        leases
            .reserve(request(pod), &supply(&blocks), 10 + pod)
            .unwrap();
    }
    for pod in 0..7 {
        leases.confirm(&key(pod), 20).unwrap();
    }
    for pod in [0, 2, 4, 6] {
        release(&mut leases, pod, 30 + pod).unwrap();
    }
    leases
}

fn attachment(lease: &Lease) -> Recovered {
    Recovered {
        host_if: lease.host_if.clone(),
        pod: lease.pod.clone(),
        v4: lease.v4,
        v6: lease.v6,
        mac: lease.mac,
    }
}

/// The kernel of [`leases`]: what is Held has an interface.
fn attachments(leases: &Leases) -> Vec<Recovered> {
    let held = leases
        .live()
        .iter()
        .filter(|lease| lease.state == LeaseState::Held);
    held.map(attachment).collect()
}

fn addresses(attachments: &[Recovered]) -> BTreeSet<IpAddr> {
    let of = |a: &Recovered| a.v4.map(IpAddr::V4).into_iter().chain(a.v6.map(IpAddr::V6));
    attachments.iter().flat_map(of).collect()
}

/// What must hold after any rescue, whatever was in the file and whatever the kernel has.
fn holds(remains: &[u8], kernel: &[Recovered]) -> Result<(), TestCaseError> {
    let rescue = Leases::rescue(&boot(), remains, kernel.to_vec());
    let mut rescued = rescue.leases;
    prop_assert_eq!(
        rescue.kept + rescue.adopted,
        rescued.live().len() + rescued.cooling().len()
    );
    let bytes = rescued.to_json().unwrap();
    let again = Leases::parse(&bytes);
    prop_assert!(again.is_ok(), "what was rescued cannot be read: {again:?}");
    for attachment in kernel {
        let of = |lease: &&Lease| lease.host_if == attachment.host_if;
        prop_assert!(rescued.live().iter().filter(of).count() <= 1);
    }
    let blocks = blocks();
    // What the kernel has is held by who has it.
    for address in addresses(kernel) {
        let mut asked = request("asks");
        match address {
            IpAddr::V4(v4) => asked.wanted.v4 = Some(v4),
            IpAddr::V6(v6) => asked.wanted.v6 = Some(v6),
        }
        let outcome = rescued.reserve(asked, &supply(&blocks), NOW);
        let Err(LeaseError::Taken { holder, .. }) = outcome else {
            return Err(TestCaseError::fail(format!("{address}: {outcome:?}")));
        };
        let is_it = |a: &&Recovered| a.host_if == holder.host_if;
        let said = kernel.iter().find(is_it).cloned();
        prop_assert!(
            said.is_some_and(|a| addresses(&[a]).contains(&address)),
            "{address} of {kernel:?} held by {holder:?}"
        );
    }
    nothing_is_given_twice_or_lost(rescued, &addresses(kernel))
}

/// Everything that can be had is taken.
fn nothing_is_given_twice_or_lost(
    mut leases: Leases,
    pods: &BTreeSet<IpAddr>,
) -> Result<(), TestCaseError> {
    let blocks = blocks();
    let mut now = NOW;
    for family in Family::ALL {
        let only = Supply {
            families: &[family],
            ..supply(&blocks)
        };
        let mut pod = 0;
        loop {
            pod += 1;
            let request = request(format!("{family}-{pod}"));
            match leases.reserve(request, &only, now) {
                Ok(reservation) => {
                    let given: Vec<IpAddr> = reservation.lease().addresses().collect();
                    let twice = given.iter().find(|address| pods.contains(address));
                    prop_assert_eq!(twice, None, "an address of a pod was given again");
                }
                Err(LeaseError::AllCooling { until, .. }) => {
                    prop_assert!(until > now && until <= now + 30);
                    // As the runtime does after an ADD that failed.
                    release(&mut leases, "failed", now);
                    now = until;
                }
                Err(LeaseError::Exhausted { .. }) => break,
                Err(error) => return Err(TestCaseError::fail(error.to_string())),
            }
            prop_assert!(pod < 1000, "addresses without end");
        }
        let usage = leases.usage(&only, now)[&family];
        prop_assert_eq!(usage.held, usage.capacity, "addresses were lost");
    }
    Ok(())
}

#[test]
fn a_file_that_is_cut_anywhere_gives_no_address_of_a_pod_again() {
    let leases = leases();
    let (bytes, kernel) = (leases.to_json().unwrap(), attachments(&leases));
    for end in 0..=bytes.len() {
        holds(&bytes[..end], &kernel).unwrap_or_else(|error| panic!("cut at {end}: {error}"));
    }
}

#[test]
fn lines_that_can_still_be_read_are_kept() {
    let leases = leases();
    let (bytes, kernel) = (leases.to_json().unwrap(), attachments(&leases));
    let whole = Leases::rescue(&boot(), &bytes, kernel.clone());
    assert_eq!((whole.kept, whole.adopted, whole.dropped), (8, 0, 0));
    assert_eq!(whole.leases, leases);

    // The line of one pod is lost, the others and the cursors are not.
    let text = String::from_utf8(bytes.clone()).unwrap();
    let spoilt = text.replacen("\"state\":\"Held\"", "\u{1}\u{1}", 1);
    let rescue = Leases::rescue(&boot(), spoilt.as_bytes(), kernel.clone());
    assert_eq!((rescue.kept, rescue.adopted, rescue.dropped), (7, 1, 1));
    let recovered = rescue
        .leases
        .live()
        .iter()
        .filter(|lease| lease.is_recovered());
    assert_eq!(recovered.count(), 1);
    let cooling = |leases: &Leases| leases.cooling().to_vec();
    assert_eq!(cooling(&rescue.leases), cooling(&leases));

    // Zeros behind a whole line, as of a file whose last blocks were never written.
    let end = text.rfind("\n{").unwrap();
    let half = [&bytes[..end - 1], &[0; 99]].concat();
    let rescue = Leases::rescue(&boot(), &half, kernel.clone());
    assert_eq!((rescue.kept, rescue.adopted, rescue.dropped), (7, 0, 0));

    let zeros = Leases::rescue(&boot(), &vec![0; bytes.len()], kernel);
    assert_eq!((zeros.kept, zeros.adopted, zeros.dropped), (0, 3, 0));
}

/// All addresses were given once, and most rest, when their lines are lost.
#[test]
fn addresses_whose_lines_are_lost_are_given_again() {
    let (blocks, mut leases) = (blocks(), Leases::new(boot()));
    for pod in 0..31 {
        leases.reserve(request(pod), &supply(&blocks), 10).unwrap();
    }
    for pod in 1..31 {
        release(&mut leases, pod, 20).unwrap();
    }
    let bytes = leases.to_json().unwrap();
    let head: Vec<u8> = bytes
        .split_inclusive(|b| *b == b'\n')
        .take(2)
        .flatten()
        .copied()
        .collect();
    let rescue = Leases::rescue(&boot(), &head, Vec::new());
    assert_eq!((rescue.kept, rescue.dropped), (1, 0));
    nothing_is_given_twice_or_lost(rescue.leases, &BTreeSet::new()).unwrap();
}

/// An attachment that is being made has no address yet; who makes it finds its reservation gone.
#[test]
fn an_interface_without_an_address_is_no_lease() {
    let bare = Recovered {
        host_if: "gh1".into(),
        pod: String::new(),
        v4: None,
        v6: None,
        mac: MacAddress([2, 0, 0, 0, 0, 1]),
    };
    let rescue = Leases::rescue(&boot(), b"", vec![bare]);
    assert_eq!((rescue.adopted, rescue.leases), (0, Leases::new(boot())));
}

#[test]
fn where_file_and_kernel_differ_the_kernel_is_right() {
    let leases = leases();
    let bytes = leases.to_json().unwrap();
    let mut kernel = attachments(&leases);
    // The interface of pod 1 has an address that rests by the file, that of a stranger one of pod 3.
    let resting = leases.cooling()[0].v4;
    let of_pod_3 = kernel.remove(1).v4;
    kernel[0].v4 = resting;
    kernel.push(Recovered {
        host_if: "ghstranger".into(),
        pod: String::new(),
        v4: of_pod_3,
        v6: None,
        mac: MacAddress([2, 0, 0, 0, 0, 1]),
    });
    holds(&bytes, &kernel).unwrap();
    let rescue = Leases::rescue(&boot(), &bytes, kernel);
    let holder = |address: Option<Ipv4Addr>| {
        let mut live = rescue.leases.live().iter();
        live.find(|lease| lease.v4 == address)
            .map(|lease| lease.host_if.as_str())
    };
    assert_eq!(holder(resting), Some("gh1"));
    assert_eq!(holder(of_pod_3), Some("ghstranger"));
    assert_eq!(rescue.adopted, 2);
}

#[test]
fn lines_of_another_boot_are_past_and_pods_are_not() {
    let leases = leases();
    let text = String::from_utf8(leases.to_json().unwrap()).unwrap();
    let other = text.replace(BOOT, OTHER_BOOT).replacen("Held", "Hold", 1);
    let rescue = Leases::rescue(&boot(), other.as_bytes(), attachments(&leases));
    assert_eq!((rescue.kept, rescue.adopted), (0, 3));
    assert_eq!(rescue.leases.cooling(), []);
}

#[test]
fn a_store_repairs_itself_once_and_keeps_the_evidence() {
    let leases = leases();
    let kernel = Kernel {
        attachments: attachments(&leases),
        ..Kernel::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let store = LeaseStore::new(dir.path());
    let good = leases.to_json().unwrap();
    let damaged = &good[..good.len() - 40];
    fs::write(store.path(), damaged).unwrap();
    let refused = store.update(&boot(), DEADLINE, &kernel, |leases| {
        leases.confirm(&key("none"), 50)
    });
    assert!(
        matches!(refused, Err(LeaseError::NotReserved(_))),
        "{refused:?}"
    );
    let kept = fs::read(dir.path().join("leases.json.damaged")).unwrap();
    assert_eq!(kept, damaged);
    // The repair stands though the change was refused, and is not made twice.
    assert_eq!(store.read(&boot()).unwrap().live().len(), 4);
    let none = |_: &mut Leases| Ok::<_, StoreError>(());
    store.update(&boot(), DEADLINE, &kernel, none).unwrap();
    let repairs = kernel.repairs.borrow();
    let [
        Repair {
            kept: 7,
            adopted: 0,
            dropped: 1,
            fault,
        },
    ] = &repairs[..]
    else {
        panic!("{repairs:?}");
    };
    let path = store.path().display().to_string();
    assert!(
        fault.starts_with(&format!("{path}: EOF while parsing")),
        "{fault}"
    );
}

#[test]
fn a_store_that_is_lost_finds_its_pods_again() {
    let leases = leases();
    let kernel = Kernel {
        attachments: attachments(&leases),
        ..Kernel::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let store = LeaseStore::new(dir.path());
    let blocks = blocks();
    let reserve = |pod: u64| {
        store.update(&boot(), DEADLINE, &kernel, |leases| {
            leases.reserve(request(pod), &supply(&blocks), 60)
        })
    };
    let Reservation::New(lease) = reserve(50).unwrap() else {
        panic!("nobody had a lease");
    };
    assert!(
        lease
            .addresses()
            .all(|address| !addresses(&kernel.attachments).contains(&address))
    );
    assert_eq!(store.read(&boot()).unwrap().live().len(), 4);
    let told = kernel.repairs.borrow()[0].to_string();
    assert!(
        told.ends_with("leases.json: missing: 0 leases kept, 3 taken from the kernel, 0 dropped"),
        "{told}"
    );
    // A node that never had a pod is told nothing.
    let (dir, kernel) = (tempfile::tempdir().unwrap(), no_pods());
    let none = |_: &mut Leases| Ok::<_, StoreError>(());
    LeaseStore::new(dir.path())
        .update(&boot(), DEADLINE, &kernel, none)
        .unwrap();
    assert!(kernel.repairs.borrow().is_empty() && fs::read_dir(dir.path()).unwrap().count() == 1);
}

#[test]
fn without_a_look_at_the_kernel_nothing_is_given_and_nothing_written() {
    struct Blind;
    impl Witness for Blind {
        fn attachments(&self) -> Result<Vec<Recovered>, String> {
            Err("no netlink today".into())
        }

        fn repaired(&self, repair: &Repair) {
            panic!("{repair}");
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let store = LeaseStore::new(dir.path());
    for content in [None, Some("{"), Some("")] {
        if let Some(content) = content {
            fs::write(store.path(), content).unwrap();
        }
        let blocks = blocks();
        let outcome = store.update(&boot(), DEADLINE, &Blind, |leases| {
            leases.reserve(request(1), &supply(&blocks), 60)
        });
        let error = outcome.unwrap_err().to_string();
        assert!(
            error.ends_with("; and the kernel's pods cannot be read: no netlink today"),
            "{error}"
        );
        assert_eq!(fs::read_to_string(store.path()).ok().as_deref(), content);
    }
}

proptest! {
    /// Any bytes of the file are others.
    #[test]
    fn damage_of_any_kind_gives_no_address_of_a_pod_again(
        spots in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..20),
        zeros in any::<(proptest::sample::Index, proptest::sample::Index)>(),
        gone in proptest::collection::vec(any::<bool>(), 3),
    ) {
        let leases = leases();
        let mut bytes = leases.to_json().unwrap();
        for (spot, byte) in spots {
            let at = spot.index(bytes.len());
            bytes[at] = byte;
        }
        let (from, to) = (zeros.0.index(bytes.len()), zeros.1.index(bytes.len()));
        if from < to {
            bytes[from..to].fill(0);
        }
        let kernel = attachments(&leases).into_iter().zip(gone);
        let kernel: Vec<Recovered> = kernel.filter(|(_, gone)| !gone).map(|(one, _)| one).collect();
        holds(&bytes, &kernel)?;
    }

    #[test]
    fn garbage_gives_no_address_of_a_pod_again(garbage in proptest::collection::vec(any::<u8>(), 0..2000)) {
        holds(&garbage, &attachments(&leases()))?;
    }

    /// Each line of the file may be gone, and the kernel may have what the file never told.
    #[test]
    fn whatever_the_kernel_has_is_not_given_again(
        lines in proptest::collection::vec(any::<bool>(), 10),
        kernel in proptest::collection::btree_map(
            0u8..12,
            (proptest::option::of(1u8..32), proptest::option::of(1u16..32)),
            0..12,
        ),
    ) {
        let bytes = leases().to_json().unwrap();
        let kept = bytes.split_inclusive(|byte| *byte == b'\n').zip(lines);
        let remains: Vec<u8> = kept
            .filter(|(_, kept)| *kept)
            .flat_map(|(line, _)| line.to_vec())
            .collect();
        let kernel: Vec<Recovered> = kernel
            .into_iter()
            .map(|(pod, (v4, v6))| Recovered {
                host_if: request(pod).host_if,
                pod: String::new(),
                v4: v4.map(|last| Ipv4Addr::new(10, 64, 3, last)),
                v6: v6.map(|last| Ipv6Addr::new(0xfd00, 0x10, 0, 0, 0, 0, 0, last)),
                mac: MacAddress([2, 0, 0, 0, 0, 1]),
            })
            .collect();
        holds(&remains, &kernel)?;
    }
}
