//! What is asked for by name: addresses, a MAC address, a pool.
//!
//! A runtime asks by `runtimeConfig` (capabilities `ips` and `mac`) or by `CNI_ARGS`, an operator by
//! `args.cni`, a pod by its annotations, which runtimes pass on without any question to an API. All
//! sources are heard: who asks for the same twice gets it, who asks for two different things neither.

use crate::document::excerpt;
use crate::{Code, Error};
use gingham_model::{HOST_MAC, MacAddress, PoolName};
use serde_json::Value;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

#[cfg(test)]
mod tests;

/// The capability by which runtimes pass on a pod's annotations.
const ANNOTATIONS: &str = "io.kubernetes.cri.pod-annotations";

const IP: &str = "must be an IP address";
const IPS: &str = "must be a list of IP addresses";
const IPV4: &str = "must be an IPv4 address";
const IPV6: &str = "must be an IPv6 address";
const MAC: &str = "must be a MAC address of one interface, such as 02:00:00:00:00:02";
const POOL: &str = "must be the name of a ZonePool";

/// Something asked for, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked<T> {
    /// What.
    pub value: T,
    by: String,
}

/// Reads as key and value: `runtimeConfig.ips "10.64.3.9/24"`.
impl<T> fmt::Display for Asked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.by)
    }
}

/// All that an ADD is asked for; mostly nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The pod's IPv4 address.
    pub v4: Option<Asked<Ipv4Addr>>,
    /// The pod's IPv6 address.
    pub v6: Option<Asked<Ipv6Addr>>,
    /// The MAC address of the pod's interface.
    pub mac: Option<Asked<MacAddress>>,
    /// The pool whose blocks the pod's addresses are to be of.
    pub pool: Option<Asked<PoolName>>,
}

/// Where something was asked for, for messages, and the code of an error about it.
struct Source<'a> {
    key: &'a str,
    wrong: Code,
}

impl Wanted {
    /// What a configuration asks for by `runtimeConfig`, annotations among it, and by `args.cni`;
    /// besides what `args` did.
    ///
    /// # Errors
    /// [`Code::InvalidNetworkConfig`] for what cannot be read, [`Code::RequestRefused`] for an
    /// annotation that cannot, and for two different answers to one question.
    pub(crate) fn with_conf(mut self, conf: &Value) -> Result<Self, Error> {
        let runtime = conf.get("runtimeConfig").unwrap_or(&Value::Null);
        let args = conf.pointer("/args/cni").unwrap_or(&Value::Null);
        for (prefix, place) in [("runtimeConfig", runtime), ("args.cni", args)] {
            self.lists(&format!("{prefix}.ips"), get(place, "ips"))?;
            self.mac(&conf_key(&format!("{prefix}.mac")), get(place, "mac"))?;
        }
        self.annotations(get(runtime, ANNOTATIONS))?;
        Ok(self)
    }

