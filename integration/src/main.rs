//! `lab`: the lab of namespaces on the command line.
//!
//! ```text
//! lab up | status | exec BOX -- CMD | pod add|del NODE NAME | down      the lab of this machine
//! lab demo                                                               a lab of its own
//! lab demo-kubernetes                                                    a cluster of its own
//! lab probe send|receive|echo                                            inside of a pod
//! ```

mod cli;
mod demo;
mod map;
mod standing;

use clap::Parser;
use std::io::{Write, stderr};
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run(cli::Lab::parse()) {
        Ok(code) => code,
        Err(error) => {
            // Nobody to tell that stderr is closed.
            let _ = writeln!(stderr(), "lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}
