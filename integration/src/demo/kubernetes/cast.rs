//! The pods with a part of their own, the Service that two of them make, and the cluster's DNS.

use super::{FAR, PATIENCE, WORKER};
use anyhow::{Context, Result};
use gingham_integration::Fleet;
use gingham_integration::fleet::{FleetPod, PodSpec};
use gingham_model::Family;
use serde_json::json;
use std::net::IpAddr;

/// The Service.
pub(super) const SERVICE: &str = "web";
/// The node of the pod with a host port.
pub(super) const NEAR: &str = "z1m1";
/// The port of its node that leads to it.
pub(super) const HOST_PORT: u16 = 8090;

pub(super) struct Cast {
    pub(super) asking: FleetPod,
    /// In the same zone, with a host port.
    pub(super) near: FleetPod,
    /// In the other zone.
    pub(super) far: FleetPod,
}

impl Cast {
    /// Runs all of it.
    pub(super) fn run(fleet: &Fleet) -> Result<Self> {
        let port = json!([{"containerPort": 8080, "hostPort": HOST_PORT}]);
        let cast = Cast {
            asking: fleet.run(&PodSpec::client("asking").on(WORKER))?,
            near: fleet.run(&PodSpec::server("near").on(NEAR).with("ports", port))?,
            far: fleet.run(&PodSpec::server("far").on(FAR))?,
        };
        fleet.apply(&service().to_string())?;
        for pod in [&cast.near, &cast.far] {
            let label = format!("serves={SERVICE}");
            fleet.kubectl(&["label", "pod", &pod.name, &label]).text()?;
        }
        fleet.apply_dns(PATIENCE)?;
        Ok(cast)
    }

    pub(super) fn all(&self) -> [FleetPod; 3] {
        [&self.asking, &self.near, &self.far].map(FleetPod::clone)
    }
}

fn service() -> serde_json::Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": SERVICE},
        "spec": {
            "ipFamilyPolicy": "RequireDualStack",
            "selector": {"serves": SERVICE},
            "ports": [{"port": 80, "targetPort": 8080}],
        },
    })
}

/// The address of `family` among some.
pub(super) fn of_family(addresses: &[IpAddr], family: Family) -> Result<IpAddr> {
    let mut addresses = addresses.iter().copied();
    let found = addresses.find(|address| Family::of(*address) == family);
    found.with_context(|| format!("no {family} address"))
}
