//! What a pod's attachment looks like on every node: made by the plugin, kept true by the agent.

use crate::{Family, MacAddress};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Group of every host end (`IFLA_GROUP`): `ip link show group 26472`.
pub const POD_LINK_GROUP: u32 = 0x6768;

/// What the name of every host end begins with; 12 hexadecimal digits follow.
pub const POD_LINK_PREFIX: &str = "gh";

/// Hardware address of every host end. It is the pods' gateway, whatever node they move to.
pub const HOST_MAC: MacAddress = MacAddress([0x02, 0x67, 0x68, 0, 0, 1]);

/// The pods' gateway, on no interface in IPv4 and on every host end in IPv6.
pub const fn gateway(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::new(169, 254, 1, 1)),
        Family::V6 => IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)),
    }
}
