//! The whole program, as an operator runs it.

use crate::kernel::World;
use gingham_agent::pods::Kernel;
use gingham_agent::status::{Routes, Status};
use gingham_ipam::{BootId, LeaseError, LeaseStore, NodeState, Request, Wanted};
use gingham_model::{Change, Family, Owner};
use serde::de::DeserializeOwned;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Ten times what is expected at most.
const PATIENCE: Duration = Duration::from_secs(20);
const AGENT: &str = env!("CARGO_BIN_EXE_gingham-agent");

/// A node with its namespace, its cluster and its run directory.
struct Node {
    world: World,
    root: TempDir,
}

/// A running agent; killed with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Ends it as an orchestrator would, and gives its log.
    fn terminate(mut self) -> String {
        let pid = nix::unistd::Pid::from_raw(self.0.id().try_into().unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        assert!(self.0.wait().unwrap().success());
        self.log()
    }

    fn log(&mut self) -> String {
        let mut log = String::new();
        self.0
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut log)
            .unwrap();
        log
    }
}

const NODE: &str = "
apiVersion: v1
kind: Node
metadata: {name: w1, uid: u1, labels: {topology.kubernetes.io/zone: z1}}
status:
  addresses:
  - {type: InternalIP, address: 10.1.0.1}
  - {type: InternalIP, address: 'fd00:1::1'}
";

const POOL: &str = "
apiVersion: gingham.dev/v1alpha1
kind: ZonePool
metadata: {name: z1}
spec:
  zone: z1
  cidrs: [{cidr: 10.64.0.0/24}, {cidr: 'fd00:10::/64'}]
  blockSize: {v4: 29, v6: 122}
";

const NEIGHBOUR: &str = "
apiVersion: gingham.dev/v1alpha1
kind: Block
metadata: {name: 10-64-0-248-29}
spec: {cidr: 10.64.0.248/29, pool: z1, zone: z1, node: w2, nodeUID: u2, nodeIPs: [10.1.0.2]}
";

