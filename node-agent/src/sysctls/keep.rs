//! The rim: reads the settings, makes those that differ, reads them back.

use super::record::{self, Record, RecordError};
use super::{Absent, Need, RP_FILTER_ALL, Setting, Verdict, Want};
use gingham_netlink::sysctl::Tree;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A setting without which the node is not ready, and which could not be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The setting.
    pub name: String,
    /// Why.
    pub error: String,
}

/// How the settings stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// What keeps the node from being ready.
    pub failures: Vec<Failure>,
    /// What is not as it should be, in sentences that say what to do. The node is ready with them.
    pub notices: Vec<String>,
}

/// Makes the settings so, each only where it differs, and reads it back. What was there before is
/// written to `record` first. After a failure the rest of the same family is only looked at: what
/// comes later leans on it. Costs one read for each setting when all is well.
pub fn keep(wanted: &[Setting], (tree, record): (&Tree, &Path)) -> Kept {
    let rim = Rim {
        tree,
        record,
        all: tree.read(RP_FILTER_ALL).unwrap_or_default(),
    };
    let mut kept = Kept::default();
    for setting in wanted {
        let outcome = match rim.due(setting) {
            Ok(None) => continue,
            Ok(Some(due)) if leans_on_a_failure(setting, &kept) => Err(format!(
                "{}: not set to {}: an earlier setting failed",
                setting.name, due.value
            )),
            Ok(Some(due)) => rim.make(setting, &due),
            Err(error) => Err(error),
        };
        let Err(error) = outcome else { continue };
        match setting.need {
            Need::Must => kept.failures.push(Failure {
                name: setting.name.clone(),
                error,
            }),
            Need::Should => kept.notices.push(error),
        }
    }
    kept
}

fn leans_on_a_failure(setting: &Setting, kept: &Kept) -> bool {
    let family = |name: &str| name.split('/').nth(1).map(str::to_owned);
    let mut failed = kept.failures.iter().map(|failure| family(&failure.name));
    failed.any(|failed| failed == family(&setting.name))
}

struct Rim<'a> {
    tree: &'a Tree,
    record: &'a Path,
    /// [`RP_FILTER_ALL`].
    all: String,
}

/// A change to be made.
struct Due {
    before: String,
    value: String,
}

impl Rim<'_> {
    /// What is to be done about the setting; `None` when it is well. The error is what is not well
    /// and not to be changed from here.
    fn due(&self, setting: &Setting) -> Result<Option<Due>, String> {
        let name = &setting.name;
        let before = match self.tree.read(name) {
            Ok(present) => present,
            Err(error) if error.is_missing() && setting.absent == Absent::Fine => return Ok(None),
            Err(error) if error.is_missing() => return Err(unseen(setting)),
            Err(error) => return Err(error.to_string()),
        };
        match setting.want.judge(&before, &self.all) {
            Verdict::Met => Ok(None),
            Verdict::Write(value) => Ok(Some(Due { before, value })),
            Verdict::Said(because) => Err(format!("{name} is {before}: {because}")),
        }
    }

    /// Makes the setting so.
    fn make(&self, setting: &Setting, due: &Due) -> Result<(), String> {
        let (name, Due { before, value }) = (&setting.name, due);
        self.remember(name, due)
            .map_err(|error| format!("{name}: not set to {value}: {error}"))?;
        self.tree
            .set(name, value)
            .map_err(|error| format!("{error}; run `{}` on the host", command(name, value)))?;
        let after = self.tree.read(name).map_err(|error| error.to_string())?;
        if after != *value {
            return Err(format!("{name}: is {after} after it was set to {value}"));
        }
        tracing::info!(sysctl = %name, from = %before, to = %value, "sysctl changed");
        Ok(())
    }

    fn remember(&self, name: &str, due: &Due) -> Result<(), RecordError> {
        let mut record = Record::read(self.record)?;
        let mut news = record.remember(name, &due.before, &due.value);
        for (beside, present) in record::beside(name, self.tree) {
            news |= record.remember(&beside, &present, &present);
        }
        if news {
            record.write(self.record)?;
        }
        Ok(())
    }
}

/// What to run where the setting can be made.
pub(crate) fn command(name: &str, value: &str) -> String {
    format!("sysctl -w {name}={value}")
}

/// Why a setting that is not there matters.
pub(crate) fn unseen(setting: &Setting) -> String {
    let Setting { name, want, .. } = setting;
    match want {
        Want::AtLeast(least) => format!(
            "{name} cannot be seen from here and must be {least} or more; run `{}` on the host",
            command(name, &least.to_string())
        ),
        _ => format!("{name}: this kernel has no such setting"),
    }
}
