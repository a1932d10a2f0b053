//! Keeps the configuration as it is to be, for as long as the agent runs. Any event only makes it look
//! again.

use super::{Found, Kept, Verdict, judge, write};
use crate::agent::{AgentError, Shown};
use crate::check::cni::{Conf, is_conf};
use crate::dirty::{Cause, Dirty};
use crate::install::Record;
use crate::store::DirWatch;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Between two looks when nothing is heard.
const LOOK: Duration = Duration::from_secs(30);
/// Between two tries at what failed.
const RETRY: Duration = Duration::from_secs(2);

/// After a write, until the next look: somebody who takes it away again at once, as installers of other networks
/// do, is answered as often and no more.
const REST: Duration = Duration::from_millis(500);

/// Whether a look has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrote {
    Yes,
    No,
}

/// Keeps it, and tells `standing` how it stands.
///
/// # Errors
/// There is no inotify instance for it.
pub(crate) async fn keep(
    kept: Kept,
    mut shown: watch::Receiver<Shown>,
    (standing, dirty): (watch::Sender<Option<Verdict>>, Dirty),
) -> Result<(), AgentError> {
    let kept = Arc::new(kept);
    let failed = |source| AgentError::Io {
        what: format!("watch {}", kept.folder.display()),
        source,
    };
    let mut events = DirWatch::new().map_err(failed)?;
    loop {
        // Each time anew: a folder that was removed and made again is another one.
        let watched = fs::create_dir_all(&kept.folder).and_then(|()| events.add(&kept.folder));
        let ready = shown.borrow_and_update().ready;
        // A disk that hangs holds up nobody but this.
        let own = Arc::clone(&kept);
        let look = move || watched.and_then(|()| look(&own, ready));
        let looked = tokio::task::spawn_blocking(look).await?;
        let (rest, pause) = match &looked {
            Ok((_, Wrote::Yes)) => (REST, LOOK),
            Ok((_, Wrote::No)) => (Duration::ZERO, LOOK),
            Err(_) => (REST, RETRY),
        };
        let verdict = looked.map(|(verdict, _)| verdict);
        let verdict = verdict.unwrap_or_else(|error| trouble(&kept, &error));
        tell(&standing, verdict, &dirty);
        tokio::time::sleep(rest).await;
        tokio::select! {
            changed = events.changed() => drop(changed.map_err(failed)?),
            changed = until_readiness_changes(&mut shown, ready) => {
                if changed.is_err() {
                    return Ok(());
                }
            }
            () = tokio::time::sleep(pause) => {}
        }
    }
}

fn trouble(kept: &Kept, error: &io::Error) -> Verdict {
    Verdict {
        notices: vec![format!(
            "CNI configuration {}: {error}",
            place(kept).display()
        )],
        ..Verdict::default()
    }
}

/// The loop shows itself every few seconds; what counts here is readiness alone.
async fn until_readiness_changes(
    shown: &mut watch::Receiver<Shown>,
    ready: bool,
) -> Result<(), watch::error::RecvError> {
    shown.wait_for(|shown| shown.ready != ready).await.map(drop)
}

fn tell(standing: &watch::Sender<Option<Verdict>>, verdict: Verdict, dirty: &Dirty) {
    let news = standing.send_if_modified(|before| {
        if before.as_ref() == Some(&verdict) {
            return false;
        }
        let told = before.take().unwrap_or_default().notices;
        for notice in verdict.notices.iter().filter(|n| !told.contains(n)) {
            tracing::warn!(notice, "CNI configuration");
        }
        *before = Some(verdict);
        true
    });
    if news {
        dirty.mark(Cause::Conf);
    }
}

/// Looks, writes if that is due, and looks again.
fn look(kept: &Kept, ready: bool) -> io::Result<(Verdict, Wrote)> {
    let found = found(kept)?;
    let verdict = judge(&kept.wanted, &found, ready);
    if !verdict.write {
        return Ok((verdict, Wrote::No));
    }
    let cause = match found.own {
        None => "it was not there",
        Some(_) => "it was another one",
    };
    let mut record = Record::read(&kept.state_dir).map_err(io::Error::other)?;
    record.note_conf(&kept.wanted.name, &kept.wanted.text);
    record.write(&kept.state_dir).map_err(io::Error::other)?;
    write(&kept.folder, &kept.wanted.name, &kept.wanted.text)?;
    tracing::info!(path = %place(kept).display(), cause, "CNI configuration written");
    let found = self::found(kept)?;
    Ok((judge(&kept.wanted, &found, ready), Wrote::Yes))
}

fn found(kept: &Kept) -> io::Result<Found> {
    let own = match fs::read_to_string(place(kept)) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        // No text: to be replaced.
        Err(error) if error.kind() == ErrorKind::InvalidData => Some(String::new()),
        Err(error) => return Err(error),
    };
    Ok(Found {
        own,
        confs: confs(&kept.folder)?,
        missing: missing(kept),
    })
}

fn missing(kept: &Kept) -> Vec<PathBuf> {
    let Some(folder) = &kept.plugins else {
        return Vec::new();
    };
    let plugins = kept.wanted.plugins.iter().map(|name| folder.join(name));
    plugins.filter(|path| !path.exists()).collect()
}

fn confs(folder: &Path) -> io::Result<Vec<Conf>> {
    let mut confs = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_conf(&name) {
            // One that is gone by now, or cannot be read, is told of as such.
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            confs.push(Conf::parse(&name, &text));
        }
    }
    confs.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(confs)
}

fn place(kept: &Kept) -> PathBuf {
    kept.folder.join(&kept.wanted.name)
}
