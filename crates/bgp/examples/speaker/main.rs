//! A speaker by itself: a configuration file in, sessions out, and a socket to ask it by. It installs
//! no routes. Tests and benchmarks run it beside other speakers.
//!
//! ```text
//! speaker reflector.yaml --control /run/speaker.sock
//! echo peers | socat - UNIX-CONNECT:/run/speaker.sock
//! ```

mod control;

use anyhow::Context;
use clap::Parser;
use gingham_bgp::config::Config;
use gingham_bgp::session::Farewell;
use gingham_bgp::speaker::{self, Beginning, Options, Recorder};
use gingham_model::Family;
use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use tokio::signal::unix::{SignalKind, signal};

/// Speaks BGP as a configuration file says.
#[derive(Parser)]
#[command(
    after_help = "The control socket takes one line and answers with one JSON document:\n  \
    peers, rib [PREFIX], told PEER, try FILTER-JSON, announce JSON, withdraw PREFIX,\n  \
    refresh PEER, start PEER, shutdown PEER [TEXT], reset PEER [TEXT], reload, stop"
)]
struct Arguments {
    /// The configuration, as YAML.
    config: PathBuf,
    /// Where to listen for commands.
    #[arg(long, value_name = "SOCKET")]
    control: Option<PathBuf>,
    /// Where to record every event, one line of JSON each.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Say that this is a restart during which forwarding went on (RFC 4724).
    #[arg(long)]
    restarted: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_max_level(tracing::Level::INFO)
        .init();
    let arguments = Arguments::parse();
    let config = read(&arguments.config)?;
    let options = Options {
        beginning: Beginning {
            forwarding: Family::ALL
                .into_iter()
                .filter(|_| arguments.restarted)
                .collect(),
        },
        recorder: arguments.record.as_deref().map(recorder).transpose()?,
        connected: None,
    };
    let started =
        speaker::start(config, options).with_context(|| arguments.config.display().to_string())?;
    let handle = started.handle.clone();
    if let Some(socket) = &arguments.control {
        let listener = control::listen(socket)?;
        tokio::spawn(control::serve(listener, handle.clone(), arguments.config));
    }
    let mut task = started.task;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        ended = &mut task => return ended.context("the speaker failed"),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    handle.end(Farewell::Restart).await?;
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Config> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_saphyr::from_str(&text).with_context(|| path.display().to_string())
}

fn recorder(path: &Path) -> anyhow::Result<Recorder> {
    let file = File::create(path).with_context(|| path.display().to_string())?;
    let mut file = BufWriter::new(file);
    Ok(Recorder::new(move |entry| {
        let written = serde_json::to_vec(entry)
            .map_err(std::io::Error::from)
            .and_then(|mut line| {
                line.push(b'\n');
                file.write_all(&line)?;
                file.flush()
            });
        if let Err(error) = written {
            tracing::warn!(%error, "event was not recorded");
        }
    }))
}
