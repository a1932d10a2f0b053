//! Cleaning up, in a namespace of its own.

use crate::kernel::World;
use gingham_agent::cleanup::{Cleanup, CleanupError, Installed, Kind, Places, Report};
use gingham_agent::run_dir::RunDir;
use gingham_agent::sysctls::{self, Absent, Need, Setting, Want};
use gingham_model::{Change, Owner, Route, RouteKey, RouteProtocol, TABLE_MAIN, Target};
use gingham_netlink::sysctl::{self, Tree};
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// A node with its run directory.
struct Host {
    world: World,
    root: TempDir,
}

impl Host {
    fn new() -> Self {
        Host {
            world: World::new(),
            root: TempDir::new().unwrap(),
        }
    }

    fn run_dir(&self) -> PathBuf {
        self.root.path().join("run")
    }

    fn state_dir(&self) -> PathBuf {
        self.root.path().join("state")
    }

    fn with<T: Send>(&self, work: impl FnOnce(Cleanup) -> T + Send) -> Result<T, CleanupError> {
        let places = Places {
            run_dir: self.run_dir(),
            state_dir: self.state_dir(),
            settings: Tree::default(),
            cni_conf_dir: self.root.path().join("net.d"),
            cni_bin_dir: self.root.path().join("bin"),
            installed: Installed::Left,
        };
        let begin = || Cleanup::begin(places).map(work);
        self.world.node.visit(begin).unwrap()
    }

    fn clean(&self) -> Report {
        self.with(|cleanup| cleanup.carry_out().unwrap()).unwrap()
    }
}

fn kinds(report: &Report) -> Vec<Kind> {
    report.items.iter().map(|item| item.kind).collect()
}

#[test]
fn a_host_without_us_stays_without_us() {
    let host = Host::new();
    let report = host.clean();
    assert_eq!((report.items, report.left), (vec![], vec![]));
    assert!(!host.run_dir().exists());
}

#[test]
fn only_what_is_ours_goes_and_what_stays_is_named() {
    let mut host = Host::new();
    fs::create_dir(host.run_dir()).unwrap();
    for file in ["node.json", "leases.json", "leases.lock", "mine"] {
        fs::write(host.run_dir().join(file), "").unwrap();
    }
    fs::create_dir(host.state_dir()).unwrap();
    fs::write(host.state_dir().join("cluster.json"), "").unwrap();
    // Ours by its protocol alone, whatever its metric; and another's at a metric of ours.
    let prefix = "10.64.2.0/24".parse().unwrap();
    let of = |protocol, metric| Route {
        key: RouteKey {
            table: TABLE_MAIN,
            prefix,
            metric,
        },
        protocol: RouteProtocol(protocol),
        target: Target::Unreachable,
    };
    let sink = Route::of(Owner::Sink, prefix, Target::Unreachable);
    let (ours, foreign) = (of(202, 77), of(4, 12));
    for route in [&sink, &ours, &foreign] {
        host.world.change(&Change::Add(route.clone()));
    }
    // One setting of ours, and one that somebody has changed since.
    let strict = |name: &str| Setting {
        name: format!("net/ipv4/conf/{name}/rp_filter"),
        want: Want::Exactly("1"),
        need: Need::Must,
        absent: Absent::Unmet,
    };
    let record = host.run_dir().join("sysctls.json");
    let set = || {
        sysctls::keep(&[strict("eth0"), strict("lo")], (&Tree::default(), &record));
        sysctl::set("net/ipv4/conf/lo/rp_filter", "2").unwrap();
    };
    host.world.node.visit(set).unwrap();

    let report = host.clean();
    assert_eq!((&report.left, &report.errors), (&vec![], &vec![]));
    assert_eq!(
        kinds(&report),
        [
            Kind::Route,
            Kind::Route,
            Kind::Sysctl,
            Kind::File,
            Kind::File,
            Kind::File,
            Kind::File,
            Kind::File,
            Kind::File
        ]
    );
    assert!(!host.state_dir().exists());
    let mine = host.run_dir().join("mine");
    assert!(mine.exists());
    let filter = "net/ipv4/conf/lo/rp_filter is 2, neither what it was (0) nor ours (1)";
    let file = format!("{}: not ours", mine.display());
    assert_eq!(report.stays, [filter, &file]);
    let routes = host.world.routes();
    assert!(routes.contains(&foreign));
    assert!(!routes.contains(&sink) && !routes.contains(&ours));
    let read = |name: &str| sysctl::read(&format!("net/ipv4/conf/{name}/rp_filter")).unwrap();
    let values = || (read("eth0"), read("lo"));
    let values = host.world.node.visit(values).unwrap();
    assert_eq!(values, ("0".to_owned(), "2".to_owned()));
}

#[test]
fn a_run_directory_in_use_is_left_alone() {
    let host = Host::new();
    let held = RunDir::open(&host.run_dir()).unwrap();
    let error = host.with(|_| ()).unwrap_err();
    let expected = format!(
        "an agent works with {} (process {}): stop it first",
        host.run_dir().display(),
        std::process::id()
    );
    assert_eq!(error.to_string(), expected);
    drop(held);
    host.clean();
    assert!(!host.run_dir().exists());
}

#[test]
fn without_a_readable_record_nothing_is_begun() {
    let host = Host::new();
    fs::create_dir(host.run_dir()).unwrap();
    let record = host.run_dir().join("sysctls.json");
    fs::write(&record, r#"{"version": 2, "settings": {}}"#).unwrap();
    let error = host.with(|_| ()).unwrap_err().to_string();
    assert!(error.starts_with(&record.display().to_string()), "{error}");
    assert!(error.contains("version 1 only"), "{error}");
    assert!(error.contains("remove it"), "{error}");
}
