//! The files of an image, and the layer they make: sorted, of nobody and no time, so that equal trees
//! make equal bytes.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tar::{Builder, EntryType, Header};

const FOLDER: u32 = 0o755;
const PROGRAM: u32 = 0o755;
const TEXT: u32 = 0o644;
const LINK: u32 = 0o777;

/// What is in an image, by its path without the leading slash.
#[derive(Debug, Default)]
pub(super) struct Tree(BTreeMap<PathBuf, Entry>);

#[derive(Debug)]
struct Entry {
    mode: u32,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Folder,
    /// Of this file of the machine.
    Copy(PathBuf),
    Text(String),
    /// To this path.
    Link(PathBuf),
}

impl Tree {
    /// What is under `root`, with its permissions.
    pub(super) fn of_root(root: &Path) -> Result<Self> {
        let mut tree = Tree::default();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
            for entry in entries {
                let path = entry.with_context(|| folder.display().to_string())?.path();
                let content = content(&path)?;
                if matches!(content, Content::Folder) {
                    folders.push(path.clone());
                }
                let mode =
                    fs::symlink_metadata(&path).map(|meta| meta.permissions().mode() & 0o7777);
                let mode = mode.with_context(|| path.display().to_string())?;
                tree.add(path.strip_prefix(root)?, mode, content);
            }
        }
        Ok(tree)
    }

    /// The machine's file `source`, to be run or loaded. A link is followed.
    pub(super) fn program(mut self, path: &str, source: &Path) -> Self {
        self.add(path, PROGRAM, Content::Copy(source.to_owned()));
        self
    }

    /// A file to be read.
    pub(super) fn text(mut self, path: &str, text: &str) -> Self {
        self.add(path, TEXT, Content::Text(text.to_owned()));
        self
    }

    /// A symbolic link.
    pub(super) fn link(mut self, path: &str, target: &str) -> Self {
        self.add(path, LINK, Content::Link(target.into()));
        self
    }

    /// A folder in which everybody may write, each their own.
    pub(super) fn shared_folder(mut self, path: &str) -> Self {
        self.add(path, 0o1777, Content::Folder);
        self
    }

    /// Adds an entry and the folders it is in.
    fn add(&mut self, path: impl AsRef<Path>, mode: u32, content: Content) {
        let path: PathBuf = path.as_ref().components().filter(is_name).collect();
        for folder in path
            .ancestors()
            .skip(1)
            .filter(|folder| *folder != Path::new(""))
        {
            self.0.entry(folder.to_owned()).or_insert(Entry {
                mode: FOLDER,
                content: Content::Folder,
            });
        }
        self.0.insert(path, Entry { mode, content });
    }

    /// Writes the layer.
    pub(super) fn write(&self, to: impl Write) -> Result<()> {
        let mut layer = Builder::new(to);
        for (path, entry) in &self.0 {
            append(&mut layer, path, entry)
                .with_context(|| format!("/{} of the image", path.display()))?;
        }
        layer.finish().context("the layer's end")
    }
}

/// What is at `path` of the machine.
fn content(path: &Path) -> Result<Content> {
    let kind = fs::symlink_metadata(path)
        .with_context(|| path.display().to_string())?
        .file_type();
    if kind.is_dir() {
        Ok(Content::Folder)
    } else if kind.is_file() {
        Ok(Content::Copy(path.to_owned()))
    } else if kind.is_symlink() {
        Ok(Content::Link(
            fs::read_link(path).with_context(|| path.display().to_string())?,
        ))
    } else {
        bail!("{}: neither file, folder nor symbolic link", path.display())
    }
}

fn is_name(component: &std::path::Component<'_>) -> bool {
    matches!(component, std::path::Component::Normal(_))
}

