use gingham_agent::run_dir::{RunDir, RunDirError};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

#[test]
fn a_run_directory_is_made_and_held_by_one() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("run/gingham");
    let held = RunDir::open(&path).unwrap();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o755
    );
    let error = RunDir::open(&path).unwrap_err();
    assert!(matches!(error, RunDirError::Held(_)), "{error}");
    drop(held);
    RunDir::open(&path).unwrap();
}

#[test]
fn an_agent_on_its_way_out_is_waited_for() {
    let root = TempDir::new().unwrap();
    let held = RunDir::open(root.path()).unwrap();
    let leaving = thread::spawn(move || {
        thread::sleep(Duration::from_millis(200));
        drop(held);
    });
    RunDir::open(root.path()).unwrap();
    leaving.join().unwrap();
}

#[test]
fn a_run_directory_that_is_replaced_is_noticed() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("gingham");
    let held = RunDir::open(&path).unwrap();
    held.check().unwrap();
    // Held open, so that its inode number is not given to the next one.
    let _before = fs::File::open(&path).unwrap();
    fs::remove_dir(&path).unwrap();
    assert!(matches!(held.check(), Err(RunDirError::Replaced(_))));
    fs::create_dir(&path).unwrap();
    assert!(matches!(held.check(), Err(RunDirError::Replaced(_))));
}
