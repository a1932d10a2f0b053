//! What the bench is told, and what it finds by itself.

use crate::node::{Numbers, WAITING};
use crate::rival::Rival;
use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use gingham_integration::bench::Output;
use gingham_integration::tools;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Times ADD and DEL of the plugin beside ptp and bridge with host-local, and beside a floor.
#[derive(Parser)]
pub(crate) struct Arguments {
    /// Our plugin; the floor is looked for in `examples` beside it.
    #[arg(long)]
    gingham: PathBuf,
    /// The folder of ptp, bridge and host-local [default: that of integration/tools/build.sh].
    #[arg(long)]
    peers: Option<PathBuf>,
    /// One to leave out, repeatable; all others must be there.
    #[arg(long, value_enum, value_name = "WHO")]
    without: Vec<Rival>,
    /// Rounds; in each, all are taken in turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Pods attached and detached one by one in a round.
    #[arg(long, default_value_t = 20)]
    pub(crate) pods: usize,
    /// Pods a node has beforehand.
    #[arg(long, default_value_t = 110)]
    pub(crate) standing: u8,
    /// Pods of a burst.
    #[arg(long, default_value_t = 100)]
    burst: u8,
    /// How many calls of a burst run at a time.
    #[arg(long, default_value_t = 10)]
    pub(crate) at_a_time: usize,
    /// One round of ten pods, and bursts of 30.
    #[arg(long, conflicts_with_all = ["rounds", "pods", "burst"])]
    quick: bool,
    /// How to print the figures.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

impl Arguments {
    pub(crate) fn rounds(&self) -> usize {
        if self.quick { 1 } else { self.rounds }
    }

    /// How many pods are attached one by one.
    pub(crate) fn one_by_one(&self) -> usize {
        if self.quick { 10 } else { self.pods }
    }

    /// How many pods are attached where a rival waits for seconds.
    pub(crate) fn waiting(&self) -> usize {
        if self.quick { 1 } else { WAITING.into() }
    }

    pub(crate) fn numbers(&self) -> Numbers {
        Numbers {
            standing: self.standing,
            burst: self.burst(),
        }
    }

    fn burst(&self) -> u8 {
        if self.quick { 30 } else { self.burst }
    }

    /// Who is measured, and by which program.
    pub(crate) fn contenders(&self) -> Result<Vec<(Rival, PathBuf)>> {
        let pods = u16::from(self.standing) + u16::from(self.burst());
        ensure!(
            pods <= 240,
            "--standing and --burst: {pods} pods, and a block has room for 240"
        );
        ensure!(
            (1..=usize::from(self.burst())).contains(&self.one_by_one()),
            "--pods must be 1 to --burst, which is {}",
            self.burst()
        );
        ensure!(self.rounds > 0, "--rounds must be at least 1");
        ensure!(self.at_a_time > 0, "--at-a-time must be at least 1");
        let rivals = Rival::value_variants().iter();
        let rivals = rivals.filter(|rival| !self.without.contains(rival));
        rivals
            .map(|rival| Ok((*rival, self.program(*rival)?)))
            .collect()
    }

    fn program(&self, rival: Rival) -> Result<PathBuf> {
        let beside = self.gingham.parent().unwrap_or(Path::new(""));
        let path = match (rival.plugin(), &self.peers) {
            (None, _) if rival == Rival::Floor => beside.join("examples/floor"),
            (None, _) => self.gingham.clone(),
            (Some(plugin), Some(folder)) => folder.join(plugin),
            (Some(plugin), None) => tools::locate(plugin)?,
        };
        let found = path.canonicalize();
        found.with_context(|| {
            let path = path.display();
            format!(
                "{rival}: {path}: {}; or go --without {rival}",
                rival.remedy()
            )
        })
    }

    /// What of this must be known to judge the figures.
    pub(crate) fn conditions(&self) -> Result<Vec<(&'static str, String)>> {
        let pods = format!(
            "{} on a node, {} one by one, {} in bursts of {} at a time",
            self.standing,
            self.one_by_one(),
            self.burst(),
            self.at_a_time
        );
        let mut conditions = vec![("pods", pods)];
        if !self.without.contains(&Rival::Masquerading) {
            let output = Command::new("iptables").arg("--version").output();
            let said = output
                .context("iptables, which ptp with ipMasq runs")?
                .stdout;
            let version = String::from_utf8_lossy(&said).trim().to_owned();
            conditions.push(("masquerading by", version));
        }
        Ok(conditions)
    }
}
