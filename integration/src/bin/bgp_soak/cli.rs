//! What it is told on the command line.

use crate::layout::Layout;
use crate::soak::Plan;
use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use gingham_integration::Binaries;
use std::path::PathBuf;
use std::time::Duration;

/// Fewer clients than roles would leave one out.
const FEWEST: usize = 8;
/// What fits the addresses and the descriptors of one process.
const MOST: usize = 10_000;
/// What fits 20.0.0.0/8 and below, in /24.
const MOST_PREFIXES: usize = 1_000_000;

/// Runs the speaker as a reflector under churn, and checks what its clients hold.
#[derive(Debug, Parser)]
#[command(
    after_help = "Needs root, for a network namespace of its own. Exit code 0: the verdict is ok."
)]
pub(crate) struct Arguments {
    /// The speaker, the example of crates/bgp; looked for among what cargo built unless told
    #[arg(long)]
    speaker: Option<PathBuf>,
    /// How long the churn goes on, in minutes; fractions are fine.
    #[arg(long, default_value_t = 60.0)]
    minutes: f64,
    /// How many clients there are.
    #[arg(long, default_value_t = 500)]
    clients: usize,
    /// How many prefixes each announces.
    #[arg(long, default_value_t = 20)]
    prefixes: usize,
    /// How many prefixes change each second.
    #[arg(long, default_value_t = 1000.0)]
    flaps: f64,
    /// Seconds of churn between two checks of all tables.
    #[arg(long, default_value_t = 60.0)]
    check: f64,
    /// Seconds between two lines.
    #[arg(long, default_value_t = 60.0)]
    line: f64,
    /// What chance begins with.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the speaker records every event, to replay later: much, in a long run; not below /run.
    #[arg(long)]
    record: Option<PathBuf>,
    /// How lines and the verdict are printed.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Text: lines to stderr, the verdict to stdout. JSON: a document each, all to stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Text,
    Json,
}

impl Arguments {
    pub(crate) fn output(&self) -> Output {
        self.output
    }

    /// # Errors
    /// The argument that cannot be, and its value.
    pub(crate) fn plan(self) -> Result<Plan> {
        let seconds = |name: &str, value: f64| {
            let duration = Duration::try_from_secs_f64(value).ok();
            let duration = duration.filter(|duration| !duration.is_zero());
            duration.with_context(|| format!("--{name}: {value} is not above 0"))
        };
        let (clients, prefixes, flaps) = (self.clients, self.prefixes, self.flaps);
        ensure!(
            (FEWEST..=MOST).contains(&clients),
            "--clients: {clients} is not {FEWEST} to {MOST}"
        );
        ensure!(
            (1..=MOST_PREFIXES / clients).contains(&prefixes),
            "--prefixes: {prefixes} is not 1 to {}",
            MOST_PREFIXES / clients
        );
        ensure!(
            (0.0..=1e6).contains(&flaps),
            "--flaps: {flaps} is not 0 to 1000000"
        );
        let speaker = match self.speaker {
            Some(speaker) => speaker,
            None => Binaries::speaker()?,
        };
        let speaker = speaker
            .canonicalize()
            .with_context(|| format!("--speaker: {}", speaker.display()))?;
        let record = self.record.map(std::path::absolute).transpose()?;
        for path in [Some(&speaker), record.as_ref()].into_iter().flatten() {
            let path = path.display();
            // The soak covers it with a file system of its own.
            ensure!(
                !path.to_string().starts_with("/run/"),
                "{path} is below /run"
            );
        }
        Ok(Plan {
            speaker,
            record,
            layout: Layout {
                clients,
                each: prefixes,
            },
            flaps,
            length: seconds("minutes", self.minutes * 60.0)?,
            check: seconds("check", self.check)?,
            line: seconds("line", self.line)?,
            seed: self.seed,
        })
    }
}
