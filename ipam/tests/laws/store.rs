//! The lease store: many writers, killed writers, other boots, hostile files.

use crate::builders::{BOOT, OTHER_BOOT, active, boot, key, no_pods, release, request};
use gingham_ipam::{LeaseError, LeaseStore, Leases, Reservation, StoreError, Supply};
use gingham_model::Family;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(60);

fn run_dir() -> (TempDir, LeaseStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = LeaseStore::new(dir.path());
    (dir, store)
}

fn reserve(store: &LeaseStore, pod: impl ToString) -> Result<Reservation, LeaseError> {
    let blocks = [active("10.64.0.0/22"), active("fd00:10::/118")];
    let supply = Supply {
        blocks: &blocks,
        families: &Family::ALL,
        cooldown: 120,
    };
    store.update(&boot(), DEADLINE, &no_pods(), |leases| {
        leases.reserve(request(pod), &supply, 7)
    })
}

/// A line of `leases.json`.
fn lease(container: &str, v4: &str, state: &str) -> String {
    format!(
        r#"{{"network":"gingham","containerId":"{container}","ifname":"eth0","pod":"a/b","v4":"{v4}","mac":"02:67:00:00:00:01","hostIf":"gh1","state":"{state}","since":7}}"#
    )
}

fn document(leases: &[String]) -> String {
    format!(
        r#"{{"version":1,"bootId":"{BOOT}","cursors":{{}},"leases":[{}]}}"#,
        leases.join(",")
    )
}

#[test]
fn sixteen_writers_at_once_give_no_address_twice() {
    let (_dir, store) = run_dir();
    let mut addresses: Vec<IpAddr> = Vec::new();
    thread::scope(|scope| {
        let writers: Vec<_> = (0..16)
            .map(|writer| {
                let store = &store;
                scope.spawn(move || {
                    let pods = (0..10).map(|pod| format!("{writer}-{pod}"));
                    let given = pods.map(|pod| {
                        let reservation = reserve(store, &pod).unwrap();
                        store
                            .update(&boot(), DEADLINE, &no_pods(), |leases| {
                                leases.confirm(&key(&pod), 8)
                            })
                            .unwrap();
                        reservation.lease().addresses().collect::<Vec<_>>()
                    });
                    given.flatten().collect::<Vec<_>>()
                })
            })
            .collect();
        addresses.extend(
            writers
                .into_iter()
                .flat_map(|writer| writer.join().unwrap()),
        );
    });
    assert_eq!(addresses.len(), 16 * 10 * 2);
    assert_eq!(
        addresses.iter().collect::<BTreeSet<_>>().len(),
        addresses.len()
    );
    assert_eq!(store.read(&boot()).unwrap().live().len(), 16 * 10);
}

