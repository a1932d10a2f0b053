//! What `install-cni` leaves behind, on real files.

use gingham_agent::conf;
use gingham_agent::install::{self, Done, Due, InstallError, Places};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

struct Host {
    root: TempDir,
}

impl Host {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("from")).unwrap();
        Host { root }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn program(&self, path: &str, bytes: &[u8]) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }

    fn install(&self) -> Result<Vec<Done>, InstallError> {
        let report = install::install(&Places {
            from: self.at("from"),
            to: self.at("bin"),
            state_dir: self.at("state"),
        })?;
        Ok(report.programs.iter().map(|program| program.done).collect())
    }

    fn due(&self) -> Due {
        install::due(&self.at("state"), [&self.at("net.d"), &self.at("bin")]).unwrap()
    }

    fn undo(&self) {
        assert_eq!(install::undo(&self.due(), &self.at("state")), [""; 0]);
    }

    /// Every file below a folder with its bytes.
    fn files(&self, folder: &str) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(self.at(folder)).into_iter().flatten();
        let files = entries.map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read(entry.path()).unwrap_or_default())
        });
        files.collect()
    }
}

fn files(files: &[(&str, &[u8])]) -> BTreeMap<String, Vec<u8>> {
    let files = files.iter();
    files
        .map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec()))
        .collect()
}

#[test]
fn what_is_installed_is_installed_once_and_can_be_undone() {
    let host = Host::new();
    host.program("from/gingham", b"one");
    host.program("from/portmap", b"two");
    assert_eq!(host.install().unwrap(), [Done::Installed, Done::Installed]);
    let inode = fs::metadata(host.at("bin/gingham")).unwrap().ino();
    assert_eq!(host.install().unwrap(), [Done::Unchanged, Done::Unchanged]);
    assert_eq!(fs::metadata(host.at("bin/gingham")).unwrap().ino(), inode);
    host.program("from/gingham", b"three");
    assert_eq!(host.install().unwrap(), [Done::Updated, Done::Unchanged]);
    assert_eq!(
        host.files("bin"),
        files(&[("gingham", b"three"), ("portmap", b"two")])
    );
    host.undo();
    assert_eq!(host.files("bin"), files(&[]));
    assert_eq!(host.files("state"), files(&[]));
}

#[test]
fn what_was_there_before_comes_back() {
    let host = Host::new();
    host.program("bin/portmap", b"the host's");
    host.program("bin/bridge", b"no business of ours");
    host.program("from/portmap", b"ours");
    assert_eq!(host.install().unwrap(), [Done::Replaced]);
    host.program("from/portmap", b"ours, newer");
    assert_eq!(host.install().unwrap(), [Done::Updated]);
    host.undo();
    let before = files(&[
        ("bridge", b"no business of ours"),
        ("portmap", b"the host's"),
    ]);
    assert_eq!(host.files("bin"), before);
}

#[test]
fn what_was_there_already_to_the_byte_is_not_ours_to_remove() {
    let host = Host::new();
    host.program("bin/portmap", b"the same");
    host.program("from/portmap", b"the same");
    assert_eq!(host.install().unwrap(), [Done::Unchanged]);
    host.undo();
    assert_eq!(host.files("bin"), files(&[("portmap", b"the same")]));
}

#[test]
fn what_somebody_has_changed_since_stays() {
    let host = Host::new();
    host.program("from/gingham", b"ours");
    host.install().unwrap();
    host.program("bin/gingham", b"an operator's own");
    let stays = format!(
        "{}: is not what was installed any more",
        host.at("bin/gingham").display()
    );
    assert_eq!(host.due().stays, [stays]);
    host.undo();
    assert_eq!(
        host.files("bin"),
        files(&[("gingham", b"an operator's own")])
    );
}

#[test]
fn what_a_killed_run_has_left_goes_with_the_next() {
    let host = Host::new();
    host.program("bin/.gingham-new-gingham", b"hal");
    host.program("from/gingham", b"whole");
    host.install().unwrap();
    assert_eq!(host.files("bin"), files(&[("gingham", b"whole")]));
}

/// The record is written before the program: a kill between them leaves the older one of ours in place.
#[test]
fn an_older_one_of_ours_that_a_killed_run_has_left_is_ours_still() {
    let host = Host::new();
    host.program("bin/portmap", b"the host's");
    host.program("from/portmap", b"ours");
    assert_eq!(host.install().unwrap(), [Done::Replaced]);
    host.program("from/portmap", b"ours, newer");
    assert_eq!(host.install().unwrap(), [Done::Updated]);
    host.program("bin/portmap", b"ours");
    assert_eq!(host.install().unwrap(), [Done::Updated]);
    host.program("bin/portmap", b"ours");
    host.undo();
    assert_eq!(host.files("bin"), files(&[("portmap", b"the host's")]));
}

