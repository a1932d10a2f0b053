//! The log: a line for each request as the level wants it, and nothing that is not ours to tell.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod host;

use gingham_netlink::Netns;
use host::Host;
use serde_json::{Value, json};
use std::fs;

const SECRET: &str = "hunter2";

fn lines(host: &Host) -> Vec<Value> {
    let text = fs::read_to_string(host.path("log")).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Every verb, those that fail first; what was logged of each: verb and level.
fn of_every_verb(host: &Host, level: &str) -> Vec<(String, String)> {
    let pod = Netns::create().unwrap();
    let mut conf = host.conf();
    conf["logFile"] = json!(host.path("log"));
    conf["logLevel"] = json!(level);
    let call = |verb: &str, id: &str| host.call(verb, id, &pod).stdin(conf.to_string());
    let with = |key: &str, value: Value| {
        let mut conf = conf.clone();
        conf[key] = value;
        conf.to_string()
    };
    let prev = host.run(&call("ADD", "c1")).succeeded().json();
    let check = |verb: &str, id: &str| call(verb, id).stdin(with("prevResult", prev.clone()));
    host.run(&call("ADD", "c1")).error();
    host.run(&check("CHECK", "c2")).error();
    host.run(&check("CHECK", "c1")).succeeded();
    host.run(&call("STATUS", "c1")).succeeded();
    let in_the_way = host.path("leases.json.tmp");
    fs::create_dir(&in_the_way).unwrap();
    host.run(&call("GC", "c1")).error();
    host.run(&call("DEL", "c1")).error();
    fs::remove_dir(&in_the_way).unwrap();
    host.run(&call("GC", "c1")).succeeded();
    host.run(&call("DEL", "c1")).succeeded();
    fs::remove_file(host.path("node.json")).unwrap();
    host.run(&call("STATUS", "c1")).error();
    let text = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
    let lines = lines(host).into_iter();
    lines
        .map(|line| (text(&line, "verb"), text(&line, "level")))
        .collect()
}

#[test]
fn each_level_tells_what_it_should() {
    let all = [
        ("ADD", "info"),
        ("ADD", "error"),
        ("CHECK", "error"),
        ("CHECK", "debug"),
        ("STATUS", "debug"),
        ("GC", "info"),
        ("GC", "error"),
        ("DEL", "error"),
        ("GC", "info"),
        ("GC", "info"),
        ("DEL", "info"),
        ("STATUS", "error"),
    ];
    for (level, told) in [
        ("error", &["error"][..]),
        ("warn", &["error", "warn"]),
        ("info", &["error", "warn", "info"]),
        ("debug", &["error", "warn", "info", "debug"]),
    ] {
        let logged = of_every_verb(&Host::new(), level);
        let expected = all.iter().filter(|(_, of)| told.contains(of));
        let expected: Vec<(String, String)> = expected
            .map(|(verb, level)| ((*verb).into(), (*level).into()))
            .collect();
        assert_eq!(logged, expected, "{level}");
    }
}

#[test]
fn a_line_says_what_for_whom_and_how_it_ended() {
    let (host, pod) = (Host::new(), Netns::create().unwrap());
    let mut conf = host.conf();
    conf["logFile"] = json!(host.path("log"));
    let call = host.call("ADD", "c1", &pod).stdin(conf.to_string());
    host.run(&call).succeeded();
    host.run(&call).error();
    let [done, refused] = &lines(&host)[..] else {
        panic!("{:?}", lines(&host));
    };
    for line in [done, refused] {
        assert_eq!(line["attachment"], "gingham/c1/eth0");
        assert_eq!(line["pod"], "shop/web-c1");
        assert!(line["milliseconds"].as_f64().unwrap() > 0.0);
    }
    assert_eq!(done["code"], Value::Null);
    assert_eq!(refused["code"], 100);
    assert!(
        refused["error"]
            .as_str()
            .unwrap()
            .contains("already holds addresses")
    );
}

#[test]
fn no_secret_gets_into_it() {
    let (host, pod) = (Host::new(), Netns::create().unwrap());
    let mut conf = host.conf();
    conf["logFile"] = json!(host.path("log"));
    conf["logLevel"] = json!("debug");
    conf["password"] = json!(SECRET);
    conf["runtimeConfig"] = json!({
        "io.kubernetes.cri.pod-annotations": {"vault.example/token": SECRET},
        "portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": SECRET}],
    });
    conf["args"] = json!({"cni": {"token": SECRET}});
    let args = format!("IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=db-0;TOKEN={SECRET}");
    let call = |verb: &str, conf: &Value| {
        let call = host.call(verb, "c1", &pod).with("CNI_ARGS", &args);
        host.run(&call.with("TOKEN", SECRET).stdin(conf.to_string()))
    };
    let mut prev = call("ADD", &conf).succeeded().json();
    call("ADD", &conf).error();
    prev["dns"] = json!({"search": [SECRET]});
    conf["prevResult"] = prev;
    call("CHECK", &conf).succeeded();
    call("STATUS", &conf).succeeded();
    call("GC", &conf).succeeded();
    call("CHECK", &conf).error();
    call("DEL", &conf).succeeded();
    let text = fs::read_to_string(host.path("log")).unwrap();
    assert!(text.lines().count() >= 7, "{text}");
    assert!(!text.contains(SECRET), "{text}");
}

#[test]
fn a_log_that_cannot_be_written_keeps_no_pod_from_starting() {
    let (host, pod) = (Host::new(), Netns::create().unwrap());
    let mut conf = host.conf();
    conf["logFile"] = json!("/proc/no/such/log");
    let call = host.call("ADD", "c1", &pod).stdin(conf.to_string());
    host.run(&call).succeeded();
}
