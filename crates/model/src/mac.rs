//! Hardware addresses.

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A 48-bit hardware address (EUI-48), written `02:67:68:00:00:01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digit =
            |nibble: u8| char::from_digit(nibble.into(), 16).map_or(b'0', |digit| digit as u8);
        let mut text = [b':'; 17];
        for (pair, octet) in text.chunks_mut(3).zip(self.0) {
            pair[0] = digit(octet >> 4);
            pair[1] = digit(octet & 0xf);
        }
        f.pad(&String::from_utf8_lossy(&text))
    }
}

// Neither makes a String on the way: a lease store is read and written at each ADD, and has one of these
// in every line.
impl Serialize for MacAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MacAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = MacAddress;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<MacAddress, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
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