fn append(layer: &mut Builder<impl Write>, path: &Path, entry: &Entry) -> Result<()> {
    let mut header = header(entry.mode);
    match &entry.content {
        Content::Folder => {
            header.set_entry_type(EntryType::Directory);
            layer.append_data(&mut header, path, std::io::empty())?;
        }
        Content::Link(target) => {
            header.set_entry_type(EntryType::Symlink);
            layer.append_link(&mut header, path, target)?;
        }
        Content::Text(text) => {
            header.set_size(text.len().try_into()?);
            layer.append_data(&mut header, path, text.as_bytes())?;
        }
        Content::Copy(source) => {
            let named = || source.display().to_string();
            let file = File::open(source).with_context(named)?;
            header.set_size(file.metadata().with_context(named)?.len());
            layer
                .append_data(&mut header, path, file)
                .with_context(named)?;
        }
    }
    Ok(())
}

/// The header of an empty file of root, as old as can be.
pub(super) fn header(mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// Path, kind, mode, and what it holds or points to.
    fn listed(tree: &Tree) -> Vec<(String, EntryType, u32, String)> {
        let mut bytes = Vec::new();
        tree.write(&mut bytes).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let entries = archive.entries().unwrap();
        entries
            .map(|entry| {
                let mut entry = entry.unwrap();
                let header = entry.header().clone();
                assert_eq!(
                    (
                        header.mtime().unwrap(),
                        header.uid().unwrap(),
                        header.gid().unwrap()
                    ),
                    (0, 0, 0)
                );
                let mut held = String::new();
                std::io::Read::read_to_string(&mut entry, &mut held).unwrap();
                if let Some(target) = entry.link_name().unwrap() {
                    held = target.display().to_string();
                }
                let path = entry.path().unwrap().display().to_string();
                (path, header.entry_type(), header.mode().unwrap(), held)
            })
            .collect()
    }

    #[test]
    fn a_layer_is_sorted_and_holds_the_folders_that_nobody_named() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::write(&program, "code").unwrap();
        let tree = Tree::default()
            .program("/usr/bin/b", &program)
            .link("/usr/bin/a", "b")
            .text("/etc/passwd", "root")
            .shared_folder("/tmp");
        assert_eq!(
            listed(&tree),
            [
                ("etc".into(), EntryType::Directory, 0o755, String::new()),
                (
                    "etc/passwd".into(),
                    EntryType::Regular,
                    0o644,
                    "root".into()
                ),
                ("tmp".into(), EntryType::Directory, 0o1777, String::new()),
                ("usr".into(), EntryType::Directory, 0o755, String::new()),
                ("usr/bin".into(), EntryType::Directory, 0o755, String::new()),
                ("usr/bin/a".into(), EntryType::Symlink, 0o777, "b".into()),
                ("usr/bin/b".into(), EntryType::Regular, 0o755, "code".into()),
            ]
        );
    }

    #[test]
    fn a_root_is_taken_over_with_its_permissions_and_links() {
        let root = tempfile::tempdir().unwrap();
        let long = format!("opt/{}", "long/".repeat(40));
        fs::create_dir_all(root.path().join(&long)).unwrap();
        let program = root.path().join(&long).join("program");
        fs::write(&program, "code").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).unwrap();
        symlink("/usr/bin/elsewhere", root.path().join("link")).unwrap();
        let listed = listed(&Tree::of_root(root.path()).unwrap());
        let of = |name: &str| listed.iter().find(|entry| entry.0 == name).unwrap();
        let program = of(&format!("{long}program"));
        assert_eq!((program.2, program.3.as_str()), (0o4755, "code"));
        assert_eq!(of("link").3, "/usr/bin/elsewhere");
    }

    #[test]
    fn a_file_that_is_missing_is_named() {
        let tree = Tree::default().program("/bin/gone", Path::new("/nowhere/gone"));
        let error = format!("{:#}", tree.write(std::io::sink()).unwrap_err());
        assert!(
            error.starts_with("/bin/gone of the image: /nowhere/gone: "),
            "{error}"
        );
    }

    #[test]
    fn what_no_image_can_hold_is_refused_by_name() {
        let root = tempfile::tempdir().unwrap();
        let pipe = root.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let error = format!("{:#}", Tree::of_root(root.path()).unwrap_err());
        assert!(error.starts_with(&pipe.display().to_string()), "{error}");
    }
}
