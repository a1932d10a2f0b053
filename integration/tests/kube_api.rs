//! The API server of the harness: that it is a real one, and that it does what tests ask of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

use gingham_integration::eventually;
use gingham_integration::kubernetes::{Api, NAMESPACE, Question, Reach, Signer};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(60);

/// A kind of one's own with a rule that only a real API server knows how to hold.
const KIND: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: zonepools.gingham.dev
spec:
  group: gingham.dev
  scope: Cluster
  names: {kind: ZonePool, listKind: ZonePoolList, plural: zonepools, singular: zonepool}
  versions:
  - name: v1alpha1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              zone: {type: string}
            x-kubernetes-validations:
            - rule: self.zone == oldSelf.zone
              message: the zone of a pool is final
---
apiVersion: gingham.dev/v1alpha1
kind: ZonePool
metadata: {name: z1}
spec: {zone: z1}
"#;

fn node(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": "z1"}},
    })
}

fn config_map(name: &str, text: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default"},
        "data": {"text": text},
    })
}

#[test]
fn objects_are_held_to_their_schema_and_rules() {
    let api = Api::start(&[]).unwrap();
    api.apply(KIND).unwrap();
    let pool = api.get("ZonePool", "z1").unwrap().unwrap();
    assert_eq!(pool["spec"]["zone"], "z1");
    let error = api.patch("ZonePool", "z1", json!({"spec": {"zone": "z2"}}));
    let error = format!("{:#}", error.unwrap_err());
    assert!(error.contains("the zone of a pool is final"), "{error}");
    api.delete("ZonePool", "z1").unwrap();
    assert_eq!(api.get("ZonePool", "z1").unwrap(), None);
    api.delete("ZonePool", "z1").unwrap();
}

#[test]
fn the_api_server_is_killed_and_comes_back_with_what_it_held() {
    let api = Api::start(&[]).unwrap();
    api.apply_object(&config_map("kept", "here")).unwrap();
    api.kill().unwrap();
    assert!(api.get("ConfigMap", "default/kept").is_err());
    api.restart().unwrap();
    let kept = api.get("ConfigMap", "default/kept").unwrap().unwrap();
    assert_eq!(kept["data"]["text"], "here");
}

#[test]
fn etcd_goes_back_to_an_older_snapshot() {
    let api = Api::start(&[]).unwrap();
    api.apply_object(&config_map("first", "1")).unwrap();
    api.stop().unwrap();
    let snapshot = api.snapshot("before").unwrap();
    api.restart().unwrap();
    let later = api.apply_object(&config_map("second", "2")).unwrap();
    api.stop().unwrap();
    api.restore(&snapshot).unwrap();
    api.restart().unwrap();
    assert!(api.get("ConfigMap", "default/first").unwrap().is_some());
    assert_eq!(api.get("ConfigMap", "default/second").unwrap(), None);
    let third = api.apply_object(&config_map("third", "3")).unwrap();
    let version = |object: &Value| -> u64 {
        let text = object["metadata"]["resourceVersion"].as_str().unwrap();
        text.parse().unwrap()
    };
    assert!(version(&third) <= version(&later) + 10, "time went on");
}

#[test]
fn a_token_bound_to_a_pod_says_on_which_node_it_is_used() {
    let api = Api::start(&[]).unwrap();
    api.create(&node("n1")).unwrap();
    let agent = api.client_for("gingham-node", "n1").unwrap();
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "SelfSubjectReview",
    });
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let who = agent
        .ask(Question::with(http::Method::POST, path, review))
        .unwrap();
    let who = who.ok().unwrap()["status"]["userInfo"].take();
    let account = format!("system:serviceaccount:{NAMESPACE}:gingham-node");
    assert_eq!(who["username"], json!(account));
    assert_eq!(
        who["extra"]["authentication.kubernetes.io/node-name"],
        json!(["n1"])
    );
    let refused = agent.ask(Question::get("/api/v1/nodes")).unwrap();
    assert_eq!(refused.code, 403);
    let entries = api.audit().unwrap();
    let last = entries.last().unwrap();
    assert_eq!(
        (last.user(), last.verb.as_str()),
        (account.as_str(), "list")
    );
    assert_eq!((last.resource(), last.code()), ("nodes", 403));
}

#[test]
fn a_relay_cuts_and_silences_one_way_to_the_api_server() {
    let api = Api::start(&[]).unwrap();
    let relay = api.own_relay();
    let (_, before) = relay.carried();
    api.ready().unwrap();
    assert!(relay.carried().1 > before);
    relay.set(Reach::Cut);
    assert!(api.ready().is_err());
    relay.set(Reach::Silent);
    let asked = std::thread::scope(|scope| {
        let asked = scope.spawn(|| api.ready());
        std::thread::sleep(Duration::from_millis(300));
        assert!(!asked.is_finished());
        relay.set(Reach::Open);
        asked.join().unwrap()
    });
    asked.unwrap();
}

#[test]
fn one_authority_takes_over_from_another() {
    let api = Api::start(&[]).unwrap();
    let kubectl = |config: &Path| {
        let output = Command::new(api.kubectl().unwrap())
            .arg("--kubeconfig")
            .arg(config)
            .args(["get", "--raw", "/readyz"])
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr)
    };
    let config = api.admin_kubeconfig().unwrap();
    assert_eq!(kubectl(&config), "ok");
    api.sign_with(Signer::Second).unwrap();
    let refused = kubectl(&config);
    assert!(refused.contains("unknown authority"), "{refused}");
    api.trust(&[Signer::First, Signer::Second]).unwrap();
    assert_eq!(kubectl(&config), "ok");
}

#[test]
fn thousands_of_objects_are_made_in_little_time() {
    let api = Api::start(&[]).unwrap();
    let nodes: Vec<Value> = (0..2000).map(|n| node(&format!("n{n}"))).collect();
    let start = std::time::Instant::now();
    api.create_all(&nodes).unwrap();
    println!("2,000 Nodes in {:?}", start.elapsed());
    assert_eq!(api.list("Node").unwrap().len(), 2000);
}

#[test]
fn nothing_stays_behind() {
    let api = Api::start(&[]).unwrap();
    let init = api.host().init();
    let folder = api.ca_file();
    drop(api);
    assert!(!folder.exists());
    eventually("the end of the box", DEADLINE, || match init.alive() {
        true => anyhow::bail!("it is there"),
        false => Ok(()),
    })
    .unwrap();
}
