//! Communities of three sizes, as text and as numbers.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A text that is no community.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a community: {expected}")]
pub struct CommunityError {
    /// What was given.
    pub text: String,
    /// What would have been one.
    pub expected: &'static str,
}

/// A community (RFC 1997), written `64512:100` or by its well-known name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Community(pub u32);

impl Community {
    /// Not to leave this AS (RFC 1997).
    pub const NO_EXPORT: Community = Community(0xFFFF_FF01);
    /// Not to be told to any peer (RFC 1997).
    pub const NO_ADVERTISE: Community = Community(0xFFFF_FF02);
    /// Not to be told to external peers (RFC 1997).
    pub const NO_EXPORT_SUBCONFED: Community = Community(0xFFFF_FF03);
    /// About to go away (RFC 8326).
    pub const GRACEFUL_SHUTDOWN: Community = Community(0xFFFF_0000);
    /// Kept although its peer is gone (RFC 9494).
    pub const LLGR_STALE: Community = Community(0xFFFF_0006);
    /// Not to be kept that long (RFC 9494).
    pub const NO_LLGR: Community = Community(0xFFFF_0007);
    /// To be dropped by who receives it (RFC 7999).
    pub const BLACKHOLE: Community = Community(0xFFFF_029A);

    const NAMES: [(&'static str, Community); 7] = [
        ("no-export", Community::NO_EXPORT),
        ("no-advertise", Community::NO_ADVERTISE),
        ("no-export-subconfed", Community::NO_EXPORT_SUBCONFED),
        ("graceful-shutdown", Community::GRACEFUL_SHUTDOWN),
        ("llgr-stale", Community::LLGR_STALE),
        ("no-llgr", Community::NO_LLGR),
        ("blackhole", Community::BLACKHOLE),
    ];
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Community::NAMES.iter().find(|(_, known)| known == self) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "{}:{}", self.0 >> 16, self.0 & 0xFFFF),
        }
    }
}

impl FromStr for Community {
    type Err = CommunityError;

    fn from_str(text: &str) -> Result<Self, CommunityError> {
        if let Some((_, known)) = Community::NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(*known);
        }
        let [high, low] = parts::<u16, 2>(text).ok_or(CommunityError {
            text: text.to_owned(),
            expected: "two numbers up to 65535 with a colon between, or a well-known name such as no-export",
        })?;
        Ok(Community(u32::from(high) << 16 | u32::from(low)))
    }
}

/// A large community (RFC 8092), written `64512:1:2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LargeCommunity(pub [u32; 3]);

impl fmt::Display for LargeCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [global, one, two] = self.0;
        write!(f, "{global}:{one}:{two}")
    }
}

impl FromStr for LargeCommunity {
    type Err = CommunityError;

    fn from_str(text: &str) -> Result<Self, CommunityError> {
        let numbers = parts::<u32, 3>(text).ok_or(CommunityError {
            text: text.to_owned(),
            expected: "three numbers with colons between",
        })?;
        Ok(LargeCommunity(numbers))
    }
}

/// An extended community (RFC 4360), its eight octets as a number, written `0x0002fc0000000064`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ExtendedCommunity(pub u64);

impl ExtendedCommunity {
    /// Whether it may cross into another AS (RFC 4360 section 2).
    pub fn is_transitive(self) -> bool {
        self.0 >> 56 & 0x40 == 0
    }
}

impl fmt::Display for ExtendedCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#018x}", self.0)
    }
}

impl FromStr for ExtendedCommunity {
    type Err = CommunityError;

    fn from_str(text: &str) -> Result<Self, CommunityError> {
        let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 16);
        let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        number.map(ExtendedCommunity).ok_or(CommunityError {
            text: text.to_owned(),
            expected: "0x and 16 hexadecimal digits",
        })
    }
}

macro_rules! text {
    ($($name:ident),*) => {$(
        impl TryFrom<String> for $name {
            type Error = CommunityError;

            fn try_from(text: String) -> Result<Self, CommunityError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.to_string()
            }
        }
    )*};
}
text!(Community, LargeCommunity, ExtendedCommunity);

fn parts<T: FromStr, const N: usize>(text: &str) -> Option<[T; N]> {
    let parts: Vec<T> = text
        .split(':')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    parts.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_number_say_the_same() {
        for text in ["64512:100", "no-export", "llgr-stale", "0:0", "65535:65281"] {
            let community: Community = text.parse().unwrap();
            assert_eq!(community.to_string().parse::<Community>(), Ok(community));
        }
        assert_eq!("65535:65281".parse::<Community>(), Ok(Community::NO_EXPORT));
        assert!("65536:1".parse::<Community>().is_err());
        assert!("1:2:3".parse::<Community>().is_err());
        assert_eq!(
            "1:2:3".parse::<LargeCommunity>(),
            Ok(LargeCommunity([1, 2, 3]))
        );
        let target: ExtendedCommunity = "0x0002fc0000000064".parse().unwrap();
        assert_eq!(target.to_string(), "0x0002fc0000000064");
        assert!(target.is_transitive());
    }
}
