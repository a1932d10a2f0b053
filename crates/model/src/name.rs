//! Names of zones and objects, checked once where they enter.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A name that breaks the rules of its kind; says which kind, the value and the rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {value:?}: {rule}")]
pub struct NameError {
    kind: &'static str,
    value: String,
    rule: &'static str,
}

/// A Kubernetes label value (`topology.kubernetes.io/zone`): 1 to 63 of `[A-Za-z0-9._-]`, first and
/// last alphanumeric.
fn label_value(text: &str) -> Result<(), &'static str> {
    const RULE: &str =
        "must be 1 to 63 letters, digits, '-', '_' or '.', the first and last a letter or digit";
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    check(text, 63, |b| b.is_ascii_alphanumeric(), inner, RULE)
}

/// A DNS-1123 subdomain, as Kubernetes object names are: 1 to 253 of `[a-z0-9.-]`.
fn object_name(text: &str) -> Result<(), &'static str> {
    const RULE: &str = "must be 1 to 253 lower-case letters, digits, '-' or '.', \
                        the first and last a letter or digit";
    let edge = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    check(
        text,
        253,
        edge,
        |b| edge(b) || matches!(b, b'-' | b'.'),
        RULE,
    )
}

fn check(
    text: &str,
    longest: usize,
    edge: impl Fn(u8) -> bool,
    inner: impl Fn(u8) -> bool,
    rule: &'static str,
) -> Result<(), &'static str> {
    let bytes = text.as_bytes();
    let edges_fit =
        bytes.first().is_some_and(|b| edge(*b)) && bytes.last().is_some_and(|b| edge(*b));
    if edges_fit && bytes.len() <= longest && bytes.iter().all(|b| inner(*b)) {
        Ok(())
    } else {
        Err(rule)
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:path) => {
        $(#[$doc])*
        ///
        /// A copy shares the text: thousands of values may carry one name.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(value: String) -> Result<Self, NameError> {
                match $rule(&value) {
                    Ok(()) => Ok(Self(value.into())),
                    Err(rule) => Err(NameError { kind: $kind, value, rule }),
                }
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(value: &str) -> Result<Self, NameError> {
                Self::try_from(value.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name! {
    /// An availability zone: one L2 domain. The value of a node's zone label.
    Zone, "zone", label_value
}
name! {
    /// The name of a Node object.
    NodeName, "node name", object_name
}
name! {
    /// The name of a ZonePool object.
    PoolName, "pool name", object_name
}

/// See [`PoolName::node_pod_cidrs`].
const NODE_POD_CIDRS: &str = "node-pod-cidrs";

impl PoolName {
    /// The pool of blocks that no pool gives: they mirror what Nodes list as their podCIDRs. No
    /// ZonePool may have this name.
    pub fn node_pod_cidrs() -> Self {
        Self(NODE_POD_CIDRS.into())
    }

    /// Whether it is [`PoolName::node_pod_cidrs`].
    pub fn is_node_pod_cidrs(&self) -> bool {
        self.as_str() == NODE_POD_CIDRS
    }
}

name! {
    /// The name of a BGPPeer object.
    PeerName, "peer name", object_name
}
name! {
    /// The name of a RouteFilter object.
    RouteFilterName, "filter name", object_name
}
name! {
    /// The name of a Secret object.
    SecretName, "secret name", object_name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_the_rules_of_their_kind() {
        assert!("eu-west_1.A".parse::<Zone>().is_ok());
        assert!("z1w1.example".parse::<NodeName>().is_ok());
        for bad in ["", "-a", "a-", "a b", "a/b", &"a".repeat(64)] {
            assert!(bad.parse::<Zone>().is_err(), "{bad:?}");
        }
        for bad in ["", "A", ".a", "a_b", &"a".repeat(254)] {
            assert!(bad.parse::<NodeName>().is_err(), "{bad:?}");
        }
        let reserved = PoolName::node_pod_cidrs();
        assert_eq!(reserved.as_str().parse(), Ok(reserved));
    }

    #[test]
    fn a_refusal_names_kind_and_value() {
        let error = "Z 1".parse::<PoolName>().unwrap_err().to_string();
        assert!(error.starts_with("pool name \"Z 1\": must be"), "{error}");
    }
}
