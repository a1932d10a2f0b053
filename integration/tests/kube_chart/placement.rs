//! Which nodes the DaemonSets fit: every one exactly one, whatever its labels.

use crate::helm::rendered;
use serde_json::Value;
use std::collections::BTreeMap;

const MASTER: &str = "node-role.kubernetes.io/control-plane";
const REFLECTOR: &str = "node-restriction.kubernetes.io/gingham-reflector";
const OS: &str = "kubernetes.io/os";

type Labels = BTreeMap<&'static str, &'static str>;

#[test]
fn every_node_has_exactly_one_agent() {
    for values in ["{}", "mode: Uninstall"] {
        let objects = rendered(values).unwrap();
        let mut sets = objects.iter().filter(|one| one["kind"] == "DaemonSet");
        let (node, reflector) = (sets.next().unwrap(), sets.next().unwrap());
        assert!(sets.next().is_none(), "{values}: more than two");
        for labels in all() {
            let is = labels.contains_key(MASTER) || labels.contains_key(REFLECTOR);
            assert_eq!(fits(reflector, &labels), is, "{values}: {labels:?}");
            assert_eq!(fits(node, &labels), !is, "{values}: {labels:?}");
        }
        let windows = Labels::from([(OS, "windows")]);
        assert!(!fits(node, &windows) && !fits(reflector, &windows));
        for set in [node, reflector] {
            let everything = serde_json::json!([{"operator": "Exists"}]);
            assert_eq!(pod(set)["tolerations"], everything);
            assert!(pod(set).get("nodeSelector").is_none());
        }
    }
}

#[test]
fn where_reflectors_have_static_pods_no_daemonset_fits_them() {
    let objects = rendered("reflectors: {kind: StaticPod}").unwrap();
    let sets: Vec<&Value> = objects
        .iter()
        .filter(|one| one["kind"] == "DaemonSet")
        .collect();
    let [node] = sets[..] else {
        panic!("{} DaemonSets", sets.len());
    };
    for labels in all() {
        let is = labels.contains_key(MASTER) || labels.contains_key(REFLECTOR);
        assert_eq!(fits(node, &labels), !is, "{labels:?}");
    }
}

/// Every node there can be: neither label, one, both; with a value and without.
fn all() -> Vec<Labels> {
    let values = [None, Some(""), Some("true"), Some("false")];
    let one = |master: Option<&'static str>, reflector: Option<&'static str>| {
        let mut labels = Labels::from([(OS, "linux")]);
        labels.extend(master.map(|value| (MASTER, value)));
        labels.extend(reflector.map(|value| (REFLECTOR, value)));
        labels
    };
    let pairs = values
        .iter()
        .flat_map(|master| values.iter().map(|reflector| one(*master, *reflector)));
    pairs.collect()
}

fn pod(set: &Value) -> &Value {
    &set["spec"]["template"]["spec"]
}

/// As the scheduler sees it: one term of all is enough, and all of a term has to hold.
fn fits(set: &Value, labels: &Labels) -> bool {
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let terms = &pod(set)["affinity"]["nodeAffinity"][required]["nodeSelectorTerms"];
    let holds = |expression: &Value| {
        let value = labels.get(expression["key"].as_str().unwrap());
        match expression["operator"].as_str().unwrap() {
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            "In" => value.is_some_and(|value| {
                let values = expression["values"].as_array().unwrap();
                values.iter().any(|one| one == value)
            }),
            other => panic!("an operator this test does not know: {other}"),
        }
    };
    let mut terms = terms.as_array().unwrap().iter();
    terms.any(|term| {
        term["matchExpressions"]
            .as_array()
            .unwrap()
            .iter()
            .all(holds)
    })
}
