//! The container images of a cluster: docker archives of one layer each, made of programs that are here
//! anyway, since no registry is asked.
//!
//! ```text
//!  recipe ──► Tree (path -> file, link, folder) ──layer──► digest ──► in the cache? ──► its path
//!                                                            └─ no ──► archive, written once
//! ```
//!
//! The same content makes the same bytes under the same path, whoever makes it and when, so that a second
//! test has them at once. The names are those under which Kubernetes' own tests ask for the images,
//! with `localhost` for every registry.
//!
//! ```text
//!  let images = images::ready()?;
//!  for archive in images.all() { /* ctr --namespace k8s.io images import */ }
//! ```

mod archive;
mod cache;
mod libraries;
mod own;
mod recipe;
mod tree;

use crate::binaries::Gingham;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// What holds a pod's namespaces; it ends on TERM and takes up orphans.
pub const PAUSE: &str = "localhost/pause:3.10.2";
/// A shell and the programs of a small system.
pub const BUSYBOX: &str = "localhost/busybox:1.37.0-1";
/// The servers and clients of Kubernetes' own tests, a DNS server among them.
pub const AGNHOST: &str = "localhost/agnhost:2.63.0";
/// The cluster's DNS server, `/coredns`: since a node that has agnhost's image has it, that one under
/// another name.
pub const COREDNS: &str = "localhost/coredns:1.15.0";
/// The resolver whose C library DNS tests want to see: agnhost's image once more.
pub const GLIBC_DNS_TESTING: &str = "localhost/glibc-dns-testing:2.0.0";
/// What looks into a node's connection tracking: agnhost's image again.
pub const DISTROLESS_IPTABLES: &str = "localhost/distroless-iptables:v0.9.6";
/// A server that answers with packets out of order, which no proxy may turn into a reset.
pub const REGRESSION_74839: &str = "localhost/regression-issue-74839:1.4";

/// The agent's own, as the chart's values call it in tests.
pub const GINGHAM: &str = "localhost/gingham:0.1.0";

/// The archives, each of which a runtime can import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// [`PAUSE`].
    pub pause: PathBuf,
    /// [`BUSYBOX`].
    pub busybox: PathBuf,
    /// [`AGNHOST`], [`COREDNS`], [`GLIBC_DNS_TESTING`] and [`DISTROLESS_IPTABLES`].
    pub agnhost: PathBuf,
    /// [`REGRESSION_74839`].
    pub regression_74839: PathBuf,
}

impl Images {
    /// Every archive, the one that a node needs first at the front.
    #[must_use]
    pub fn all(&self) -> [&Path; 4] {
        [
            &self.pause,
            &self.busybox,
            &self.agnhost,
            &self.regression_74839,
        ]
    }
}

/// Makes what is not in the cache yet.
///
/// # Errors
/// A program that is missing, with what brings it; a cache that cannot be written.
pub fn ready() -> Result<Images> {
    Ok(Images {
        pause: cache::kept("pause", &recipe::pause()?)?,
        busybox: cache::kept("busybox", &recipe::busybox()?)?,
        agnhost: cache::kept("agnhost", &recipe::agnhost()?)?,
        regression_74839: cache::kept("regression-74839", &recipe::regression_74839()?)?,
    })
}

/// The archive of the agent's own image, of these executables and named `reference`.
///
/// # Errors
/// What `deploy/image/assemble.sh` complains of; a cache that cannot be written.
pub fn gingham(gingham: &Gingham, reference: &str) -> Result<PathBuf> {
    let folder = tempfile::Builder::new()
        .prefix("gingham-image-")
        .tempdir()
        .context("a folder for the image")?;
    cache::kept("gingham", &own::image(gingham, reference, folder.path())?)
}
