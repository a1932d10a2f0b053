//! The plugins and the network configuration as the agent brings them, on a node's own files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod world;

use anyhow::ensure;
use gingham_integration::{Lab, Node, Output, Store};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};
use world::{PATIENCE, one_zone, wait, wait_for_status, without_agents};

const FROM: &str = "/run/image/cni";
const BIN: &str = "/opt/cni/bin";
const STATE: &str = "/var/lib/gingham";
const NAMES: [&str; 3] = ["bandwidth", "gingham", "portmap"];
/// As large as plugins are, so that there is something to be killed in.
const SIZE: usize = 4 << 20;
const KILLS: u32 = 40;

const CONF: &str = "/etc/cni/net.d/10-gingham.conflist";
const SOURCE: &str = "/run/image/10-gingham.conflist";
const WANTED: &str = r#"{"cniVersion":"1.1.0","name":"wanted","plugins":[{"type":"gingham"}]}"#;
const OLDER: &str = r#"{"cniVersion":"1.1.0","name":"older","plugins":[{"type":"gingham"}]}"#;
/// A foreign route in the way of ours: the node is not ready while it is there.
const RIVAL: &str = "10.101.22.0/24 via 10.1.0.1 proto static metric 12";

/// How long somebody removes the configuration whenever it is there.
const FIGHT: Duration = Duration::from_secs(3);

struct Scene {
    _lab: Lab,
    node: Node,
    agent: String,
}

impl Scene {
    fn new() -> Self {
        let lab = without_agents(Store::Directory, one_zone());
        let node = lab.node("z1w1").unwrap();
        let agent = node.agent_command_line().unwrap().remove(0);
        Scene {
            _lab: lab,
            node,
            agent,
        }
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.node.host().path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }

    /// A file's bytes, `None` if there is none.
    fn get(&self, path: &str) -> Option<Vec<u8>> {
        fs::read(self.node.host().path(path)).ok()
    }

    fn exec(&self, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        self.node.exec(&words).unwrap()
    }

    /// `install-cni`, killed after so many seconds if it still runs.
    fn install(&self, seconds: f64) -> Output {
        let seconds = seconds.to_string();
        let words = ["timeout", "-s", "KILL", &seconds, &self.agent];
        let options = ["install-cni", "--from", FROM, "-o", "json"];
        let words = [&words[..], &options].concat();
        self.node
            .command(&words)
            .deadline(PATIENCE)
            .output()
            .unwrap()
    }

    /// Every file in the runtime's folder of plugins.
    fn installed(&self) -> BTreeMap<String, Vec<u8>> {
        let folder = fs::read_dir(self.node.host().path(BIN)).unwrap();
        let files = folder.map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        });
        files.collect()
    }

    fn start(&self) {
        let mut words = self.node.agent_command_line().unwrap();
        words.extend(["--cni-conf", SOURCE].map(str::to_owned));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.node.host().spawn("gingham-agent", &words).unwrap();
    }

    fn wait_for_conf(&self, what: &str) {
        wait(what, || {
            let found = self.get(CONF).map(String::from_utf8);
            ensure!(found == Some(Ok(WANTED.to_owned())), "{found:?}");
            Ok(())
        });
    }

    fn metric(&self, line: &str) {
        let ask = "exec 3<>/dev/tcp/10.1.0.21/9179 && \
                   printf 'GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >&3 && cat <&3";
        wait(line, || {
            let answer = self.node.exec(&["bash", "-c", ask])?;
            ensure!(answer.lines().any(|found| found == line), "{answer}");
            Ok(())
        });
    }
}

fn generation(number: u32, name: &str) -> Vec<u8> {
    let mut bytes = format!("generation {number} of {name}").into_bytes();
    bytes.resize(SIZE, number.to_le_bytes()[0]);
    bytes
}

