//! One look at the folders of a directory store, or at some files in them: what has changed since
//! the last one.

mod file;

use super::Event;
use crate::config;
use crate::objects::{Kind, Object};
use file::{Stamp, is_missing, object_name, read};
use gingham_model::NodeName;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What the last look found of a file.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// `None` where only reading tells whether the file is still the same.
    stamp: Option<Stamp>,
    /// Whether something has been said of its object.
    told: bool,
}

/// What the last look found in a folder.
#[derive(Debug, Default)]
struct Folder {
    files: BTreeMap<String, Seen>,
    /// Whether the last look succeeded; `None` before the first.
    listed: Option<Result<(), String>>,
    /// Whether there has ever been such a folder.
    existed: bool,
}

/// Where one look at a folder goes.
struct Look<'a> {
    kind: Kind,
    directory: &'a Path,
    me: &'a NodeName,
}

/// What to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Where {
    /// Every folder and every file.
    Everywhere,
    /// Only these files; those not named are as they were.
    Files(BTreeMap<Kind, BTreeSet<String>>),
}

/// Looks at the folders and remembers what it saw: of each file a few numbers, never its text.
#[derive(Debug)]
pub(super) struct Scan {
    root: PathBuf,
    node: NodeName,
    folders: BTreeMap<Kind, Folder>,
}

impl Scan {
    pub(super) fn new(root: &Path, node: &NodeName) -> Self {
        Scan {
            root: root.to_owned(),
            node: node.clone(),
            folders: BTreeMap::new(),
        }
    }

    /// The directory they lie in.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a kind.
    pub(super) fn folder(root: &Path, kind: Kind) -> PathBuf {
        root.join(kind.plural())
    }

    /// Whether some folder could not be listed when last looked at.
    pub(super) fn is_failing(&self) -> bool {
        let failed = |folder: &Folder| !matches!(folder.listed, Some(Ok(())));
        self.folders.values().any(failed)
    }

    /// Makes the next look say again which folders can be listed.
    pub(super) fn repeat_listed(&mut self) {
        self.folders
            .values_mut()
            .for_each(|folder| folder.listed = None);
    }

    /// Everything there that differs from the last look.
    pub(super) fn look(&mut self, place: &Where) -> Vec<Event> {
        let mut events = Vec::new();
        match place {
            Where::Everywhere => {
                for kind in Kind::ALL {
                    self.look_at(kind, &mut events);
                }
            }
            Where::Files(files) => {
                for (kind, files) in files {
                    self.look_at_files(*kind, files, &mut events);
                }
            }
        }
        events
    }

    /// A file that is gone may be gone with its folder, which says nothing about the file. So it
    /// must be missing from a list of the folder too.
    fn look_at_files(&mut self, kind: Kind, files: &BTreeSet<String>, events: &mut Vec<Event>) {
        let directory = Self::folder(&self.root, kind);
        let folder = self.folders.entry(kind).or_default();
        if folder.listed != Some(Ok(())) {
            return self.look_at(kind, events);
        }
        let look = Look {
            kind,
            directory: &directory,
            me: &self.node,
        };
        let mut missing = Vec::new();
        for file in files {
            if is_manifest(file) && selected(kind, file) && !folder.look_at(&look, file, events) {
                missing.push(file);
            }
        }
        missing.retain(|file| folder.files.contains_key(*file));
        if missing.is_empty() {
            return;
        }
        let Ok(present) = list(&directory) else {
            return self.look_at(kind, events);
        };
        for file in missing.into_iter().filter(|file| !present.contains(*file)) {
            folder.forget(kind, file, events);
        }
    }

    fn look_at(&mut self, kind: Kind, events: &mut Vec<Event>) {
        let directory = Self::folder(&self.root, kind);
        let spared = kind.is_of_bgp() && self.is_of_old();
        let folder = self.folders.entry(kind).or_default();
        let listed = match list(&directory) {
            Ok(mut present) => {
                present.retain(|file| selected(kind, file));
                let look = Look {
                    kind,
                    directory: &directory,
                    me: &self.node,
                };
                folder.compare(&look, present, events);
                folder.existed = true;
                Ok(())
            }
            Err(error) if spared && is_missing(&error) && !folder.existed => Ok(()),
            Err(error) => Err(format!("{}: {error}", directory.display())),
        };
        if folder.listed.as_ref() != Some(&listed) {
            events.push(match &listed {
                Ok(()) => Event::Synced(kind),
                Err(error) => Event::Failed(kind, error.clone()),
            });
            folder.listed = Some(listed);
        }
    }

    /// Whether the folders of the kinds there have always been are all there. A folder of a later
    /// kind may be missing then: the store is older than it, and holds none of its objects.
    fn is_of_old(&self) -> bool {
        let mut old = Kind::ALL.into_iter().filter(|kind| !kind.is_of_bgp());
        old.all(|kind| {
            let folder = self.folders.get(&kind);
            folder.is_some_and(|folder| folder.listed == Some(Ok(())))
        })
    }
}

