//! The images that a cluster's nodes load: made once, under the names that Kubernetes' own tests use.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

use gingham_integration::Binaries;
use gingham_integration::images::{
    self, AGNHOST, BUSYBOX, COREDNS, DISTROLESS_IPTABLES, GINGHAM, GLIBC_DNS_TESTING, PAUSE,
    REGRESSION_74839,
};
use serde_json::Value;
use std::fs::File;
use std::path::Path;

/// The names in an archive's manifest.
fn names(archive: &Path) -> Vec<String> {
    let mut archive = tar::Archive::new(File::open(archive).unwrap());
    let mut entries = archive.entries().unwrap().map(Result::unwrap);
    let manifest = entries.find(|entry| entry.path().unwrap() == Path::new("manifest.json"));
    let manifest: Value = serde_json::from_reader(manifest.expect("a manifest")).unwrap();
    let names = manifest[0]["RepoTags"].as_array().unwrap().iter();
    names.map(|name| name.as_str().unwrap().into()).collect()
}

#[test]
fn every_image_is_there_under_its_names_and_made_once() {
    let images = images::ready().unwrap();
    assert_eq!(names(&images.pause), [PAUSE]);
    assert_eq!(names(&images.busybox), [BUSYBOX]);
    assert_eq!(
        names(&images.agnhost),
        [AGNHOST, COREDNS, GLIBC_DNS_TESTING, DISTROLESS_IPTABLES]
    );
    assert_eq!(names(&images.regression_74839), [REGRESSION_74839]);
    assert_eq!(images::ready().unwrap(), images);
    for archive in images.all() {
        println!("{}", archive.display());
    }
}

#[test]
fn the_agents_own_image_has_its_programs_and_is_made_once() {
    let gingham = Binaries::locate().unwrap().gingham.unwrap();
    let archive = images::gingham(&gingham, GINGHAM).unwrap();
    assert_eq!(names(&archive), [GINGHAM]);
    assert_eq!(images::gingham(&gingham, GINGHAM).unwrap(), archive);
    println!("{}", archive.display());
}
