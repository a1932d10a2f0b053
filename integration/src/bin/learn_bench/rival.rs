//! Who is measured: our agent, its rivals with the settings that have them learn as a node does, and the
//! floor.

mod bird;
mod frr;
mod gingham;

use crate::case::Case;
use anyhow::{Context, Result};
use clap::ValueEnum;
use gingham_integration::bench::{self, Launch};
use std::fmt;
use std::path::{Path, PathBuf};

/// One that is measured. Ours comes first, the floor last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Rival {
    Gingham,
    Bird,
    Frr,
    Floor,
}

/// Which life of one it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    First,
    /// After a crash: what is in the kernel is to stay.
    Again,
}

impl Rival {
    /// What to do when it is missing.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Rival::Gingham => "give --agent PATH: integration/build.sh makes it",
            Rival::Bird => "install the package bird2",
            Rival::Frr => "install the package frr",
            Rival::Floor => "it is part of the bench",
        }
    }

    /// Where one ought to be that is not ours.
    pub(crate) fn place(self) -> Result<Option<PathBuf>> {
        Ok(match self {
            Rival::Gingham => None,
            Rival::Bird => Some("/usr/sbin/bird".into()),
            Rival::Frr => Some("/usr/lib/frr/zebra".into()),
            Rival::Floor => Some(std::env::current_exe().context("the own executable")?),
        })
    }

    /// Whether it has a part in a case: the floor only writes.
    pub(crate) fn takes(self, case: Case) -> bool {
        matches!(case, Case::Learn(_)) || self != Rival::Floor
    }

    /// How many sessions are opened at a time: BIRD calls listen(2) with a backlog of 8, and the kernel
    /// lets each beyond wait for a second and more.
    pub(crate) fn pace(self) -> usize {
        match self {
            Rival::Bird => 4,
            _ => usize::MAX,
        }
    }

    /// Writes its settings.
    pub(crate) fn prepare(self, case: Case) -> Result<()> {
        match self {
            Rival::Gingham => gingham::prepare(case),
            Rival::Bird => bird::prepare(case),
            Rival::Frr => frr::prepare(case),
            Rival::Floor => Ok(()),
        }
    }

    /// How to start all it consists of, in this order.
    pub(crate) fn launches(self, program: &Path, life: Life, case: Case) -> Vec<Launch> {
        match self {
            Rival::Gingham => vec![gingham::launch(program)],
            Rival::Bird => vec![bird::launch(program, life)],
            Rival::Frr => frr::launches(program, life),
            Rival::Floor => vec![Launch::of(program, &format!("floor {case}"))],
        }
    }
}

impl bench::Rival for Rival {
    fn is_ours(self) -> bool {
        self == Rival::Gingham
    }

    fn is_peer(self) -> bool {
        matches!(self, Rival::Bird | Rival::Frr)
    }
}

impl fmt::Display for Rival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rival::Gingham => "gingham",
            Rival::Bird => "bird",
            Rival::Frr => "frr",
            Rival::Floor => "floor",
        })
    }
}

/// Writes a file of settings.
fn write(path: &str, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("writing {path}"))
}
