//! What the RoutingConfig says of BGP sessions.

use gingham_model::SecretName;
use serde::{Deserialize, Serialize};

/// Times of BGP sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Timers {
    /// The hold time offered: 0, or 3 and more. A keepalive comes three times in it.
    pub hold_seconds: u16,
}

impl Default for Timers {
    fn default() -> Self {
        Timers { hold_seconds: 30 }
    }
}

/// For how long who loses us keeps our routes, and we keep those of who is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GracefulRestart {
    /// The restart time (RFC 4724): at most 4095; 0 turns graceful restart off.
    pub restart_seconds: u16,
    /// What comes behind it (RFC 9494): at most 16777215; 0 turns that off.
    pub long_lived_stale_seconds: u32,
}

impl Default for GracefulRestart {
    fn default() -> Self {
        GracefulRestart {
            restart_seconds: 120,
            long_lived_stale_seconds: 86_400,
        }
    }
}

/// What concerns the sessions of reflectors with their nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Reflectors {
    /// The Secret that holds their key (RFC 2385); none without.
    pub password_secret: Option<SecretName>,
    /// Where reflectors listen.
    pub listen_port: u16,
}

impl Default for Reflectors {
    fn default() -> Self {
        Reflectors {
            password_secret: None,
            listen_port: 179,
        }
    }
}

impl Timers {
    pub(super) fn check(&self) -> Result<(), String> {
        hold_seconds("spec.timers.holdSeconds", self.hold_seconds)
    }
}

impl GracefulRestart {
    /// 12 bits (RFC 4724 section 3) and 24 (RFC 9494 section 3.1).
    pub(super) fn check(&self) -> Result<(), String> {
        let GracefulRestart {
            restart_seconds,
            long_lived_stale_seconds,
        } = *self;
        at_most(0xFFF, "restartSeconds", restart_seconds.into())?;
        at_most(
            0x00FF_FFFF,
            "longLivedStaleSeconds",
            long_lived_stale_seconds,
        )
    }
}

fn at_most(most: u32, field: &str, seconds: u32) -> Result<(), String> {
    match seconds {
        seconds if seconds > most => Err(format!(
            "spec.gracefulRestart.{field}: {seconds} is more than {most}"
        )),
        _ => Ok(()),
    }
}

impl Reflectors {
    pub(super) fn check(&self) -> Result<(), String> {
        match self.listen_port {
            0 => Err("spec.reflectors.listenPort: 0 is no port".to_owned()),
            _ => Ok(()),
        }
    }
}

/// A hold time as RFC 4271 section 4.2 allows it.
pub(crate) fn hold_seconds(field: &str, seconds: u16) -> Result<(), String> {
    match seconds {
        1 | 2 => Err(format!("{field}: {seconds} is neither 0 nor 3 or more")),
        _ => Ok(()),
    }
}
