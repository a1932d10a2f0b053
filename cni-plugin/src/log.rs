//! The plugin's log: one line for each request, in a file the configuration names, and one for what
//! should not have been so.
//!
//! Runtimes throw stderr away when a plugin succeeds, so there is a file or nothing. A log that
//! cannot be written keeps no pod from starting.
//!
//! A line holds verb, attachment, pod and outcome, and nothing else that came from outside: not the
//! configuration, no annotation, no argument but the pod's name. So no secret can get into it.

use gingham_cni::{Attachment, Command, Conf, Error, LogLevel, Pod};
use serde_json::{Value, json};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Instant, SystemTime};

/// At this size the file becomes `<file>.1`, in place of the one before.
const FULL: u64 = 10 * 1024 * 1024;

/// The log of one request.
pub(crate) struct Log<'a> {
    conf: &'a Conf,
    verb: Command,
    /// `None` for the verbs that concern the whole network.
    attachment: Option<&'a Attachment>,
    /// Where the runtime tells it.
    pod: Option<&'a Pod>,
}

impl<'a> Log<'a> {
    pub(crate) fn of(verb: Command, conf: &'a Conf) -> Self {
        Log {
            conf,
            verb,
            attachment: None,
            pod: None,
        }
    }

    /// The same, of a request about one attachment.
    pub(crate) fn about(self, attachment: &'a Attachment, pod: Option<&'a Pod>) -> Self {
        Log {
            attachment: Some(attachment),
            pod,
            ..self
        }
    }

    /// Serves the request and writes how it ended and in how many milliseconds: a failure as an
    /// error, success as `info`, or as `debug` where a runtime asks every few seconds and nothing is
    /// changed.
    pub(crate) fn around<T>(
        &self,
        serve: impl FnOnce(&Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let started = Instant::now();
        let outcome = serve(self);
        let level = match (&outcome, self.verb) {
            (Err(_), _) => LogLevel::Error,
            (Ok(_), Command::Check | Command::Status | Command::Version) => LogLevel::Debug,
            (Ok(_), Command::Add | Command::Del | Command::Gc) => LogLevel::Info,
        };
        let error = outcome.as_ref().err();
        let milliseconds = started.elapsed().as_micros() as f64 / 1000.0;
        self.write(level, || {
            json!({
                "milliseconds": milliseconds,
                "code": error.map(|error| error.code.number()),
                "error": error.map(ToString::to_string),
            })
        });
        outcome
    }

    /// Writes what should not have been so, and kept nothing from being done.
    pub(crate) fn warn(&self, text: impl fmt::Display) {
        self.write(LogLevel::Warn, || json!({ "warning": text.to_string() }));
    }

    /// Writes what was done besides what was asked for.
    pub(crate) fn info(&self, text: impl fmt::Display) {
        self.write(LogLevel::Info, || json!({ "note": text.to_string() }));
    }

    fn write(&self, level: LogLevel, what: impl FnOnce() -> Value) {
        let Some(path) = &self.conf.log_file else {
            return;
        };
        if level > self.conf.log_level {
            return;
        }
        let mut line = json!({
            "time": humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            "level": name(level),
            "verb": self.verb.as_str(),
            "network": self.conf.name.as_str(),
            "attachment": self.attachment.map(ToString::to_string),
            "pod": self.pod.map(ToString::to_string),
        });
        if let (Some(line), Value::Object(what)) = (line.as_object_mut(), what()) {
            line.extend(what);
        }
        // Nowhere to complain to: see above.
        let _ = append(path, &format!("{line}\n"), FULL);
    }
}

const fn name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
    }
}

/// One write of one line, so that lines of processes that run side by side do not mix.
fn append(path: &Path, line: &str, full: u64) -> io::Result<()> {
    let mut file = open(path)?;
    if file.metadata()?.len() >= full {
        rotate(path, &file, full)?;
        file = open(path)?;
    }
    file.write_all(line.as_bytes())
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o640);
    options.open(path)
}

/// Moves the full file aside, unless another process does so or has just done it: a second move would
/// throw away what the first one has kept. The lock is one on the full file itself.
fn rotate(path: &Path, file: &File, full: u64) -> io::Result<()> {
    if file.try_lock().is_err() {
        return Ok(());
    }
    let (opened, named) = (file.metadata()?, fs::metadata(path)?);
    let is_it = (opened.dev(), opened.ino()) == (named.dev(), named.ino());
    if !is_it || named.len() < full {
        return Ok(());
    }
    let mut old = path.as_os_str().to_owned();
    old.push(".1");
    fs::rename(path, old)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn lines(path: &Path) -> usize {
        fs::read_to_string(path).map_or(0, |text| text.lines().count())
    }

    /// A lock belongs to the open file, so that threads are to it what processes are.
    #[test]
    fn many_that_find_the_log_full_at_once_move_it_aside_once() {
        const LINE: &str = "0123456789012345678901234567890123456789012345678\n";
        const WRITERS: usize = 16;
        for _ in 0..50 {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("log");
            let full = 100 * LINE.len() as u64;
            fs::write(&path, LINE.repeat(100)).unwrap();
            thread::scope(|scope| {
                for _ in 0..WRITERS {
                    scope.spawn(|| append(&path, LINE, full).unwrap());
                }
            });
            let old = lines(&dir.path().join("log.1"));
            assert!(old >= 100, "{old} lines were kept");
            assert_eq!(old + lines(&path), 100 + WRITERS);
        }
    }

    #[test]
    fn the_log_and_one_old_one_stay_within_their_size() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        for _ in 0..1000 {
            append(&path, "0123456789\n", 1100).unwrap();
        }
        assert!(lines(&path) <= 101);
        assert!((100..=101).contains(&lines(&dir.path().join("log.1"))));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
