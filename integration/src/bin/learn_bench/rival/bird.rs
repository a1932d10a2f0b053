//! BIRD: one process, one channel, one kernel protocol.

use super::{Life, write};
use crate::case::{self, ASN, Case, NODE};
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
router id {NODE};
protocol device {{ }}
protocol direct {{ ipv4; interface \"{UPLINK}\"; }}
protocol kernel {{
  ipv4 {{ import none; export where source = RTS_BGP; }};
  merge paths on;
  persist;
  graceful restart;
}}
"
    );
    for number in 0..case.feeders {
        let feeder = case::feeder(number);
        let _ = write!(
            text,
            "protocol bgp feeder{number} {{
  local {NODE} as {ASN};
  neighbor {feeder} as {ASN};
  direct;
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 2;
  graceful restart on;
  ipv4 {{ import all; export none; }};
}}
"
        );
    }
    text
}
