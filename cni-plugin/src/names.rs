//! Names and numbers of a pod's two interfaces: functions of the attachment, so that DEL finds what
//! ADD made without having been told.

use gingham_cni::{Attachment, Pod};
use gingham_model::{MacAddress, POD_LINK_PREFIX};
use sha2::{Digest, Sha256};

/// The longest alias the kernel keeps (`IFALIASZ`, with the closing zero).
const LONGEST_ALIAS: usize = 255;

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
            host_if: format!("{POD_LINK_PREFIX}{hex}"),
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
