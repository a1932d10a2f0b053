//! The error document: what the runtime, and through it the operator, gets to read.

use crate::Version;
use crate::document::{excerpt, json};
use serde::Serialize;
use serde_json::Value;

/// The number in an error document. Below 100 it has the meaning the specification gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Code {
    /// The configuration's version is not spoken here, or lacks the verb.
    IncompatibleVersion = 1,
    /// A key with a meaning that we do not honour; the message names key and value.
    UnsupportedField = 2,
    /// We know nothing of this container. The runtime may then do without a DEL.
    UnknownContainer = 3,
    /// A `CNI_*` variable is missing or breaks its rule.
    InvalidEnvironment = 4,
    /// A read or write failed.
    Io = 5,
    /// The bytes on stdin are no JSON object.
    Decode = 6,
    /// A key of the configuration is missing, of the wrong type, or out of range.
    InvalidNetworkConfig = 7,
    /// The container's namespace is the plugin's own. Only the reference library defines this one.
    OwnNamespace = 8,
    /// The same request may succeed in a while.
    TryAgainLater = 11,
    /// STATUS: an ADD would fail now.
    NotAvailable = 50,
    /// STATUS: an ADD would fail now, and attached containers may be cut off.
    LimitedConnectivity = 51,
    /// Ours. ADD: this container has this interface in this network already.
    AlreadyAttached = 100,
    /// Ours. ADD: the node's blocks have no free address.
    Exhausted = 101,
    /// Ours. ADD: the address, pool or MAC address that is asked for cannot be given here.
    RequestRefused = 102,
    /// Ours. CHECK: the kernel or the leases have not what ADD made.
    Differs = 103,
    /// Ours. GC: some of what is stale could not be removed.
    Incomplete = 104,
    /// A fault of the plugin itself. Only the reference library defines this one.
    Internal = 999,
}

impl Code {
    /// As the document holds it.
    pub const fn number(self) -> u32 {
        self as u32
    }
}

/// An error as the specification has it.
///
/// It carries the version to answer in: [`Request::parse`] sets it as far as the configuration could
/// be read, and who fails after that sets it by [`Error::at`].
///
/// [`Request::parse`]: crate::Request::parse
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{msg}{}{details}", if details.is_empty() { "" } else { ": " })]
pub struct Error {
    /// What kind of error.
    pub code: Code,
    /// One line that names the field, variable or object, and its value.
    pub msg: String,
    /// More for whoever looks closer; often empty.
    pub details: String,
    /// The version to answer in; the newest we speak when `None`.
    pub version: Option<Version>,
}

impl Error {
    /// An error without details, to be answered in the newest version we speak.
    pub fn new(code: Code, msg: impl Into<String>) -> Self {
        Error {
            code,
            msg: msg.into(),
            details: String::new(),
            version: None,
        }
    }

    /// The same with details.
    #[must_use]
    pub fn with_details(self, details: impl Into<String>) -> Self {
        Error {
            details: details.into(),
            ..self
        }
    }

    /// The same, to be answered in `version`.
    #[must_use]
    pub fn at(self, version: impl Into<Option<Version>>) -> Self {
        Error {
            version: version.into(),
            ..self
        }
    }

    /// The document for stdout: `{"cniVersion":…,"code":…,"msg":…,"details":…}`, the last one only
    /// when there are details.
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Document<'a> {
            cni_version: Version,
            code: u32,
            msg: &'a str,
            #[serde(skip_serializing_if = "str::is_empty")]
            details: &'a str,
        }
        json(&Document {
            cni_version: self.version.unwrap_or(Version::NEWEST),
            code: self.code.number(),
            msg: &self.msg,
            details: &self.details,
        })
    }

    /// A key of the configuration that breaks `rule`.
    pub(crate) fn field(key: &str, value: &Value, rule: &str) -> Self {
        Error::of_field(Code::InvalidNetworkConfig, key, value, rule)
    }

    /// A key of the configuration that we do not honour, and why.
    pub(crate) fn unsupported(key: &str, value: &Value, why: &str) -> Self {
        Error::of_field(Code::UnsupportedField, key, value, why)
    }

    fn of_field(code: Code, key: &str, value: &Value, rule: &str) -> Self {
        let value = value.to_string();
        Error::new(code, format!("{key} {}: {rule}", excerpt(&value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_details_only_when_there_are_some() {
        let error = Error::new(Code::Exhausted, "no free address");
        assert_eq!(
            error.to_json(),
            r#"{"cniVersion":"1.1.0","code":101,"msg":"no free address"}"#
        );
        assert_eq!(
            error
                .at(Version::V1_0_0)
                .with_details("block 10.64.3.0/26")
                .to_json(),
            r#"{"cniVersion":"1.0.0","code":101,"msg":"no free address","details":"block 10.64.3.0/26"}"#
        );
    }

    #[test]
    fn text_shows_message_and_details() {
        let error = Error::new(Code::Io, "stdin");
        assert_eq!(error.to_string(), "stdin");
        assert_eq!(error.with_details("closed").to_string(), "stdin: closed");
    }

    #[test]
    fn numbers_are_those_of_the_specification() {
        let numbers = [
            (Code::IncompatibleVersion, 1),
            (Code::UnsupportedField, 2),
            (Code::UnknownContainer, 3),
            (Code::InvalidEnvironment, 4),
            (Code::Io, 5),
            (Code::Decode, 6),
            (Code::InvalidNetworkConfig, 7),
            (Code::OwnNamespace, 8),
            (Code::TryAgainLater, 11),
            (Code::NotAvailable, 50),
            (Code::LimitedConnectivity, 51),
            (Code::AlreadyAttached, 100),
            (Code::Exhausted, 101),
            (Code::RequestRefused, 102),
            (Code::Differs, 103),
            (Code::Incomplete, 104),
            (Code::Internal, 999),
        ];
        for (code, number) in numbers {
            assert_eq!(code.number(), number, "{code:?}");
        }
    }
}
