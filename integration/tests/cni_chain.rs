//! The chain of `deploy/10-gingham-chained.conflist` with the reference's own plugins, as the library of
//! the container runtimes runs it: ports of the node, shaped rates, settings; and all of it goes again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod callers_world;
mod world;

use anyhow::ensure;
use callers_world::{
    CONF_FILE, NETWORK, addresses, assert_nothing_left, cnitool, configure, equip, leases, left,
    sandbox, scene,
};
use gingham_integration::{Exec, Lab, LabBox, Node, Output, Process};
use gingham_netlink::Netns;
use serde_json::{Value, json};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use world::wait;

const LIST: &str = include_str!("../../deploy/10-gingham-chained.conflist");
/// The setting that the list's `tuning` makes: where it is, its value, and the kernel's own.
const SETTING: (&str, &str, &str) = ("net.ipv4.tcp_keepalive_time", "600", "7200");
/// The port of the node and of the pod, over TCP.
const PORTS: (u16, u16) = (18080, 8080);
/// Bits a second.
const RATE: u64 = 20_000_000;
/// Bits: small beside what passes while a rate is measured.
const BURST: u64 = 256_000;
/// How long a rate is measured.
const MEASURE: Duration = Duration::from_secs(1);
/// Says a line to port `$2` of `$1`, and prints what comes back.
const CALL: &str =
    "exec 3<>/dev/tcp/$1/$2 && echo hello >&3 && read -r -t 5 line <&3 && echo $line";

/// A node with the chain, and pods made through it by `cnitool`.
struct Scene {
    lab: Lab,
    node: Node,
}

impl Scene {
    fn new() -> Self {
        let (lab, node) = scene();
        equip(&node, &["portmap", "bandwidth", "tuning"]);
        configure(&node, CONF_FILE, &serde_json::from_str(LIST).unwrap());
        Scene { lab, node }
    }

    /// Runs a verb for a pod with what the runtime says of it.
    #[track_caller]
    fn run(&self, verb: &str, pod: &str, capabilities: &Value) -> String {
        let netns = format!("/run/netns/{pod}");
        let run = cnitool(&self.node, verb, [NETWORK, &netns]);
        run.env("CAP_ARGS", &capabilities.to_string())
            .text()
            .unwrap()
    }

    /// A new pod; its addresses, IPv4 first.
    fn add(&self, pod: &str, capabilities: &Value) -> Vec<IpAddr> {
        sandbox(&self.node, pod);
        let before = leases(&self.node, NETWORK);
        let result = self.run("add", pod, capabilities);
        let result: Value = serde_json::from_str(&result).unwrap();
        assert_eq!(result["cniVersion"], "1.1.0", "{result:#}");
        let mut new = leases(&self.node, NETWORK);
        new.retain(|lease| !before.contains(lease));
        assert_eq!(new.len(), 1, "{new:#?}");
        addresses(&new[0])
    }

    fn in_pod(&self, pod: &str, argv: &[&str]) -> Exec {
        let enter = ["ip", "netns", "exec", pod];
        self.node.command(&[&enter, argv].concat())
    }

    /// Sends every line back, in a pod.
    fn serve(&self, pod: &str) -> Process {
        let host = self.node.host();
        let lab = host.lab_executable().display().to_string();
        let port = PORTS.1.to_string();
        let enter = ["ip", "netns", "exec", pod];
        let echo = [&enter[..], &[&lab, "probe", "echo", "--port", &port]].concat();
        let server = host.spawn("echo", &echo).unwrap();
        wait("a server", || {
            let printed = server.printed()?;
            ensure!(printed.starts_with("listening"), "{printed:?}");
            Ok(())
        });
        server
    }

    /// The network namespace of a pod, or the node's own.
    fn netns(&self, pod: Option<&str>) -> Netns {
        let path = match pod {
            Some(pod) => self.node.host().path(&format!("/run/netns/{pod}")),
            None => format!("/proc/{}/ns/net", self.node.host().init().pid).into(),
        };
        Netns::open(Path::new(&path)).unwrap()
    }