    /// What the keys `IP` and `MAC` of `CNI_ARGS` ask for; `IP` may name one of each family, with a
    /// comma between.
    pub(crate) fn of_args(ip: &str, mac: &str) -> Result<Self, Error> {
        let mut wanted = Wanted::default();
        let source = |key| Source {
            key,
            wrong: Code::InvalidEnvironment,
        };
        for text in ip.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            wanted.ip(&source("CNI_ARGS IP"), text)?;
        }
        wanted.mac(&source("CNI_ARGS MAC"), Some(&Value::from(mac)))?;
        Ok(wanted)
    }

    fn lists(&mut self, key: &str, value: Option<&Value>) -> Result<(), Error> {
        let source = conf_key(key);
        let Some(value) = value else { return Ok(()) };
        let items = value.as_array().ok_or_else(|| source.refuse(value, IPS))?;
        for item in items {
            let text = item.as_str().ok_or_else(|| source.refuse(item, IP))?;
            self.ip(&source, text)?;
        }
        Ok(())
    }

    /// An address, with or without a prefix length, which means nothing here.
    fn ip(&mut self, source: &Source<'_>, text: &str) -> Result<(), Error> {
        let value = Value::from(text);
        match ip(text) {
            Some(IpAddr::V4(v4)) => unite(&mut self.v4, source.asked(v4, &value)),
            Some(IpAddr::V6(v6)) => unite(&mut self.v6, source.asked(v6, &value)),
            None => Err(source.refuse(&value, IP)),
        }
    }

    fn mac(&mut self, source: &Source<'_>, value: Option<&Value>) -> Result<(), Error> {
        match source.read(value, MAC, mac)? {
            Some(asked) => unite(&mut self.mac, asked),
            None => Ok(()),
        }
    }

    fn annotations(&mut self, annotations: Option<&Value>) -> Result<(), Error> {
        let value = |key: &str| annotations.and_then(|all| all.get(key));
        let source = |key| Source {
            key,
            wrong: Code::RequestRefused,
        };
        let v4 = source("annotation gingham.dev/ipv4");
        if let Some(asked) = v4.read(value("gingham.dev/ipv4"), IPV4, parsed)? {
            unite(&mut self.v4, asked)?;
        }
        let v6 = source("annotation gingham.dev/ipv6");
        if let Some(asked) = v6.read(value("gingham.dev/ipv6"), IPV6, parsed)? {
            unite(&mut self.v6, asked)?;
        }
        let pool = source("annotation gingham.dev/pool");
        if let Some(asked) = pool.read(value("gingham.dev/pool"), POOL, parsed)? {
            unite(&mut self.pool, asked)?;
        }
        let mac = source("annotation gingham.dev/mac");
        self.mac(&mac, value("gingham.dev/mac"))
    }
}

fn conf_key(key: &str) -> Source<'_> {
    Source {
        key,
        wrong: Code::InvalidNetworkConfig,
    }
}

impl Source<'_> {
    fn asked<T>(&self, value: T, text: &Value) -> Asked<T> {
        Asked {
            value,
            by: format!("{} {}", self.key, excerpt(&text.to_string())),
        }
    }

    fn refuse(&self, value: &Value, rule: &str) -> Error {
        let value = value.to_string();
        Error::new(
            self.wrong,
            format!("{} {}: {rule}", self.key, excerpt(&value)),
        )
    }

    /// The text `value`; an absent or empty one asks for nothing.
    fn read<T>(
        &self,
        value: Option<&Value>,
        rule: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<Asked<T>>, Error> {
        let Some(value) = value.filter(|value| **value != *"") else {
            return Ok(None);
        };
        let found = value.as_str().and_then(|text| read(text.trim()));
        let found = found.ok_or_else(|| self.refuse(value, rule))?;
        Ok(Some(self.asked(found, value)))
    }
}

/// A key in any case: one runtime writes `ips`, another may write `IPs`, as its own type is called.
fn get<'a>(place: &'a Value, key: &str) -> Option<&'a Value> {
    let keys = place.as_object()?;
    let alike = || keys.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
    let found = keys.get(key).or_else(|| Some(alike()?.1));
    found.filter(|value| !value.is_null())
}

fn unite<T: PartialEq>(slot: &mut Option<Asked<T>>, asked: Asked<T>) -> Result<(), Error> {
    match slot {
        Some(first) if first.value != asked.value => {
            let msg = format!("{first} and {asked}: cannot both be had");
            Err(Error::new(Code::RequestRefused, msg))
        }
        Some(_) => Ok(()),
        None => {
            *slot = Some(asked);
            Ok(())
        }
    }
}

fn ip(text: &str) -> Option<IpAddr> {
    let Some((address, length)) = text.split_once('/') else {
        return text.parse().ok();
    };
    let address: IpAddr = address.parse().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let length: u8 = length.parse().ok()?;
    (length <= bits).then_some(address)
}

fn parsed<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// One interface's: no multicast address, not all zeros, and not that of the gateway.
fn mac(text: &str) -> Option<MacAddress> {
    let mac: MacAddress = text.parse().ok()?;
    let [first, ..] = mac.0;
    (first & 1 == 0 && mac != MacAddress::UNKNOWN && mac != HOST_MAC).then_some(mac)
}
