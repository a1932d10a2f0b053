//! Into the cluster and out of it.

use anyhow::{Context, Result, ensure};
use gingham_integration::{LabBox, Pod, eventually};
use gingham_model::Family;
use std::time::Duration;

/// Ten times what it takes.
const PATIENCE: Duration = Duration::from_secs(10);
/// Echo requests per family.
const PINGS: u32 = 3;
/// The client's addresses: in no pool and in no node subnet.
const CLIENT: [(Family, &str); 2] = [(Family::V4, "203.0.113.10"), (Family::V6, "fd00:203::10")];
/// Says a line to `$1` and prints what comes back.
const CALL: &str =
    "exec 3<>/dev/tcp/$1/7007 && echo hello >&3 && read -r -t 5 line <&3 && echo $line";

/// Whether the client's packets come to the pod, and the pod's own back.
pub(super) fn reaches(client: &LabBox, pod: &Pod) -> Result<String> {
    let mut lines = Vec::new();
    for family in Family::ALL {
        let address = pod.address(family)?;
        let result = client.ping(address, PINGS)?;
        let line = format!(
            "{} -> {} {address}: {} of {}",
            client.name(),
            pod.name(),
            result.received,
            result.sent
        );
        ensure!(result.complete(), "{line}");
        lines.push(line);
    }
    Ok(lines.join("\n"))
}

/// Whether outside the cluster, where `client` stands, a pod is seen as its node.
pub(super) fn masqueraded(pod: &Pod, client: &LabBox) -> Result<String> {
    let lab = client.lab_executable().display().to_string();
    let server = client.spawn("echo", &[&lab, "probe", "echo", "--port", "7007"])?;
    eventually("a server", PATIENCE, || {
        ensure!(server.printed()?.starts_with("listening"), "not yet");
        Ok(())
    })?;
    let mut lines = Vec::new();
    let mut own = pod.node().plan().internal_ips.iter();
    for (family, to) in CLIENT {
        let node = own.find(|address| Family::of(**address) == family);
        let node = node.with_context(|| format!("no {family} address"))?;
        let before = server.printed()?;
        pod.exec(&["bash", "-c", CALL, "call", to])?;
        let printed = server.printed()?;
        let seen = printed.strip_prefix(&before).unwrap_or(&printed).trim();
        ensure!(seen == format!("from {node}"), "{to} was called {seen}");
        let pod = pod.address(family)?;
        lines.push(format!("{to} was called by pod {pod}, and says: {seen}"));
    }
    Ok(lines.join("\n"))
}