#[test]
fn what_was_there_before_comes_back_although_ours_is_gone() {
    let host = Host::new();
    host.program("bin/portmap", b"the host's");
    host.program("from/portmap", b"ours");
    host.install().unwrap();
    fs::remove_file(host.at("bin/portmap")).unwrap();
    host.undo();
    assert_eq!(host.files("bin"), files(&[("portmap", b"the host's")]));
}

/// As after a kill between the programs and the record.
#[test]
fn what_is_put_back_already_is_done() {
    let host = Host::new();
    host.program("bin/portmap", b"the host's");
    host.program("from/gingham", b"ours");
    host.program("from/portmap", b"ours too");
    host.install().unwrap();
    host.program("bin/portmap", b"the host's");
    fs::remove_file(host.at("bin/gingham")).unwrap();
    assert_eq!(host.due(), Due::default());
    host.undo();
    assert_eq!(host.files("bin"), files(&[("portmap", b"the host's")]));
    assert_eq!(host.files("state"), files(&[]));
}

/// What was kept aside is lost: ours goes all the same.
#[test]
fn ours_goes_although_what_it_replaced_is_lost() {
    let host = Host::new();
    host.program("bin/portmap", b"the host's");
    host.program("from/portmap", b"ours");
    host.install().unwrap();
    fs::remove_dir_all(host.at("state/replaced")).unwrap();
    host.undo();
    assert_eq!(host.files("bin"), files(&[]));
}

/// Written into, it would be busy (ETXTBSY), and who started it would crash.
#[test]
fn a_program_that_runs_is_replaced_and_runs_on() {
    let host = Host::new();
    let cat = fs::read("/bin/cat").unwrap();
    host.program("from/gingham", &cat);
    host.install().unwrap();
    let mut running = Command::new(host.at("bin/gingham"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut newer = cat;
    newer.extend_from_slice(b"newer");
    host.program("from/gingham", &newer);
    assert_eq!(host.install().unwrap(), [Done::Updated]);
    running
        .stdin
        .take()
        .unwrap()
        .write_all(b"still here")
        .unwrap();
    let said = running.wait_with_output().unwrap();
    assert!(said.status.success());
    assert_eq!(said.stdout, b"still here");
    assert_eq!(host.files("bin")["gingham"], newer);
}

#[test]
fn what_cannot_be_installed_is_refused_by_name() {
    let host = Host::new();
    let from = host.at("from").display().to_string();
    let refused = || host.install().unwrap_err().to_string();
    assert_eq!(
        refused(),
        format!("--from {from}: there is no program in it")
    );
    host.program("from/gingham", b"one");
    fs::set_permissions(host.at("from/gingham"), Permissions::from_mode(0o644)).unwrap();
    let text = format!("--from {from}/gingham: has mode 644 and cannot be run");
    assert_eq!(refused(), text);
    host.program("from/gingham", b"one");
    fs::create_dir_all(host.at("state")).unwrap();
    fs::write(host.at("state/installed.json"), "{").unwrap();
    assert!(refused().starts_with("--state-dir: "), "{}", refused());
    fs::remove_file(host.at("state/installed.json")).unwrap();
    fs::write(host.at("bin"), "").ok();
    fs::remove_dir_all(host.at("bin")).ok();
    fs::write(host.at("bin"), "a file").unwrap();
    let bin = host.at("bin").display().to_string();
    assert!(
        refused().starts_with(&format!("--cni-bin-dir {bin}: ")),
        "{}",
        refused()
    );
    fs::remove_dir_all(host.at("from")).unwrap();
    let text = format!("--from {from}: No such file or directory (os error 2)");
    assert_eq!(refused(), text);
}

/// containerd looks again when a file is written, not when one is renamed into place.
#[test]
fn a_configuration_is_written_whole_and_told_by_a_write() {
    let host = Host::new();
    let folder = host.at("net.d");
    conf::write(&folder, "10-gingham.conflist", "before").unwrap();
    let mut events = inotify::Inotify::init().unwrap();
    let mask = inotify::WatchMask::MODIFY | inotify::WatchMask::MOVED_TO;
    events.watches().add(&folder, mask).unwrap();
    conf::write(&folder, "10-gingham.conflist", "a longer text").unwrap();
    let mut buffer = [0; 4096];
    let heard: Vec<(bool, String)> = events
        .read_events(&mut buffer)
        .unwrap()
        .map(|event| {
            let name = event
                .name
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            (event.mask.contains(inotify::EventMask::MODIFY), name)
        })
        .filter(|(_, name)| name == "10-gingham.conflist")
        .collect();
    let moved_then_written = [false, true].map(|write| (write, "10-gingham.conflist".to_owned()));
    assert_eq!(heard, moved_then_written);
    assert_eq!(
        host.files("net.d"),
        files(&[("10-gingham.conflist", b"a longer text")])
    );
    assert_mode(&folder.join("10-gingham.conflist"), 0o644);
}

fn assert_mode(path: &Path, mode: u32) {
    assert_eq!(fs::metadata(path).unwrap().mode() & 0o7777, mode);
}