#[test]
fn whenever_an_install_is_killed_every_program_is_whole_and_the_hosts_own_comes_back() {
    let scene = Scene::new();
    let before = BTreeMap::from([("portmap".to_owned(), b"the host's own".to_vec())]);
    scene.exec("rm -r /opt/cni/bin");
    scene.put(&format!("{BIN}/portmap"), &before["portmap"]);

    let renew = |number: u32| {
        for name in NAMES {
            scene.put(&format!("{FROM}/{name}"), &generation(number, name));
        }
    };
    renew(0);
    let start = Instant::now();
    assert!(scene.install(PATIENCE.as_secs_f64()).status.success());
    let whole = start.elapsed().as_secs_f64();

    let mut killed = 0;
    let mut there = scene.installed();
    for number in 1..=KILLS {
        renew(number);
        let part = f64::from(number) / f64::from(KILLS);
        // Never 0, by which timeout(1) means for ever.
        killed += u32::from(!scene.install(whole * part).status.success());
        let now = scene.installed();
        for name in NAMES {
            let (now, newer) = (&now[name], generation(number, name));
            assert!(
                *now == there[name] || *now == newer,
                "{name} is neither the older nor the newer after kill {number}: {} bytes",
                now.len()
            );
        }
        there = now;
    }
    assert!(killed > 0, "no run was killed: {whole} s");

    let done = scene.install(PATIENCE.as_secs_f64());
    assert!(done.status.success(), "{done:?}");
    let newest = NAMES.map(|name| (name.to_owned(), generation(KILLS, name)));
    assert!(
        scene.installed() == BTreeMap::from(newest),
        "not the newest alone"
    );

    let cleaned = format!("{} cleanup --yes --installed", scene.agent);
    scene.exec(&cleaned);
    let after = scene.installed();
    let names: Vec<&String> = after.keys().collect();
    // Not assert_eq: these are megabytes.
    assert!(after == before, "left, or not as it was: {names:?}");
    assert_eq!(scene.get(&format!("{STATE}/installed.json")), None);
}

#[test]
fn the_configuration_is_there_once_the_node_is_ready_and_stays() {
    let scene = Scene::new();
    scene.put(SOURCE, WANTED.as_bytes());
    scene.put(CONF, OLDER.as_bytes());
    scene.exec(&format!("ip route replace {RIVAL}"));
    scene.start();
    wait_for_status(&scene.node, "a route in its way", |status| {
        status["ready"] == false && status["reasons"].to_string().contains("10.101.22.0/24")
    });
    assert_eq!(scene.get(CONF).as_deref(), Some(OLDER.as_bytes()));

    scene.exec(&format!("ip route del {RIVAL}"));
    scene.wait_for_conf("written when the node is ready");
    scene.metric("gingham_cni_conf_first{} 1");

    scene.exec(&format!("rm {CONF}"));
    scene.wait_for_conf("removed by a foreign hand");
    scene.put(CONF, b"{");
    scene.wait_for_conf("spoilt by a foreign hand");
    // The agent may write in between, so that the folder is not empty.
    wait("the folder gone", || {
        scene.node.exec(&["rm", "-r", "/etc/cni/net.d"])
    });
    scene.wait_for_conf("the folder removed by a foreign hand");

    scene.node.stop_agent(Signal::SIGTERM).unwrap();
    assert_eq!(scene.get(CONF).as_deref(), Some(WANTED.as_bytes()));
}

/// Installers of other networks remove what is not theirs. Answered each time at once, two of them would keep a
/// disk and the runtime busy for ever.
#[test]
fn whoever_keeps_removing_the_configuration_is_answered_in_measure() {
    let scene = Scene::new();
    scene.put(SOURCE, WANTED.as_bytes());
    scene.start();
    scene.wait_for_conf("written when the node is ready");
    let path = scene.node.host().path(CONF);
    let (start, mut removed) = (Instant::now(), 0);
    while start.elapsed() < FIGHT {
        removed += u32::from(fs::remove_file(&path).is_ok());
    }
    // Two a second, and not the hundreds that there would be.
    assert!((1..=20).contains(&removed), "{removed} times in {FIGHT:?}");
    scene.wait_for_conf("left alone");
}

#[test]
fn another_network_that_comes_first_is_told() {
    let scene = Scene::new();
    scene.put(SOURCE, WANTED.as_bytes());
    scene.start();
    scene.wait_for_conf("written when the node is ready");
    let rival = "/etc/cni/net.d/05-other.conf";
    scene.put(rival, br#"{"type":"bridge"}"#);
    let told = |status: &serde_json::Value| status["notices"].to_string().contains("05-other.conf");
    let status = wait_for_status(&scene.node, "another one comes first", told);
    assert_eq!(status["ready"], true, "{status:#}");
    scene.metric("gingham_cni_conf_first{} 0");
    scene.exec(&format!("rm {rival}"));
    wait_for_status(&scene.node, "ours is first again", |status| !told(status));
    scene.metric("gingham_cni_conf_first{} 1");
}

#[test]
fn a_configuration_that_is_none_is_refused_at_the_start() {
    let scene = Scene::new();
    scene.put(SOURCE, br#"{"name":"wanted","plugins":[{"type":"ptp"}]}"#);
    let mut words = scene.node.agent_command_line().unwrap();
    words.extend(["--cni-conf", SOURCE].map(str::to_owned));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ended = scene.node.command(&words).output().unwrap();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(
        said.contains(&format!("--cni-conf {SOURCE}: plugins[0].type ptp")),
        "{said}"
    );
}
