//! The verbs of the specification.

use crate::{Code, Error, Version};
use std::fmt;

/// What the runtime wants: the value of `CNI_COMMAND`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Command {
    /// Attach a container to the network.
    Add,
    /// Detach it, as often as it is asked.
    Del,
    /// Say whether a container is attached as ADD has left it.
    Check,
    /// Detach what the runtime does not know any more.
    Gc,
    /// Say whether an ADD could succeed now.
    Status,
    /// Say which versions of the specification we speak.
    Version,
}

impl Command {
    /// Every verb.
    pub const ALL: [Command; 6] = [
        Command::Add,
        Command::Del,
        Command::Check,
        Command::Gc,
        Command::Status,
        Command::Version,
    ];

    /// As `CNI_COMMAND` spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Command::Add => "ADD",
            Command::Del => "DEL",
            Command::Check => "CHECK",
            Command::Gc => "GC",
            Command::Status => "STATUS",
            Command::Version => "VERSION",
        }
    }

    /// The oldest version of the specification that has this verb. VERSION, which came with 0.2.0,
    /// asks for no version.
    const fn since(self) -> Version {
        match self {
            Command::Add | Command::Del | Command::Version => Version::V0_1_0,
            Command::Check => Version::V0_4_0,
            Command::Gc | Command::Status => Version::V1_1_0,
        }
    }

    /// # Errors
    /// [`Code::IncompatibleVersion`] when the verb is younger than the configuration.
    pub(crate) fn exists_in(self, version: Version) -> Result<(), Error> {
        if version >= self.since() {
            return Ok(());
        }
        let since = self.since();
        Err(Error::new(
            Code::IncompatibleVersion,
            format!("cniVersion \"{version}\": has no {self}, which came with {since}"),
        ))
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