#[test]
fn what_a_killed_writer_left_behind_disturbs_nobody() {
    let (dir, store) = run_dir();
    reserve(&store, 1).unwrap();
    let half = "{\"version\":1,\"bootId\":".repeat(1_000);
    fs::write(dir.path().join("leases.json.tmp"), half).unwrap();
    reserve(&store, 2).unwrap();
    assert_eq!(store.read(&boot()).unwrap().live().len(), 2);
    assert!(!dir.path().join("leases.json.tmp").exists());
    for name in ["leases.json", "leases.lock"] {
        let mode = fs::metadata(dir.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn leases_of_another_boot_are_gone() {
    let (_dir, store) = run_dir();
    reserve(&store, 1).unwrap();
    let next = OTHER_BOOT.parse().unwrap();
    assert_eq!(store.read(&next).unwrap(), Leases::new(next.clone()));
    let released = store.update(&next, DEADLINE, &no_pods(), |leases| {
        Ok::<_, StoreError>(release(leases, 1, 9))
    });
    assert_eq!(released.unwrap(), None);
}

#[test]
fn a_refused_or_idle_change_writes_nothing() {
    let (_dir, store) = run_dir();
    // A rewrite is a rename, and so another inode.
    let inode = || fs::metadata(store.path()).unwrap().ino();
    let idle = |leases: &mut Leases| Ok::<_, StoreError>(release(leases, "nobody", 9));
    assert_eq!(
        store.update(&boot(), DEADLINE, &no_pods(), idle).unwrap(),
        None
    );
    assert!(!store.path().exists(), "not even an empty file");

    reserve(&store, "c").unwrap();
    let written = inode();
    assert_eq!(
        store.update(&boot(), DEADLINE, &no_pods(), idle).unwrap(),
        None
    );
    let refused = store.update(&boot(), DEADLINE, &no_pods(), |leases| {
        release(leases, "c", 9);
        leases.confirm(&key("c"), 9)
    });
    assert!(matches!(refused, Err(LeaseError::NotReserved(_))));
    assert_eq!(inode(), written);
    assert_eq!(store.read(&boot()).unwrap().live().len(), 1);

    let confirmed = store.update(&boot(), DEADLINE, &no_pods(), |leases| {
        leases.confirm(&key("c"), 9)
    });
    confirmed.unwrap();
    assert_ne!(inode(), written);
}

#[test]
fn waiting_for_the_lock_has_an_end() {
    let (dir, store) = run_dir();
    let lock = File::create(dir.path().join("leases.lock")).unwrap();
    lock.lock().unwrap();
    let outcome = store.update(&boot(), Duration::from_millis(30), &no_pods(), |_| {
        Ok::<_, StoreError>(())
    });
    let error = outcome.unwrap_err();
    assert!(
        matches!(&error, StoreError::LockTimeout { waited, .. } if *waited >= Duration::from_millis(30))
    );
    assert!(
        error
            .to_string()
            .contains("leases.lock: still locked by another process after "),
        "{error}"
    );
    drop(lock);
    reserve(&store, 1).unwrap();
}

#[test]
fn a_missing_run_directory_is_named() {
    let (dir, _) = run_dir();
    let missing = dir.path().join("gone");
    let error = reserve(&LeaseStore::new(&missing), 1)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        format!(
            "{}: no such directory; the agent makes it",
            missing.display()
        )
    );
    assert!(!missing.exists());
}

#[test]
fn a_malformed_file_is_named_to_readers_and_left_as_it_is() {
    let held = |container, v4| lease(container, v4, "Held");
    for (content, message) in [
        (String::new(), "the file is empty"),
        ("{\"version\":1,".into(), "EOF while parsing"),
        (
            document(&[]).replace("\"version\":1", "\"version\":2"),
            "version 2: this release reads",
        ),
        (
            document(&[]).replace(BOOT, "none"),
            "bootId \"none\": boot id \"none\": must be",
        ),
        (document(&[]).replace("[]", "7"), "leases 7: invalid type"),
        (
            document(&[]).replace("{}", "{\"10.0.0.0/26\":-1}"),
            "cursors {\"10.0.0.0/26\":-1}: invalid",
        ),
        (
            document(&[held("c", "10.0.0.300")]),
            "leases[0].v4 \"10.0.0.300\": invalid IPv4",
        ),
        (
            document(&[held("c", "10.0.0.1").replace("02:67", "2:67")]),
            "leases[0].mac \"2:67:00:00:00:01\": MAC",
        ),
        (
            document(&[held("c", "10.0.0.1").replace(":7", ":-7")]),
            "leases[0].since -7: invalid value",
        ),
        (
            document(&[lease("c", "10.0.0.1", "Lost")]),
            "leases[0].state \"Lost\": unknown variant",
        ),
        (
            document(&[held("c", "10.0.0.1").replace("\"ifname\":\"eth0\",", "")]),
            "leases[0].ifname: missing",
        ),
        (
            document(&[held("c", "10.0.0.1"), held("d", "10.0.0.1")]),
            "leases[1].v4 \"10.0.0.1\": an earlier lease has it too",
        ),
    ] {
        let (_dir, store) = run_dir();
        fs::write(store.path(), &content).unwrap();
        let error = store.read(&boot()).unwrap_err().to_string();
        let expected = format!("{}: {message}", store.path().display());
        assert!(error.starts_with(&expected), "{error}\n not {expected}");
        assert_eq!(fs::read_to_string(store.path()).unwrap(), content);
    }
}

#[test]
fn leases_without_container_id_may_be_many_and_unknown_fields_survive() {
    let recovered = |v4| lease("", v4, "Held").replace("\"since\"", "\"via\":[1],\"since\"");
    let content = document(&[recovered("10.0.0.1"), recovered("10.0.0.2")]);
    let (_dir, store) = run_dir();
    fs::write(
        store.path(),
        content.replace("\"cursors\":{}", "\"hint\":true"),
    )
    .unwrap();
    assert_eq!(store.read(&boot()).unwrap().find(&key("")), None);
    reserve(&store, 2).unwrap();
    let text = fs::read_to_string(store.path()).unwrap();
    assert_eq!(text.matches("\"via\":").count(), 2, "{text}");
    assert!(text.contains("\"hint\":true"), "{text}");
}

#[test]
fn the_longest_idle_lease_comes_first_in_whatever_order_the_file_is() {
    let late = lease("a", "10.0.0.1", "Cooling").replace(":7", ":9");
    let early = lease("b", "10.0.0.2", "Cooling");
    let leases = Leases::parse(document(&[late, early]).as_bytes()).unwrap();
    let order = leases.cooling().iter().map(|lease| lease.since);
    assert_eq!(order.collect::<Vec<_>>(), [7, 9]);
}
