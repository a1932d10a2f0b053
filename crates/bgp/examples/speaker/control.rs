//! The control socket: one line in, one JSON document out.

use anyhow::{Context, anyhow, bail};
use gingham_bgp::config::Announcement;
use gingham_bgp::policy::Filter;
use gingham_bgp::session::Farewell;
use gingham_bgp::speaker::Handle;
use serde::Serialize;
use serde_json::{Value, json};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

/// Listens at a path; a socket that a dead speaker left there is replaced.
pub(crate) fn listen(path: &Path) -> anyhow::Result<UnixListener> {
    // Nothing but a socket is taken for a leftover.
    if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        std::fs::remove_file(path).with_context(|| path.display().to_string())?;
    }
    UnixListener::bind(path).with_context(|| path.display().to_string())
}

/// Answers for as long as the program runs.
pub(crate) async fn serve(listener: UnixListener, handle: Handle, config: PathBuf) {
    while let Ok((stream, _)) = listener.accept().await {
        let (handle, config) = (handle.clone(), config.clone());
        tokio::spawn(async move {
            if let Err(error) = answer(stream, &handle, &config).await {
                tracing::warn!(%error, "control connection failed");
            }
        });
    }
}

async fn answer(mut stream: UnixStream, handle: &Handle, config: &Path) -> anyhow::Result<()> {
    let mut line = String::new();
    BufReader::new(&mut stream).read_line(&mut line).await?;
    let answer = match command(line.trim(), handle, config).await {
        Ok(answer) => answer,
        Err(error) => json!({ "error": format!("{error:#}") }),
    };
    stream.write_all(answer.to_string().as_bytes()).await?;
    stream.write_all(b"\n").await?;
    Ok(())
}

async fn command(line: &str, handle: &Handle, config: &Path) -> anyhow::Result<Value> {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let (peer, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let (name, text) = (peer.to_owned(), text.to_owned());
    match verb {
        "peers" => value(&handle.peers().await?),
        "rib" if rest.is_empty() => value(&handle.rib(None).await?),
        "rib" => value(&handle.rib(Some(rest.parse()?)).await?),
        "told" => value(&handle.told(name).await?),
        "try" => {
            let filter: Filter = serde_json::from_str(rest)?;
            value(&handle.try_filter(filter).await?)
        }
        "announce" => {
            let announcement: Announcement = serde_json::from_str(rest)?;
            done(handle.announce(announcement).await?)
        }
        "withdraw" => done(handle.withdraw(rest.parse()?).await?),
        "refresh" => done(handle.refresh(name).await?),
        "start" => done(handle.start(name).await?),
        "shutdown" => done(handle.stop(name, Farewell::Shutdown(text)).await?),
        "reset" => done(handle.stop(name, Farewell::Reset(text)).await?),
        "reload" => done(handle.configure(super::read(config)?).await?),
        "stop" => done(handle.end(Farewell::HardReset(rest.to_owned())).await?),
        "" => bail!("no command was given"),
        other => Err(anyhow!("there is no command {other:?}")),
    }
}

fn value(of: &impl Serialize) -> anyhow::Result<Value> {
    Ok(serde_json::to_value(of)?)
}

fn done((): ()) -> anyhow::Result<Value> {
    Ok(json!({ "ok": true }))
}
