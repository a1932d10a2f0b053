//! A host for the plugin: a network namespace, a run directory, pods, and the calls of a runtime.
#![allow(dead_code, reason = "each test file uses its part")]

use gingham_ipam::{BootId, Lease, LeaseState, LeaseStore, Leases};
use gingham_model::{Family, Prefix};
use gingham_netlink::{Netns, Socket, address, link, sysctl};
use serde_json::{Value, json};
use std::io::Write;
use std::net::{IpAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// What the node itself is reached by.
pub(crate) const NODE_ADDRESSES: [&str; 2] = ["10.1.0.21/32", "fd00:1::21/128"];

/// A host whose node has the blocks 10.101.21.0/24 and fd00:101:0:21::/64.
pub(crate) struct Host {
    pub(crate) netns: Netns,
    pub(crate) run_dir: TempDir,
}

/// What a call came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is no JSON document: {error}: {self:?}"))
    }

    /// The document of an error: its code and message.
    pub(crate) fn error(&self) -> (u64, String) {
        assert!(!self.success, "should have failed: {self:?}");
        let document = self.json();
        let text = |key: &str| document[key].as_str().unwrap_or_default().to_owned();
        assert_eq!(text("cniVersion"), "1.1.0", "{document}");
        (document["code"].as_u64().expect("a code"), text("msg"))
    }

    #[track_caller]
    pub(crate) fn succeeded(&self) -> &Self {
        assert!(self.success, "should have succeeded: {self:?}");
        self
    }
}

/// The variables and stdin of a call, to be changed before it is made.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) env: Vec<(&'static str, String)>,
    pub(crate) stdin: Vec<u8>,
}

impl Call {
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.env.retain(|(other, _)| *other != name);
        self.env.push((name, value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.env.retain(|(other, _)| *other != name);
        self
    }

    pub(crate) fn stdin(mut self, stdin: impl Into<Vec<u8>>) -> Self {
        self.stdin = stdin.into();
        self
    }
}

impl Host {
    pub(crate) fn new() -> Self {
        let netns = Netns::create().expect("these tests need root: they make network namespaces");
        // tmpfs, as on a real node.
        let host = Host {
            netns,
            run_dir: TempDir::new_in("/dev/shm").unwrap(),
        };
        host.write_node_state(&host.node_state());
        let forward = || {
            sysctl::set("net/ipv4/ip_forward", "1").unwrap();
            sysctl::set("net/ipv6/conf/all/forwarding", "1").unwrap();
        };
        host.netns.visit(forward).unwrap();
        let mut socket = host.socket();
        let lo = socket.link("lo").unwrap().index;
        let addresses = NODE_ADDRESSES.map(|text| text.parse::<Prefix>().unwrap());
        let mut requests = vec![link::set_up(lo)];
        requests.extend(addresses.map(|a| address::add(lo, a.address(), a.length())));
        socket.run(&requests).unwrap();
        host
    }

    pub(crate) fn node_state(&self) -> Value {
        json!({
            "version": 1,
            "bootId": BootId::of_this_boot().unwrap(),
            "node": "z1w1",
            "zone": "z1",
            "mtu": 1500,
            "families": ["IPv4", "IPv6"],
            "blocks": [
                {"cidr": "10.101.21.0/24", "pool": "z1", "state": "Active"},
                {"cidr": "fd00:101:0:21::/64", "pool": "z1", "state": "Active"},
            ],
            "cooldownSeconds": 120,
        })
    }

    pub(crate) fn write_node_state(&self, state: &Value) {
        std::fs::write(self.path("node.json"), state.to_string()).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.run_dir.path().join(name)
    }

    pub(crate) fn conf(&self) -> Value {
        json!({
            "cniVersion": "1.1.0",
            "name": "gingham",
            "type": "gingham",
            "runDir": self.run_dir.path(),
        })
    }

    /// A call as containerd makes it, for `eth0` of container `id` in `pod`.
    pub(crate) fn call(&self, verb: &str, id: &str, pod: &Netns) -> Call {
        let args = format!(
            "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-{id};\
             K8S_POD_INFRA_CONTAINER_ID={id};K8S_POD_UID=u-{id}"
        );
        let env = vec![
            ("CNI_COMMAND", verb.to_owned()),
            ("CNI_CONTAINERID", id.to_owned()),
            ("CNI_NETNS", path_of(pod)),
            ("CNI_IFNAME", "eth0".to_owned()),
            ("CNI_ARGS", args),
            ("CNI_PATH", "/opt/cni/bin".to_owned()),
        ];
        Call {
            env,
            stdin: self.conf().to_string().into_bytes(),
        }
    }

    /// STATUS as the reference library calls it: with empty variables.
    pub(crate) fn status(&self) -> Outcome {
        let env = vec![
            ("CNI_COMMAND", "STATUS".into()),
            ("CNI_NETNS", String::new()),
        ];
        self.run(&Call {
            env,
            stdin: self.conf().to_string().into_bytes(),
        })
    }

    pub(crate) fn add(&self, id: &str, pod: &Netns) -> Outcome {
        self.run(&self.call("ADD", id, pod))
    }

    pub(crate) fn del(&self, id: &str, pod: &Netns) -> Outcome {
        self.run(&self.call("DEL", id, pod))
    }

