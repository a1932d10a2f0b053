//! `cluster.json` in the state directory: the cluster as last known, for the time until its store
//! answers again. It outlives a reboot, which the run directory does not.
//!
//! It is a memory and no source: what it holds is in force, but completes nothing
//! (`Cluster::remember`). So a file that cannot be used costs time only; it is named, and written
//! anew.

use crate::manifest;
use crate::objects::Object;
use gingham_ipam::{Unknown, Version1};
use gingham_model::NodeName;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The name of the file.
const FILE: &str = "cluster.json";

/// Between two looks at whether there is something to write.
const PAUSE: Duration = Duration::from_secs(10);

/// What outlives the agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastKnown {
    /// What [`crate::cluster::Cluster::saved`] says.
    pub objects: Vec<Object>,
    /// When the store last confirmed that the blocks of this node are its own, in Unix seconds.
    pub confirmed: Option<u64>,
    /// The reflectors of this node's zone.
    pub reflectors: BTreeSet<NodeName>,
}

/// The file, and what is known of its content.
#[derive(Debug)]
pub struct Memory {
    path: PathBuf,
    me: NodeName,
    /// Fields this version does not know.
    unknown: Unknown,
    pace: Pace,
    /// The fingerprint of what the file holds.
    written: Option<u64>,
    trouble: Option<String>,
}

/// When to look whether there is something to write. Pure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pace {
    looked: Option<Instant>,
}

impl Pace {
    /// Until when to leave it.
    fn rest(self, now: Instant) -> Option<Instant> {
        let until = self.looked? + PAUSE;
        (now < until).then_some(until)
    }
}

/// The file as it is written.
#[derive(Serialize, Deserialize)]
struct Content {
    version: Version1,
    node: NodeName,
    objects: Vec<Value>,
    #[serde(default)]
    confirmed: Option<u64>,
    #[serde(default)]
    reflectors: BTreeSet<NodeName>,
    #[serde(flatten)]
    unknown: Unknown,
}

/// Why a file is of no use.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("is damaged: {0}")]
    Damaged(#[from] serde_json::Error),
    #[error("is of version {0}, this release reads version 1 only")]
    Version(Value),
    #[error("is of node {0}")]
    Foreign(NodeName),
}

impl Memory {
    /// Reads what node `me` has left below `state_dir`. What cannot be used is named in the log.
    pub fn open(state_dir: &Path, me: &NodeName) -> (Memory, LastKnown) {
        let mut memory = Memory {
            path: state_dir.join(FILE),
            me: me.clone(),
            unknown: Unknown::new(),
            pace: Pace::default(),
            written: None,
            trouble: None,
        };
        let known = match memory.read() {
            Ok(known) => known,
            Err(Unusable::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                LastKnown::default()
            }
            Err(error) => {
                let file = memory.path.display();
                tracing::warn!(%file, %error, "last-known cluster not used");
                LastKnown::default()
            }
        };
        (memory, known)
    }

    /// Writes what is known now, if that is something new. To be called when it may be, and again
    /// at the time told, if one is: not every change is written at once. Blocks on the disk.
    pub fn keep(&mut self, now: Instant, known: impl FnOnce() -> LastKnown) -> Option<Instant> {
        if let Some(until) = self.pace.rest(now) {
            return Some(until);
        }
        self.pace.looked = Some(now);
        let kept = self.content(known()).and_then(|content| {
            let print = fingerprint(&content);
            if self.written != Some(print) {
                replace(&self.path, &content)?;
                self.written = Some(print);
            }
            Ok(())
        });
        let trouble = kept
            .err()
            .map(|error| format!("{}: {error}", self.path.display()));
        if trouble != self.trouble {
            if let Some(error) = &trouble {
                tracing::warn!(%error, "cluster not remembered");
            }
            self.trouble = trouble;
        }
        self.trouble.is_some().then_some(now + PAUSE)
    }

    /// Why the cluster is not remembered as it is.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    fn read(&mut self) -> Result<LastKnown, Unusable> {
        let bytes = fs::read(&self.path)?;
        let value: Value = serde_json::from_slice(&bytes)?;
        let version = value.get("version").unwrap_or(&Value::Null);
        if *version != u64::from(Version1) {
            return Err(Unusable::Version(version.clone()));
        }
        let content: Content = serde_json::from_value(value)?;
        if content.node != self.me {
            return Err(Unusable::Foreign(content.node));
        }
        self.unknown = content.unknown;
        self.written = Some(fingerprint(&bytes));
        Ok(LastKnown {
            objects: content
                .objects
                .iter()
                .filter_map(|value| self.object(value))
                .collect(),
            confirmed: content.confirmed,
            reflectors: content.reflectors,
        })
    }

    fn object(&self, value: &Value) -> Option<Object> {
        match manifest::of_value(value) {
            Ok(parsed) => Some(parsed.object),
            Err((object, error)) => {
                let file = self.path.display();
                tracing::warn!(%file, object, %error, "last-known object not used");
                None
            }
        }
    }

    fn content(&self, known: LastKnown) -> io::Result<Vec<u8>> {
        let content = Content {
            version: Version1,
            node: self.me.clone(),
            objects: known.objects.into_iter().map(manifest::manifest).collect(),
            confirmed: known.confirmed,
            reflectors: known.reflectors,
            unknown: self.unknown.clone(),
        };
        Ok(serde_json::to_vec(&content)?)
    }
}

