//! Names and numbers of a pod's two interfaces: functions of the attachment, so that DEL finds what
//! ADD made without having been told.

use gingham_cni::{Attachment, Pod};
use gingham_model::{Family, MacAddress};
use sha2::{Digest, Sha256};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Hardware address of every host end. It is the pods' gateway, whatever node they move to.
pub(crate) const HOST_MAC: MacAddress = MacAddress([0x02, 0x67, 0x68, 0, 0, 1]);

/// Group of every host end: `ip link show group 26472`.
pub(crate) const LINK_GROUP: u32 = 0x6768;

/// The longest alias the kernel keeps (`IFALIASZ`, with the closing zero).
const LONGEST_ALIAS: usize = 255;

/// The pods' gateway, on no interface in IPv4 and on every host end in IPv6.
pub(crate) fn gateway(family: Family) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(169, 254, 1, 1).into(),
        Family::V6 => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1).into(),
    }
}

/// Name of the host end and hardware address of the pod's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    /// `gh` and 12 hexadecimal digits: 14 of the 15 bytes a name may have.
    pub(crate) host_if: String,
    /// `02:67` and four bytes.
    pub(crate) pod_mac: MacAddress,
}

impl Names {
    pub(crate) fn of(attachment: &Attachment) -> Self {
        let digest = Sha256::digest(attachment.to_string());
        let hex: String = digest
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let mac = [0x02, 0x67, digest[6], digest[7], digest[8], digest[9]];
        Names {
            host_if: format!("gh{hex}"),
            pod_mac: MacAddress(mac),
        }
    }
}

/// What `ip link` shows with the host end: the pod where there is one, else the container.
pub(crate) fn alias(attachment: &Attachment, pod: Option<&Pod>) -> String {
    let ifname = attachment.ifname.as_str();
    let mut alias = match pod {
        Some(pod) => format!("{pod} {ifname}"),
        None => format!("{} {ifname}", attachment.container_id),
    };
    alias.truncate(alias.floor_char_boundary(LONGEST_ALIAS));
    alias
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attachment(container: &str) -> Attachment {
        Attachment {
            network: "gingham".parse().unwrap(),
            container_id: container.parse().unwrap(),
            ifname: "eth0".parse().unwrap(),
        }
    }

    /// A release that names them otherwise would not find what the one before has made.
    #[test]
    fn names_are_a_function_of_the_attachment_for_ever() {
        let names = Names::of(&attachment("c1"));
        assert_eq!(names.host_if, "gh976e1e6b687e");
        assert_eq!(names.pod_mac.to_string(), "02:67:4a:27:81:cd");
        assert_ne!(names, Names::of(&attachment("c2")));
    }

    #[test]
    fn an_alias_is_cut_between_letters() {
        let pod = Pod {
            namespace: "ä".repeat(200),
            name: "p".into(),
            uid: None,
        };
        let cut = alias(&attachment("c1"), Some(&pod));
        assert_eq!(cut, "ä".repeat(127));
        assert_eq!(alias(&attachment("c1"), None), "c1 eth0");
    }
}
