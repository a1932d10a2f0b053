//! Texts and numbers that stand in several resources, each with what the API server checks of it.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::borrow::Cow;

/// Numbers no network may use as its own (RFC 6793, RFC 7300); 0 and 2^32 - 1 lie outside the range.
const RESERVED_AS: &str = "!(self in [23456, 65535])";

/// Whether a prefix can be asked for more. Rules of several fields guard with it, so that a malformed
/// prefix is complained of once.
const CANONICAL: &str = "isCIDR(self) && cidr(self).masked() == cidr(self)";

/// Ranges in which no pod address can lie: those the model reserves.
const RESERVED: &str = "!isCIDR(self) || ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', \
     '224.0.0.0/4', '240.0.0.0/4', '::/127', 'fe80::/10', 'ff00::/8'].all(r, \
     !cidr(r).containsIP(cidr(self).ip()) && !cidr(self).containsIP(cidr(r).ip()))";

/// A name of up to 63, and before it, if anything, a DNS name of up to 253 and a slash.
pub(super) const LABEL_KEY: &str = "^([A-Za-z0-9]([-A-Za-z0-9_.]{0,251}[A-Za-z0-9])?/)?\
     [A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$";

macro_rules! scalar {
    ($($(#[$doc:meta])* $name:ident($inner:ty): $schema:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )*};
}

scalar! {
    /// A prefix without host bits.
    Cidr(String): prefix(json!([canonical()]));
    /// A prefix pods can live in.
    PodCidr(String): prefix(json!([
        canonical(),
        rule(RESERVED, "must share no address with the ranges pods cannot use: unspecified, \
             loopback, link-local, multicast, reserved"),
    ]));
    /// A prefix that is not a whole family.
    PartialCidr(String): prefix(json!([
        canonical(),
        rule("!isCIDR(self) || cidr(self).prefixLength() > 0",
            "must not be a whole address family: that would end all masquerading; set natOutgoing: \
             false in the ZonePools for that"),
    ]));
    /// An address.
    Address(String): address(json!([is_address()]));
    /// The address of a BGP peer.
    PeerAddress(String): address(json!([
        is_address(),
        rule("!isIP(self) || !(ip(self).isUnspecified() || self == '255.255.255.255' || \
             ['224.0.0.0/4', 'ff00::/8', 'fe80::/10'].exists(r, cidr(r).containsIP(self)))",
            "must be the address of one host: not unspecified, multicast, broadcast, or link-local \
             IPv6"),
    ]));
    /// The name of an object.
    ObjectName(String): text(253, json!([rule("self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",
        "must be lower-case letters, digits, '-' or '.', the first and last a letter or digit")]));
    /// The name of a zone: a label value.
    ZoneName(String): text(63, json!([rule("self.matches('^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$')",
        "must be letters, digits, '-', '_' or '.', the first and last a letter or digit")]));
    /// The key of a label.
    LabelKey(String): text(317, json!([rule(&format!("self.matches('{LABEL_KEY}')"), "must be a label key, such as \
        topology.kubernetes.io/zone")]));
    /// The value of a label.
    LabelValue(String): text(63, json!([rule(
        "self == '' || self.matches('^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$')",
        "must be a label value: up to 63 letters, digits, '-', '_' or '.', the first and last a \
         letter or digit")]));
    /// The number of an autonomous system that somebody can have.
    AsNumber(i64): json_schema!({
        "type": "integer",
        "format": "int64",
        "minimum": 1,
        "maximum": 4_294_967_294_u32,
        "x-kubernetes-validations": [rule(RESERVED_AS,
            "must not be a reserved AS number: 23456 is AS_TRANS (RFC 6793), 65535 is reserved \
             (RFC 7300)")],
    });
    /// Any AS number that can stand in a path.
    PathAsNumber(i64): unsigned_32();
    /// An unsigned number of 32 bits, such as LOCAL_PREF.
    Unsigned32(i64): unsigned_32();
    /// The hold time of a BGP session, in seconds.
    HoldSeconds(i32): json_schema!({
        "type": "integer",
        "format": "int32",
        "minimum": 0,
        "maximum": 65535,
        "x-kubernetes-validations": [rule("self == 0 || self >= 3",
            "must be 0, or 3 and more (RFC 4271)")],
    });
    /// A community.
    Community(String): text(20, json!([rule(
            "self in ['no-export', 'no-advertise', 'no-export-subconfed', 'graceful-shutdown', \
             'llgr-stale', 'no-llgr', 'blackhole'] || (self.matches('^[0-9]{1,5}:[0-9]{1,5}$') && \
             self.split(':').all(n, int(n) <= 65535))",
            "must be two numbers up to 65535 with a colon between, or a well-known name such as \
             no-export")]));
    /// A large community.
    LargeCommunity(String): text(32, json!([rule(
            "self.matches('^[0-9]{1,10}:[0-9]{1,10}:[0-9]{1,10}$') && \
             self.split(':').all(n, int(n) <= 4294967295)",
            "must be three numbers up to 4294967295 with colons between")]));
}

fn rule(rule: &str, message: &str) -> Value {
    json!({"rule": rule, "message": message})
}

fn canonical() -> Value {
    rule(
        CANONICAL,
        "must be an address and a length without bits set behind it, such as 10.64.0.0/16 or \
         fd00:10::/48",
    )
}

fn is_address() -> Value {
    rule(
        "isIP(self)",
        "must be an IPv4 or IPv6 address, such as 10.1.0.1 or fd00:1::1",
    )
}

fn prefix(rules: Value) -> Schema {
    text(43, rules)
}

fn address(rules: Value) -> Schema {
    text(39, rules)
}

fn text(longest: u32, rules: Value) -> Schema {
    json_schema!({"type": "string", "maxLength": longest, "x-kubernetes-validations": rules})
}

fn unsigned_32() -> Schema {
    json_schema!({
        "type": "integer",
        "format": "int64",
        "minimum": 0,
        "maximum": u32::MAX,
    })
}
