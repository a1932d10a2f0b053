//! What Prometheus sees of an agent: where, in which form, and that the numbers are true.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod world;

use anyhow::{Context, Result, ensure};
use gingham_integration::{Lab, LabBox, Node, Store};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;
use world::{edit, ip, one_zone, start_agents, up, wait, without_agents};

/// The first InternalIP of the node under test.
const NODE_IP: &str = "10.1.0.21";

/// The samples of an exposition: name and labels, and the value.
type Samples = BTreeMap<String, f64>;

/// GET from a box; the answer with its head.
fn get(from: &LabBox, address: &str, path: &str) -> Result<String> {
    let script = format!(
        "exec 3<>/dev/tcp/{address}/9179 && \
         printf 'GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >&3 && cat <&3"
    );
    from.exec(&["bash", "-c", &script])
}

fn scrape(from: &LabBox, address: &str) -> Result<String> {
    let answer = get(from, address, "/metrics")?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no head")?;
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    ensure!(head.starts_with("HTTP/1.1 200 "), "{head}");
    ensure!(head.lines().any(|line| line == kind), "{head}");
    Ok(body.to_owned())
}

fn samples(text: &str) -> Samples {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let parts = lines.map(|line| line.rsplit_once(' ').unwrap());
    parts
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

/// A node seen from another one.
struct Scene {
    lab: Lab,
    node: Node,
}

impl Scene {
    fn new(lab: Lab) -> Self {
        let node = lab.node("z1w1").unwrap();
        Scene { lab, node }
    }

    fn scraper(&self) -> &LabBox {
        self.lab.at("z1w2").unwrap()
    }

    fn samples(&self) -> Samples {
        samples(&scrape(self.scraper(), NODE_IP).unwrap())
    }

    /// Waits until a sample is as wanted; one that is not there is 0.
    #[track_caller]
    fn wait_for(&self, name: &str, wanted: impl Fn(f64) -> bool) {
        wait(name, || {
            let samples = self.samples();
            let value = samples.get(name).copied().unwrap_or_default();
            ensure!(wanted(value), "{name} is {value} of {samples:#?}");
            Ok(())
        });
    }
}

#[test]
fn metrics_are_served_on_the_address_of_the_node_alone() {
    let scene = Scene::new(up(Store::Directory, one_zone()));
    scrape(scene.scraper(), NODE_IP).unwrap();
    let other = get(scene.scraper(), NODE_IP, "/v1/status").unwrap();
    assert!(other.starts_with("HTTP/1.1 404 "), "{other}");
    for address in ["127.0.0.1", "fd00:1::21"] {
        let refused = get(scene.node.host(), address, "/metrics").unwrap_err();
        let refused = format!("{refused:#}");
        assert!(refused.contains("Connection refused"), "{refused}");
    }
}

#[test]
fn what_is_served_is_open_metrics() {
    let scene = Scene::new(up(Store::Directory, one_zone()));
    scene.node.add_pod("pod").unwrap();
    let text = scrape(scene.scraper(), NODE_IP).unwrap();
    assert!(text.ends_with("\n# EOF\n"), "{text}");
    assert_eq!(text.matches("# EOF").count(), 1, "{text}");

    let mut types = BTreeMap::new();
    for line in text.lines().filter(|line| *line != "# EOF") {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "TYPE", name, kind] => assert_eq!(types.insert(name, kind), None, "{line}"),
            ["#", "HELP", _, help] => assert!(help.ends_with('.'), "{line}"),
            ["#", "UNIT", name, unit] => assert!(name.ends_with(&format!("_{unit}")), "{line}"),
            _ => assert_sample(line, &types),
        }
    }
    assert!(types.len() > 15, "{types:#?}");
}

/// `name{label="value",...} value` of a family that was declared before.
#[track_caller]
fn assert_sample(line: &str, types: &BTreeMap<&str, &str>) {
    let (series, value) = line.rsplit_once(' ').unwrap();
    assert!(value.parse::<f64>().unwrap() >= 0.0, "{line}");
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').unwrap()),
        None => (series, ""),
    };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    assert!(
        name.starts_with("gingham_") && name.chars().all(plain),
        "{line}"
    );
    for label in labels.split(',').filter(|label| !label.is_empty()) {
        let (key, value) = label.split_once('=').unwrap();
        assert!(key.chars().all(plain), "{line}");
        assert!(
            value.len() > 2 && value.starts_with('"') && value.ends_with('"'),
            "{line}"
        );
    }
    let suffixes: &[&str] = &["", "_total", "_info", "_bucket", "_sum", "_count"];
    let declared = suffixes.iter().find_map(|suffix| {
        let kind = types.get(name.strip_suffix(suffix)?)?;
        Some((*kind, *suffix))
    });
    let allowed = [
        ("gauge", ""),
        ("counter", "_total"),
        ("info", "_info"),
        ("histogram", "_bucket"),
        ("histogram", "_sum"),
        ("histogram", "_count"),
    ];
    assert!(
        declared.is_some_and(|found| allowed.contains(&found)),
        "{line}: {declared:?}"
    );
}

