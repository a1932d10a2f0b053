//! The cases of `cases.yaml` as values, and the octets to send for each. Used by the test beside it and
//! wherever the cases are replayed over real sessions.

use serde::Deserialize;
use std::net::Ipv4Addr;

/// One malformed, or barely well-formed, UPDATE. The head of `cases.yaml` says what the fields mean.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) without: Vec<u8>,
    #[serde(default)]
    pub(crate) attributes: Hex,
    #[serde(default = "prefix_octets")]
    pub(crate) nlri: Hex,
    #[serde(default)]
    pub(crate) withdrawn: Hex,
    #[serde(default)]
    pub(crate) body: Option<Hex>,
    #[serde(default = "prefix")]
    pub(crate) prefix: String,
    #[serde(default)]
    pub(crate) width: Width,
    pub(crate) outcome: Outcomes,
    #[serde(default)]
    pub(crate) notification: Option<String>,
    #[serde(default)]
    pub(crate) gone: Vec<u8>,
    #[serde(default)]
    pub(crate) kept: Vec<u8>,
    pub(crate) rfc: String,
}

/// What becomes of the announced prefix and the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Accept,
    Discard,
    Withdraw,
    Reset,
}

/// The outcome for every sender, or for each.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Outcomes {
    Both(Outcome),
    Each {
        internal: Outcome,
        external: Outcome,
    },
}

/// Octets of AS numbers on the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Width {
    Two,
    #[default]
    Four,
}

/// Who sends the case.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sender {
    Internal,
    /// A peer in this AS.
    External(u16),
}

/// Octets written as hexadecimal text with blanks.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Hex(pub(crate) Vec<u8>);

impl TryFrom<String> for Hex {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits: String = text.split_whitespace().collect();
        let octet = |at: usize| {
            let two = digits.get(at..at + 2);
            let octet = two.and_then(|two| u8::from_str_radix(two, 16).ok());
            octet.ok_or_else(|| format!("{text:?} is not hexadecimal"))
        };
        let octets: Result<_, String> = (0..digits.len()).step_by(2).map(octet).collect();
        octets.map(Hex)
    }
}

fn prefix() -> String {
    "203.0.113.0/24".to_owned()
}

fn prefix_octets() -> Hex {
    Hex(vec![24, 203, 0, 113])
}

/// Every case, in the order of the file.
pub(crate) fn all() -> Vec<Case> {
    serde_saphyr::from_str(include_str!("cases.yaml")).expect("the file is part of the test")
}

impl Case {
    /// What is to become of it.
    pub(crate) fn outcome(&self, sender: Sender) -> Outcome {
        match (self.outcome, sender) {
            (Outcomes::Both(outcome), _) => outcome,
            (Outcomes::Each { internal, .. }, Sender::Internal) => internal,
            (Outcomes::Each { external, .. }, Sender::External(_)) => external,
        }
    }

    /// Code and subcode of the NOTIFICATION a reset comes with.
    pub(crate) fn notification(&self) -> Option<(u8, u8)> {
        let (code, subcode) = self.notification.as_ref()?.split_once('/')?;
        Some((code.parse().ok()?, subcode.parse().ok()?))
    }

    /// The whole message, as `sender` sends it.
    pub(crate) fn message(&self, sender: Sender) -> Vec<u8> {
        let body = match &self.body {
            Some(Hex(body)) => body.clone(),
            None => self.composed(sender),
        };
        let mut message = vec![0xFF; 16];
        message.extend(length(19 + body.len()));
        message.push(2);
        message.extend(body);
        message
    }

    fn composed(&self, sender: Sender) -> Vec<u8> {
        let base = base(sender, self.width);
        let kept = base
            .into_iter()
            .filter(|one| !self.without.contains(&one[1]));
        let mut attributes: Vec<u8> = kept.flatten().collect();
        attributes.extend(&self.attributes.0);
        let mut body = length(self.withdrawn.0.len()).to_vec();
        body.extend(&self.withdrawn.0);
        body.extend(length(attributes.len()));
        body.extend(attributes);
        body.extend(&self.nlri.0);
        body
    }
}

/// The attributes of a well-formed UPDATE, each with its flags, type code and length.
fn base(sender: Sender, width: Width) -> Vec<Vec<u8>> {
    let next_hop = Ipv4Addr::new(192, 0, 2, 1).octets();
    let as_path = match (sender, width) {
        (Sender::Internal, _) => Vec::new(),
        (Sender::External(asn), Width::Two) => [&[2, 1], &asn.to_be_bytes()[..]].concat(),
        (Sender::External(asn), Width::Four) => {
            [&[2, 1], &u32::from(asn).to_be_bytes()[..]].concat()
        }
    };
    let mut base = vec![
        attribute(1, &[0]),
        attribute(2, &as_path),
        attribute(3, &next_hop),
    ];
    if matches!(sender, Sender::Internal) {
        base.push(attribute(5, &100u32.to_be_bytes()));
    }
    base
}

/// A well-known one.
fn attribute(code: u8, value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(value.len()).expect("the attributes above are short");
    [&[0x40, code, length], value].concat()
}

fn length(octets: usize) -> [u8; 2] {
    u16::try_from(octets)
        .expect("cases are short")
        .to_be_bytes()
}
