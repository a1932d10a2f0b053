//! What can go wrong between us and the kernel, in its words.

use netlink_packet_core::{ErrorMessage, NlasIterator};
use nix::errno::Errno;
use std::fmt;
use std::io;
use std::time::Duration;

/// `NLMSGERR_ATTR_MSG` of `linux/netlink.h`: the kernel's sentence about a refused request.
const NLMSGERR_ATTR_MSG: u16 = 1;

/// Length of the request's header that an error message repeats (`NETLINK_CAP_ACK` cuts the rest).
const REPEATED_HEADER: usize = 16;

/// A request that did not succeed: what was asked, of what, and why not.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {cause}")]
pub struct Error {
    /// The operation and its object, such as `add address 10.0.0.2/32 to interface 7`.
    pub what: String,
    /// Why it failed.
    pub cause: Cause,
}

/// Why a request failed.
#[derive(Debug)]
pub enum Cause {
    /// The kernel refused it.
    Refused {
        /// Its error number.
        errno: Errno,
        /// Its explanation, where it gives one (`NETLINK_EXT_ACK`).
        text: Option<String>,
    },
    /// The socket failed.
    Socket(io::Error),
    /// No complete answer came within this time.
    Timeout(Duration),
    /// The socket failed at an earlier request of the same call: whether this one was carried out is
    /// not known.
    Unanswered,
    /// An answer that cannot be read. It is not skipped: a dump with a hole would look complete.
    Undecodable(String),
    /// The table changed under every one of this many attempts to list it (`NLM_F_DUMP_INTR`).
    Interrupted(u32),
}

impl Error {
    pub(crate) fn new(what: impl Into<String>, cause: Cause) -> Self {
        Error {
            what: what.into(),
            cause,
        }
    }

    pub(crate) fn socket(what: impl Into<String>, error: io::Error) -> Self {
        Error::new(what, Cause::Socket(error))
    }

    /// The kernel's error number, when it was the kernel that refused.
    pub fn errno(&self) -> Option<Errno> {
        match self.cause {
            Cause::Refused { errno, .. } => Some(errno),
            _ => None,
        }
    }
}

impl Cause {
    /// The refusal in an `NLMSG_ERROR`; `None` when it is an ACK.
    pub(crate) fn of(message: &ErrorMessage) -> Option<Self> {
        let code = message.code?;
        let text = message.header.get(REPEATED_HEADER..).and_then(explanation);
        Some(Cause::Refused {
            errno: Errno::from_raw(code.get().saturating_neg()),
            text,
        })
    }
}

fn explanation(attributes: &[u8]) -> Option<String> {
    let attribute = NlasIterator::new(attributes)
        .filter_map(Result::ok)
        .find(|attribute| attribute.kind() == NLMSGERR_ATTR_MSG)?;
    let text = attribute.value().split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(text).into_owned())
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Refused {
                errno,
                text: Some(text),
            } => {
                write!(f, "{} ({errno:?}): {text}", errno.desc())
            }
            Cause::Refused { errno, text: None } => write!(f, "{} ({errno:?})", errno.desc()),
            Cause::Socket(error) => write!(f, "netlink socket: {error}"),
            Cause::Timeout(limit) => write!(f, "no answer from the kernel within {limit:?}"),
            Cause::Unanswered => {
                write!(f, "not confirmed: the socket failed at an earlier request")
            }
            Cause::Undecodable(why) => write!(f, "unreadable answer from the kernel: {why}"),
            Cause::Interrupted(times) => {
                write!(
                    f,
                    "the list changed while it was read, {times} times in a row"
                )
            }
        }
    }
}
