//! A host with a run directory, and a pod on it that never gets far.

pub(crate) mod trace;

use gingham_agent::pods::{Audit, Datapath, SPACING, Settlement};
use gingham_integration::Binaries;
use gingham_ipam::{BootId, LONGEST_INTENT, LeaseStore, Leases};
use gingham_model::{Owner, TABLE_MAIN};
use gingham_netlink::{Netns, Socket};
use nix::time::{ClockId, clock_gettime};
use serde_json::json;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use trace::Traced;

pub(crate) struct World {
    host: Netns,
    /// In `host`.
    socket: Socket,
    run_dir: TempDir,
    plugin: PathBuf,
    /// Of the pod that is attached by somebody who is killed.
    pod: Netns,
    other: Netns,
}

impl World {
    pub(crate) fn new() -> Self {
        let create = || Netns::create().expect("needs root: it makes network namespaces");
        let host = create();
        // tmpfs, as on a real node.
        let run_dir = TempDir::new_in("/dev/shm").unwrap();
        let state = json!({
            "version": 1, "bootId": boot(), "node": "n", "zone": "z1", "mtu": 1500,
            "families": ["IPv4", "IPv6"], "cooldownSeconds": 0,
            "blocks": [
                {"cidr": "10.101.21.0/24", "pool": "z1", "state": "Active"},
                {"cidr": "fd00:101:0:21::/64", "pool": "z1", "state": "Active"},
            ],
        });
        std::fs::write(run_dir.path().join("node.json"), state.to_string()).unwrap();
        let binaries = Binaries::locate().unwrap();
        World {
            socket: open(&host),
            host,
            run_dir,
            plugin: binaries.gingham().unwrap().plugin.clone(),
            pod: create(),
            other: create(),
        }
    }

    /// The call for the pod, killed when it has made `last` system calls.
    pub(crate) fn traced(&self, verb: &str, last: usize) -> Traced {
        let mut command = self.command(verb, "c1", &self.pod);
        let stdin = self.conf();
        let traced = self
            .host
            .visit(|| trace::run(&mut command, stdin.as_bytes(), last));
        traced.unwrap()
    }

    pub(crate) fn add(&self) {
        self.run("ADD", "c1", &self.pod);
    }

    pub(crate) fn del(&self) {
        self.run("DEL", "c1", &self.pod);
    }

    /// Nothing is valid, as [`World::conf`] says.
    pub(crate) fn gc(&self) {
        self.run("GC", "", &self.pod);
    }

    pub(crate) fn add_both(&self) {
        for (id, pod) in self.pods() {
            self.run("ADD", id, pod);
        }
        assert_eq!(self.leases().live().len(), 2);
    }

