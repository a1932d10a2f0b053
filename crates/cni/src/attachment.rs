//! What an attachment is called: the key under which everything of a pod's interface is kept.

use crate::document::excerpt;
use std::fmt;
use std::str::FromStr;

/// A name that breaks the rule of its kind: the value and the rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{:?}: {rule}", excerpt(value))]
pub struct NameError {
    value: String,
    rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $holds:path, $rule:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The rule in words, for messages.
            pub(crate) const RULE: &str = $rule;

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let value = text.to_owned();
                if $holds(text) {
                    Ok(Self(value))
                } else {
                    Err(NameError { value, rule: Self::RULE })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

const IDENTIFIER: &str =
    "must be letters, digits, '_', '.' or '-', the first one a letter or digit";

name! {
    /// The name of a network: `name` in its configuration.
    NetworkName, is_identifier, IDENTIFIER
}
name! {
    /// The runtime's name for a container: `CNI_CONTAINERID`.
    ContainerId, is_identifier, IDENTIFIER
}
name! {
    /// The name of an interface inside the container: `CNI_IFNAME`.
    IfName, is_interface_name,
    "must be 1 to 15 bytes, not \".\" or \"..\", without '/', ':', '%' or white space"
}

fn is_identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// The rule of the specification and that of the kernel (`dev_valid_name`), which compares bytes
/// and takes 0xa0, a part of many a UTF-8 letter, for a space. `%` is ours: the kernel would put a
/// number in place of `%d` and so give the interface another name than the one asked for.
fn is_interface_name(text: &str) -> bool {
    (1..=15).contains(&text.len())
        && text != "."
        && text != ".."
        && !text.contains(|c: char| matches!(c, '/' | ':' | '%' | '\0') || c.is_whitespace())
        && !text.as_bytes().contains(&0xa0)
}

/// One interface of one container in one network: the key of everything we keep.
///
/// Never the pod's name: the DEL of an old sandbox may come after the ADD of the new one for the
/// same pod. As text `network/containerID/ifname`, which is one-to-one, since no part can hold a
/// slash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attachment {
    /// The network.
    pub network: NetworkName,
    /// The container.
    pub container_id: ContainerId,
    /// The interface in the container.
    pub ifname: IfName,
}

impl fmt::Display for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.network, self.container_id, self.ifname)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_start_with_a_letter_or_digit() {
        for good in ["a", "0", "k8s_pod-1.x", &"f".repeat(64)] {
            assert!(good.parse::<ContainerId>().is_ok(), "{good:?}");
            assert!(good.parse::<NetworkName>().is_ok(), "{good:?}");
        }
        for bad in ["", "-a", ".a", "_a", "a b", "a/b", "a\n", "ä"] {
            assert!(bad.parse::<ContainerId>().is_err(), "{bad:?}");
            assert!(bad.parse::<NetworkName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn interface_names_are_those_the_kernel_takes_as_they_are() {
        for good in ["eth0", "a", "...", "fifteen-letters", "ö"] {
            assert!(good.parse::<IfName>().is_ok(), "{good:?}");
        }
        for bad in [
            "",
            ".",
            "..",
            "eth0/1",
            "eth0:1",
            "eth 0",
            "eth\u{b}",
            "eth\u{a0}",
            "à",
            "eth%d",
            "sixteen-letters!",
        ] {
            assert!(bad.parse::<IfName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_attachment_reads_as_its_key() {
        let attachment = Attachment {
            network: "gingham".parse().unwrap(),
            container_id: "c0ffee".parse().unwrap(),
            ifname: "eth0".parse().unwrap(),
        };
        assert_eq!(attachment.to_string(), "gingham/c0ffee/eth0");
    }
}
