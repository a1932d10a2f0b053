//! A driver that calls as CRI-O does, for what other runtimes do not: VERSION of every plugin whenever it
//! loads a configuration, STATUS until it is well and every few seconds after, GC at its start, CHECK
//! right after each ADD, and DEL as often as it likes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod callers_world;
mod world;

use anyhow::{Result, ensure};
use callers_world::{NETWORK, addresses, assert_nothing_left, leases, sandbox, scene};
use gingham_integration::{Attachment, CniCall, CniOutcome, Lab, Node, Pod, Store};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use world::{PATIENCE, one_zone, wait, without_agents};

/// Expected are a few milliseconds. On each status of a runtime the whole node waits for it.
const QUICK: Duration = Duration::from_secs(1);
/// How often STATUS is asked; CRI-O waits for seconds.
const PERIOD: Duration = Duration::from_millis(50);

/// The runtime of a node.
struct Crio<'a> {
    node: &'a Node,
}

impl Crio<'_> {
    fn call(&self, call: &CniCall) -> CniOutcome {
        self.node.cni(call).unwrap()
    }

    /// A verb that is about no container.
    fn ask(&self, verb: &str, change: impl FnOnce(&mut Value)) -> CniOutcome {
        let nobody = Attachment::of_pod("nobody");
        let mut call = self.node.cni_call(verb, &nobody).unwrap();
        // The library sets what it has no value for to nothing.
        for name in ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"] {
            call.env.insert(name.into(), String::new());
        }
        let mut conf = serde_json::from_str(&call.stdin).unwrap();
        change(&mut conf);
        call.stdin = conf.to_string();
        self.call(&call)
    }

    /// At every load of the configuration: whose version is not among those listed is left out.
    fn load(&self) -> Vec<String> {
        let env = [
            ("COMMAND", "VERSION"),
            ("NETNS", "dummy"),
            ("IFNAME", "dummy"),
            ("PATH", "dummy"),
        ];
        let env = env.map(|(name, value)| (format!("CNI_{name}"), value.to_owned()));
        let reply = self.call(&CniCall {
            env: BTreeMap::from(env),
            stdin: json!({"cniVersion": "1.1.0"}).to_string(),
        });
        assert_eq!(reply.exit, Some(0), "{reply:?}");
        let reply = reply.json().unwrap();
        serde_json::from_value(reply["supportedVersions"].clone()).unwrap()
    }

    fn status(&self) -> CniOutcome {
        self.ask("STATUS", |_| ())
    }

    /// What it does at its start, once STATUS is well. `null` stands for no pod at all.
    #[track_caller]
    fn collect(&self, valid: Option<&[&Pod]>) {
        let attachment = |pod: &&Pod| {
            let attachment = pod.attachment();
            json!({"containerID": attachment.container_id, "ifname": attachment.ifname})
        };
        let valid = valid.map(|pods| pods.iter().map(attachment).collect::<Vec<_>>());
        let gc = self.ask("GC", |conf| {
            conf["cni.dev/valid-attachments"] = json!(valid);
            conf["cni.dev/attachments"] = json!(valid);
        });
        assert_silent("GC", &gc);
    }

    /// ADD, and CHECK at once.
    fn start(&self, name: &str) -> Result<Pod> {
        let pod = self.node.add_pod(name)?;
        let check = self.node.cni_call("CHECK", pod.attachment())?;
        let check = self.call(&check);
        ensure!(
            check.exit == Some(0) && check.stdout.is_empty(),
            "{name}: CHECK: {check:?}"
        );
        Ok(pod)
    }

    /// DEL while the namespace is there, DEL again, and DEL when it is gone and has no name any more.
    #[track_caller]
    fn stop(&self, pod: &Pod) {
        let mut del = self.node.cni_call("DEL", pod.attachment()).unwrap();
        assert_silent("DEL", &self.call(&del));
        assert_silent("a second DEL", &self.call(&del));
        self.node
            .exec(&["ip", "netns", "delete", pod.name()])
            .unwrap();
        del.env.insert("CNI_NETNS".into(), String::new());
        assert_silent("a third DEL", &self.call(&del));
    }
}

/// A verb without a result has nothing to say.
#[track_caller]
fn assert_silent(what: &str, outcome: &CniOutcome) {
    assert!(
        outcome.exit == Some(0) && outcome.stdout.is_empty(),
        "{what}: {outcome:?}"
    );
}

#[track_caller]
fn assert_reaches(pod: &Pod, lab: &Lab) {
    for address in &lab.node("z1w2").unwrap().plan().internal_ips {
        assert!(
            pod.ping(*address, 1).unwrap().complete(),
            "{} to {address}",
            pod.name()
        );
    }
}