impl Node {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        for kind in ["nodes", "zonepools", "blocks", "routingconfigs"] {
            fs::create_dir_all(root.path().join("cluster").join(kind)).unwrap();
        }
        let node = Node {
            world: World::new(),
            root,
        };
        node.put("nodes/w1", NODE);
        node.put("zonepools/z1", POOL);
        node.put("blocks/10-64-0-248-29", NEIGHBOUR);
        node
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.cluster().join(format!("{name}.yaml")), text).unwrap();
    }

    fn cluster(&self) -> PathBuf {
        self.root.path().join("cluster")
    }

    fn run_dir(&self) -> PathBuf {
        self.root.path().join("run")
    }

    fn start(&self) -> Running {
        let (cluster, run_dir) = (self.cluster(), self.run_dir());
        let state_dir = self.root.path().join("state");
        let child = self.world.node.visit(|| {
            let mut command = Command::new(AGENT);
            command
                .args(["run", "--node", "w1", "--cluster-dir"])
                .arg(cluster);
            command
                .arg("--run-dir")
                .arg(run_dir)
                .arg("--state-dir")
                .arg(state_dir)
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        });
        Running(child.unwrap())
    }

    fn ask(&self, question: &[&str]) -> Output {
        let mut command = Command::new(AGENT);
        command
            .args(question)
            .arg("--run-dir")
            .arg(self.run_dir())
            .output()
            .unwrap()
    }

    fn document<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let output = self.ask(&[name, "-o", "json"]);
        let text = output.status.success().then_some(output.stdout)?;
        Some(serde_json::from_slice(&text).unwrap())
    }

    fn status(&self) -> Status {
        self.document("status").unwrap()
    }

    /// Waits until the status is so.
    fn until(&self, wanted: impl Fn(&Status) -> bool) -> Status {
        let start = Instant::now();
        loop {
            let status: Option<Status> = self.document("status");
            match status {
                Some(status) if wanted(&status) => return status,
                status if start.elapsed() > PATIENCE => panic!("still {status:#?}"),
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    fn get(&self, path: &str) -> String {
        let text = self.world.node.visit(|| {
            let mut stream = TcpStream::connect("127.0.0.1:9178").unwrap();
            let ask = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            stream.write_all(ask.as_bytes()).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        });
        text.unwrap()
    }
}

fn node_state(node: &Node) -> NodeState {
    NodeState::read(&node.run_dir().join("node.json")).unwrap()
}

#[test]
fn a_node_claims_its_blocks_reaches_its_neighbour_and_says_so() {
    let mut node = Node::new();
    let agent = node.start();
    let status = node.until(|status| status.ready);
    assert_eq!(status.reasons, Vec::<String>::new());
    assert_eq!(status.blocks.len(), 2);
    let state = node_state(&node);
    assert_eq!(
        (state.families.as_slice(), state.mtu),
        (&Family::ALL[..], 1400)
    );
    assert_eq!(state.boot_id, BootId::of_this_boot().unwrap());
    assert_eq!(node.world.own().len(), 3, "two sinks and a neighbour");

    let routes: Routes = node.document("routes").unwrap();
    let states: Vec<&str> = routes
        .routes
        .iter()
        .map(|route| route.state.as_str())
        .collect();
    assert_eq!(states, ["ok"; 3]);
    let table = String::from_utf8(node.ask(&["routes"]).stdout).unwrap();
    assert!(table.starts_with("KIND    PREFIX"), "{table}");
    assert!(table.contains("direct  10.64.0.248/29"), "{table}");
    assert!(node.get("/healthz").starts_with("HTTP/1.1 200"));
    assert!(
        node.get("/readyz")
            .ends_with(r#"{"ready":true,"reasons":[]}"#)
    );
    assert!(node.get("/nope").ends_with(r#"{"error":"Not Found"}"#));

    let log = agent.terminate();
    let changes = log
        .lines()
        .filter(|line| line.contains("\"message\":\"route changed\""));
    assert_eq!(changes.count(), 3, "{log}");
    assert_eq!(node.world.own().len(), 3, "they stay");
    assert_eq!(node_state(&node), state, "so does node.json");
    assert!(!node.run_dir().join("agent.sock").exists());
    let output = node.ask(&["status"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && error.contains("no agent answers on"),
        "{error}"
    );
}

/// Without BGP an operator is told so, and where a packet goes all the same.
#[test]
fn an_agent_without_bgp_says_so_and_explains_all_the_same() {
    let node = Node::new();
    let _agent = node.start();
    node.until(|status| status.ready);
    let refused = |question: &[&str]| {
        let output = node.ask(question);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    for question in [
        &["peers"][..],
        &["peers", "c1"],
        &["rib"],
        &["rib", "10.0.0.0/8"],
    ] {
        let error = refused(question);
        assert!(
            error.starts_with("gingham-agent: no BGP speaker runs on this node"),
            "{error}"
        );
    }
    let error = refused(&["rib", "10.0.0.1/8"]);
    assert!(error.contains("prefix 10.0.0.1/8: has bits set"), "{error}");
    let error = refused(&["explain", "web"]);
    assert!(error.contains("address \"web\": "), "{error}");
    let error = refused(&["peers", "--config-for", "core"]);
    assert!(error.contains("spec.zones has no zone z1"), "{error}");

    let output = node.ask(&["explain", "10.64.0.250"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for line in [
        "Held by  node w2: Block 10.64.0.248/29 of pool z1, Active\n",
        "Route    10.64.0.248/29 via 10.1.0.2 dev eth0, protocol 201 (direct), metric 12\n",
        "Kernel   via 10.1.0.2 dev eth0, by route 10.64.0.248/29 metric 12 protocol 201 (direct)\n",
        "BGP paths are not known:\n  no BGP speaker runs on this node\n",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    assert!(!text.contains("DISAGREE"), "{text}");
}

#[test]
fn an_agent_that_is_killed_and_starts_again_writes_nothing() {
    let mut node = Node::new();
    let agent = node.start();
    node.until(|status| status.ready);
    let (routes, state) = (node.world.own(), node_state(&node));
    let written = fs::metadata(node.run_dir().join("node.json"))
        .unwrap()
        .modified()
        .unwrap();
    drop(agent);
    assert!(
        node.run_dir().join("agent.sock").exists(),
        "the socket of a killed agent stays"
    );
    let agent = node.start();
    node.until(|status| status.ready);
    assert_eq!(node.world.own(), routes);
    assert_eq!(node_state(&node), state);
    let again = fs::metadata(node.run_dir().join("node.json"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(again, written);
    let log = agent.terminate();
    for word in [
        "route changed",
        "block claimed",
        "block updated",
        "published",
    ] {
        assert!(!log.contains(word), "{word} in {log}");
    }
}

#[test]
fn a_node_that_outgrows_its_block_claims_another() {
    let node = Node::new();
    let _agent = node.start();
    node.until(|status| status.ready);
    let boot = BootId::of_this_boot().unwrap();
    let leases = LeaseStore::new(node.run_dir());
    // A /29 whose addresses are all given out but those ending in .0 and .255: seven or eight.
    for pod in 0..6 {
        let state = node_state(&node);
        let request = Request {
            key: gingham_ipam::LeaseKey {
                network: "gingham".to_owned(),
                container_id: format!("pod{pod}"),
                ifname: "eth0".to_owned(),
            },
            pod: format!("default/pod{pod}"),
            mac: "02:67:00:00:00:01".parse().unwrap(),
            host_if: format!("gh{pod}"),
            wanted: Wanted::default(),
        };
        let give = |leases: &mut gingham_ipam::Leases| -> Result<(), LeaseError> {
            leases.reserve(request, &state.supply(), 1).map(drop)
        };
        leases
            .update(&boot, Duration::from_secs(5), &Kernel, give)
            .unwrap();
    }
    let v4 = |status: &Status| {
        let blocks = status.blocks.iter();
        blocks
            .filter(|block| block.cidr.family() == Family::V4)
            .count()
    };
    let status = node.until(|status| status.ready && v4(status) == 2);
    assert_eq!(status.blocks.len(), 3, "one shortage claims one block");
    assert_eq!(node_state(&node).blocks.len(), 3);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(node.status().blocks.len(), 3);
}

#[test]
fn bad_input_is_refused_by_name_and_breaks_nothing() {
    let mut node = Node::new();
    let _agent = node.start();
    node.until(|status| status.ready);
    let routes = node.world.own();
    node.put("blocks/10-64-0-248-29", "spec: {");
    node.put(
        "zonepools/z1",
        &POOL.replace("10.64.0.0/24", "10.64.0.1/24"),
    );
    node.put("routingconfigs/default", "{kind: Config}");
    node.put("nodes/w1", "");
    let status = node.until(|status| status.refused.len() == 4);
    assert!(status.ready, "{:?}", status.reasons);
    let pool = status
        .refused
        .iter()
        .find(|refusal| refusal.name == "z1")
        .unwrap();
    assert!(
        pool.error
            .starts_with("spec.cidrs[0].cidr: prefix 10.64.0.1/24: "),
        "{pool:?}"
    );
    assert_eq!(node.world.own(), routes);
}

#[test]
fn with_its_store_away_a_node_works_on_and_says_since_when() {
    let mut node = Node::new();
    let agent = node.start();
    node.until(|status| status.ready);
    let routes = node.world.own();
    let (cluster, aside) = (node.cluster(), node.root.path().join("aside"));
    fs::rename(&cluster, &aside).unwrap();
    let status = node.until(|status| status.sources.iter().all(|s| s.state == "Lost"));
    assert!(status.ready, "{:?}", status.reasons);
    let blocks = &status.sources[2];
    let (since, error) = (
        blocks.since.as_ref().unwrap(),
        blocks.error.as_ref().unwrap(),
    );
    let notice = format!("blocks cannot be read since {since}: {error}");
    assert!(status.notices.contains(&notice), "{:?}", status.notices);
    let held = format!("blocks cannot be read: {error}");
    assert!(
        status.removals_held.contains(&held),
        "{:?}",
        status.removals_held
    );
    assert!(status.claims.contains(&held), "{:?}", status.claims);
    let table = String::from_utf8(node.ask(&["status"]).stdout).unwrap();
    assert!(
        table.contains(&notice) && table.contains("Lost: "),
        "{table}"
    );
    // What somebody breaks is repaired all the same.
    let direct = routes
        .values()
        .find(|r| r.protocol == Owner::Direct.protocol());
    node.world.change(&Change::Remove(direct.unwrap().clone()));
    let until = Instant::now() + PATIENCE;
    while node.world.own() != routes {
        assert!(Instant::now() < until, "it is not repaired");
    }
    drop(agent);

    // One that starts then has nobody's word.
    let _agent = node.start();
    let status = node.until(|status| status.sources.iter().all(|s| s.state == "Failed"));
    assert!(!status.ready);
    assert_eq!(node.world.own(), routes);
    fs::remove_file(aside.join("blocks/10-64-0-248-29.yaml")).unwrap();
    fs::rename(&aside, &cluster).unwrap();
    let status = node.until(|status| status.ready && status.routes.get("ok") == Some(&2));
    assert!(
        status.sources.iter().all(|s| s.state == "Synced"),
        "{:?}",
        status.sources
    );
    assert_eq!(node.world.own().len(), routes.len() - 1);
}

#[test]
fn a_node_that_is_deleted_and_registered_anew_keeps_routes_blocks_and_what_pods_need() {
    let mut node = Node::new();
    let _agent = node.start();
    node.until(|status| status.ready);
    let told = fs::read(node.run_dir().join("node.json")).unwrap();
    let routes = node.world.own();
    fs::remove_file(node.cluster().join("nodes/w1.yaml")).unwrap();
    let gone = "there is no Node w1 any more; what it said last counts on".to_owned();
    let status = node.until(|status| status.notices.contains(&gone));
    assert!(status.ready, "{:?}", status.reasons);
    assert_eq!(status.removals_held[0], "Node w1 is not known");
    // A neighbour that comes meanwhile is reached.
    node.put("blocks/10-64-0-240-29", &NEIGHBOUR.replace("248", "240"));
    node.until(|status| status.routes.get("ok") == Some(&4));

    node.put("nodes/w1", &NODE.replace("uid: u1", "uid: u9"));
    let status = node.until(|status| status.ready && !status.notices.contains(&gone));
    assert_eq!(status.blocks.len(), 2);
    for block in fs::read_dir(node.cluster().join("blocks")).unwrap() {
        let text = fs::read_to_string(block.unwrap().path()).unwrap();
        assert!(!text.contains("u1"), "{text}");
    }
    assert_eq!(fs::read(node.run_dir().join("node.json")).unwrap(), told);
    fs::remove_file(node.cluster().join("blocks/10-64-0-240-29.yaml")).unwrap();
    node.until(|status| status.routes.get("ok") == Some(&3));
    assert_eq!(node.world.own(), routes);
}

#[test]
fn what_a_foreign_hand_removes_comes_back_and_what_it_adds_stays() {
    let mut node = Node::new();
    let _agent = node.start();
    node.until(|status| status.ready);
    let routes = node.world.own();
    let direct = routes
        .values()
        .find(|r| r.protocol == Owner::Direct.protocol())
        .unwrap()
        .clone();
    node.world.change(&Change::Remove(direct));
    // The next look: here, because a Block appears.
    let further = NEIGHBOUR.replace("248", "240");
    node.put("blocks/10-64-0-240-29", &further);
    node.until(|status| status.routes.get("ok") == Some(&4));
    assert_eq!(node.world.own().len(), 4);
    fs::remove_file(node.cluster().join("blocks/10-64-0-240-29.yaml")).unwrap();
    node.until(|status| status.routes.get("ok") == Some(&3));
    assert_eq!(node.world.own(), routes);
}

#[test]
fn a_second_agent_is_refused_and_a_lost_run_directory_ends_the_first() {
    let node = Node::new();
    let mut first = node.start();
    node.until(|status| status.ready);
    let mut second = node.start();
    assert!(!second.0.wait().unwrap().success());
    let log = second.log();
    assert!(log.contains("another gingham-agent holds it"), "{log}");
    fs::rename(node.run_dir(), node.root.path().join("gone")).unwrap();
    assert!(!first.0.wait().unwrap().success());
    let log = first.log();
    assert!(
        log.contains("was removed or replaced while the agent ran"),
        "{log}"
    );
}

#[test]
fn the_command_line_names_what_is_wrong() {
    let fails = |arguments: &[&str]| {
        let output = Command::new(AGENT).args(arguments).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let run = [
        "run",
        "--cluster-dir",
        "/none",
        "--run-dir",
        "/none",
        "--node",
    ];
    let with = |more: &[&'static str]| fails(&[&run, more].concat());
    assert!(with(&["W_1"]).contains("node name \"W_1\": must be"));
    let open = with(&["w1", "--debug-listen", "0.0.0.0:9177"]);
    assert!(open.contains("0.0.0.0 is no loopback address"), "{open}");
    let level = with(&["w1", "--log-level", "loud"]);
    assert!(
        level.contains("'loud' for '--log-level <LEVEL>'"),
        "{level}"
    );
}
