//! The chart and what is rendered from it: good values make objects that a real API server takes, bad ones are
//! refused by name, and the files for those who use no Helm say what the chart says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

#[path = "kube_chart/helm.rs"]
mod helm;
#[path = "kube_chart/placement.rs"]
mod placement;

use gingham_integration::kubernetes::{Api, MANIFEST, NAMESPACE, Question};
use helm::{deploy, documents, lint, rendered, run};
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Values that hold, by what they are about.
const GOOD: [(&str, &str); 8] = [
    ("nothing", "{}"),
    (
        "settings",
        r#"
apiServer: https://10.1.0.11:6443
settings:
  routingConfig: {zones: [{name: z1, asNumber: 64601, nodeCIDRs: [10.1.0.0/24, "fd00:1::/64"]}]}
  zonePools:
    z1: {zone: z1, cidrs: [{cidr: 10.101.0.0/16}, {cidr: "fd00:101::/48"}]}
    z2: {zone: z2, cidrs: [{cidr: 10.102.0.0/16}]}
"#,
    ),
    (
        "a configuration",
        r#"cni: {confDir: /var/lib/cni/net.d, binDir: /usr/libexec/cni, conf: '{"cniVersion": "1.1.0"}'}"#,
    ),
    ("static pods", "reflectors: {kind: StaticPod}"),
    ("uninstalling", "mode: Uninstall"),
    (
        "uninstalling static pods",
        "{mode: Uninstall, reflectors: {kind: StaticPod}}",
    ),
    (
        "pods",
        r#"
image: {repository: "registry.example:5000/net/gingham", tag: v1, pullPolicy: Always}
logLevel: debug
resources: {requests: {cpu: 100m}, limits: {memory: 1Gi}}
tolerations: [{key: a, operator: Exists, effect: NoExecute}]
extraArgs: ["--debug-listen=127.0.0.1:9177"]
podAnnotations: {example.org/a: b}
"#,
    ),
    (
        "rollout",
        "updateStrategy: {nodes: {maxUnavailable: 3}, reflectors: {maxUnavailable: 50%, minReadySeconds: 60}}",
    ),
];

/// Values that cannot hold, and what the refusal names.
const BAD: [(&str, &str); 25] = [
    ("unknown: 1", "unknown"),
    ("image: {repositry: a}", "repositry"),
    ("image: {repository: ''}", "/image/repository"),
    ("image: {tag: 1.5}", "/image/tag"),
    ("image: {pullPolicy: Sometimes}", "/image/pullPolicy"),
    ("mode: uninstall", "/mode"),
    ("apiServer: 10.1.0.11:6443", "/apiServer"),
    ("apiServer: http://10.1.0.11", "/apiServer"),
    ("logLevel: loud", "/logLevel"),
    ("logLevel: 3", "/logLevel"),
    ("resources: {request: {cpu: 1}}", "request"),
    ("cni: {confDir: etc/cni/net.d}", "/cni/confDir"),
    ("cni: {binDir: ''}", "/cni/binDir"),
    ("cni: {conf: {a: b}}", "/cni/conf"),
    ("settings: {pools: {}}", "pools"),
    ("settings: {zonePools: [1]}", "/settings/zonePools"),
    (
        "settings: {zonePools: {z1: 10.0.0.0/8}}",
        "/settings/zonePools/z1",
    ),
    ("settings: {bgpPeers: {A_b: {}}}", "A_b"),
    ("reflectors: {kind: Deployment}", "/reflectors/kind"),
    (
        "updateStrategy: {nodes: {maxUnavailable: 0}}",
        "/updateStrategy/nodes/maxUnavailable",
    ),
    (
        "updateStrategy: {reflectors: {maxUnavailable: 101%}}",
        "/updateStrategy/reflectors/maxUnavailable",
    ),
    (
        "updateStrategy: {nodes: {minReadySeconds: -1}}",
        "/updateStrategy/nodes/minReadySeconds",
    ),
    ("tolerations: all", "/tolerations"),
    ("extraArgs: [run]", "/extraArgs/0"),
    ("podAnnotations: {a: 1}", "/podAnnotations/a"),
];

#[test]
fn the_chart_has_nothing_to_complain_of() {
    let said = lint("{}").unwrap();
    assert!(!said.contains("WARNING"), "{said}");
}

#[test]
fn good_values_make_objects_that_an_api_server_takes() {
    let api = Api::start(&[]).unwrap();
    // The kinds and the namespace have to be there, even for what is only tried.
    api.apply(MANIFEST).unwrap();
    for (what, values) in GOOD {
        let objects = rendered(values).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(objects.len() > 10, "{what}: only {} objects", objects.len());
        for object in objects {
            taken(&api, &object).unwrap_or_else(|error| panic!("{what}: {error}"));
        }
    }
}

