//! From environment and stdin to a request that is complete and valid for its verb.

use crate::args;
use crate::document::excerpt;
use crate::environment::{ARGS, CONTAINER_ID, IFNAME, NETNS, NETNS_OVERRIDE};
use crate::{
    AddResult, Attachment, Code, Command, Conf, Environment, Error, NameError, NetworkName, Pod,
    Version, VersionReply, Wanted,
};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::PathBuf;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;

/// What the runtime asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a process serves one of them")]
pub enum Request {
    /// ADD: answer with [`AddResult::to_json`].
    Add(Add),
    /// DEL: answer with nothing.
    Del(Del),
    /// CHECK: answer with nothing, or with [`Code::Differs`].
    Check(Check),
    /// GC: answer with nothing, or with [`Code::Incomplete`].
    Gc(Gc),
    /// STATUS: answer with nothing, or with [`Code::NotAvailable`].
    Status(Status),
    /// VERSION: the answer itself.
    Version(VersionReply),
}

/// Attach a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Add {
    /// The network configuration.
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
    /// What is asked for by name.
    pub wanted: Wanted,
    /// `prevResult`: what the plugins before us in the chain have made.
    pub prev: Option<AddResult>,
}

/// Detach a container. It may never have been attached, or be detached already.
///
/// `CNI_ARGS` and `prevResult` are not looked at: what they describe is not needed, so it must not stop
/// a removal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Del {
    /// The network configuration of today.
    pub conf: Conf,
    /// The key of the attachment.
    pub attachment: Attachment,
    /// Path of the container's network namespace, if the runtime still knows one. Nothing need be
    /// there, or something that is no namespace.
    pub netns: Option<PathBuf>,
}

/// Say whether a container is attached as ADD has left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The network configuration.
    pub conf: Conf,
    /// The key of the attachment.
    pub attachment: Attachment,
    /// Path of the container's network namespace.
    pub netns: String,
    /// Whether that namespace may be the plugin's own (`CNI_NETNS_OVERRIDE`).
    pub netns_override: bool,
    /// `prevResult`: what the last plugin of the chain has answered to ADD.
    pub prev: AddResult,
}

/// Detach every container that is not valid any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gc {
    /// The network configuration.
    pub conf: Conf,
    /// The attachments of this network which the runtime knows.
    pub valid: BTreeSet<Attachment>,
}

/// Say whether an ADD could succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The network configuration.
    pub conf: Conf,
}

/// The list of a GC: as the specification calls it, and as the reference library does besides.
const VALID: [&str; 2] = ["cni.dev/valid-attachments", "cni.dev/attachments"];

impl Request {
    /// Reads a request: `command` is [`Environment::command`], `stdin` all of stdin up to its end.
    ///
    /// The first fault is reported, in this order: JSON, network name, version, the other keys of
    /// the configuration, variables. The error is to be answered in the configuration's version if
    /// that could be read.
    ///
    /// # Errors
    /// [`Code::Decode`], [`Code::InvalidNetworkConfig`], [`Code::IncompatibleVersion`],
    /// [`Code::UnsupportedField`], [`Code::InvalidEnvironment`] or [`Code::RequestRefused`]; the message
    /// names the key or variable and its value.
    pub fn parse(command: Command, env: &Environment, stdin: &[u8]) -> Result<Self, Error> {
        let conf = decode(command, stdin)?;
        let request = match command {
            Command::Add => add(env, &conf).map(Request::Add),
            Command::Del => del(env, &conf).map(Request::Del),
            Command::Check => check(env, &conf).map(Request::Check),
            Command::Gc => gc(&conf).map(Request::Gc),
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
            Request::Check(check) => check.conf.version,
            Request::Gc(gc) => gc.conf.version,
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
    refuse_ipam(conf)?;
    let prev = AddResult::of_conf(conf)?;
    let sandbox = sandbox(env, Command::Add, &checked.name)?;
    let (pod, wanted) = args::read(env.text(ARGS)?.unwrap_or_default())?;
    Ok(Add {
        conf: checked,
        attachment: sandbox.attachment,
        netns: sandbox.netns,
        netns_override: env.is_on(NETNS_OVERRIDE),
        pod,
        wanted: wanted.with_conf(conf)?,
        prev,
    })
}

fn check(env: &Environment, conf: &Value) -> Result<Check, Error> {
    let checked = Conf::read(conf, Command::Check)?;
    let prev = AddResult::of_conf(conf)?.ok_or_else(|| {
        let msg = "prevResult: required for CHECK, but absent";
        Error::new(Code::InvalidNetworkConfig, msg)
    })?;
    let sandbox = sandbox(env, Command::Check, &checked.name)?;
    Ok(Check {
        conf: checked,
        attachment: sandbox.attachment,
        netns: sandbox.netns,
        netns_override: env.is_on(NETNS_OVERRIDE),
        prev,
    })
}

struct Sandbox {
    attachment: Attachment,
    netns: String,
}

fn sandbox(env: &Environment, command: Command, name: &NetworkName) -> Result<Sandbox, Error> {
    let given = (env.text(CONTAINER_ID)?, env.text(IFNAME)?, env.text(NETNS)?);
    let (Some(id), Some(ifname), Some(netns)) = given else {
        return Err(env.missing(command, &[CONTAINER_ID, IFNAME, NETNS]));
    };
    Ok(Sandbox {
        attachment: attachment(name, id, ifname)?,
        netns: netns.to_owned(),
    })
}

/// Without a list nothing is valid: the library writes `null` for a network without pods, and no key at
/// all when it is called without a list. Of two lists what either knows is valid.
fn gc(conf: &Value) -> Result<Gc, Error> {
    let checked = Conf::read(conf, Command::Gc)?;
    let mut valid = BTreeSet::new();
    for key in VALID {
        let Some(value) = conf.get(key).filter(|value| !value.is_null()) else {
            continue;
        };
        let malformed = |value: &Value, rule: &str| Error::field(key, value, rule);
        let list = value.as_array();
        for item in list.ok_or_else(|| malformed(value, "must be a list"))? {
            let name = |field| item.get(field).and_then(Value::as_str);
            let (Some(id), Some(ifname)) = (name("containerID"), name("ifname")) else {
                return Err(malformed(item, "must have containerID and ifname"));
            };
            valid.insert(Attachment {
                network: checked.name.clone(),
                container_id: id
                    .parse()
                    .map_err(|e: NameError| malformed(item, &format!("containerID {e}")))?,
                ifname: ifname
                    .parse()
                    .map_err(|e: NameError| malformed(item, &format!("ifname {e}")))?,
            });
        }
    }
    Ok(Gc {
        conf: checked,
        valid,
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
    refuse_ipam(conf)?;
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

/// Passing over it would give the pod other addresses than it was promised.
fn refuse_ipam(conf: &Value) -> Result<(), Error> {
    let why = "not supported: gingham gives out the addresses of the node's blocks itself";
    match conf.get("ipam").filter(|value| !is_empty(value)) {
        Some(value) => Err(Error::unsupported("ipam", value, why)),
        None => Ok(()),
    }
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
