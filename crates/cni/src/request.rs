//! From environment and stdin to a request that is complete and valid for its verb.

use crate::args::{self, ON_REQUEST};
use crate::document::excerpt;
use crate::environment::{ARGS, CONTAINER_ID, IFNAME, NETNS, NETNS_OVERRIDE};
use crate::{
    Attachment, Code, Command, Conf, Environment, Error, NameError, NetworkName, Pod, Version,
    VersionReply,
};
use serde_json::{Map, Value};
use std::path::PathBuf;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;

/// What the runtime asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// ADD: answer with [`AddResult::to_json`](crate::AddResult::to_json).
    Add(Add),
    /// DEL: answer with nothing.
    Del(Del),
    /// STATUS: answer with nothing, or with [`Code::NotAvailable`].
    Status(Status),
    /// VERSION: the answer itself.
    Version(VersionReply),
}

/// Attach a container.
#[derive(Clone, Debug, PartialEq)]
pub struct Add {
    /// The network configuration; without `prevResult`.
    pub conf: Conf,
    /// The key of the attachment.
    pub attachment: Attachment,
    /// Path of the container's network namespace. Text, because the result must repeat it as it
    /// is in `sandbox`.
    pub netns: String,
    /// Whether that namespace may be the plugin's own (`CNI_NETNS_OVERRIDE`).
    pub netns_override: bool,
    /// The pod, if the runtime names it.
    pub pod: Option<Pod>,
}

/// Detach a container. It may never have been attached, or be detached already.
///
/// `CNI_ARGS` is not looked at: what it describes is not needed, so it must not stop a removal.
#[derive(Clone, Debug, PartialEq)]
pub struct Del {
    /// The network configuration of today.
    pub conf: Conf,
    /// The key of the attachment.
    pub attachment: Attachment,
    /// Path of the container's network namespace, if the runtime still knows one. Nothing need be
    /// there, or something that is no namespace.
    pub netns: Option<PathBuf>,
}

/// Say whether an ADD could succeed.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// The network configuration.
    pub conf: Conf,
}

/// Keys that mean something which we would not do, as JSON pointers, and why not. Passing over
/// them would give the pod another network than the one it was promised.
const UNSUPPORTED: [(&str, &str); 6] = [
    (
        "/ipam",
        "not supported: gingham gives out the addresses of the node's blocks itself",
    ),
    (
        "/prevResult",
        "not supported: gingham must be the first plugin of a chain",
    ),
    ("/runtimeConfig/ips", ON_REQUEST),
    ("/runtimeConfig/mac", ON_REQUEST),
    ("/args/cni/ips", ON_REQUEST),
    ("/args/cni/mac", ON_REQUEST),
];

impl Request {
    /// Reads a request: `command` is [`Environment::command`], `stdin` all of stdin up to its end.
    ///
    /// The first fault is reported, in this order: JSON, network name, version, the other keys of
    /// the configuration, variables. The error is to be answered in the configuration's version if
    /// that could be read.
    ///
    /// # Errors
    /// [`Code::Decode`], [`Code::InvalidNetworkConfig`], [`Code::IncompatibleVersion`],
    /// [`Code::UnsupportedField`] or [`Code::InvalidEnvironment`]; the message names the key or
    /// variable and its value.
    pub fn parse(command: Command, env: &Environment, stdin: &[u8]) -> Result<Self, Error> {
        let conf = decode(command, stdin)?;
        let request = match command {
            Command::Add => add(env, &conf).map(Request::Add),
            Command::Del => del(env, &conf).map(Request::Del),
            Command::Status => status(&conf).map(Request::Status),
            Command::Version => VersionReply::for_conf(&conf).map(Request::Version),
        };
        request.map_err(|error| error.at(Version::stated(&conf)))
    }

    /// The version in which to answer.
    pub fn version(&self) -> Version {
        match self {
            Request::Add(add) => add.conf.version,
            Request::Del(del) => del.conf.version,
            Request::Status(status) => status.conf.version,
            Request::Version(_) => Version::NEWEST,
        }
    }
}

/// Reads stdin as a JSON object. Only VERSION can do without one.
fn decode(command: Command, stdin: &[u8]) -> Result<Value, Error> {
    let refuse = |msg: String| Error::new(Code::Decode, msg);
    if stdin.trim_ascii().is_empty() {
        return match command {
            Command::Version => Ok(Value::Object(Map::new())),
            _ => Err(refuse(format!(
                "stdin: empty; {command} needs the network configuration"
            ))),
        };
    }
    let begin = || format!("begins with {:?}", excerpt(&String::from_utf8_lossy(stdin)));
    match serde_json::from_slice(stdin) {
        Ok(conf @ Value::Object(_)) => Ok(conf),
        Ok(_) => Err(refuse("stdin: must be a JSON object".into()).with_details(begin())),
        Err(error) => Err(refuse(format!("stdin: not JSON: {error}")).with_details(begin())),
    }
}

fn add(env: &Environment, conf: &Value) -> Result<Add, Error> {
    let checked = Conf::read(conf, Command::Add)?;
    refuse_unsupported(conf)?;
    let given = (env.text(CONTAINER_ID)?, env.text(IFNAME)?, env.text(NETNS)?);
    let (Some(id), Some(ifname), Some(netns)) = given else {
        return Err(env.missing(Command::Add, &[CONTAINER_ID, IFNAME, NETNS]));
    };
    Ok(Add {
        attachment: attachment(&checked.name, id, ifname)?,
        conf: checked,
        netns: netns.to_owned(),
        netns_override: env.is_on(NETNS_OVERRIDE),
        pod: args::pod(env.text(ARGS)?.unwrap_or_default())?,
    })
}

fn del(env: &Environment, conf: &Value) -> Result<Del, Error> {
    let checked = Conf::read(conf, Command::Del)?;
    let (Some(id), Some(ifname)) = (env.text(CONTAINER_ID)?, env.text(IFNAME)?) else {
        return Err(env.missing(Command::Del, &[CONTAINER_ID, IFNAME]));
    };
    Ok(Del {
        attachment: attachment(&checked.name, id, ifname)?,
        conf: checked,
        netns: env.get(NETNS).map(PathBuf::from),
    })
}

/// What would refuse every ADD makes the network unavailable, so STATUS refuses it too.
fn status(conf: &Value) -> Result<Status, Error> {
    let checked = Conf::read(conf, Command::Status)?;
    refuse_unsupported(conf)?;
    Ok(Status { conf: checked })
}

fn attachment(network: &NetworkName, id: &str, ifname: &str) -> Result<Attachment, Error> {
    Ok(Attachment {
        network: network.clone(),
        container_id: id.parse().map_err(|error| misnamed(CONTAINER_ID, error))?,
        ifname: ifname.parse().map_err(|error| misnamed(IFNAME, error))?,
    })
}

fn misnamed(variable: &str, error: NameError) -> Error {
    Error::new(Code::InvalidEnvironment, format!("{variable} {error}"))
}

fn refuse_unsupported(conf: &Value) -> Result<(), Error> {
    for (pointer, why) in UNSUPPORTED {
        let Some(value) = conf.pointer(pointer).filter(|value| !is_empty(value)) else {
            continue;
        };
        let key = pointer.trim_start_matches('/').replace('/', ".");
        return Err(Error::unsupported(&key, value, why));
    }
    Ok(())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(keys) => keys.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
