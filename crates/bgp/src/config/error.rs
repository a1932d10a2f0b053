//! What is wrong with a configuration: where, and what stands there.

use super::Password;
use crate::policy::FilterName;
use crate::{Asn, RouterId};
use gingham_model::{Family, Prefix};
use std::net::IpAddr;

/// One field that cannot stay as it is, such as `neighbours[core1].holdSeconds: 2 is neither 0 nor 3 or
/// more`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {fault}")]
pub struct ConfigError {
    /// The path of the field as it is written: list items by name, nameless ones by number from 0.
    pub field: String,
    /// What is wrong with it.
    pub fault: ConfigFault,
}

/// What is wrong with a field. Every variant holds the value, but for passwords.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ConfigFault {
    #[error("{0} is reserved ({1}) and cannot be the number of an AS")]
    ReservedAsn(Asn, &'static str),
    #[error("{0} cannot identify a router: it is {1}")]
    RouterId(RouterId, &'static str),
    #[error("{value} is more than {most}")]
    TooGreat { value: u64, most: u64 },
    #[error("{0} is neither 0 nor 3 or more")]
    HoldSeconds(u16),
    #[error("must be at least 1, is 0")]
    Zero,
    #[error("is empty")]
    EmptyName,
    #[error("{0:?} has a blank, a control character or a slash")]
    Name(String),
    #[error("{0:?} is used twice")]
    DuplicateName(String),
    #[error("{0} is used twice")]
    DuplicateAddress(IpAddr),
    #[error("{0} is used twice")]
    DuplicatePrefix(Prefix),
    #[error("shares addresses with the block {0}")]
    Overlap(Prefix),
    #[error("{0} is no address of a host: it is {1}")]
    Address(IpAddr, &'static str),
    #[error("{address} is not {wanted}, as {beside} is")]
    OtherFamily {
        address: IpAddr,
        wanted: Family,
        beside: String,
    },
    #[error("has {0} octets, 1 to {most} are possible", most = Password::MOST_OCTETS)]
    PasswordLength(usize),
    #[error(
        "is missing, but the password of range {range:?} counts for every connection from {prefix}"
    )]
    PasswordOfRange { range: String, prefix: Prefix },
    #[error("there is no filter {:?}", .0.0)]
    UnknownFilter(FilterName),
    #[error("a client is an internal peer, but AS {0} is not ours")]
    ForeignClient(Asn),
    #[error("{waits} only waits for connections, but the speaker listens at no {family} address")]
    NobodyListens { waits: &'static str, family: Family },
    #[error("{length} is outside {least} to {most}")]
    PrefixLength { length: u8, least: u8, most: u8 },
    #[error("a rule that rejects changes nothing, but has {0} actions")]
    ActionsOfReject(usize),
}
