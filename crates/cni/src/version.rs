//! Versions of the specification, and the answer to VERSION.

use crate::document::{excerpt, json};
use crate::{Code, Error};
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::fmt;

/// The key of a network configuration that states its version.
const KEY: &str = "cniVersion";

/// A version of the CNI specification, older ones first. This plugin speaks all there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// 0.1.0: ADD, DEL. What a configuration without `cniVersion` means.
    V0_1_0,
    /// 0.2.0: adds VERSION.
    V0_2_0,
    /// 0.3.0: adds lists of plugins and `prevResult`; a result may have several interfaces and
    /// addresses of a family.
    V0_3_0,
    /// 0.3.1: the same result.
    V0_3_1,
    /// 0.4.0: adds CHECK.
    V0_4_0,
    /// 1.0.0: an address does not say its family any more.
    V1_0_0,
    /// 1.1.0: adds GC and STATUS, an interface's MTU and more attributes of routes.
    V1_1_0,
}

impl Version {
    /// Every version, older ones first.
    pub const ALL: [Version; 7] = [
        Version::V0_1_0,
        Version::V0_2_0,
        Version::V0_3_0,
        Version::V0_3_1,
        Version::V0_4_0,
        Version::V1_0_0,
        Version::V1_1_0,
    ];

    /// The version of a document of ours when the configuration's is not known.
    pub const NEWEST: Version = Version::V1_1_0;

    /// As `cniVersion` spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Version::V0_1_0 => "0.1.0",
            Version::V0_2_0 => "0.2.0",
            Version::V0_3_0 => "0.3.0",
            Version::V0_3_1 => "0.3.1",
            Version::V0_4_0 => "0.4.0",
            Version::V1_0_0 => "1.0.0",
            Version::V1_1_0 => "1.1.0",
        }
    }

    /// The version that a configuration states, if we speak it; 0.1.0 if it states none.
    pub(crate) fn stated(conf: &Value) -> Option<Version> {
        named(text_of(conf).ok()?.unwrap_or(OLDEST.as_str()))
    }

    /// The version that a result states, if it states one that we speak. One that is silent need not
    /// be old: its form tells.
    pub(crate) fn of_result(result: &Value) -> Option<Version> {
        named(text_of(result).ok()??)
    }

    /// The version of a configuration that we are to act upon.
    ///
    /// # Errors
    /// [`Code::IncompatibleVersion`] for one that we do not speak.
    pub(crate) fn required(conf: &Value) -> Result<Version, Error> {
        let text = text_of(conf)?.unwrap_or(OLDEST.as_str());
        Version::stated(conf).ok_or_else(|| {
            let (text, spoken) = (excerpt(text), spoken().join(", "));
            let msg = format!("{KEY} {text:?}: this plugin speaks {spoken}");
            Error::new(Code::IncompatibleVersion, msg)
        })
    }
}

/// What a document without a version has: nothing said so before 0.2.0.
const OLDEST: Version = Version::V0_1_0;

/// `cniVersion` as it stands; `None` when absent or empty.
fn text_of(document: &Value) -> Result<Option<&str>, Error> {
    match document.get(KEY) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(other) => Err(Error::field(
            KEY,
            other,
            "must be a string such as \"1.1.0\"",
        )),
    }
}

/// Versions are compared as text: "1.1" is none.
fn named(text: &str) -> Option<Version> {
    Version::ALL.into_iter().find(|v| v.as_str() == text)
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
