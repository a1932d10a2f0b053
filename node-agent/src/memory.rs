//! `cluster.json` in the state directory: the cluster as last known, for the time until its store
//! answers again. It outlives a reboot, which the run directory does not.
//!
//! It is a memory and no source: what it holds is in force, but completes nothing
//! (`Cluster::remember`). So a file that cannot be used costs time only; it is named, and written
//! anew. The time of its last change says when the store was last heard (law 2): to write all of it
//! for that would be much.

use crate::bgp::part::Reflector;
use crate::cluster::Cluster;
use crate::manifest::{self, Invalid};
use crate::objects::Object;
use gingham_ipam::{Unknown, Version1};
use gingham_model::NodeName;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::fmt;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// The name of the file.
pub const FILE: &str = "cluster.json";

/// What it is written as, before it has its name.
pub const DRAFT: &str = "cluster.json.tmp";

/// Between two looks at whether there is something to write.
const PAUSE: Duration = Duration::from_secs(10);

/// Between two notes that the store has been heard.
const HEARD: Duration = Duration::from_secs(60);

/// What outlives the agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastKnown {
    /// What [`crate::cluster::Cluster::saved`] says.
    pub objects: Vec<Object>,
    /// The reflectors of this node's zone.
    pub reflectors: Vec<Reflector>,
}

/// The file, and what is known of its content.
#[derive(Debug)]
pub struct Memory {
    path: PathBuf,
    me: NodeName,
    /// Fields this version does not know.
    unknown: Unknown,
    looked: Option<Instant>,
    /// The fingerprint of what the file holds.
    written: Option<u64>,
    /// When the store was last heard by the agent before.
    heard: Option<SystemTime>,
    /// When that was last noted by this one.
    noted: Option<Instant>,
    trouble: Option<String>,
}

/// What is to outlive the agent. Each object is made when it is written, for they are many.
#[derive(Clone, Debug)]
pub struct Lasting {
    /// What is known.
    pub cluster: Arc<Cluster>,
    /// The reflectors of this node's zone.
    pub reflectors: Vec<Reflector>,
}

/// The file as it is written.
#[derive(Serialize)]
struct Written<'a> {
    version: Version1,
    node: &'a NodeName,
    objects: Objects<'a>,
    reflectors: &'a [Reflector],
    #[serde(flatten)]
    unknown: &'a Unknown,
}

/// What a node remembers of a cluster.
struct Objects<'a>(&'a Cluster, &'a NodeName);

impl Serialize for Objects<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Objects(cluster, me) = self;
        serializer.collect_seq(cluster.saved(me).map(manifest::manifest))
    }
}

/// The file as it is read.
#[derive(Deserialize)]
struct Content {
    #[serde(rename = "version")]
    _version: Version1,
    node: NodeName,
    #[serde(deserialize_with = "one_by_one")]
    objects: Vec<Remembered>,
    #[serde(default)]
    reflectors: Vec<Reflector>,
    #[serde(flatten)]
    unknown: Unknown,
}

/// What every version has.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    version: Value,
}

/// An object, or what it calls itself and why it is none.
type Remembered = Result<Object, (String, Invalid)>;

