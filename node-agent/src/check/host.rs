//! The kernel, and what it lets us do.

use super::Row;
use crate::privileges;

/// The oldest kernel the agent is made for, and the newest it was run on.
const OLDEST: (u32, u32) = (5, 15);
const TESTED: (u32, u32) = (6, 18);

/// What was found.
#[derive(Clone, Debug)]
pub struct Facts {
    /// `/proc/sys/kernel/osrelease`.
    pub release: Result<String, String>,
    /// `CapEff` of `/proc/self/status`.
    pub capabilities: Result<u64, String>,
    /// What `nft` calls itself, once it has listed the ruleset.
    pub nft: Result<String, String>,
    /// `net/ipv6/conf/all/disable_ipv6`; `None` for a kernel without IPv6.
    pub ipv6_disabled: Option<String>,
}

/// The rows.
pub fn rows(facts: &Facts) -> Vec<Row> {
    vec![
        kernel(&facts.release),
        privileges(&facts.capabilities),
        nft(&facts.nft),
        ipv6(facts.ipv6_disabled.as_deref()),
    ]
}

fn kernel(release: &Result<String, String>) -> Row {
    const CHECK: &str = "kernel";
    let release = match release {
        Ok(release) => release,
        Err(error) => return Row::fail(CHECK, error, &[]),
    };
    let ((major, minor), (tested_major, tested_minor)) = (OLDEST, TESTED);
    let range = format!("{major}.{minor} or later; tested on {tested_major}.{tested_minor}");
    match version(release) {
        Some(version) if version >= OLDEST => Row::ok(CHECK, format!("{release} ({range})")),
        Some(_) => {
            let mend = format!("run a kernel of {range}");
            Row::fail(CHECK, release, &[&mend])
        }
        None => Row::warn(
            CHECK,
            format!("{release}: no version to compare with {range}"),
            &[],
        ),
    }
}

/// The first two numbers of a release such as `6.18.44-1-amd64`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn privileges(capabilities: &Result<u64, String>) -> Row {
    const CHECK: &str = "privileges";
    match capabilities {
        Ok(bits) if privileges::has(*bits, privileges::NET_ADMIN) => {
            Row::ok(CHECK, "CAP_NET_ADMIN")
        }
        Ok(_) => Row::fail(
            CHECK,
            "no CAP_NET_ADMIN",
            &["run it as root, in a container with the capability NET_ADMIN"],
        ),
        Err(error) => Row::fail(CHECK, error, &[]),
    }
}

fn nft(nft: &Result<String, String>) -> Row {
    const CHECK: &str = "nft";
    match nft {
        Ok(version) => Row::ok(CHECK, format!("{version} lists the ruleset")),
        Err(error) => Row::fail(
            CHECK,
            error,
            &["install nftables, and run it as root on a kernel with CONFIG_NF_TABLES"],
        ),
    }
}

fn ipv6(disabled: Option<&str>) -> Row {
    const CHECK: &str = "IPv6";
    match disabled {
        Some("0") => Row::ok(CHECK, "available"),
        Some(_) => Row::warn(
            CHECK,
            "switched off: pods would be IPv4 only",
            &["sysctl -w net/ipv6/conf/all/disable_ipv6=0"],
        ),
        None => Row::warn(CHECK, "not in this kernel: pods would be IPv4 only", &[]),
    }
}