    /// What the other plugins of the chain have left on the node.
    fn traces(&self) -> Vec<String> {
        let rules = ["nft", "--stateless", "list", "ruleset"];
        let queues = ["tc", "qdisc", "show"];
        let [rules, queues] = [&rules[..], &queues].map(|argv| self.node.exec(argv).unwrap());
        let rule = |line: &&str| line.contains("comment \"cnitool-");
        let queue = |line: &&str| line.contains("tbf") || line.contains("ingress");
        let lines = rules.lines().filter(rule);
        let lines = lines.chain(queues.lines().filter(queue));
        lines.map(|line| line.trim().to_owned()).collect()
    }
}

/// Who calls the port of the node: a machine, or a pod on it.
#[derive(Debug)]
struct Caller<'a> {
    on: &'a LabBox,
    enter: Vec<&'a str>,
}

impl<'a> Caller<'a> {
    fn on(on: &'a LabBox) -> Self {
        let enter = Vec::new();
        Caller { on, enter }
    }

    fn in_pod(on: &'a LabBox, pod: &'a str) -> Self {
        let enter = vec!["ip", "netns", "exec", pod];
        Caller { on, enter }
    }

    fn call(&self, to: IpAddr) -> Output {
        let (to, port) = (to.to_string(), PORTS.0.to_string());
        let call = ["bash", "-c", CALL, "call", &to, &port];
        let words = [&self.enter[..], &call].concat();
        self.on.command(&words).output().unwrap()
    }
}

fn port() -> Value {
    let (host, pod) = PORTS;
    json!({"portMappings": [{"hostPort": host, "containerPort": pod, "protocol": "tcp"}]})
}

fn rates() -> Value {
    json!({"bandwidth": {
        "ingressRate": RATE, "ingressBurst": BURST, "egressRate": RATE, "egressBurst": BURST,
    }})
}

#[test]
fn a_port_of_the_node_leads_to_the_pod() {
    let scene = Scene::new();
    let Scene { lab, node } = &scene;
    scene.add("server", &port());
    scene.add("neighbour", &json!({}));
    scene.run("check", "server", &port());
    let server = scene.serve("server");

    let other = lab.at("z1w2").unwrap();
    let callers = [
        Caller::on(other),
        Caller::on(lab.at("c1").unwrap()),
        Caller::in_pod(node.host(), "neighbour"),
        Caller::in_pod(node.host(), "server"),
        Caller::on(node.host()),
    ];
    for caller in callers {
        for address in &node.plan().internal_ips {
            let said = caller.call(*address);
            assert_eq!(said.stdout, "hello\n", "{caller:?} to {address}: {said:?}");
        }
    }
    let said = Caller::on(node.host()).call(Ipv4Addr::LOCALHOST.into());
    assert_eq!(said.stdout, "hello\n", "{said:?}");
    // Who comes from elsewhere is seen as who he is.
    let printed = server.printed().unwrap();
    for address in &lab.node("z1w2").unwrap().plan().internal_ips {
        assert!(printed.contains(&format!("from {address}\n")), "{printed}");
    }

    assert_ne!(scene.traces(), [""; 0]);
    for _ in 0..2 {
        scene.run("del", "server", &port());
        scene.run("del", "neighbour", &json!({}));
    }
    assert_eq!(scene.traces(), [""; 0]);
    assert_nothing_left(node);
    let refused = Caller::on(other).call(node.plan().internal_ips[0]);
    assert!(!refused.status.success(), "{refused:?}");
}

