//! What went wrong, as the specification's error codes.

use crate::wire::WireError;
use gingham_cni::{Code, Error};
use gingham_ipam::{FileError, LeaseError, StoreError};
use gingham_netlink::NetnsError;
use nix::errno::Errno;
use std::any::Any;
use std::io;

pub(crate) fn stdin(error: io::Error) -> Error {
    Error::new(Code::Io, format!("stdin: {error}"))
}

pub(crate) fn file(code: Code) -> impl FnOnce(FileError) -> Error {
    move |error| Error::new(code, error.to_string())
}

pub(crate) fn netlink(error: gingham_netlink::Error) -> Error {
    Error::new(Code::Internal, error.to_string())
}

/// The namespace of an ADD, by the variable that named it.
pub(crate) fn netns(error: NetnsError) -> Error {
    let code = match error {
        NetnsError::Missing { .. } | NetnsError::NotNamespace { .. } => Code::InvalidEnvironment,
        NetnsError::System { .. } => Code::Internal,
    };
    Error::new(code, format!("CNI_NETNS: {error}"))
}

pub(crate) fn store(error: StoreError) -> Error {
    let code = match error {
        StoreError::NoRunDir(_) | StoreError::LockTimeout { .. } => Code::TryAgainLater,
        StoreError::File(FileError::Io { .. }) => Code::Io,
        StoreError::File(FileError::Malformed { .. }) => Code::Decode,
        StoreError::NoWitness { .. } => Code::Internal,
    };
    Error::new(code, error.to_string())
}

pub(crate) fn lease(error: LeaseError) -> Error {
    let code = match error {
        LeaseError::AlreadyHeld(_) => Code::AlreadyAttached,
        LeaseError::AllCooling { .. } | LeaseError::Taken { .. } => Code::TryAgainLater,
        LeaseError::Exhausted { .. } => Code::Exhausted,
        LeaseError::NotGiven { .. } | LeaseError::NoBlockOfPool { .. } => Code::RequestRefused,
        LeaseError::NotReserved(_) => Code::Internal,
        LeaseError::Store(error) => return store(error),
    };
    Error::new(code, error.to_string())
}

pub(crate) fn wire(error: WireError) -> Error {
    match error {
        WireError::Create(error) if error.errno() == Some(Errno::EEXIST) => {
            Error::new(Code::AlreadyAttached, error.to_string())
                .with_details("an interface of that name is there already; it was left alone")
        }
        WireError::Netns(error) => netns(error),
        WireError::Create(_) | WireError::Host(_) | WireError::Pod(_) => {
            Error::new(Code::Internal, error.to_string())
        }
    }
}

/// The message of a panic, as an error.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message");
    Error::new(Code::Internal, format!("the plugin panicked: {text}"))
}