#[test]
fn the_numbers_are_those_of_the_kernel() {
    let scene = Scene::new(up(Store::Directory, one_zone()));
    scene.node.add_pod("pod").unwrap();
    scene.wait_for(
        "gingham_addresses{family=\"IPv4\",state=\"held\"}",
        |held| held == 1.0,
    );
    let before = scene.samples();
    let of = |name: &str| before.get(name).copied();
    for family in ["IPv4", "IPv6"] {
        for kind in ["direct", "sink"] {
            let labels = format!("family=\"{family}\",kind=\"{kind}\"");
            let desired = format!("gingham_routes_desired{{{labels}}}");
            let observed = format!("gingham_routes_observed{{{labels},state=\"ok\"}}");
            assert_eq!(
                (of(&desired), of(&observed)),
                (Some(1.0), Some(1.0)),
                "{before:#?}"
            );
        }
        let conflicts = format!("gingham_route_conflicts{{family=\"{family}\"}}");
        assert_eq!(of(&conflicts), Some(0.0), "{before:#?}");
    }
    let version = format!(
        "gingham_build_info{{version=\"{}\"}}",
        env!("CARGO_PKG_VERSION")
    );
    for (name, value) in [
        ("gingham_ready", 1.0),
        ("gingham_netlink_overruns_total", 0.0),
        ("gingham_source_synced{kind=\"Block\"}", 1.0),
        ("gingham_objects{kind=\"Block\"}", 4.0),
        (&version, 1.0),
    ] {
        assert_eq!(of(name), Some(value), "{name} of {before:#?}");
    }

    let repairs = "gingham_route_repairs_total{cause=\"removed\"}";
    let answers = "gingham_event_to_kernel_seconds_count";
    let (repaired, answered) = (of(repairs).unwrap_or_default(), of(answers).unwrap());
    ip(
        scene.node.host(),
        &["route delete 10.101.22.0/24 proto 201"],
    );
    scene.wait_for(repairs, |now| now == repaired + 1.0);
    scene.wait_for(answers, |now| now > answered);

    let foreign = "route replace 10.101.22.0/24 via 10.1.0.1 proto static metric 12";
    ip(scene.node.host(), &[foreign]);
    scene.wait_for("gingham_route_conflicts{family=\"IPv4\"}", |conflicts| {
        conflicts == 1.0
    });
    let conflict = "gingham_routes_observed{family=\"IPv4\",kind=\"direct\",state=\"conflict\"}";
    scene.wait_for(conflict, |routes| routes == 1.0);
    scene.wait_for("gingham_ready", |ready| ready == 0.0);

    let block = "fd00-0101-0000-0022-0000-0000-0000-0000-64";
    scene.lab.remove("blocks", block).unwrap();
    let desired = "gingham_routes_desired{family=\"IPv6\",kind=\"direct\"}";
    scene.wait_for(desired, |routes| routes == 0.0);
}

#[test]
fn metrics_move_with_the_address_of_the_node() {
    let scene = Scene::new(up(Store::Directory, one_zone()));
    // A scraper that says half a sentence and stays.
    let stuck =
        format!("exec 3<>/dev/tcp/{NODE_IP}/9179; printf 'GET /met' >&3; echo said; sleep 60");
    let stuck = scene
        .scraper()
        .spawn("stuck", &["bash", "-c", &stuck])
        .unwrap();
    wait("a scraper that is stuck", || {
        ensure!(stuck.printed()?.contains("said"), "{}", stuck.printed()?);
        Ok(())
    });

    let new = "10.1.0.31";
    ip(scene.node.host(), &["address add 10.1.0.31/24 dev eth0"]);
    edit(&scene.lab, ("nodes", "z1w1"), NODE_IP, new);
    wait("metrics on the new address", || {
        scrape(scene.scraper(), new)
    });
    let refused = scrape(scene.scraper(), NODE_IP).unwrap_err();
    assert!(
        format!("{refused:#}").contains("Connection refused"),
        "{refused:#}"
    );
    assert!(stuck.running());
}

#[test]
fn an_agent_works_without_its_port_and_serves_once_it_is_free() {
    let scene = Scene::new(without_agents(Store::Directory, one_zone()));
    let lab = scene.scraper().lab_executable().display().to_string();
    let taken = [&lab, "probe", "echo", "--port", "9179"];
    let taken = scene.node.host().spawn("echo", &taken).unwrap();
    wait("the port taken", || {
        ensure!(
            taken.printed()?.starts_with("listening"),
            "{}",
            taken.printed()?
        );
        Ok(())
    });
    start_agents(&scene.lab);
    // As long as it takes to try more than once.
    std::thread::sleep(Duration::from_secs(12));
    let log = fs::read_to_string(scene.node.host().log("gingham-agent")).unwrap();
    let said = log
        .lines()
        .filter(|line| line.contains("metrics not served"));
    let said: Vec<&str> = said.collect();
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(said[0].contains("10.1.0.21:9179"), "{said:#?}");

    taken
        .stop(Signal::SIGKILL, Duration::from_secs(10))
        .unwrap();
    wait("metrics on the port that is free", || {
        scrape(scene.scraper(), NODE_IP)
    });
}
