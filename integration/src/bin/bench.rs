//! Times ADD and DEL of the plugin beside Debian's `ptp` with `host-local`, in the same run: rounds
//! taken in turn, medians, processor time of all processes involved, and ratios. It asserts nothing.

use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, ValueEnum};
use gingham_netlink::Netns;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde::Serialize;
use serde_json::{Value, json};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Times ADD and DEL beside Debian's ptp and host-local.
#[derive(Parser)]
struct Arguments {
    /// The plugin.
    #[arg(long)]
    gingham: PathBuf,
    /// The folder of ptp and host-local (Debian's containernetworking-plugins).
    #[arg(long, default_value = "/usr/lib/cni")]
    peers: PathBuf,
    /// Rounds of each plugin, taken in turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Pods in a round, attached one by one and then detached.
    #[arg(long, default_value_t = 20)]
    pods: usize,
    /// How to print the figures.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Table,
    Json,
}

/// A plugin with its configuration, ready to be called as a runtime would.
struct Contender {
    name: &'static str,
    binary: PathBuf,
    conf: String,
}

/// One call: wall time and processor time, of the plugin and all it started.
#[derive(Clone, Copy)]
struct Sample {
    wall: Duration,
    cpu: Duration,
}

/// Medians of one verb of one contender.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Figure {
    families: &'static str,
    plugin: &'static str,
    verb: &'static str,
    wall_milliseconds: f64,
    cpu_milliseconds: f64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let host = Netns::create().context("the bench needs root: it makes network namespaces")?;
    let mut figures = Vec::new();
    for families in [Families::V4, Families::Dual] {
        figures.extend(host.visit(|| compare(&arguments, families))??);
    }
    print(&figures, arguments.output)
}

#[derive(Clone, Copy)]
enum Families {
    V4,
    Dual,
}

impl Families {
    fn name(self) -> &'static str {
        match self {
            Families::V4 => "IPv4",
            Families::Dual => "dual",
        }
    }
}

/// Both contenders, round by round in turn, in the namespace of the calling thread.
fn compare(arguments: &Arguments, families: Families) -> Result<Vec<Figure>> {
    // tmpfs, as on a real node.
    let scratch = tempfile::tempdir_in("/dev/shm")?;
    let contenders = [
        gingham(arguments, families, scratch.path())?,
        ptp(arguments, families, scratch.path())?,
    ];
    let mut samples = [(); 2].map(|()| (Vec::new(), Vec::new()));
    for round in 0..arguments.rounds {
        for (contender, (adds, dels)) in contenders.iter().zip(&mut samples) {
            let pods: Vec<Netns> = (0..arguments.pods)
                .map(|_| Netns::create())
                .collect::<Result<_, _>>()?;
            for (verb, list) in [("ADD", adds), ("DEL", dels)] {
                for (pod, netns) in pods.iter().enumerate() {
                    list.push(call(contender, verb, &format!("r{round}p{pod}"), netns)?);
                }
            }
        }
    }
    let figure = |plugin, verb, samples: &[Sample]| Figure {
        families: families.name(),
        plugin,
        verb,
        wall_milliseconds: median(samples, |sample| sample.wall),
        cpu_milliseconds: median(samples, |sample| sample.cpu),
    };
    let figures = contenders
        .iter()
        .zip(&samples)
        .flat_map(|(contender, (adds, dels))| {
            [
                figure(contender.name, "ADD", adds),
                figure(contender.name, "DEL", dels),
            ]
        });
    Ok(figures.collect())
}

fn gingham(arguments: &Arguments, families: Families, scratch: &Path) -> Result<Contender> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let block = |cidr| json!({"cidr": cidr, "pool": "z1", "state": "Active"});
    let (listed, blocks) = match families {
        Families::V4 => (json!(["IPv4"]), vec![block("10.101.0.0/24")]),
        Families::Dual => (
            json!(["IPv4", "IPv6"]),
            vec![block("10.101.0.0/24"), block("fd00:101::/64")],
        ),
    };
    let state = json!({
        "version": 1, "bootId": boot.trim(), "node": "bench", "zone": "z1", "mtu": 1500,
        "families": listed, "cooldownSeconds": 0, "blocks": blocks,
    });
    std::fs::write(scratch.join("node.json"), state.to_string())?;
    let conf = json!({
        "cniVersion": "1.0.0", "name": "gingham", "type": "gingham", "runDir": scratch,
    });
    let binary = arguments.gingham.clone();
    ensure!(
        binary.is_file(),
        "{}: no such file; integration/build.sh makes it",
        binary.display()
    );
    Ok(Contender {
        name: "gingham",
        binary,
        conf: conf.to_string(),
    })
}

