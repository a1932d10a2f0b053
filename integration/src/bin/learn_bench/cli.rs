//! What the bench is told, and what it finds by itself.

use crate::case::{Case, Feed};
use crate::rival::Rival;
use anyhow::{Result, bail, ensure};
use clap::{Parser, Subcommand, ValueEnum};
use gingham_integration::bench::{Output, Placement, seconds};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The cases of a full run, and of a quick one.
const FULL: [&str; 4] = ["10000", "10000x2", "100000", "1000n"];
const QUICK: [&str; 2] = ["10000", "100n"];

/// Times those that learn prefixes and write routes beside each other.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    /// Our agent.
    #[arg(long)]
    agent: Option<PathBuf>,
    /// One to leave out, repeatable; all others must be there.
    #[arg(long, value_enum, value_name = "WHO")]
    without: Vec<Rival>,
    /// Prefixes to learn, prefixes x feeders, or nodes of a reflector, repeatable [default: 10000 10000x2
    /// 100000 1000n].
    #[arg(long = "case")]
    cases: Vec<Case>,
    /// Rounds; in each, all are taken in turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds a phase may take; one that takes longer ends the run.
    #[arg(long, default_value = "60", value_parser = seconds)]
    pub(crate) limit: Duration,
    /// One round of 10000 and 100n.
    #[arg(long, conflicts_with_all = ["cases", "rounds"])]
    quick: bool,
    /// Leaves the bench wherever the kernel puts it; else it stays on processor 1, while daemons may
    /// use all.
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
    /// Writes routes as it is told and does nothing else
    #[command(hide = true)]
    Floor { feed: Feed },
}

impl Arguments {
    pub(crate) fn rounds(&self) -> Result<usize> {
        ensure!(self.rounds > 0, "--rounds must be at least 1");
        Ok(if self.quick { 1 } else { self.rounds })
    }

    pub(crate) fn cases(&self) -> Result<Vec<Case>> {
        let names: &[&str] = if self.quick { &QUICK } else { &FULL };
        if self.cases.is_empty() {
            return names.iter().map(|name| name.parse()).collect();
        }
        Ok(self.cases.clone())
    }

    pub(crate) fn placement(&self) -> Placement {
        match self.no_pin {
            true => Placement::Free,
            false => Placement::Pinned,
        }
    }

    /// Where those are that are to be measured.
    pub(crate) fn programs(&self) -> Result<BTreeMap<Rival, PathBuf>> {
        let mut programs = BTreeMap::new();
        for rival in Rival::value_variants() {
            if self.without.contains(rival) {
                continue;
            }
            let place = match rival {
                Rival::Gingham => self.agent.clone(),
                _ => rival.place()?,
            };
            let Some(Ok(path)) = place.map(|path| path.canonicalize()) else {
                bail!(
                    "{rival} is missing: {}; or go --without {rival}",
                    rival.remedy()
                );
            };
            programs.insert(*rival, path);
        }
        Ok(programs)
    }

    /// What of this must be known to judge the figures.
    pub(crate) fn conditions(&self) -> [(&'static str, String); 2] {
        let place = match self.placement() {
            Placement::Pinned => "the bench on processor 1, daemons on all",
            Placement::Free => "as the kernel puts them",
        };
        let limit = format!(
            "{} s a phase; `-` is what was not done in time",
            self.limit.as_secs_f64()
        );
        [("placement", place.to_owned()), ("limit", limit)]
    }
}
