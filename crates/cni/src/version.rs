//! Versions of the specification, and the answer to VERSION.

use crate::document::{excerpt, json};
use crate::{Code, Error};
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::fmt;

/// The key of a network configuration that states its version.
const KEY: &str = "cniVersion";

/// A version of the CNI specification that this plugin speaks, older ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// 1.0.0: ADD, DEL, CHECK, VERSION.
    V1_0_0,
    /// 1.1.0: adds GC and STATUS, an interface's MTU and more attributes of routes.
    V1_1_0,
}

impl Version {
    /// Every version we speak, older ones first.
    pub const ALL: [Version; 2] = [Version::V1_0_0, Version::V1_1_0];

    /// The version of a document of ours when the configuration's is not known.
    pub const NEWEST: Version = Version::V1_1_0;

    /// As `cniVersion` spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Version::V1_0_0 => "1.0.0",
            Version::V1_1_0 => "1.1.0",
        }
    }

    /// The version that a configuration states, if we speak it. Versions are compared as text:
    /// "1.1" is none.
    pub(crate) fn stated(conf: &Value) -> Option<Version> {
        let text = conf.get(KEY)?.as_str()?;
        Version::ALL.into_iter().find(|v| v.as_str() == text)
    }

    /// The version of a configuration that we are to act upon.
    ///
    /// # Errors
    /// [`Code::IncompatibleVersion`] for one that we do not speak, which includes none at all: the
    /// specification reads an absent `cniVersion` as 0.1.0.
    pub(crate) fn required(conf: &Value) -> Result<Version, Error> {
        if let Some(version) = Version::stated(conf) {
            return Ok(version);
        }
        let stated = match text_of(conf)? {
            Some(other) => format!("{KEY} {:?}", excerpt(other)),
            None => format!("{KEY} is absent, which means \"0.1.0\""),
        };
        Err(Error::new(
            Code::IncompatibleVersion,
            format!("{stated}: this plugin speaks {}", spoken().join(" and ")),
        ))
    }
}

/// `cniVersion` as it stands; `None` when absent.
fn text_of(conf: &Value) -> Result<Option<&str>, Error> {
    match conf.get(KEY) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(Error::field(
            KEY,
            other,
            "must be a string such as \"1.1.0\"",
        )),
    }
}

fn spoken() -> [&'static str; Version::ALL.len()] {
    Version::ALL.map(Version::as_str)
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The answer to VERSION.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionReply {
    /// What the caller stated, whether or not we speak it; the newest we speak if it stated none.
    pub cni_version: String,
}

impl VersionReply {
    /// # Errors
    /// [`Code::InvalidNetworkConfig`] when `cniVersion` is no string.
    pub(crate) fn for_conf(conf: &Value) -> Result<Self, Error> {
        let stated = text_of(conf)?.unwrap_or(Version::NEWEST.as_str());
        Ok(VersionReply {
            cni_version: stated.to_owned(),
        })
    }

    /// The document for stdout: `{"cniVersion":…,"supportedVersions":[…]}`.
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Document<'a> {
            cni_version: &'a str,
            supported_versions: [&'static str; Version::ALL.len()],
        }
        json(&Document {
            cni_version: &self.cni_version,
            supported_versions: spoken(),
        })
    }
}
