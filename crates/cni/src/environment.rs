//! The `CNI_*` variables.

use crate::document::excerpt;
use crate::{Code, Command, Error};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

pub(crate) const COMMAND: &str = "CNI_COMMAND";
pub(crate) const CONTAINER_ID: &str = "CNI_CONTAINERID";
pub(crate) const NETNS: &str = "CNI_NETNS";
pub(crate) const IFNAME: &str = "CNI_IFNAME";
pub(crate) const ARGS: &str = "CNI_ARGS";
pub(crate) const NETNS_OVERRIDE: &str = "CNI_NETNS_OVERRIDE";

/// What the runtime passes by environment: its `CNI_*` variables.
///
/// The reference library sets variables that a verb does not have to the empty string, so an empty
/// one counts as absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// Picks the `CNI_*` variables out of a whole environment, such as `std::env::vars_os()`.
    pub fn from_vars(vars: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let ours = vars.into_iter().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            name.starts_with("CNI_").then_some((name, value))
        });
        Environment(ours.collect())
    }

    /// The verb, to be known before stdin is read; `None` when there is no `CNI_COMMAND`, so that
    /// no runtime but a person has started the plugin.
    ///
    /// # Errors
    /// [`Code::InvalidEnvironment`] for a verb that is none.
    pub fn command(&self) -> Result<Option<Command>, Error> {
        let Some(text) = self.text(COMMAND)? else {
            return Ok(None);
        };
        let known = Command::ALL.into_iter().find(|c| c.as_str() == text);
        known.map(Some).ok_or_else(|| {
            let verbs = Command::ALL.map(Command::as_str).join(", ");
            invalid(COMMAND, text, &format!("must be one of {verbs}"))
        })
    }

    /// A variable that has a value, as it stands.
    pub(crate) fn get(&self, name: &str) -> Option<&OsStr> {
        let value = self.0.get(name).filter(|value| !value.is_empty())?;
        Some(value)
    }

    /// A variable that must be text.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Error> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let text = value
            .to_str()
            .ok_or_else(|| invalid(name, &value.to_string_lossy(), "must be UTF-8"))?;
        Ok(Some(text))
    }

    /// Whether a variable says `1` or `true`.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|v| v == "1" || v.eq_ignore_ascii_case("true"))
    }

    /// All of `names` that are absent, in one error.
    pub(crate) fn missing(&self, command: Command, names: &[&str]) -> Error {
        let absent: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| self.get(name).is_none())
            .collect();
        let absent = absent.join(", ");
        Error::new(
            Code::InvalidEnvironment,
            format!("{absent}: required for {command}, but unset or empty"),
        )
    }
}

/// A variable that breaks `rule`.
pub(crate) fn invalid(name: &str, value: &str, rule: &str) -> Error {
    let value = excerpt(value);
    Error::new(
        Code::InvalidEnvironment,
        format!("{name} {value:?}: {rule}"),
    )
}
