//! Who is measured: our speaker, its rivals with the settings that make them reflect as fast as they
//! can, and the floor.

use crate::size::{ASN, RANGE, REFLECTOR};
use crate::world::RUN;
use anyhow::{Context, Result};
use clap::ValueEnum;
use gingham_integration::bench::{self, Launch};
use std::fmt;
use std::fs;
use std::path::Path;

/// One that is measured. Ours comes first, the floor last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Rival {
    Gingham,
    Bird,
    Frr,
    Openbgpd,
    Gobgp,
    Floor,
}

impl Rival {
    /// Whether clients are to dial it a few at a time but in a storm: it calls listen(2) with a
    /// backlog of 8, and the kernel lets each client beyond wait for a second and more.
    pub(crate) fn is_paced(self) -> bool {
        matches!(self, Rival::Bird | Rival::Openbgpd)
    }

    /// What to do when it is missing.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Rival::Gingham => {
                "give --speaker PATH: `cargo build --release --example speaker` makes it"
            }
            Rival::Bird => "install the package bird2",
            Rival::Frr => "install the package frr",
            Rival::Openbgpd => "install the package openbgpd",
            Rival::Gobgp => {
                "integration/tools/build.sh makes it; name it with --gobgpd PATH, or its folder in GINGHAM_TOOLS"
            }
            Rival::Floor => "it is part of the bench",
        }
    }

    /// Writes its settings and says how to start it.
    pub(crate) fn launch(self, program: &Path) -> Result<Launch> {
        let file = format!("{RUN}/{self}.conf");
        fs::write(&file, self.settings()).with_context(|| format!("writing {file}"))?;
        let words = match self {
            Rival::Gingham => file,
            Rival::Bird => format!("-f -c {file} -s {RUN}/bird.ctl -P {RUN}/bird.pid"),
            // Without zebra and kernel, without another user; no vty port.
            Rival::Frr => format!(
                "-n -Z -S -f {file} -i {RUN}/frr.pid -z {RUN}/zserv.api --vty_socket {RUN} -P 0 -l {REFLECTOR}"
            ),
            Rival::Openbgpd => format!("-d -f {file}"),
            Rival::Gobgp => format!("-f {file} -t toml --log-level error --pprof-disable"),
            Rival::Floor => "floor".to_owned(),
        };
        Ok(Launch::of(program, &words))
    }

    fn settings(self) -> String {
        match self {
            Rival::Gingham => gingham(),
            Rival::Bird => bird(),
            Rival::Frr => frr(),
            Rival::Openbgpd => openbgpd(),
            Rival::Gobgp => gobgp(),
            Rival::Floor => String::new(),
        }
    }
}

impl bench::Rival for Rival {
    fn is_ours(self) -> bool {
        self == Rival::Gingham
    }

    fn is_peer(self) -> bool {
        !matches!(self, Rival::Gingham | Rival::Floor)
    }
}

impl fmt::Display for Rival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rival::Gingham => "gingham",
            Rival::Bird => "bird",
            Rival::Frr => "frr",
            Rival::Openbgpd => "openbgpd",
            Rival::Gobgp => "gobgp",
            Rival::Floor => "floor",
        })
    }
}

/// Without graceful restart, as the clients do not speak it.
fn gingham() -> String {
    format!(
        "asn: {ASN}
routerId: {REFLECTOR}
listen: [\"{REFLECTOR}:179\"]
gracefulRestart: {{restartSeconds: 0, deferralSeconds: 0}}
ranges:
  - name: clients
    prefix: {RANGE}
    limit: 65535
    asn: {ASN}
    role: client
"
    )
}

/// The static route is there to resolve next hops.
fn bird() -> String {
    format!(
        "log stderr {{ warning, error, fatal, bug }};
router id {REFLECTOR};
protocol device {{ }}
protocol static hops {{ ipv4; route {RANGE} via \"lo\"; }}
protocol bgp clients {{
  local {REFLECTOR} as {ASN};
  neighbor range {RANGE} as {ASN};
  dynamic name \"client\";
  passive;
  rr client;
  rr cluster id {REFLECTOR};
  ipv4 {{ import all; export where source = RTS_BGP; }};
}}
"
    )
}

/// `coalesce-time 0`: else a forming group waits up to 10 s before it says anything.
fn frr() -> String {
    format!(
        "router bgp {ASN}
 bgp router-id {REFLECTOR}
 bgp cluster-id {REFLECTOR}
 coalesce-time 0
 neighbor clients peer-group
 neighbor clients remote-as {ASN}
 bgp listen limit 65535
 bgp listen range {RANGE} peer-group clients
 address-family ipv4 unicast
  neighbor clients activate
  neighbor clients route-reflector-client
 exit-address-family
"
    )
}

fn openbgpd() -> String {
    format!(
        "AS {ASN}
router-id {REFLECTOR}
listen on {REFLECTOR}
fib-update no
socket \"{RUN}/openbgpd.sock\"
neighbor {RANGE} {{
  descr \"clients\"
  remote-as {ASN}
  passive
  route-reflector {REFLECTOR}
  announce IPv4 unicast
}}
allow from ibgp
allow to ibgp
"
    )
}

fn gobgp() -> String {
    format!(
        "[global.config]
as = {ASN}
router-id = \"{REFLECTOR}\"
local-address-list = [\"{REFLECTOR}\"]
[[peer-groups]]
[peer-groups.config]
peer-group-name = \"clients\"
peer-as = {ASN}
[peer-groups.transport.config]
passive-mode = true
[peer-groups.route-reflector.config]
route-reflector-client = true
route-reflector-cluster-id = \"{REFLECTOR}\"
[[dynamic-neighbors]]
[dynamic-neighbors.config]
prefix = \"{RANGE}\"
peer-group = \"clients\"
"
    )
}
