//! What the API server is told of the custom resources, beside what the agent reads of them.

use gingham_agent::crd;

const DEPLOYED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/crds.yaml");

#[test]
fn the_deployed_definitions_are_those_of_the_agent() {
    let deployed = std::fs::read_to_string(DEPLOYED).unwrap_or_default();
    assert!(
        deployed == crd::yaml().unwrap(),
        "deploy/crds.yaml is out of date: cargo run -p gingham-agent -- crds > deploy/crds.yaml"
    );
}