#[test]
fn the_static_pods_manifest_is_one_that_an_api_server_takes() {
    let api = Api::start(&[]).unwrap();
    api.apply(MANIFEST).unwrap();
    let text = std::fs::read_to_string(deploy("static-pod/gingham-agent.yaml")).unwrap();
    let [pod] = &documents(&text)[..] else {
        panic!("must be one object: {text}");
    };
    let refers = ["serviceAccountName", "configMap", "secret:"];
    for word in refers {
        assert!(!text.contains(word), "a static pod can have no {word}");
    }
    // What an API server adds for a Pod it would run itself, a mirror has not.
    let mut pod = pod.clone();
    pod["spec"]["automountServiceAccountToken"] = json!(false);
    pod["spec"]["serviceAccountName"] = json!("gingham-reflector");
    taken(&api, &pod).unwrap();
}

#[test]
fn bad_values_are_refused_by_name() {
    let mut wrong = Vec::new();
    for (values, named) in BAD {
        match rendered(values) {
            Ok(_) => wrong.push(format!("{values}: taken")),
            Err(said) if said.contains(named) => {}
            Err(said) => wrong.push(format!("{values}: does not name {named}: {said}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_rendered_is_what_the_chart_says() {
    run("bash", &[&deploy("render.sh"), "--check"]).unwrap();
}

#[test]
fn kustomize_makes_of_the_manifest_what_it_says() {
    let built = run("kubectl", &["kustomize", &deploy("manifest")]).unwrap();
    let by_name = |text: &str| -> BTreeMap<String, Value> {
        let named = |object: Value| {
            let metadata = &object["metadata"];
            let name = [&object["kind"], &metadata["namespace"], &metadata["name"]];
            (name.map(ToString::to_string).join(" "), object.clone())
        };
        documents(text).into_iter().map(named).collect()
    };
    let (built, written) = (by_name(&built), by_name(MANIFEST));
    assert!(built.len() > 20, "only {} objects", built.len());
    let names = |of: &BTreeMap<String, Value>| of.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&built), names(&written));
    for (name, object) in built {
        assert_eq!(object, written[&name], "{name}");
    }
}

#[test]
fn a_changed_configuration_is_a_new_pod() {
    let sums = ["{}", "cni: {conf: a}", "cni: {conf: b}"].map(|values| {
        let objects = rendered(values).unwrap();
        let set = objects.iter().find(|one| one["kind"] == "DaemonSet");
        set.unwrap()["spec"]["template"]["metadata"]["annotations"]["checksum/cni-conf"].to_string()
    });
    let [none, a, b] = sums;
    assert!(none != a && a != b && none != b, "{none} {a} {b}");
}

#[test]
fn settings_stay_when_the_release_goes() {
    let (_, values) = GOOD[1];
    let settings = rendered(values).unwrap();
    let settings = settings
        .iter()
        .filter(|one| one["apiVersion"] == "gingham.dev/v1alpha1");
    let policies: Vec<&Value> = settings
        .map(|one| &one["metadata"]["annotations"]["helm.sh/resource-policy"])
        .collect();
    assert_eq!(policies, [&json!("keep"); 3]);
}

/// Whether the API server would take an object, unknown fields and all.
fn taken(api: &Api, object: &Value) -> Result<(), String> {
    let name = &object["metadata"]["name"];
    let path = path(object);
    let query = "dryRun=All&fieldManager=chart&force=true&fieldValidation=Strict";
    let question = Question {
        method: Method::PATCH,
        path: format!("{path}/{}?{query}", name.as_str().unwrap()),
        content: "application/apply-patch+yaml",
        body: object.clone(),
    };
    let answer = api.ask(question).map_err(|error| format!("{error:#}"))?;
    let answer = answer.ok().map(drop);
    answer.map_err(|error| format!("{} {name}: {error:#}", object["kind"]))
}

/// Where objects of its kind are.
fn path(object: &Value) -> String {
    let version = object["apiVersion"].as_str().unwrap();
    let root = if version.contains('/') { "apis" } else { "api" };
    let kind = object["kind"].as_str().unwrap().to_lowercase();
    let plural = match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{kind}s"),
    };
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => {
            assert!([NAMESPACE, "default"].contains(&namespace), "{object}");
            format!("/{root}/{version}/namespaces/{namespace}/{plural}")
        }
        None => format!("/{root}/{version}/{plural}"),
    }
}