    fn pods(&self) -> [(&'static str, &Netns); 2] {
        [("c1", &self.pod), ("c2", &self.other)]
    }

    /// Pods can be attached: the same and another.
    pub(crate) fn both_pods_come_and_go(&self) {
        self.add_both();
        // The kernel takes its time for each.
        std::thread::scope(|scope| {
            for (id, pod) in self.pods() {
                scope.spawn(move || self.run("DEL", id, pod));
            }
        });
    }

    /// What the agent does when nobody else did anything for longer than any ADD may take.
    pub(crate) fn reconcile(&mut self) {
        let boottime = clock_gettime(ClockId::CLOCK_BOOTTIME).unwrap().tv_sec();
        let now = u64::try_from(boottime).unwrap() + LONGEST_INTENT + SPACING + 1;
        let mut audit = Audit::default();
        audit.observe(&self.leases(), &self.datapath(), now - SPACING);
        let findings = audit.observe(&self.leases(), &self.datapath(), now);
        let store = LeaseStore::new(self.run_dir.path());
        let mut settlement = Settlement {
            socket: &mut self.socket,
            store: &store,
            boot: &boot(),
            now,
        };
        for finding in findings {
            settlement.settle(&finding).unwrap();
        }
    }

    /// The pod's namespace goes, with what was in it, and the runtime makes another.
    pub(crate) fn lose_the_sandbox(&mut self) {
        self.pod = Netns::create().unwrap();
        let gone = gingham_integration::eventually("the pod's link goes", PATIENCE, || {
            let links = host_ends(&mut self.socket);
            anyhow::ensure!(links.is_empty(), "{links:?}");
            Ok(())
        });
        gone.unwrap();
    }

    /// Where the one lease stands, and how many host ends there are.
    pub(crate) fn remains(&mut self) -> String {
        let leases = self.leases();
        let lease = match leases.live() {
            [] => "no lease".to_owned(),
            [lease] => format!("{:?}", lease.state),
            more => panic!("{more:?}"),
        };
        let links = host_ends(&mut self.socket).len();
        format!("{lease}, {links} links")
    }

    /// Everything of the one pod is there.
    pub(crate) fn assert_whole(&mut self) {
        let leases = self.leases();
        let [lease] = leases.live() else {
            panic!("{leases:?}");
        };
        let link = self.socket.link(&lease.host_if).unwrap();
        assert!(link.up && link.running, "{link:?}");
        assert_eq!(pod_routes(&mut self.socket), 2);
        let neighbours = self.socket.neighbours().unwrap();
        let ours = neighbours
            .iter()
            .filter(|neighbour| neighbour.dev == link.index);
        assert_eq!(ours.filter(|neighbour| neighbour.permanent).count(), 2);
        assert!(open(&self.pod).link("eth0").unwrap().up);
    }

    /// Nothing of any pod is there, in the kernel or in the leases, but addresses at rest.
    #[track_caller]
    pub(crate) fn assert_clean(&mut self, when: &str) {
        assert_eq!(host_ends(&mut self.socket), [""; 0], "{when}");
        assert_eq!(pod_routes(&mut self.socket), 0, "{when}");
        assert_eq!(self.socket.neighbours().unwrap(), [], "{when}");
        assert_eq!(self.leases().live(), [], "{when}");
        assert!(open(&self.pod).link("eth0").is_err(), "{when}");
    }

    fn leases(&self) -> Leases {
        let store = LeaseStore::new(self.run_dir.path());
        store.read(&boot()).unwrap()
    }

    fn datapath(&mut self) -> Datapath {
        Datapath::new(
            &self.socket.links().unwrap(),
            &self.socket.addresses().unwrap(),
            &self.socket.neighbours().unwrap(),
            &self.socket.routes(TABLE_MAIN).unwrap(),
        )
    }

    fn conf(&self) -> String {
        let run_dir = self.run_dir.path();
        let conf = json!({
            "cniVersion": "1.1.0", "name": "gingham", "type": "gingham", "runDir": run_dir,
            "cni.dev/valid-attachments": [],
        });
        conf.to_string()
    }

    fn command(&self, verb: &str, id: &str, pod: &Netns) -> Command {
        let netns = format!(
            "/proc/{}/fd/{}",
            std::process::id(),
            pod.as_fd().as_raw_fd()
        );
        let mut command = Command::new(&self.plugin);
        command
            .env("CNI_COMMAND", verb)
            .env("CNI_CONTAINERID", id)
            .env("CNI_NETNS", netns)
            .env("CNI_IFNAME", "eth0");
        command
    }

    /// A call that nobody disturbs.
    fn run(&self, verb: &str, id: &str, pod: &Netns) {
        let mut command = self.command(verb, id, pod);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let run = || {
            let mut child = command.spawn().unwrap();
            let mut stdin = child.stdin.take().unwrap();
            stdin.write_all(self.conf().as_bytes()).unwrap();
            drop(stdin);
            child.wait_with_output().unwrap()
        };
        let output = self.host.visit(run).unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{verb} {id}: {said}");
    }
}

/// Longer than the kernel ever takes for a namespace.
const PATIENCE: Duration = Duration::from_secs(30);

fn boot() -> BootId {
    BootId::of_this_boot().unwrap()
}

fn open(netns: &Netns) -> Socket {
    let open = || Socket::open(Duration::from_secs(10)).unwrap();
    netns.visit(open).unwrap()
}

fn host_ends(socket: &mut Socket) -> Vec<String> {
    let links = socket.links().unwrap().into_iter();
    let names = links.filter(|link| !link.loopback).map(|link| link.name);
    names.collect()
}

fn pod_routes(socket: &mut Socket) -> usize {
    let routes = socket.routes(TABLE_MAIN).unwrap();
    let pods = routes
        .iter()
        .filter(|route| route.protocol == Owner::Pod.protocol());
    pods.count()
}
