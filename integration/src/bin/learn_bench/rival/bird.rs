//! BIRD: one process, one channel, one kernel protocol. With nothing to announce it says its End-of-RIB
//! only when the next KEEPALIVE comes.

use super::{Life, write};
use crate::case::{self, ASN, Case, DEVICE, OUTSIDE, SUBNET};
use crate::floor::UPLINK;
use crate::world::RUN;
use anyhow::Result;
use gingham_integration::bench::Launch;
use std::fmt::Write as _;
use std::path::Path;

pub(super) fn prepare(case: Case) -> Result<()> {
    write(&format!("{RUN}/bird.conf"), &configuration(case))
}

pub(super) fn launch(program: &Path, life: Life) -> Launch {
    let recover = match life {
        Life::First => "",
        Life::Again => "-R",
    };
    let line = format!("-f -c {RUN}/bird.conf -s {RUN}/bird.ctl -P {RUN}/bird.pid {recover}");
    Launch::of(program, &line)
}

fn configuration(case: Case) -> String {
    let mut text = format!(
        "log stderr {{ warning, error, fatal, bug }};
router id {DEVICE};
protocol device {{ }}
protocol direct {{ ipv4; interface \"{UPLINK}\"; }}
protocol kernel {{
  ipv4 {{ import none; export where source = RTS_BGP; }};
  merge paths on;
  persist;
  graceful restart;
}}
template bgp any {{
  local {DEVICE} as {ASN};
  direct;
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 2;
  graceful restart on;
}}
"
    );
    match case {
        Case::Learn(feed) => {
            for feeder in (0..feed.feeders).map(case::feeder) {
                let _ = writeln!(
                    text,
                    "protocol bgp from any {{ neighbor {feeder} as {ASN}; ipv4 {{ import all; export none; }}; }}"
                );
            }
        }
        Case::Reflect(_) => text += &reflector(),
    }
    text
}

/// Nodes are told what comes from the core, the core everything.
fn reflector() -> String {
    let core = case::feeder(0);
    format!(
        "protocol bgp core from any {{
  neighbor {core} as {OUTSIDE};
  ipv4 {{ import all; export where source = RTS_BGP; next hop keep; }};
}}
protocol bgp nodes from any {{
  neighbor range {SUBNET} as {ASN};
  dynamic name \"node\";
  passive;
  rr client;
  rr cluster id {DEVICE};
  ipv4 {{ import all; export where proto = \"core\"; }};
}}
"
    )
}
