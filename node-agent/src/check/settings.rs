//! Kernel settings: those the agent keeps, as they are now.

use super::{Row, State};
use crate::sysctls::{self, Absent, Need, Setting, Verdict};

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The settings an agent here would keep.
    pub settings: Vec<(Setting, Reading)>,
    /// `net/ipv4/conf/all/rp_filter`, empty where there is none.
    pub filter_of_all: String,
    /// `rp_filter` of each uplink itself.
    pub filters: Vec<(String, String)>,
    /// `rp_filter` of the host end of each pod itself.
    pub pods: Vec<String>,
    /// Whether an agent runs, which would have made them.
    pub agent: Agent,
}

/// A setting as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Its value, and whether it could be written.
    Value(String, Result<(), String>),
    /// There is none.
    Absent,
    /// It cannot be read.
    Unreadable(String),
}

/// Whether an agent runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Agent {
    /// It does.
    Runs,
    /// It does not.
    #[default]
    Absent,
}

/// The rows in their order: what they are called, and by what their settings end.
const ROWS: [(&str, &[&str]); 6] = [
    ("forwarding", &["ip_forward", "forwarding"]),
    ("accept_ra", &["accept_ra"]),
    ("rp_filter", &["rp_filter"]),
    ("send_redirects", &["send_redirects"]),
    ("hash policy", &["fib_multipath_hash_policy"]),
    (
        "neighbour table",
        &["gc_thresh3", "gc_thresh2", "gc_thresh1"],
    ),
];

/// What keeps the pods' filters strict: systemd applies `net.ipv4.conf.*.rp_filter` of its own to
/// every new interface.
const KEEP_STRICT: [&str; 3] = [
    "write /etc/sysctl.d/99-gingham.conf:",
    "    net.ipv4.conf.gh*.rp_filter = 1",
    "then run: systemctl restart systemd-sysctl",
];

/// The rows.
pub fn rows(facts: &Facts) -> Vec<Row> {
    let rows = ROWS.iter().map(|(check, endings)| {
        let is_of_row = |setting: &Setting| {
            let ending = setting.name.rsplit('/').next();
            ending.is_some_and(|ending| endings.contains(&ending))
        };
        let of_row = facts
            .settings
            .iter()
            .filter(|(setting, _)| is_of_row(setting));
        let judged = of_row.filter_map(|(setting, reading)| judge(setting, reading, facts));
        let row = merge(check, judged.collect());
        match *check {
            "rp_filter" => with_filters(row, facts),
            _ => row,
        }
    });
    rows.collect()
}

/// One row of many.
fn merge(check: &str, rows: Vec<Row>) -> Row {
    let state = rows.iter().map(|row| row.state).max().unwrap_or(State::Ok);
    let found: Vec<String> = rows.iter().map(|row| row.found.clone()).collect();
    let found = match found.as_slice() {
        [] => "nothing needed beyond the kernel's own".to_owned(),
        found => found.join(", "),
    };
    Row {
        mend: rows.into_iter().flat_map(|row| row.mend).collect(),
        ..Row::new(check, state, found)
    }
}

/// The filter in effect on every uplink and on the pods' interfaces, which is `max(all, own)`.
/// Pods' own are meant to be strict, as the plugin makes them: see to it that nobody undoes that.
fn with_filters(mut row: Row, facts: &Facts) -> Row {
    let number = |text: &str| text.parse::<u32>().unwrap_or(0);
    let in_effect = |own: &str| match number(own).max(number(&facts.filter_of_all)) {
        0 => "off",
        1 => "strict",
        _ => "loose",
    };
    let uplinks = facts.filters.iter();
    let mut words: Vec<String> = uplinks
        .map(|(link, own)| format!("{link} {}", in_effect(own)))
        .collect();
    let all = facts.pods.len();
    let undone = |own: &&String| *own != "1" && in_effect(own) != "strict";
    for word in ["off", "loose"] {
        let pods = facts.pods.iter().filter(undone);
        let pods = pods.filter(|own| in_effect(own) == word).count();
        if pods > 0 {
            words.push(format!("{pods} of {all} pods {word}"));
        }
    }
    if facts.pods.iter().any(|own| undone(&own)) {
        row.state = row.state.max(State::Warn);
        row.mend.extend(KEEP_STRICT.map(str::to_owned));
    }
    if !words.is_empty() {
        row.found = format!("{}; in effect: {}", row.found, words.join(", "));
    }
    row
}

/// `None` where nothing is to be said.
fn judge(setting: &Setting, reading: &Reading, facts: &Facts) -> Option<Row> {
    let name = &setting.name;
    let unmet = match setting.need {
        Need::Must => State::Fail,
        Need::Should => State::Warn,
    };
    let (present, writable) = match reading {
        Reading::Value(present, writable) => (present, writable),
        Reading::Absent if setting.absent == Absent::Fine => return None,
        Reading::Absent => return Some(Row::new(name, unmet, sysctls::unseen(setting))),
        Reading::Unreadable(error) => return Some(Row::new(name, unmet, error)),
    };
    Some(match setting.want.judge(present, &facts.filter_of_all) {
        Verdict::Met => Row::ok(name, format!("{name} {present}")),
        Verdict::Said(because) => Row::new(name, unmet, format!("{name} {present}: {because}")),
        Verdict::Write(value) => match (writable, facts.agent) {
            (Ok(()), Agent::Absent) => Row::ok(
                name,
                format!("{name} {present} (the agent makes it {value})"),
            ),
            (Ok(()), Agent::Runs) => Row::warn(
                name,
                format!("{name} {present}, not {value}: the agent has not set it"),
                &[&format!("run: {}", sysctls::command(name, &value))],
            ),
            (Err(error), _) => Row {
                state: unmet,
                ..Row::warn(
                    name,
                    format!("{name} {present}, not {value}: {error}"),
                    &[&format!(
                        "on the host, run: {}",
                        sysctls::command(name, &value)
                    )],
                )
            },
        },
    })
}
