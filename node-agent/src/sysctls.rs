//! The kernel settings forwarding needs.

use crate::links::Links;
use crate::objects::Node;
use gingham_model::Family;
use gingham_netlink::sysctl::{self, Outcome};
use serde::{Deserialize, Serialize};

/// A setting, and what it is to become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// As below `/proc/sys`.
    pub name: String,
    /// The value it must have.
    pub value: &'static str,
    /// Only a setting of this value is changed; `None` changes any.
    pub from: Option<&'static str>,
}

/// A setting that could not be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The setting.
    pub name: String,
    /// Why.
    pub error: String,
}

/// The settings for a node, in the order in which they must be made.
///
/// A host that forwards IPv6 ignores router advertisements unless `accept_ra` is 2, and loses the
/// default route they gave it (kernel `ip-sysctl`, `accept_ra`): so that comes first.
pub fn wanted(node: &Node, links: &Links) -> Vec<Setting> {
    let mut settings = Vec::new();
    let families = node.families();
    if families.contains(&Family::V4) {
        settings.push(switch_on("net/ipv4/ip_forward"));
    }
    if families.contains(&Family::V6) {
        let advertised = links.advertised(&node.internal_ips);
        settings.extend(advertised.into_iter().map(|link| Setting {
            name: format!("net/ipv6/conf/{link}/accept_ra"),
            value: "2",
            from: Some("1"),
        }));
        settings.push(switch_on("net/ipv6/conf/all/forwarding"));
    }
    settings
}

fn switch_on(name: &str) -> Setting {
    Setting {
        name: name.to_owned(),
        value: "1",
        from: None,
    }
}

/// Makes the settings, each only where it differs, and says which could not be made. After a
/// failure the rest of the same family is only looked at: what comes later leans on it.
pub fn apply(settings: &[Setting]) -> Vec<Failure> {
    let mut failures: Vec<Failure> = Vec::new();
    for setting in settings {
        let family = |name: &str| name.split('/').nth(1).map(str::to_owned);
        let blocked = failures
            .iter()
            .any(|f| family(&f.name) == family(&setting.name));
        if let Err(error) = make(setting, blocked) {
            failures.push(Failure {
                name: setting.name.clone(),
                error,
            });
        }
    }
    failures
}

fn make(setting: &Setting, blocked: bool) -> Result<(), String> {
    let Setting { name, value, from } = setting;
    let present = match sysctl::read(name) {
        Ok(present) => present,
        // An interface without IPv6 has no such setting.
        Err(error) if error.is_missing() && from.is_some() => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    if present == *value || from.is_some_and(|from| present != from) {
        return Ok(());
    }
    if blocked {
        return Err(format!("not set to {value}: an earlier setting failed"));
    }
    match sysctl::set(name, value).map_err(|error| error.to_string())? {
        Outcome::Unchanged => {}
        Outcome::Changed { from } => {
            tracing::info!(sysctl = %name, %from, to = %value, "sysctl changed");
        }
    }
    Ok(())
}
