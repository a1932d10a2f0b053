//! Hardware addresses.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A 48-bit hardware address (EUI-48), written `02:67:68:00:00:01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// All zeros, which no interface has: of an attachment whose hardware address nothing tells.
    pub const UNKNOWN: MacAddress = MacAddress([0; 6]);
}

/// A text that is no hardware address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("MAC address {0:?}: must be six pairs of hexadecimal digits with colons between")]
pub struct MacAddressError(String);

impl FromStr for MacAddress {
    type Err = MacAddressError;

    fn from_str(text: &str) -> Result<Self, MacAddressError> {
        let refused = || MacAddressError(text.to_owned());
        let mut octets = [0; 6];
        let mut pairs = text.split(':');
        for octet in &mut octets {
            *octet = pairs.next().and_then(hexadecimal).ok_or_else(refused)?;
        }
        match pairs.next() {
            None => Ok(MacAddress(octets)),
            Some(_) => Err(refused()),
        }
    }
}

fn hexadecimal(pair: &str) -> Option<u8> {
    let digits = pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u8::from_str_radix(pair, 16).ok())?
}

impl TryFrom<String> for MacAddress {
    type Error = MacAddressError;

    fn try_from(text: String) -> Result<Self, MacAddressError> {
        text.parse()
    }
}

impl From<MacAddress> for String {
    fn from(mac: MacAddress) -> String {
        mac.to_string()
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        f.pad(&format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_addresses_read_as_they_are_written() {
        let mac = MacAddress([0x02, 0x67, 0x68, 0, 0, 1]);
        assert_eq!(mac.to_string(), "02:67:68:00:00:01");
        assert_eq!("02:67:68:00:00:01".parse(), Ok(mac));
        for bad in [
            "",
            "02:67:68:00:00",
            "02:67:68:00:00:01:02",
            "02:67:68:00:00:1",
            "02:67:68:00:00:+1",
            "02-67-68-00-00-01",
        ] {
            assert!(bad.parse::<MacAddress>().is_err(), "{bad}");
        }
    }
}
