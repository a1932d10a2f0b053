//! A containerd in a node, with what it starts; all of it ends with the value.
//!
//! The machine's control groups may be of either version, and in several hierarchies. What every kernel
//! has is the unified one, and it is enough for runc even where no controller is left to it. So the node
//! sees that one alone, in a cgroup namespace of which a group of its own is the root. `/run/cgroup` is
//! the whole of it: a process must be moved into the group before it enters the namespace, for then
//! `nsdelegate` forbids it.
//!
//! runc is Debian's: it knows that hierarchy, and its own module would take cgo and libseccomp's headers.

use crate::world::{PATIENCE, wait};
use anyhow::{Context, Result};
use gingham_integration::{Exec, Node, Process, tools};
use nix::sys::signal::Signal;
use std::fs;

/// Makes the group `$1` and the namespace of which it is the root.
const PREPARE: &str = "mkdir /run/cgroup && mount -t cgroup2 cgroup2 /run/cgroup && \
    mkdir -p /run/cgroup/$1/daemon && echo 0 > /run/cgroup/$1/cgroup.procs && \
    touch /run/cgroup-namespace && \
    exec unshare --cgroup=/run/cgroup-namespace mount -t cgroup2 cgroup2 /sys/fs/cgroup";
/// Runs containerd in the group `$1`. `$2` is where it finds its shim.
const START: &str = "echo 0 > /run/cgroup/$1/daemon/cgroup.procs && export PATH=$2:$PATH && \
    exec nsenter --cgroup=/run/cgroup-namespace containerd";
/// Kills what is in the group `$1`, and removes it.
const END: &str = "echo 1 > /run/cgroup/$1/cgroup.kill; \
    until find /run/cgroup/$1 -depth -type d -exec rmdir {} + 2>/dev/null; do sleep 0.01; done";
/// Without its CRI part, whose one client is the kubelet.
const CONFIGURATION: &str = r#"
version = 3
root = "/run/containerd/root"
state = "/run/containerd/state"
disabled_plugins = ["io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri"]
"#;
/// The files of all containers: one program.
const ROOT: &str = "/run/rootfs";
/// A program that needs no library.
const BUSYBOX: &str = "/bin/busybox";

pub(crate) struct Containerd {
    group: Group,
    daemon: Process,
}

/// The control group of a node, with what is in it.
struct Group {
    node: Node,
    name: String,
}

impl Containerd {
    pub(crate) fn start(node: &Node) -> Self {
        let host = node.host();
        fs::create_dir_all(host.path(&format!("{ROOT}/bin"))).unwrap();
        let program = host.path(&format!("{ROOT}{BUSYBOX}"));
        fs::copy(BUSYBOX, program).expect("busybox, of Debian's busybox-static");
        fs::create_dir_all(host.path("/etc/containerd")).unwrap();
        fs::write(host.path("/etc/containerd/config.toml"), CONFIGURATION).unwrap();
        let group = Group::new(node);
        Containerd {
            daemon: group.start(),
            group,
        }
    }

    /// Kills the daemon; what it has started lives on.
    pub(crate) fn crash(&self) {
        self.daemon.stop(Signal::SIGKILL, PATIENCE).unwrap();
    }

    /// Starts the daemon again.
    pub(crate) fn restart(&mut self) {
        self.daemon = self.group.start();
    }

    /// Starts a container that stays, by a `ctr` that does not.
    pub(crate) fn detached(&self, id: &str) -> Result<()> {
        let words = run("--detach", id, &["sleep", "1000"]);
        self.ctr(&words).text().map(drop)
    }

    /// Starts a container that stays, by a `ctr` that stays with it and removes it in the end.
    pub(crate) fn attached(&self, id: &str) -> Process {
        let ctr = program("ctr");
        let words = [vec![&*ctr], run("--rm", id, &["sleep", "1000"])].concat();
        let ctr = self.group.node.host().spawn(&format!("ctr-{id}"), &words);
        ctr.unwrap()
    }

    /// A command in a container of its own, to be run until it ends.
    pub(crate) fn once(&self, id: &str, command: &[&str]) -> Exec {
        self.ctr(&run("--rm", id, command))
    }

    /// A command in a container that stays, to be run.
    pub(crate) fn inside(&self, id: &str, command: &[&str]) -> Exec {
        let exec = ["task", "exec", "--exec-id", "exec", id, BUSYBOX];
        self.ctr(&[&exec, command].concat())
    }

    /// The first process of a running container: its pid in the node.
    pub(crate) fn pid(&self, id: &str) -> Result<String> {
        let tasks = self.ctr(&["task", "list"]).text()?;
        let mut lines = tasks.lines().map(|line| line.split_whitespace().collect());
        let found = lines.find_map(|words: Vec<&str>| match words[..] {
            [name, pid, "RUNNING"] if name == id => Some(pid.to_owned()),
            _ => None,
        });
        found.with_context(|| format!("{id} does not run: {tasks}"))
    }

    /// Takes a container away, as an operator does: DEL comes before its end.
    pub(crate) fn remove(&self, id: &str) {
        let kill = self.ctr(&["task", "kill", "--signal", "KILL", id]);
        kill.text().unwrap();
        wait("the end of a container", || {
            self.ctr(&["task", "delete", id]).text()
        });
        self.ctr(&["container", "delete", id]).text().unwrap();
    }

    fn ctr(&self, arguments: &[&str]) -> Exec {
        let ctr = [&*program("ctr")];
        self.group.node.command(&[&ctr, arguments].concat())
    }
}

impl Group {
    fn new(node: &Node) -> Self {
        let name = format!("gingham-{}", node.host().init().pid);
        node.exec(&["sh", "-c", PREPARE, "sh", &name]).unwrap();
        let node = node.clone();
        Group { node, name }
    }

    /// Starts the daemon.
    fn start(&self) -> Process {
        let daemon = program("containerd");
        let (folder, _) = daemon.rsplit_once('/').unwrap();
        let words = ["sh", "-c", START, "sh", &self.name, folder];
        let daemon = self.node.host().spawn("containerd", &words).unwrap();
        wait("containerd answers", || {
            self.node.exec(&[&program("ctr"), "version"])
        });
        daemon
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // With the node itself everything of it is gone but the group.
        let _ = self.node.exec(&["sh", "-c", END, "sh", &self.name]);
    }
}

fn program(name: &str) -> String {
    tools::locate(name).unwrap().display().to_string()
}

/// The words of `ctr run`. The machine's unified hierarchy may lack the cpu controller.
fn run<'a>(how: &'a str, id: &'a str, command: &[&'a str]) -> Vec<&'a str> {
    let run = [
        "run",
        "--cni",
        "--cpu-shares",
        "0",
        how,
        "--rootfs",
        ROOT,
        id,
        BUSYBOX,
    ];
    [&run, command].concat()
}