fn ptp(arguments: &Arguments, families: Families, scratch: &Path) -> Result<Contender> {
    let mut ranges = vec![json!([{"subnet": "10.102.0.0/24"}])];
    let mut routes = vec![json!({"dst": "0.0.0.0/0"})];
    if let Families::Dual = families {
        ranges.push(json!([{"subnet": "fd00:102::/64"}]));
        routes.push(json!({"dst": "::/0"}));
    }
    let conf = json!({
        "cniVersion": "1.0.0", "name": "ptp", "type": "ptp",
        "ipam": {
            "type": "host-local", "ranges": ranges, "routes": routes,
            "dataDir": scratch.join("host-local"),
        },
    });
    let binary = arguments.peers.join("ptp");
    ensure!(
        binary.is_file(),
        "{}: no such file; apt-get install containernetworking-plugins brings it",
        binary.display()
    );
    Ok(Contender {
        name: "ptp + host-local",
        binary,
        conf: conf.to_string(),
    })
}

/// One call as a runtime makes it; a plugin that fails ends the bench with its words.
fn call(contender: &Contender, verb: &str, id: &str, pod: &Netns) -> Result<Sample> {
    let netns = format!(
        "/proc/{}/fd/{}",
        std::process::id(),
        pod.as_fd().as_raw_fd()
    );
    let folder = contender
        .binary
        .parent()
        .context("a plugin lies in a folder")?;
    let before = children()?;
    let started = Instant::now();
    let mut child = Command::new(&contender.binary)
        .env("CNI_COMMAND", verb)
        .env("CNI_CONTAINERID", id)
        .env("CNI_NETNS", &netns)
        .env("CNI_IFNAME", "eth0")
        .env("CNI_PATH", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    child
        .stdin
        .take()
        .context("stdin is piped")?
        .write_all(contender.conf.as_bytes())?;
    let output = child.wait_with_output()?;
    let wall = started.elapsed();
    if !output.status.success() {
        bail!(
            "{} {verb} {id}: {}",
            contender.name,
            String::from_utf8_lossy(&output.stdout)
        );
    }
    Ok(Sample {
        wall,
        cpu: children()?.saturating_sub(before),
    })
}

/// Processor time of all children that have ended, and theirs.
fn children() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(micros.try_into()?))
}

fn median(samples: &[Sample], of: impl Fn(&Sample) -> Duration) -> f64 {
    let mut durations: Vec<Duration> = samples.iter().map(of).collect();
    durations.sort();
    let middle = durations
        .get(durations.len() / 2)
        .copied()
        .unwrap_or_default();
    middle.as_secs_f64() * 1000.0
}

fn print(figures: &[Figure], output: Output) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match output {
        Output::Json => writeln!(
            stdout,
            "{}",
            serde_json::to_string_pretty(&report(figures))?
        )?,
        Output::Table => {
            writeln!(
                stdout,
                "{:8} {:17} {:4} {:>10} {:>10}",
                "FAMILIES", "PLUGIN", "VERB", "WALL ms", "CPU ms"
            )?;
            for f in figures {
                let (wall, cpu) = (f.wall_milliseconds, f.cpu_milliseconds);
                writeln!(
                    stdout,
                    "{:8} {:17} {:4} {wall:10.2} {cpu:10.2}",
                    f.families, f.plugin, f.verb
                )?;
            }
            for ratio in ratios(figures) {
                writeln!(
                    stdout,
                    "{} {}: ptp + host-local takes {:.1} x the time and {:.1} x the processor time",
                    ratio.families, ratio.verb, ratio.wall, ratio.cpu
                )?;
            }
        }
    }
    Ok(())
}

/// How much longer the peer takes, for one verb.
#[derive(Serialize)]
struct Ratio {
    families: &'static str,
    verb: &'static str,
    wall: f64,
    cpu: f64,
}

fn ratios(figures: &[Figure]) -> Vec<Ratio> {
    let peer_of = |ours: &Figure| {
        figures
            .iter()
            .find(|f| f.plugin != ours.plugin && f.verb == ours.verb && f.families == ours.families)
    };
    let ours = figures.iter().filter(|figure| figure.plugin == "gingham");
    ours.filter_map(|ours| {
        let peer = peer_of(ours)?;
        Some(Ratio {
            families: ours.families,
            verb: ours.verb,
            wall: peer.wall_milliseconds / ours.wall_milliseconds,
            cpu: peer.cpu_milliseconds / ours.cpu_milliseconds,
        })
    })
    .collect()
}

fn report(figures: &[Figure]) -> Value {
    json!({"version": 1, "medians": figures, "ptpOverGingham": ratios(figures)})
}
