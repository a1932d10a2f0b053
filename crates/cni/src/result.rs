//! The answer to ADD, in the shape of the configuration's version.

use crate::Version;
use crate::document::json;
use gingham_model::{MacAddress, Prefix};
use serde::{Serialize, Serializer};
use std::net::IpAddr;

/// What an ADD has made, in the shape of the newest version; [`AddResult::to_json`] leaves out
/// what the caller's version does not have. There is no DNS: that is the runtime's business.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AddResult {
    /// The interfaces, on the host and in the container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<Interface>,
    /// The addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ips: Vec<IpConfig>,
    /// The routes in the container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteConfig>,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Interface {
    /// Its name where it stands.
    pub name: String,
    /// Its hardware address.
    pub mac: MacAddress,
    /// Its MTU in bytes; since 1.1.0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// `CNI_NETNS` as it was given, for an interface in the container; `None` on the host, where
    /// chained plugins such as `portmap` look for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<String>,
}

/// An address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IpConfig {
    /// The address and its prefix length in bits; `10.64.3.5/32` in the document.
    #[serde(serialize_with = "address_with_length")]
    pub address: (IpAddr, u8),
    /// The default gateway for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// Position of its interface in [`AddResult::interfaces`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<usize>,
}

/// A route in the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteConfig {
    /// The destination.
    pub dst: Prefix,
    /// The next hop; the address's gateway without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gw: Option<IpAddr>,
    /// The path MTU in bytes; since 1.1.0, like all that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The greatest TCP segment to announce, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advmss: Option<u32>,
    /// The metric: the lower wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// The routing table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// The scope: 0 global, 253 link, 254 host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<u32>,
}

impl RouteConfig {
    /// A route without the attributes of 1.1.0.
    pub fn new(dst: Prefix, gw: Option<IpAddr>) -> Self {
        RouteConfig {
            dst,
            gw,
            mtu: None,
            advmss: None,
            priority: None,
            table: None,
            scope: None,
        }
    }
}

impl AddResult {
    /// The document for stdout, in the version of the configuration.
    pub fn to_json(&self, version: Version) -> String {
        #[derive(Serialize)]
        struct Document {
            #[serde(rename = "cniVersion")]
            version: Version,
            #[serde(flatten)]
            result: AddResult,
        }
        json(&Document {
            version,
            result: self.clone().reduced_to(version),
        })
    }

    /// The same without what `version` does not have.
    fn reduced_to(mut self, version: Version) -> Self {
        if version < Version::V1_1_0 {
            for interface in &mut self.interfaces {
                interface.mtu = None;
            }
            for route in &mut self.routes {
                *route = RouteConfig::new(route.dst, route.gw);
            }
        }
        self
    }
}

fn address_with_length<S: Serializer>(
    (address, length): &(IpAddr, u8),
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{address}/{length}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result() -> AddResult {
        let sandbox = "/run/netns/p1".to_owned();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let route = |dst: &str, gw| RouteConfig::new(dst.parse().unwrap(), Some(ip(gw)));
        let address = |text, length, gw| IpConfig {
            address: (ip(text), length),
            gateway: Some(ip(gw)),
            interface: Some(1),
        };
        AddResult {
            interfaces: vec![
                Interface {
                    name: "gh0123456789ab".into(),
                    mac: MacAddress([0x02, 0x67, 0x68, 0, 0, 0x01]),
                    mtu: Some(1500),
                    sandbox: None,
                },
                Interface {
                    name: "eth0".into(),
                    mac: MacAddress([0x02, 0x67, 0xde, 0xad, 0xbe, 0xef]),
                    mtu: Some(1500),
                    sandbox: Some(sandbox),
                },
            ],
            ips: vec![
                address("10.64.3.5", 32, "169.254.1.1"),
                address("fd00:10::5", 128, "fe80::1"),
            ],
            routes: vec![
                RouteConfig {
                    mtu: Some(1400),
                    advmss: Some(1360),
                    priority: Some(10),
                    table: Some(254),
                    scope: Some(0),
                    ..route("0.0.0.0/0", "169.254.1.1")
                },
                route("::/0", "fe80::1"),
            ],
        }
    }

    #[test]
    fn version_1_1_0_says_all() {
        let want = concat!(
            r#"{"cniVersion":"1.1.0","interfaces":["#,
            r#"{"name":"gh0123456789ab","mac":"02:67:68:00:00:01","mtu":1500},"#,
            r#"{"name":"eth0","mac":"02:67:de:ad:be:ef","mtu":1500,"sandbox":"/run/netns/p1"}],"#,
            r#""ips":[{"address":"10.64.3.5/32","gateway":"169.254.1.1","interface":1},"#,
            r#"{"address":"fd00:10::5/128","gateway":"fe80::1","interface":1}],"#,
            r#""routes":[{"dst":"0.0.0.0/0","gw":"169.254.1.1","mtu":1400,"advmss":1360,"#,
            r#""priority":10,"table":254,"scope":0},{"dst":"::/0","gw":"fe80::1"}]}"#,
        );
        assert_eq!(result().to_json(Version::V1_1_0), want);
    }

    #[test]
    fn version_1_0_0_has_neither_mtu_nor_route_attributes() {
        let want = concat!(
            r#"{"cniVersion":"1.0.0","interfaces":["#,
            r#"{"name":"gh0123456789ab","mac":"02:67:68:00:00:01"},"#,
            r#"{"name":"eth0","mac":"02:67:de:ad:be:ef","sandbox":"/run/netns/p1"}],"#,
            r#""ips":[{"address":"10.64.3.5/32","gateway":"169.254.1.1","interface":1},"#,
            r#"{"address":"fd00:10::5/128","gateway":"fe80::1","interface":1}],"#,
            r#""routes":[{"dst":"0.0.0.0/0","gw":"169.254.1.1"},{"dst":"::/0","gw":"fe80::1"}]}"#,
        );
        assert_eq!(result().to_json(Version::V1_0_0), want);
    }

    #[test]
    fn what_is_empty_is_left_out() {
        let want = r#"{"cniVersion":"1.1.0"}"#;
        assert_eq!(AddResult::default().to_json(Version::NEWEST), want);
    }
}