/// The agent reads one RoutingConfig; others are no concern of its.
fn selected(kind: Kind, file: &str) -> bool {
    kind != Kind::RoutingConfig || stem(file) == config::NAME
}

fn stem(file: &str) -> &str {
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

/// The names of the manifests in a folder.
fn list(directory: &Path) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if is_manifest(&name) {
            names.insert(name);
        }
    }
    Ok(names)
}

/// Whether a file of this name is read. Hidden ones are claims in the making, and editors' copies.
fn is_manifest(file: &str) -> bool {
    let extension = Path::new(file).extension().and_then(OsStr::to_str);
    matches!(extension, Some("yaml" | "yml" | "json")) && !file.starts_with('.')
}

impl Folder {
    fn compare(&mut self, look: &Look<'_>, mut present: BTreeSet<String>, events: &mut Vec<Event>) {
        present.retain(|file| self.look_at(look, file, events));
        let gone = self.files.keys().filter(|file| !present.contains(*file));
        for file in gone.cloned().collect::<Vec<String>>() {
            self.forget(look.kind, &file, events);
        }
    }

    /// Says whether the file is there.
    fn look_at(&mut self, look: &Look<'_>, file: &str, events: &mut Vec<Event>) -> bool {
        let before = self.files.get(file).copied();
        let path = look.directory.join(file);
        let stamp = before.and_then(|before| before.stamp);
        let Some((stamp, event)) = read(look.kind, &path, stamp) else {
            return false;
        };
        let known = before.is_some_and(|before| before.told);
        let said = match event {
            None => None,
            Some(event) if concerns(&event, look.me) => Some(event),
            Some(event @ Event::Refused(_)) if known || stem(file) == look.me.as_str() => {
                Some(event)
            }
            // It was a reflector or an ingress node, and is none any more.
            Some(_) => known.then(|| deleted(look.kind, file)),
        };
        let told = match &said {
            None => known,
            Some(event) => !matches!(event, Event::Delete(..)),
        };
        self.files.insert(file.to_owned(), Seen { stamp, told });
        events.extend(said);
        true
    }

    fn forget(&mut self, kind: Kind, file: &str, events: &mut Vec<Event>) {
        let told = self.files.remove(file).is_some_and(|seen| seen.told);
        events.extend(told.then(|| deleted(kind, file)));
    }
}

/// Whether what a file says is to be told on: not if it is of a node, or may be of one, that is
/// neither this one nor dealt with by name.
fn concerns(event: &Event, me: &NodeName) -> bool {
    match event {
        Event::Apply(parsed) => match &parsed.object {
            Object::Node(node) => node.concerns(me),
            _ => true,
        },
        Event::Refused(refusal) => refusal.kind != Kind::Node,
        _ => true,
    }
}

fn deleted(kind: Kind, file: &str) -> Event {
    Event::Delete(kind, object_name(Path::new(file)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn store() -> (TempDir, Scan) {
        let root = TempDir::new().unwrap();
        for kind in Kind::ALL {
            fs::create_dir(Scan::folder(root.path(), kind)).unwrap();
        }
        let mut scan = Scan::new(root.path(), &"w1".parse().unwrap());
        assert_eq!(scan.look(&Where::Everywhere), Kind::ALL.map(Event::Synced));
        (root, scan)
    }

    fn at(files: &[&str]) -> Where {
        let files = files.iter().map(ToString::to_string).collect();
        Where::Files([(Kind::Block, files)].into())
    }

    /// The names of the objects that events speak of.
    fn refused(events: &[Event]) -> Vec<&str> {
        let names = events.iter().map(|event| match event {
            Event::Refused(refusal) => refusal.name.as_str(),
            other => panic!("{other:?}"),
        });
        names.collect()
    }

    #[test]
    fn only_what_is_named_is_looked_at() {
        let (root, mut scan) = store();
        let blocks = Scan::folder(root.path(), Kind::Block);
        for name in ["a.yaml", "b.yaml", ".c.yaml", "d.txt"] {
            fs::write(blocks.join(name), "no Block").unwrap();
        }
        let named = at(&["a.yaml", ".c.yaml", "d.txt", "never.yaml"]);
        assert_eq!(refused(&scan.look(&named)), ["a"]);
        fs::remove_file(blocks.join("a.yaml")).unwrap();
        assert_eq!(scan.look(&at(&[])), []);
        let deleted = Event::Delete(Kind::Block, "a".into());
        assert_eq!(scan.look(&at(&["a.yaml"])), [deleted]);
        assert_eq!(refused(&scan.look(&Where::Everywhere)), ["b"]);
    }

    #[test]
    fn files_that_go_with_their_folder_are_not_called_deleted() {
        let (root, mut scan) = store();
        let blocks = Scan::folder(root.path(), Kind::Block);
        fs::write(blocks.join("a.yaml"), "no Block").unwrap();
        scan.look(&Where::Everywhere);
        fs::rename(&blocks, root.path().join("aside")).unwrap();
        let found = scan.look(&at(&["a.yaml"]));
        assert!(
            matches!(found[..], [Event::Failed(Kind::Block, _)]),
            "{found:?}"
        );
        assert!(scan.is_failing());
    }
}