#[test]
fn a_pod_gets_the_rate_that_the_runtime_asks_for() {
    let scene = Scene::new();
    let shaped = scene.add("shaped", &rates());
    let free = scene.add("free", &json!({}));
    scene.run("check", "shaped", &rates());
    let node = scene.netns(None);
    let [in_shaped, in_free] = ["shaped", "free"].map(|name| scene.netns(Some(name)));
    for (family, own) in scene.node.plan().internal_ips.iter().enumerate() {
        assert_shaped(&node, &in_shaped, shaped[family]);
        assert_shaped(&in_shaped, &node, *own);
        for control in [
            rate(&node, &in_free, free[family]),
            rate(&in_free, &node, *own),
        ] {
            assert!(control > 4 * RATE, "{own}: {control} bit/s without shaping");
        }
    }
    scene.run("del", "shaped", &rates());
    scene.run("del", "free", &json!({}));
    assert_eq!(scene.traces(), [""; 0]);
    assert_nothing_left(&scene.node);
}

#[test]
fn settings_are_of_the_pod_alone_and_check_sees_to_them() {
    let scene = Scene::new();
    let (name, wanted, kernel) = SETTING;
    scene.add("pod", &json!({}));
    let setting = |argv: &[&str]| scene.in_pod("pod", argv).text().unwrap();
    assert_eq!(setting(&["sysctl", "-n", name]).trim(), wanted);
    let of_node = scene.node.exec(&["sysctl", "-n", name]).unwrap();
    assert_eq!(of_node.trim(), kernel);
    scene.run("check", "pod", &json!({}));
    setting(&["sysctl", "-w", &format!("{name}={kernel}")]);
    let red = cnitool(&scene.node, "check", [NETWORK, "/run/netns/pod"]);
    assert!(!red.output().unwrap().status.success());
    // GC and STATUS go through the whole chain as well.
    scene.run("status", "pod", &json!({}));
    scene.run("gc", "pod", &json!({}));
    assert_nothing_left(&scene.node);
}

#[test]
fn what_stands_when_a_later_plugin_fails_goes_with_the_del() {
    let scene = Scene::new();
    sandbox(&scene.node, "pod");
    // The rules of the port are made, the rate is refused: it lacks a burst.
    let mut wanted = port();
    wanted["bandwidth"] = json!({"ingressRate": RATE});
    let add = cnitool(&scene.node, "add", [NETWORK, "/run/netns/pod"]);
    let failed = add.env("CAP_ARGS", &wanted.to_string()).output().unwrap();
    assert!(
        failed.stderr.contains("burst must also be set"),
        "{failed:?}"
    );
    assert_ne!((left(&scene.node), scene.traces()), (vec![], vec![]));
    scene.run("del", "pod", &port());
    assert_eq!(scene.traces(), [""; 0]);
    assert_nothing_left(&scene.node);
}

/// Never more than the rate; and, on a machine that does other things too, in the end not much less.
#[track_caller]
fn assert_shaped(from: &Netns, to: &Netns, address: IpAddr) {
    wait("half the rate", || {
        let rate = rate(from, to, address);
        assert!(rate < RATE * 13 / 10, "to {address}: {rate} bit/s");
        ensure!(rate > RATE / 2, "to {address}: {rate} bit/s");
        Ok(())
    });
}

/// Bits a second of one connection from a namespace to a listener in another.
fn rate(from: &Netns, to: &Netns, address: IpAddr) -> u64 {
    let listen = || TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
    let listener = to.visit(listen).unwrap();
    let port = listener.local_addr().unwrap().port();
    let connect = || TcpStream::connect((address, port)).unwrap();
    let mut sender = from.visit(connect).unwrap();
    let (mut receiver, _) = listener.accept().unwrap();
    let sending = thread::spawn(move || {
        let block = [0; 1 << 16];
        // Until the receiver has seen enough.
        while sender.write_all(&block).is_ok() {}
    });
    receiver.set_read_timeout(Some(MEASURE)).unwrap();
    let (start, mut received) = (Instant::now(), 0);
    let mut block = vec![0; 1 << 16];
    while start.elapsed() < MEASURE {
        received += match receiver.read(&mut block) {
            Ok(read) => read as u64,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => panic!("{error}"),
        };
    }
    let took = start.elapsed();
    drop(receiver);
    sending.join().unwrap();
    (received as f64 * 8.0 / took.as_secs_f64()) as u64
}
