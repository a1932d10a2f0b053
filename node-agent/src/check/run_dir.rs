//! The run directory: whether an agent can work there, and whether one does.

use super::Row;
use crate::run_dir::Holder;
use std::path::{Path, PathBuf};

/// What was found.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its path.
    pub path: PathBuf,
    /// What is there.
    pub there: There,
    /// What it lies on, or would.
    pub mount: Option<Mount>,
    /// Who holds it.
    pub holder: Option<Holder>,
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum There {
    /// Nothing yet.
    Nothing,
    /// A directory.
    Directory,
    /// Something else.
    Other,
}

/// A mounted file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Its kind, such as `tmpfs`.
    pub kind: String,
    /// Whether it can be written.
    pub access: Access,
}

/// Whether a file system can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It can.
    ReadWrite,
    /// It cannot.
    ReadOnly,
}

/// The rows.
pub fn rows(facts: &Facts) -> Vec<Row> {
    vec![directory(facts), agent(facts.holder.as_ref())]
}

fn directory(facts: &Facts) -> Row {
    const CHECK: &str = "run directory";
    let path = facts.path.display();
    let there = match facts.there {
        There::Directory => format!("{path}"),
        There::Nothing => format!("{path}, not there yet"),
        There::Other => {
            let mend = format!("remove {path}");
            return Row::fail(CHECK, format!("{path} is no directory"), &[&mend]);
        }
    };
    match &facts.mount {
        None => Row::warn(
            CHECK,
            format!("{there}, on no file system that is known"),
            &[],
        ),
        Some(mount) if mount.access == Access::ReadOnly => Row::fail(
            CHECK,
            format!("{there}, on {} mounted read-only", mount.kind),
            &["mount it so that it can be written"],
        ),
        Some(mount) if mount.kind != "tmpfs" => Row::warn(
            CHECK,
            format!("{there}, on {}: it would outlive a reboot", mount.kind),
            &["choose a directory on tmpfs, such as one below /run, for agent and plugin"],
        ),
        Some(mount) => Row::ok(CHECK, format!("{there}, on {}", mount.kind)),
    }
}

fn agent(holder: Option<&Holder>) -> Row {
    let found = match holder {
        Some(holder) => format!("runs ({holder})"),
        None => "none runs".to_owned(),
    };
    Row::ok("agent", found)
}

/// The mount that holds `path`, from the text of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
pub fn mount_of(mountinfo: &str, path: &Path) -> Option<Mount> {
    let mounts = mountinfo.lines().filter_map(|line| {
        let (front, back) = line.split_once(" - ")?;
        let front: Vec<&str> = front.split(' ').collect();
        let mut back = back.split(' ');
        let point = PathBuf::from(unescape(front.get(4)?));
        let (kind, _, whole) = (back.next()?, back.next(), back.next().unwrap_or_default());
        let options = front.get(5)?.split(',').chain(whole.split(','));
        let access = if options.into_iter().any(|option| option == "ro") {
            Access::ReadOnly
        } else {
            Access::ReadWrite
        };
        let kind = kind.to_owned();
        Some((point, Mount { kind, access }))
    });
    let holding = mounts.filter(|(point, _)| path.starts_with(point));
    // Of two on the same point the later one covers the other.
    let deepest = holding.max_by_key(|(point, _)| point.components().count());
    deepest.map(|(_, mount)| mount)
}

/// Blanks and the like stand there as `\040`.
fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let octal = after
            .get(..3)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octal {
            Some(byte) => {
                plain.push(char::from(byte));
                rest = &after[3..];
            }
            None => {
                plain.push('\\');
                rest = after;
            }
        }
    }
    plain + rest
}
