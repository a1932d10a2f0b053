//! The list of Kubernetes' own tests names every one there is, and no other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

use gingham_integration::e2e::{self, Place};
use std::collections::BTreeSet;

#[test]
fn every_spec_of_sig_network_is_run_or_left_out_with_a_reason() {
    let specs = e2e::specs().unwrap();
    let listed: BTreeSet<String> = specs.iter().map(|spec| spec.name.clone()).collect();
    let known = e2e::known().unwrap();
    let lacking: Vec<_> = known.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&known).collect();
    assert!(
        lacking.is_empty() && gone.is_empty(),
        "integration/e2e/specs.txt lacks {lacking:#?} and has {gone:#?}, which e2e.test does not"
    );
    assert!(specs.iter().any(|spec| spec.place == Place::Quick));
}
