//! An API server with the custom resources of `deploy/chart/crds/crds.yaml`.

use gingham_integration::kubernetes::{Answer, Api, Question};
use http::Method;
use serde_json::{Value, json};
use std::process::Command;

pub(crate) const DEPLOYED: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../deploy/chart/crds/crds.yaml"
);

/// The resources, in the order of every listing.
pub(crate) const PLURALS: [&str; 5] = [
    "zonepools",
    "blocks",
    "routingconfigs",
    "bgppeers",
    "routefilters",
];

pub(crate) struct World {
    pub(crate) api: Api,
}

impl World {
    /// Without the resources.
    pub(crate) fn bare() -> Self {
        World {
            api: Api::start(&[]).unwrap(),
        }
    }

    pub(crate) fn start() -> Self {
        let world = World::bare();
        let text = std::fs::read_to_string(DEPLOYED).unwrap();
        world.api.apply(&text).unwrap();
        world
    }

    /// What `kubectl` says.
    pub(crate) fn kubectl(&self, words: &[&str]) -> Result<String, String> {
        let output = Command::new(self.api.kubectl().unwrap())
            .arg("--kubeconfig")
            .arg(self.api.admin_kubeconfig().unwrap())
            .args(words)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            Ok(said)
        } else {
            Err(said)
        }
    }

    /// The words of the line `kubectl get` prints for an object.
    pub(crate) fn line(&self, what: &[&str]) -> Vec<String> {
        let words = [&["get", "--no-headers"], what].concat();
        let line = self.kubectl(&words).unwrap();
        line.split_whitespace().map(str::to_owned).collect()
    }

    pub(crate) fn definition(&self, plural: &str) -> Value {
        let name = format!("{plural}.gingham.dev");
        self.api
            .get("CustomResourceDefinition", &name)
            .unwrap()
            .unwrap()
    }

    /// The object as it would be created, or why it would not.
    pub(crate) fn try_create(&self, object: &Value) -> Result<Value, String> {
        let plural = match object["kind"].as_str().unwrap() {
            "ZonePool" => "zonepools",
            "Block" => "blocks",
            "RoutingConfig" => "routingconfigs",
            "BGPPeer" => "bgppeers",
            "RouteFilter" => "routefilters",
            other => panic!("no resource of ours: {other}"),
        };
        let path = format!("/apis/gingham.dev/v1alpha1/{plural}?dryRun=All&fieldValidation=Strict");
        let answer = self
            .api
            .ask(Question::with(Method::POST, path, object.clone()));
        answer
            .and_then(Answer::ok)
            .map_err(|error| format!("{error:#}"))
    }

    /// Changes what `spec` names.
    pub(crate) fn change(&self, kind: &str, name: &str, spec: Value) -> Result<(), String> {
        let answer = self.api.patch(kind, name, json!({ "spec": spec }));
        answer.map(|_| ()).map_err(|error| format!("{error:#}"))
    }

    /// Names of the Blocks a field selector selects.
    pub(crate) fn blocks_where(&self, selector: &str) -> Vec<String> {
        let selector = selector.replace('=', "%3D").replace('!', "%21");
        let path = format!("/apis/gingham.dev/v1alpha1/blocks?fieldSelector={selector}");
        let list = self.api.ask(Question::get(path)).unwrap().ok().unwrap();
        let items = list["items"].as_array().unwrap().iter();
        items
            .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

pub(crate) fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap()
}
