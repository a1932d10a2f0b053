//! What the wire between the zones carries.

use anyhow::{Result, bail, ensure};
use gingham_integration::{LabBox, Pod, Process, eventually};
use gingham_model::Family;
use nix::sys::signal::Signal;
use std::net::IpAddr;
use std::time::Duration;

/// Echo requests per family.
const PINGS: u32 = 5;
/// How long tcpdump may take to begin, to show a packet, or to end.
const DEADLINE: Duration = Duration::from_secs(10);

/// The core's interfaces to the backbone, over which it shares the load.
const UPLINKS: [&str; 2] = ["bb1", "bb2"];

/// Captures everything but BGP on the core's uplinks while one pod pings another, and wants to find
/// each echo with the pods' addresses in its outer header, and nothing else but neighbour discovery.
pub(super) fn pod_addresses_on_the_wire(core: &LabBox, from: &Pod, to: &Pod) -> Result<String> {
    let captures = UPLINKS
        .iter()
        .map(|uplink| capture(core, uplink))
        .collect::<Result<Vec<_>>>()?;
    let mut pairs = Vec::new();
    for family in Family::ALL {
        let (source, destination) = (from.address(family)?, to.address(family)?);
        let result = from.ping(destination, PINGS)?;
        ensure!(result.complete(), "ping {destination}: {result:?}");
        pairs.push((source, destination));
    }
    let printed = || -> Result<String> { captures.iter().map(Process::printed).collect() };
    let seen = eventually("every echo on the wire", DEADLINE, || {
        echoes(&printed()?, &pairs)
    });
    for tcpdump in &captures {
        tcpdump.stop(Signal::SIGTERM, DEADLINE)?;
    }
    let (lines, printed) = (seen?, printed()?);
    let strange: Vec<&str> = packets(&printed)
        .filter(|line| !discovery(line) && !pairs.iter().any(|pair| echo(line, *pair)))
        .collect();
    ensure!(strange.is_empty(), "other packets:\n{}", strange.join("\n"));
    Ok(format!(
        "{} on {}, {PINGS} of each:\n{}",
        core.name(),
        UPLINKS.join(" and "),
        lines.join("\n")
    ))
}

/// A tcpdump that captures.
fn capture(core: &LabBox, uplink: &str) -> Result<Process> {
    // Without names, times and delay; the last column is what is in the outermost IP header.
    let argv = [
        "tcpdump",
        "-n",
        "-t",
        "-l",
        "--immediate-mode",
        "-i",
        uplink,
    ];
    let argv = [&argv[..], &["not", "tcp", "port", "179"]].concat();
    let tcpdump = core.spawn(&format!("tcpdump-{uplink}"), &argv)?;
    eventually("tcpdump captures", DEADLINE, || {
        let printed = tcpdump.printed()?;
        ensure!(printed.contains("listening on"), "{printed}");
        Ok(())
    })?;
    Ok(tcpdump)
}

/// The first request of each pair, once all requests and replies of all pairs are there.
fn echoes(printed: &str, pairs: &[(IpAddr, IpAddr)]) -> Result<Vec<String>> {
    let mut first = Vec::new();
    for pair in pairs {
        let lines: Vec<&str> = packets(printed).filter(|line| echo(line, *pair)).collect();
        let wanted = usize::try_from(2 * PINGS)?;
        let mut requests = lines.iter().filter(|line| line.contains("echo request"));
        match requests.next() {
            Some(line) if lines.len() == wanted => first.push((*line).to_owned()),
            _ => bail!(
                "{} of {wanted} echoes of {pair:?} in\n{printed}",
                lines.len()
            ),
        }
    }
    Ok(first)
}

/// Everything that tcpdump printed but its words about itself.
fn packets(printed: &str) -> impl Iterator<Item = &str> {
    printed.lines().filter(|line| {
        let begins = ["tcpdump: ", "listening on "]
            .iter()
            .any(|word| line.starts_with(word));
        let ends = [" captured", " received by filter", " dropped by kernel"];
        !line.is_empty() && !begins && !ends.iter().any(|word| line.ends_with(word))
    })
}

/// Whether the outermost header of the packet has the addresses of the pair and its payload is an
/// echo: `IP 10.101.21.2 > 10.102.21.2: ICMP echo request, id 1, seq 1, length 64`.
fn echo(line: &str, (a, b): (IpAddr, IpAddr)) -> bool {
    let (ip, icmp) = match a {
        IpAddr::V4(_) => ("IP", "ICMP"),
        IpAddr::V6(_) => ("IP6", "ICMP6,"),
    };
    line.starts_with(&format!("{ip} {a} > {b}: {icmp} echo request"))
        || line.starts_with(&format!("{ip} {b} > {a}: {icmp} echo reply"))
}

/// ARP, neighbour discovery and multicast listener reports: how routers find each other.
fn discovery(line: &str) -> bool {
    let kinds = [
        "neighbor solicitation",
        "neighbor advertisement",
        "multicast listener report",
    ];
    line.starts_with("ARP, ") || kinds.iter().any(|kind| line.contains(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_echo_between_the_pods_themselves_counts() {
        let pair = (
            "10.101.21.2".parse().unwrap(),
            "10.102.21.2".parse().unwrap(),
        );
        let plain = "IP 10.101.21.2 > 10.102.21.2: ICMP echo request, id 1, seq 1, length 64";
        assert!(echo(plain, pair));
        assert!(echo(
            "IP 10.102.21.2 > 10.101.21.2: ICMP echo reply, id 1, seq 1",
            pair
        ));
        let inside = "IP 10.1.0.21 > 10.2.0.21: IP 10.101.21.2 > 10.102.21.2: ICMP echo request";
        assert!(!echo(inside, pair));
        assert!(!discovery(inside));
        let printed = format!("listening on x\n\n{inside}\n1 packet captured\n");
        assert_eq!(packets(&printed).collect::<Vec<_>>(), [inside]);
    }
}
