//! Asks a running example speaker something, and prints the answer: `ask SOCKET rib 10.2.0.0/24`.

use anyhow::{Context, bail};
use clap::Parser;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

/// Asks a running speaker something.
#[derive(Parser)]
struct Arguments {
    /// Its control socket.
    socket: PathBuf,
    /// A command and what belongs to it; `speaker --help` lists them.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut stream = UnixStream::connect(&arguments.socket)
        .with_context(|| arguments.socket.display().to_string())?;
    writeln!(stream, "{}", arguments.command.join(" "))?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let answer: serde_json::Value = serde_json::from_str(&answer).context("no answer")?;
    if let Some(error) = answer.get("error").and_then(serde_json::Value::as_str) {
        bail!("{error}");
    }
    writeln!(std::io::stdout(), "{answer:#}")?;
    Ok(())
}
