//! One file of a directory store: what it says of its object.

use crate::manifest;
use crate::objects::{Kind, Refusal};
use crate::store::Event;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// No object of a Kubernetes API is larger.
const LARGEST: u64 = 1 << 20;

/// A file younger than this may change again without its times telling: they move in ticks.
const YOUNG: Duration = Duration::from_secs(1);

/// What tells two versions of a file apart without reading them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// What a file says, if it may say something new since `before`; `None` when it is gone.
pub(super) fn read(
    kind: Kind,
    path: &Path,
    before: Option<Stamp>,
) -> Option<(Option<Stamp>, Option<Event>)> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if is_missing(&error) => return None,
        Err(error) => return Some((None, Some(refused(kind, path, error.to_string())))),
    };
    let stamp = stamp(&metadata);
    if stamp.is_some() && stamp == before {
        return Some((stamp, None));
    }
    let event = match text(path, &metadata) {
        Ok(text) => match manifest::parse(kind, &object_name(path), &text) {
            Ok(parsed) => Event::Apply(Box::new(parsed)),
            Err(invalid) => refused(kind, path, invalid.to_string()),
        },
        Err(error) if is_missing(&error) => return None,
        Err(error) => refused(kind, path, error.to_string()),
    };
    Some((stamp, Some(event)))
}

fn stamp(metadata: &Metadata) -> Option<Stamp> {
    let age = SystemTime::now().duration_since(metadata.modified().ok()?);
    // A time in the future is as little worth as a fresh one.
    age.is_ok_and(|age| age > YOUNG).then(|| Stamp {
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

fn text(path: &Path, metadata: &Metadata) -> io::Result<String> {
    if path.extension() != Some(OsStr::new("yaml")) {
        return Err(io::Error::other("the name must end in .yaml"));
    }
    // Opening a named pipe would wait for its writer.
    if !metadata.is_file() {
        return Err(io::Error::other("is no regular file"));
    }
    if metadata.len() > LARGEST {
        let size = metadata.len();
        return Err(io::Error::other(format!(
            "{size} bytes are more than {LARGEST}"
        )));
    }
    fs::read_to_string(path)
}

/// A file with a wrong ending keeps it, so that it never speaks for the object beside it.
pub(super) fn object_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(".yaml").unwrap_or(&name).to_owned()
}

fn refused(kind: Kind, path: &Path, error: String) -> Event {
    Event::Refused(Refusal {
        kind,
        name: object_name(path),
        origin: path.display().to_string(),
        error,
    })
}

pub(super) fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}
