//! What the bench is told, and what it finds by itself.

use crate::rival::Rival;
use crate::size::Size;
use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, Subcommand, ValueEnum};
use gingham_integration::bench::{Output, Placement, Rival as _, say, seconds};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Names a folder that holds `gobgpd`.
const TOOLS_VARIABLE: &str = "GINGHAM_TOOLS";
/// The sizes of a full run, and of a quick one.
const FULL: [&str; 4] = ["100x10", "500x10", "1000x2", "5000x1"];
const QUICK: [&str; 2] = ["100x10", "500x10"];

/// Who takes minutes at which size, or longer.
const SLOW: [&str; 3] = ["gobgp@1000x2", "gobgp@5000x1", "openbgpd@5000x1"];

/// Times BGP reflectors beside each other.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    /// Our speaker, an example of crates/bgp.
    #[arg(long)]
    speaker: Option<PathBuf>,
    /// GoBGP's daemon; in the folder GINGHAM_TOOLS unless told.
    #[arg(long)]
    gobgpd: Option<PathBuf>,
    /// One to leave out, repeatable; all others must be there.
    #[arg(long, value_enum, value_name = "WHO")]
    without: Vec<Rival>,
    /// Clients x prefixes of each, repeatable [default: 100x10 500x10 1000x2 5000x1].
    #[arg(long = "size")]
    sizes: Vec<Size>,
    /// Rounds; in each, all are taken in turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds a phase may take; one that takes longer ends the run.
    #[arg(long, default_value = "60", value_parser = seconds)]
    pub(crate) limit: Duration,
    /// Seconds a storm may take.
    #[arg(long, default_value = "15", value_parser = seconds)]
    pub(crate) storm_limit: Duration,
    /// Who is not to be measured at which size, as it takes minutes there; repeatable, in place of
    /// the default.
    #[arg(long, value_name = "WHO@SIZE", default_values = SLOW)]
    skip: Vec<String>,
    /// One round of 100x10 and 500x10, of the rivals only those that are installed.
    #[arg(long, conflicts_with_all = ["sizes", "rounds"])]
    quick: bool,
    /// Leaves the injector wherever the kernel puts it; else it stays on processor 1, while daemons
    /// may use all.
    #[arg(long)]
    no_pin: bool,
    /// How to print the figures.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
    #[command(subcommand)]
    pub(crate) part: Option<Part>,
}

/// What the bench starts of itself.
#[derive(Subcommand)]
pub(crate) enum Part {
    /// Reflects and does nothing else
    #[command(hide = true)]
    Floor,
}

impl Arguments {
    pub(crate) fn rounds(&self) -> Result<usize> {
        ensure!(self.rounds > 0, "--rounds must be at least 1");
        Ok(if self.quick { 1 } else { self.rounds })
    }

    pub(crate) fn sizes(&self) -> Result<Vec<Size>> {
        let names: &[&str] = if self.quick { &QUICK } else { &FULL };
        if self.sizes.is_empty() {
            return names.iter().map(|name| name.parse()).collect();
        }
        Ok(self.sizes.clone())
    }

    pub(crate) fn placement(&self) -> Placement {
        match self.no_pin {
            true => Placement::Free,
            false => Placement::Pinned,
        }
    }

    pub(crate) fn skips(&self, rival: Rival, size: Size) -> bool {
        self.skip.contains(&format!("{rival}@{size}"))
    }

    /// Where those are that are to be measured.
    pub(crate) fn programs(&self) -> Result<BTreeMap<Rival, PathBuf>> {
        let mut programs = BTreeMap::new();
        for rival in Rival::value_variants() {
            if self.without.contains(rival) {
                continue;
            }
            let place = self.place(*rival)?;
            if let Some(Ok(path)) = place.as_ref().map(|path| path.canonicalize()) {
                programs.insert(*rival, path);
            } else if self.quick && rival.is_peer() {
                say(&format!("{rival} is missing: {}", rival.remedy()));
            } else {
                let place = place.map(|path| format!(" at {}", path.display()));
                let (place, remedy) = (place.unwrap_or_default(), rival.remedy());
                bail!("{rival} is missing{place}: {remedy}; or go --without {rival}");
            }
        }
        Ok(programs)
    }

    /// Where one ought to be; `None` when nobody said.
    fn place(&self, rival: Rival) -> Result<Option<PathBuf>> {
        Ok(match rival {
            Rival::Gingham => self.speaker.clone(),
            Rival::Bird => Some("/usr/sbin/bird".into()),
            Rival::Frr => Some("/usr/lib/frr/bgpd".into()),
            Rival::Openbgpd => Some("/usr/sbin/bgpd".into()),
            Rival::Gobgp => self.gobgpd.clone().or_else(|| {
                let folder = std::env::var_os(TOOLS_VARIABLE)?;
                Some(PathBuf::from(folder).join("gobgpd"))
            }),
            Rival::Floor => Some(std::env::current_exe().context("the own executable")?),
        })
    }

    /// What of this must be known to judge the figures.
    pub(crate) fn conditions(&self) -> [(&'static str, String); 3] {
        let place = match self.placement() {
            Placement::Pinned => "injector on processor 1, daemons on all",
            Placement::Free => "as the kernel puts them",
        };
        let limits = format!(
            "{} s a phase, {} s a storm; `-` is what was not done in time",
            self.limit.as_secs_f64(),
            self.storm_limit.as_secs_f64()
        );
        [
            ("placement", place.to_owned()),
            ("limits", limits),
            ("skipped", self.skip.join(", ")),
        ]
    }
}