#[test]
fn a_runtime_starts_before_the_agent_and_finds_its_pods_again() {
    let lab = without_agents(Store::Directory, one_zone());
    let node = lab.node("z1w1").unwrap();
    let crio = Crio { node: &node };
    let all = [
        "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0",
    ];
    assert_eq!(crio.load(), all);
    let early = crio.status();
    assert_eq!(early.exit, Some(1), "{early:?}");
    assert_eq!(early.json().unwrap()["code"], 50, "{early:?}");
    // Nothing was ever given: nothing to collect.
    crio.collect(None);

    world::start_agents(&lab);
    wait("STATUS is well", || {
        let status = crio.status();
        ensure!(status.exit == Some(0), "{status:?}");
        Ok(())
    });
    let [stays, lost, gone] = ["stays", "lost", "gone"].map(|name| crio.start(name).unwrap());
    // Both ends of the veth pair go with the namespace, the lease does not.
    node.exec(&["ip", "netns", "delete", gone.name()]).unwrap();

    // It starts again, and knows of one.
    crio.load();
    crio.collect(Some(&[&stays]));
    let held = leases(&node, NETWORK);
    assert_eq!(held.len(), 1, "{held:#?}");
    assert_eq!(held[0]["containerId"], stays.attachment().container_id);
    assert_reaches(&stays, &lab);
    let red = node.cni_call("CHECK", lost.attachment()).unwrap();
    assert_eq!(crio.call(&red).exit, Some(1));

    crio.stop(&lost);
    crio.stop(&stays);
    crio.collect(None);
    assert_nothing_left(&node);
}

#[test]
fn status_is_well_throughout_the_coming_and_going_of_pods() {
    let (lab, node) = scene();
    let over = AtomicBool::new(false);
    let asked = thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let crio = Crio { node: &node };
            let mut asked = 0;
            while !over.load(Ordering::Relaxed) {
                let start = Instant::now();
                assert_silent("STATUS", &crio.status());
                assert!(start.elapsed() < QUICK, "STATUS took {:?}", start.elapsed());
                asked += 1;
                thread::sleep(PERIOD);
            }
            asked
        });
        let lives = ["a", "b", "c", "d"].map(|name| {
            let (node, lab) = (&node, &lab);
            scope.spawn(move || {
                let crio = Crio { node };
                for turn in 0..5 {
                    let pod = crio.start(&format!("{name}{turn}")).unwrap();
                    assert_reaches(&pod, lab);
                    crio.stop(&pod);
                }
            })
        });
        let lives = lives.map(thread::ScopedJoinHandle::join);
        over.store(true, Ordering::Relaxed);
        for life in lives {
            life.unwrap();
        }
        watch.join().unwrap()
    });
    assert!(asked > 5, "asked {asked} times");
    assert_nothing_left(&node);
}

#[test]
fn a_hung_agent_holds_nobody_up() {
    let (lab, node) = scene();
    let crio = Crio { node: &node };
    let agent = node.agent().unwrap().unwrap().id;
    agent.signal(Signal::SIGSTOP).unwrap();
    for _ in 0..5 {
        let start = Instant::now();
        assert_silent("STATUS", &crio.status());
        assert!(start.elapsed() < QUICK, "STATUS took {:?}", start.elapsed());
    }
    let pod = crio.start("pod").unwrap();
    assert_reaches(&pod, &lab);
    crio.collect(Some(&[&pod]));
    crio.stop(&pod);
    assert_nothing_left(&node);
    agent.signal(Signal::SIGCONT).unwrap();
    node.wait_ready(PATIENCE).unwrap();
}

#[test]
fn pods_come_and_go_while_no_agent_lives() {
    let (lab, node) = scene();
    let crio = Crio { node: &node };
    let before = crio.start("before").unwrap();
    node.stop_agent(Signal::SIGKILL).unwrap();
    let during = crio.start("during").unwrap();
    assert_reaches(&before, &lab);
    assert_reaches(&during, &lab);
    assert_silent("STATUS", &crio.status());
    crio.stop(&before);
    crio.collect(Some(&[&during]));
    assert_reaches(&during, &lab);
    node.start_agent().unwrap();
    node.wait_ready(PATIENCE).unwrap();
    assert_reaches(&during, &lab);
    crio.stop(&during);
    assert_nothing_left(&node);
}

/// The sandbox of a pod is made anew under the same name, and only then the old one is taken off.
#[test]
fn a_late_del_of_a_sandbox_leaves_the_next_one_of_its_pod_alone() {
    let (lab, node) = scene();
    let crio = Crio { node: &node };
    let old = crio.start("old").unwrap();
    let next = node.cni_call("ADD", &sandbox_of(&old, &node)).unwrap();
    let added = crio.call(&next);
    assert_eq!(added.exit, Some(0), "{added:?}");
    crio.stop(&old);
    let held = leases(&node, NETWORK);
    assert_eq!(held.len(), 1, "{held:#?}");
    let other = lab.node("z1w2").unwrap();
    for address in addresses(&held[0]) {
        assert!(other.host().ping(address, 1).unwrap().complete());
    }
}

/// Another sandbox of the same pod.
fn sandbox_of(old: &Pod, node: &Node) -> Attachment {
    Attachment {
        container_id: "next".into(),
        netns: sandbox(node, "next"),
        ..old.attachment().clone()
    }
}