fn fingerprint(content: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}

/// Puts `content` in place of the file, on disk before it has the name. The agent is its only
/// writer.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)?;
    let draft = path.with_extension("json.tmp");
    let mut file = File::create(&draft)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tempfile::TempDir;

    fn me() -> NodeName {
        "w1".parse().unwrap()
    }

    fn known() -> LastKnown {
        let node = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": "w1", "uid": "u"},
        });
        LastKnown {
            objects: vec![manifest::of_value(&node).unwrap().object],
            confirmed: Some(1_700_000_000),
            reflectors: ["m1".parse().unwrap()].into(),
        }
    }

    /// A memory that has kept `known`, and its file.
    fn kept() -> (TempDir, PathBuf) {
        let state = TempDir::new().unwrap();
        let path = state.path().join("below").join(FILE);
        let (mut memory, nothing) = Memory::open(path.parent().unwrap(), &me());
        assert_eq!(nothing, LastKnown::default());
        assert_eq!(memory.keep(Instant::now(), known), None);
        (state, path)
    }

    fn open(path: &Path, me: &NodeName) -> (Memory, LastKnown) {
        Memory::open(path.parent().unwrap(), me)
    }

    #[test]
    fn what_is_kept_comes_back_and_is_written_once() {
        let (_state, path) = kept();
        let (mut memory, back) = open(&path, &me());
        assert_eq!(back, known());
        fs::remove_file(&path).unwrap();
        assert_eq!(memory.keep(Instant::now(), known), None);
        assert!(!path.exists(), "the same is not written again");
    }

    #[test]
    fn a_change_is_written_at_most_every_so_often() {
        let (_state, path) = kept();
        let (mut memory, now) = (open(&path, &me()).0, Instant::now());
        let changed = |confirmed| {
            move || LastKnown {
                confirmed: Some(confirmed),
                ..known()
            }
        };
        assert_eq!(memory.keep(now, changed(1)), None);
        let soon = now + PAUSE / 2;
        assert_eq!(memory.keep(soon, changed(2)), Some(now + PAUSE));
        assert_eq!(open(&path, &me()).1.confirmed, Some(1));
        assert_eq!(memory.keep(now + PAUSE, changed(2)), None);
        assert_eq!(open(&path, &me()).1.confirmed, Some(2));
    }

    #[test]
    fn what_cannot_be_used_is_named_and_written_anew() {
        let (_state, path) = kept();
        let text = fs::read_to_string(&path).unwrap();
        let cases = [
            (text[..text.len() / 2].to_owned(), "is damaged: "),
            (String::new(), "is damaged: "),
            (
                "[]".to_owned(),
                "is of version null, this release reads version 1 only",
            ),
            (
                text.replace("\"version\":1", "\"version\":2"),
                "is of version 2, ",
            ),
            (
                text.replace("\"node\":\"w1\"", "\"node\":\"w2\""),
                "is of node w2",
            ),
            (
                text.replace("\"objects\":[", "\"objects\":7,\"x\":["),
                "is damaged: ",
            ),
        ];
        for (text, why) in cases {
            fs::write(&path, &text).unwrap();
            let (mut memory, back) = open(&path, &me());
            assert_eq!(back, LastKnown::default());
            let error = memory.read().unwrap_err().to_string();
            assert!(error.starts_with(why), "{error}");
            assert_eq!(memory.keep(Instant::now(), known), None);
            assert_eq!(open(&path, &me()).1, known(), "after {why}");
        }
    }

    #[test]
    fn an_object_that_cannot_be_used_takes_no_other_with_it() {
        let (_state, path) = kept();
        let text = fs::read_to_string(&path).unwrap();
        let text = text.replace("\"objects\":[", "\"objects\":[{\"kind\":\"Service\"},7,");
        fs::write(&path, text).unwrap();
        assert_eq!(open(&path, &me()).1, known());
    }

    #[test]
    fn fields_of_a_later_release_survive() {
        let (_state, path) = kept();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(
            &path,
            text.replace("{\"version\":1", "{\"colour\":\"red\",\"version\":1"),
        )
        .unwrap();
        let (mut memory, _) = open(&path, &me());
        memory.keep(Instant::now(), LastKnown::default);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("\"colour\":\"red\""), "{text}");
        assert_eq!(open(&path, &me()).1, LastKnown::default());
    }

    #[test]
    fn what_cannot_be_written_is_said_and_tried_again() {
        let (_state, path) = kept();
        let (mut memory, now) = (open(&path, &me()).0, Instant::now());
        fs::create_dir(path.with_extension("json.tmp")).unwrap();
        let again = memory.keep(now, LastKnown::default);
        assert_eq!(again, Some(now + PAUSE));
        assert!(memory.trouble().unwrap().contains(FILE));
        fs::remove_dir(path.with_extension("json.tmp")).unwrap();
        assert_eq!(memory.keep(now + PAUSE, LastKnown::default), None);
        assert_eq!(memory.trouble(), None);
    }
}
