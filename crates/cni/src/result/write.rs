//! A result as a document, in the shape of each version.

use super::{AddResult, Interface, IpConfig, RouteConfig};
use crate::Version;
use gingham_model::Family;
use serde_json::{Map, Value, json};
use std::net::IpAddr;

/// Members that have a value.
fn object(members: impl IntoIterator<Item = (&'static str, Option<Value>)>) -> Value {
    let members = members.into_iter();
    let present = members.filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(present.collect::<Map<String, Value>>())
}

/// A list, unless it is empty.
fn list<T>(items: &[T], write: impl Fn(&T) -> Value) -> Option<Value> {
    (!items.is_empty()).then(|| items.iter().map(write).collect())
}

impl AddResult {
    /// The document for stdout, in the version of the configuration. The shapes before 0.3.0 have room
    /// for one address of each family and for no interface.
    pub fn to_json(&self, version: Version) -> String {
        self.to_value(version).to_string()
    }

    pub(crate) fn to_value(&self, version: Version) -> Value {
        let stated = ("cniVersion", Some(json!(version)));
        let dns = ("dns", self.dns.clone());
        if version < Version::V0_3_0 {
            let [v4, v6] = [Family::V4, Family::V6].map(|family| self.first_of(family));
            return object([stated, ("ip4", v4), ("ip6", v6), dns]);
        }
        let interfaces = list(&self.interfaces, |interface| interface.to_value(version));
        let ips = list(&self.ips, |ip| ip.to_value(version));
        let routes = list(&self.routes, |route| route.to_value(version));
        object([
            stated,
            ("interfaces", interfaces),
            ("ips", ips),
            ("routes", routes),
            dns,
        ])
    }

    fn first_of(&self, family: Family) -> Option<Value> {
        let mut ips = self.ips.iter();
        let ip = ips.find(|ip| Family::of(ip.address.0) == family)?;
        let routes = self
            .routes
            .iter()
            .filter(|route| route.dst.family() == family);
        let routes: Vec<&RouteConfig> = routes.collect();
        Some(object([
            ("ip", Some(with_length(ip.address))),
            ("gateway", ip.gateway.map(|gateway| json!(gateway))),
            (
                "routes",
                list(&routes, |route| route.to_value(Version::V0_2_0)),
            ),
        ]))
    }
}

impl Interface {
    fn to_value(&self, version: Version) -> Value {
        let newest = version >= Version::V1_1_0;
        let mut value = object([
            ("name", Some(json!(self.name))),
            ("mac", self.mac.map(|mac| json!(mac))),
            ("mtu", self.mtu.filter(|_| newest).map(Value::from)),
            ("sandbox", self.sandbox.as_deref().map(Value::from)),
        ]);
        let young = |key: &str| matches!(key, "socketPath" | "pciID");
        for (key, other) in &self.others {
            if newest || !young(key) {
                value[key.as_str()] = other.clone();
            }
        }
        value
    }
}

impl IpConfig {
    fn to_value(&self, version: Version) -> Value {
        let family = match self.address.0 {
            IpAddr::V4(_) => "4",
            IpAddr::V6(_) => "6",
        };
        object([
            (
                "version",
                (version < Version::V1_0_0).then(|| json!(family)),
            ),
            ("address", Some(with_length(self.address))),
            ("gateway", self.gateway.map(|gateway| json!(gateway))),
            ("interface", self.interface.map(Value::from)),
        ])
    }
}

impl RouteConfig {
    fn to_value(&self, version: Version) -> Value {
        let number = |number: Option<u32>| {
            let number = number.filter(|_| version >= Version::V1_1_0);
            number.map(Value::from)
        };
        object([
            ("dst", Some(json!(self.dst))),
            ("gw", self.gw.map(|gw| json!(gw))),
            ("mtu", number(self.mtu)),
            ("advmss", number(self.advmss)),
            ("priority", number(self.priority)),
            ("table", number(self.table)),
            ("scope", number(self.scope)),
        ])
    }
}

fn with_length((address, length): (IpAddr, u8)) -> Value {
    Value::from(format!("{address}/{length}"))
}
