//! The network configuration: the keys of the specification and our own.

use crate::{Code, Command, Error, NetworkName, Version};
use serde_json::Value;
use std::ops::RangeInclusive;
use std::path::PathBuf;

#[cfg(test)]
pub(crate) mod tests;

/// Where the agent and the plugin meet when the configuration names no `runDir`.
pub const DEFAULT_RUN_DIR: &str = "/run/gingham";

/// How much the plugin writes to its log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// Refusals and failures.
    Error,
    /// What went well and yet should not be so.
    Warn,
    /// One line for each request.
    #[default]
    Info,
    /// Every step.
    Debug,
}

/// The network configuration as read from stdin. Unknown keys are passed over, `null` counts as
/// absent.
///
/// A DEL is refused only over keys it cannot do without (`cniVersion`, `name`, `type`, `runDir`);
/// every other one that breaks its rule counts as absent there, because a typing error in the
/// configuration of today must not hold yesterday's pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conf {
    /// `cniVersion`: the version to answer in.
    pub version: Version,
    /// `name`: the network.
    pub name: NetworkName,
    /// `type`: the file name under which the runtime found this plugin.
    pub plugin: String,
    /// `runDir`: where `node.json` and the lease store lie; absolute.
    pub run_dir: PathBuf,
    /// `logFile`: absolute; no log file without it.
    pub log_file: Option<PathBuf>,
    /// `logLevel`: `error`, `warn`, `info` or `debug`.
    pub log_level: LogLevel,
    /// `mtu`: of the pod's interface, 68 to 65535 bytes; wins over the node's. IPv6 needs 1280,
    /// which only who knows the pod's families can check.
    pub mtu: Option<u32>,
    /// `cooldownSeconds`: how long an address rests; wins over the node's.
    pub cooldown_seconds: Option<u32>,
    /// `disableGC`: GC does nothing, for hosts where two runtimes share one configuration.
    pub disable_gc: bool,
    /// `statusOnExhaustion`: STATUS fails when no address is left.
    pub status_on_exhaustion: bool,
    /// `proxyArp`: the host end answers ARP for every address, for virtual machines behind the pod's
    /// interface.
    pub proxy_arp: bool,
}

impl Conf {
    /// Reads the configuration for `command`: first `name`, then `cniVersion`, then the rest.
    ///
    /// # Errors
    /// [`Code::InvalidNetworkConfig`] names the key and its value;
    /// [`Code::IncompatibleVersion`] a version that we do not speak or that lacks the verb.
    pub(crate) fn read(conf: &Value, command: Command) -> Result<Self, Error> {
        let need = Keys {
            conf,
            wrong: Wrong::Refused,
        };
        let want = Keys {
            conf,
            wrong: Wrong::when(command),
        };
        let name = need.required("name", NetworkName::RULE, |v| v.as_str()?.parse().ok())?;
        let version = Version::required(conf)?;
        command.exists_in(version)?;
        let level = "must be \"error\", \"warn\", \"info\" or \"debug\"";
        Ok(Conf {
            version,
            name,
            plugin: need.required("type", "must be a string", |v| Some(v.as_str()?.into()))?,
            run_dir: need.path("runDir")?.unwrap_or(DEFAULT_RUN_DIR.into()),
            log_file: want.path("logFile")?,
            log_level: want
                .optional("logLevel", level, log_level)?
                .unwrap_or_default(),
            mtu: want.number("mtu", 68..=65535)?,
            cooldown_seconds: want.number("cooldownSeconds", 0..=u32::MAX)?,
            disable_gc: want.switch("disableGC")?,
            status_on_exhaustion: want.switch("statusOnExhaustion")?,
            proxy_arp: want.switch("proxyArp")?,
        })
    }
}

fn log_level(value: &Value) -> Option<LogLevel> {
    Some(match value.as_str()? {
        "error" => LogLevel::Error,
        "warn" => LogLevel::Warn,
        "info" => LogLevel::Info,
        "debug" => LogLevel::Debug,
        _ => return None,
    })
}

fn absolute(value: &Value) -> Option<PathBuf> {
    let text = value.as_str()?;
    (text.starts_with('/') && !text.contains('\0')).then(|| text.into())
}

/// What becomes of a key that breaks its rule.
#[derive(Clone, Copy)]
enum Wrong {
    Refused,
    Absent,
}

impl Wrong {
    fn when(command: Command) -> Self {
        match command {
            Command::Del => Wrong::Absent,
            // A GC above all: of what `disableGC` was to keep from it nothing would be left.
            _ => Wrong::Refused,
        }
    }
}

/// The keys of a configuration, taken one by one, so that a refusal can name key and value.
struct Keys<'a> {
    conf: &'a Value,
    wrong: Wrong,
}

impl<'a> Keys<'a> {
    fn value(&self, key: &str) -> Option<&'a Value> {
        self.conf.get(key).filter(|value| !value.is_null())
    }

    fn optional<T>(
        &self,
        key: &str,
        rule: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        match (read(value), self.wrong) {
            (Some(it), _) => Ok(Some(it)),
            (None, Wrong::Absent) => Ok(None),
            (None, Wrong::Refused) => Err(Error::field(key, value, rule)),
        }
    }

    fn required<T>(
        &self,
        key: &str,
        rule: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<T, Error> {
        self.optional(key, rule, read)?.ok_or_else(|| {
            let msg = format!("{key}: required, but absent; {rule}");
            Error::new(Code::InvalidNetworkConfig, msg)
        })
    }

    fn path(&self, key: &str) -> Result<Option<PathBuf>, Error> {
        self.optional(key, "must be an absolute path", absolute)
    }

    fn number(&self, key: &str, range: RangeInclusive<u32>) -> Result<Option<u32>, Error> {
        let rule = format!(
            "must be a whole number from {} to {}",
            range.start(),
            range.end()
        );
        self.optional(key, &rule, |value| {
            let number = u32::try_from(value.as_u64()?).ok()?;
            range.contains(&number).then_some(number)
        })
    }

    fn switch(&self, key: &str) -> Result<bool, Error> {
        let given = self.optional(key, "must be true or false", Value::as_bool)?;
        Ok(given.unwrap_or(false))
    }
}