    /// CHECK with what the chain has answered, by this configuration.
    pub(crate) fn check_with(
        &self,
        (id, pod): (&str, &Netns),
        mut conf: Value,
        prev: &Value,
    ) -> Outcome {
        conf["prevResult"] = prev.clone();
        self.run(&self.call("CHECK", id, pod).stdin(conf.to_string()))
    }

    pub(crate) fn check(&self, id: &str, pod: &Netns, prev: &Value) -> Outcome {
        self.check_with((id, pod), self.conf(), prev)
    }

    /// GC as the reference library calls it: with empty variables, and the list under both keys.
    /// `extra` are keys of the configuration, such as that list.
    pub(crate) fn gc(&self, extra: &Value) -> Outcome {
        let mut conf = self.conf();
        let extra = extra.as_object().unwrap().clone();
        conf.as_object_mut().unwrap().extend(extra);
        let env = ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS"];
        let mut env: Vec<_> = env.map(|name| (name, String::new())).into();
        env.push(("CNI_COMMAND", "GC".into()));
        env.push(("CNI_PATH", "/opt/cni/bin".into()));
        self.run(&Call {
            env,
            stdin: conf.to_string().into_bytes(),
        })
    }

    /// Changes the lease store behind everybody's back.
    pub(crate) fn edit_leases(&self, edit: impl FnOnce(&mut Value)) {
        let path = self.path("leases.json");
        let mut document = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        edit(&mut document);
        std::fs::write(path, document.to_string()).unwrap();
    }

    pub(crate) fn run(&self, call: &Call) -> Outcome {
        self.netns.visit(|| run(call)).unwrap()
    }

    pub(crate) fn socket(&self) -> Socket {
        open(&self.netns)
    }

    pub(crate) fn leases(&self) -> Leases {
        let store = LeaseStore::new(self.run_dir.path());
        store.read(&BootId::of_this_boot().unwrap()).unwrap()
    }

    /// Every lease but those at rest.
    pub(crate) fn live(&self) -> Vec<Lease> {
        self.leases().live().to_vec()
    }

    /// Names of the host ends there are.
    pub(crate) fn host_ends(&self) -> Vec<String> {
        let names = self
            .socket()
            .links()
            .unwrap()
            .into_iter()
            .map(|link| link.name);
        names.filter(|name| name.starts_with("gh")).collect()
    }

    /// Asserts that nothing of any pod is left: no link, no route, no lease but at rest.
    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        assert_eq!(self.host_ends(), [""; 0]);
        let routes = self.socket().routes(gingham_model::TABLE_MAIN).unwrap();
        let pods = gingham_model::Owner::Pod.protocol();
        let left: Vec<_> = routes
            .into_iter()
            .filter(|route| route.protocol == pods)
            .collect();
        assert!(left.is_empty(), "{left:?}");
        assert_eq!(self.live(), []);
        assert!(
            self.leases()
                .cooling()
                .iter()
                .all(|lease| lease.state == LeaseState::Cooling)
        );
    }
}

/// The address of this family in a result.
pub(crate) fn address_of(result: &Value, family: Family) -> IpAddr {
    let ips = result["ips"].as_array().unwrap().iter();
    let addresses = ips.map(|ip| {
        let text = ip["address"].as_str().unwrap();
        text.split('/').next().unwrap().parse().unwrap()
    });
    addresses
        .into_iter()
        .find(|address| Family::of(*address) == family)
        .unwrap()
}

/// What a foreign hand does in `netns`, words parted by spaces.
#[track_caller]
pub(crate) fn by_hand(netns: &Netns, commands: &[String]) {
    for command in commands {
        let mut words = command.split(' ');
        let mut program = Command::new(words.next().unwrap());
        program.args(words);
        let output = netns.visit(|| program.output()).unwrap().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {told}");
    }
}

/// Has `client` open a TCP connection to `address` in `server`, at once: nothing settles first. The
/// server sees the address that the client has.
#[track_caller]
pub(crate) fn reach(client: &Netns, server: &Netns, address: IpAddr) {
    let listen = || TcpListener::bind((address, 0)).unwrap();
    let listener = server.visit(listen).unwrap();
    let to = listener.local_addr().unwrap();
    let connect = || TcpStream::connect_timeout(&to, Duration::from_secs(10));
    let stream = client.visit(connect).unwrap();
    let stream = stream.unwrap_or_else(|error| panic!("{to}: {error}"));
    let (_, from) = listener.accept().unwrap();
    assert_eq!(from.ip(), stream.local_addr().unwrap().ip());
}

pub(crate) fn open(netns: &Netns) -> Socket {
    netns
        .visit(|| Socket::open(Duration::from_secs(10)))
        .unwrap()
        .unwrap()
}

pub(crate) fn path_of(netns: &Netns) -> String {
    format!(
        "/proc/{}/fd/{}",
        std::process::id(),
        netns.as_fd().as_raw_fd()
    )
}

fn run(call: &Call) -> Outcome {
    let mut child = Command::new(env!("CARGO_BIN_EXE_gingham"))
        .env_clear()
        .envs(call.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A plugin that refuses its environment does not read stdin.
    let _ = stdin.write_all(&call.stdin);
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    Outcome {
        success: output.status.success(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
