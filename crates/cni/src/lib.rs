//! Speaks the CNI specification exactly: a request in, a result or an error out.
//!
//! ```text
//!   environment ──► Environment ──► Command ──┐
//!                        │                    ▼
//!   stdin (bytes) ───────┴──────────► Request::parse ──► Add | Del | Check | Gc | Status | Version
//!                                             │                      │
//!                                             ▼                the plugin acts
//!   stdout (JSON) ◄── to_json ◄── Error ◄─────┴───────────────────── │
//!                 ◄── to_json ◄── AddResult, VersionReply ◄──────────┘
//! ```
//!
//! Everything here is a function of values: the caller reads the streams and writes the documents.
//! This crate must never touch a file, a namespace or a link, must never decide whether or how a
//! pod is wired, and knows no async runtime. What outside text can get wrong is refused here by
//! the name of the variable or key and its value, so that a [`Request`] which exists is valid.
//!
//! It speaks versions 0.1.0 to 1.1.0 of <https://www.cni.dev/docs/spec/>, each in its own shape. Where the document and
//! the reference library differ, or both leave room, the reason for our reading stands at the code.

mod args;
mod attachment;
mod command;
mod conf;
mod document;
mod environment;
mod error;
mod request;
mod result;
mod version;
mod wanted;

pub use args::Pod;
pub use attachment::{Attachment, ContainerId, IfName, NameError, NetworkName};
pub use command::Command;
pub use conf::{Conf, DEFAULT_RUN_DIR, LogLevel};
pub use environment::Environment;
pub use error::{Code, Error};
pub use request::{Add, Check, Del, Gc, Request, Status};
pub use result::{AddResult, Interface, IpConfig, RouteConfig};
pub use version::{Version, VersionReply};
pub use wanted::{Asked, Wanted};