/// As JSON each is many times as large as what is known of it.
fn one_by_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Remembered>, D::Error> {
    struct Each;
    impl<'de> Visitor<'de> for Each {
        type Value = Vec<Remembered>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of objects")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut objects = Vec::new();
            while let Some(value) = list.next_element::<Value>()? {
                objects.push(manifest::of_value(&value).map(|parsed| parsed.object));
            }
            Ok(objects)
        }
    }
    deserializer.deserialize_seq(Each)
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
            looked: None,
            written: None,
            heard: None,
            noted: None,
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

    /// When the agent before this one last heard the store; `None` without a file of it.
    pub fn heard(&self) -> Option<SystemTime> {
        self.heard
    }

    /// Writes what is known now, if that is something new; the store has just been heard. Not every
    /// change is written at once, so it is to be called time and again. Blocks on the disk.
    pub fn keep(&mut self, now: Instant, known: &Lasting) {
        if self.looked.is_some_and(|looked| now < looked + PAUSE) {
            return;
        }
        self.looked = Some(now);
        let trouble = self.write(known, now).err();
        let trouble = trouble.map(|error| format!("{}: {error}", self.path.display()));
        if trouble != self.trouble {
            if let Some(error) = &trouble {
                tracing::warn!(%error, "cluster not remembered");
            }
            self.trouble = trouble;
        }
    }

    fn write(&mut self, known: &Lasting, now: Instant) -> io::Result<()> {
        let mut print = Print::of(io::sink());
        self.put(known, &mut print)?;
        let print = print.value();
        let recent = self.noted.is_some_and(|noted| now < noted + HEARD);
        match (self.written == Some(print), recent) {
            (true, true) => return Ok(()),
            // Where it has gone meanwhile, it is made anew.
            (true, false) => touch(&self.path).or_else(|_| self.replace(known))?,
            (false, _) => self.replace(known)?,
        }
        (self.written, self.noted) = (Some(print), Some(now));
        Ok(())
    }

    /// The content of the file, as it comes.
    fn put(&self, known: &Lasting, into: impl Write) -> io::Result<()> {
        let written = Written {
            version: Version1,
            node: &self.me,
            objects: Objects(&known.cluster, &self.me),
            reflectors: &known.reflectors,
            unknown: &self.unknown,
        };
        let mut into = BufWriter::new(into);
        serde_json::to_writer(&mut into, &written)?;
        into.flush()
    }

    /// Puts a new file in place of the present one, on disk before it has the name. The agent is its
    /// only writer.
    fn replace(&self, known: &Lasting) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(&self.path);
        fs::create_dir_all(folder)?;
        let draft = self.path.with_file_name(DRAFT);
        let file = File::create(&draft)?;
        self.put(known, &file)?;
        file.sync_all()?;
        fs::rename(&draft, &self.path)?;
        File::open(folder)?.sync_all()
    }

    fn read(&mut self) -> Result<LastKnown, Unusable> {
        let mut print = Print::of(File::open(&self.path)?);
        let Head { version } = serde_json::from_reader(BufReader::new(&mut print))?;
        if version != u64::from(Version1) {
            return Err(Unusable::Version(version));
        }
        let content = BufReader::new(File::open(&self.path)?);
        let content: Content = serde_json::from_reader(content)?;
        if content.node != self.me {
            return Err(Unusable::Foreign(content.node));
        }
        self.unknown = content.unknown;
        self.written = Some(print.value());
        self.heard = fs::metadata(&self.path)?.modified().ok();
        let objects = content.objects.into_iter();
        Ok(LastKnown {
            objects: objects.filter_map(|object| self.usable(object)).collect(),
            reflectors: content.reflectors,
        })
    }

    fn usable(&self, object: Result<Object, (String, Invalid)>) -> Option<Object> {
        let named = |(object, error): (String, Invalid)| {
            let file = self.path.display();
            tracing::warn!(%file, object, %error, "last-known object not used");
        };
        object.map_err(named).ok()
    }
}

/// Takes the fingerprint of what passes through. The file is never held as a whole.
struct Print<T> {
    through: T,
    hasher: DefaultHasher,
}

impl<T> Print<T> {
    fn of(through: T) -> Self {
        let hasher = DefaultHasher::new();
        Print { through, hasher }
    }

    fn value(&self) -> u64 {
        self.hasher.finish()
    }
}

impl<W: Write> Write for Print<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.through.write(bytes)?;
        self.hasher.write(bytes.get(..written).unwrap_or(bytes));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.through.flush()
    }
}

impl<R: Read> Read for Print<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.through.read(into)?;
        self.hasher.write(into.get(..read).unwrap_or_default());
        Ok(read)
    }
}

