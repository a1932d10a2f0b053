//! Soaks the speaker: a reflector with hundreds of clients under churn, for as long as told. It asserts
//! that every client holds what it must whenever all is quiet, that nobody well-behaved loses a session,
//! and that memory does not grow without end.
//!
//! ```text
//!  own mounts, own network
//!   ├─ the speaker (a process, 10.64.0.1:179) ◄── control socket: reloads, refreshes
//!   └─ the crowd (this process, one thread, 10.65.0.0/16 and beyond)
//!       ├─ churn ── changes, lost sessions, naps, blunders, probes
//!       └─ check ── quiet, then every table beside the model
//! ```
//!
//! Nothing outlives it: its mounts and its network are its own, and the speaker dies with it.

mod check;
mod churn;
mod cli;
mod client;
mod control;
mod crowd;
mod deaf;
mod layout;
mod model;
mod probe;
mod random;
mod report;
mod soak;
mod speaker;
mod told;
mod trend;
mod wire;
mod world;

use anyhow::{Context, Result};
use clap::Parser;
use cli::Arguments;
use std::process::ExitCode;

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let output = arguments.output();
    let plan = arguments.plan()?;
    let files = world::enter().context("the soak needs root: it makes namespaces")?;
    let verdict = soak::run(plan, files, output)?;
    output.verdict(&verdict)?;
    Ok(match verdict.is_ok() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