fn touch(path: &Path) -> io::Result<()> {
    let file = File::options().write(true).open(path)?;
    file.set_modified(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::os::unix::fs::MetadataExt;
    use tempfile::TempDir;

    fn me() -> NodeName {
        "w1".parse().unwrap()
    }

    fn reflector(name: &str) -> Reflector {
        Reflector {
            name: name.parse().unwrap(),
            addresses: vec!["10.1.0.11".parse().unwrap()],
        }
    }

    fn known() -> LastKnown {
        let node = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": "w1", "uid": "u"},
        });
        LastKnown {
            objects: vec![manifest::of_value(&node).unwrap().object],
            reflectors: vec![reflector("m1")],
        }
    }

    /// What is known, before it is written.
    fn lasting(known: LastKnown) -> Lasting {
        let mut cluster = Cluster::default();
        cluster.remember(known.objects);
        Lasting {
            cluster: Arc::new(cluster),
            reflectors: known.reflectors,
        }
    }

    /// A memory that has kept `known`, and its file.
    fn kept() -> (TempDir, PathBuf) {
        let state = TempDir::new().unwrap();
        let path = state.path().join("below").join(FILE);
        let (mut memory, nothing) = Memory::open(path.parent().unwrap(), &me());
        assert_eq!(nothing, LastKnown::default());
        memory.keep(Instant::now(), &lasting(known()));
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
        let inode = fs::metadata(&path).unwrap().ino();
        memory.keep(Instant::now(), &lasting(known()));
        assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
        assert_eq!(open(&path, &me()).1, known());
    }

    #[test]
    fn that_the_store_was_heard_is_noted_every_so_often() {
        let (_state, path) = kept();
        let (mut memory, now) = (open(&path, &me()).0, Instant::now());
        let long_ago = SystemTime::UNIX_EPOCH + HEARD;
        let forget = || File::open(&path).unwrap().set_modified(long_ago).unwrap();
        memory.keep(now, &lasting(known()));
        forget();
        memory.keep(now + HEARD - PAUSE, &lasting(known()));
        assert_eq!(open(&path, &me()).0.heard(), Some(long_ago));
        memory.keep(now + HEARD, &lasting(known()));
        assert!(open(&path, &me()).0.heard().unwrap() > long_ago);
        fs::remove_file(&path).unwrap();
        memory.keep(now + HEARD * 2, &lasting(known()));
        assert_eq!(open(&path, &me()).1, known(), "it is made anew");
    }

    #[test]
    fn a_change_is_written_at_most_every_so_often() {
        let (_state, path) = kept();
        let (mut memory, now) = (open(&path, &me()).0, Instant::now());
        let changed = |name| {
            lasting(LastKnown {
                reflectors: vec![reflector(name)],
                ..known()
            })
        };
        let reflectors = || open(&path, &me()).1.reflectors;
        memory.keep(now, &changed("m1"));
        memory.keep(now + PAUSE / 2, &changed("m2"));
        assert_eq!(reflectors(), [reflector("m1")]);
        memory.keep(now + PAUSE, &changed("m2"));
        assert_eq!(reflectors(), [reflector("m2")]);
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
            memory.keep(Instant::now(), &lasting(known()));
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
        memory.keep(Instant::now(), &lasting(LastKnown::default()));
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("\"colour\":\"red\""), "{text}");
        assert_eq!(open(&path, &me()).1, LastKnown::default());
    }

    #[test]
    fn what_cannot_be_written_is_said_and_tried_again() {
        let (_state, path) = kept();
        let (mut memory, now) = (open(&path, &me()).0, Instant::now());
        fs::create_dir(path.with_file_name(DRAFT)).unwrap();
        memory.keep(now, &lasting(LastKnown::default()));
        assert!(memory.trouble.as_ref().unwrap().contains(FILE));
        fs::remove_dir(path.with_file_name(DRAFT)).unwrap();
        memory.keep(now + PAUSE, &lasting(LastKnown::default()));
        assert_eq!(memory.trouble, None);
    }
}
