//! Calling the plugin as a container runtime calls it, through what the runtime's CNI library does.

use crate::node::{CNI_BIN_DIR, CONFLIST, Node};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;

/// Where the CNI library keeps the results of ADD.
const RESULTS: &str = "/var/lib/cni/results";
/// The interface a runtime asks for.
const IFNAME: &str = "eth0";

/// Which container a call is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// `CNI_CONTAINERID`.
    pub container_id: String,
    /// `CNI_NETNS`: a path in the node.
    pub netns: String,
    /// `CNI_IFNAME`.
    pub ifname: String,
    /// `K8S_POD_NAMESPACE` of `CNI_ARGS`.
    pub pod_namespace: String,
    /// `K8S_POD_NAME` of `CNI_ARGS`.
    pub pod_name: String,
}

impl Attachment {
    /// Of the pod `name`: the network namespace is `/run/netns/<name>`. The id is a function of the
    /// name, so that another process finds the pod again.
    pub fn of_pod(name: &str) -> Self {
        Attachment {
            container_id: name.bytes().map(|byte| format!("{byte:02x}")).collect(),
            netns: format!("/run/netns/{name}"),
            ifname: IFNAME.to_owned(),
            pod_namespace: "default".to_owned(),
            pod_name: name.to_owned(),
        }
    }

    /// `CNI_ARGS` as containerd writes it.
    fn args(&self) -> String {
        format!(
            "IgnoreUnknown=1;K8S_POD_NAMESPACE={};K8S_POD_NAME={};K8S_POD_INFRA_CONTAINER_ID={}",
            self.pod_namespace, self.pod_name, self.container_id
        )
    }
}

/// One run of the plugin: a well-formed one is made by [`Node::cni_call`], and a test may bend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CniCall {
    /// The whole environment but the search path.
    pub env: BTreeMap<String, String>,
    /// What the plugin reads.
    pub stdin: String,
}

/// How a run of the plugin ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CniOutcome {
    /// Its exit code; `None` when a signal killed it.
    pub exit: Option<i32>,
    /// The result or the error of the specification.
    pub stdout: String,
    /// What else it said.
    pub stderr: String,
}

impl CniOutcome {
    /// Its stdout, parsed.
    ///
    /// # Errors
    /// It is no JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("no JSON: {:?}", self.stdout))
    }
}

impl Node {
    /// The call a runtime makes: environment as containerd gives it, the plugin's part of the
    /// configuration list on stdin, for CHECK and DEL with the result of ADD.
    ///
    /// # Errors
    /// The configuration list of the node cannot be read.
    pub fn cni_call(&self, command: &str, attachment: &Attachment) -> Result<CniCall> {
        let text = fs::read_to_string(self.host().path(CONFLIST))
            .with_context(|| format!("{}: reading {CONFLIST}", self.name()))?;
        let conflist =
            serde_json::from_str(&text).with_context(|| format!("{}: {CONFLIST}", self.name()))?;
        let mut conf = plugin_conf(&conflist).with_context(|| CONFLIST.to_owned())?;
        if matches!(command, "CHECK" | "DEL")
            && let Some(result) = self.cached_result(attachment)?
        {
            conf["prevResult"] = result;
        }
        let mut env = BTreeMap::from([("CNI_COMMAND", command), ("CNI_PATH", CNI_BIN_DIR)]);
        let args = attachment.args();
        // STATUS, VERSION and GC are about no container.
        if matches!(command, "ADD" | "CHECK" | "DEL") {
            env.insert("CNI_CONTAINERID", &attachment.container_id);
            env.insert("CNI_NETNS", &attachment.netns);
            env.insert("CNI_IFNAME", &attachment.ifname);
            env.insert("CNI_ARGS", &args);
        }
        Ok(CniCall {
            env: env
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            stdin: conf.to_string(),
        })
    }

    /// Runs the plugin.
    ///
    /// # Errors
    /// It could not be started or did not end in time. What it refuses is no error here.
    pub fn cni(&self, call: &CniCall) -> Result<CniOutcome> {
        let plugin = format!("{CNI_BIN_DIR}/gingham");
        let mut command = self.command(&[&plugin]).stdin(call.stdin.as_bytes());
        for (name, value) in &call.env {
            command = command.env(name, value);
        }
        let output = command.output()?;
        Ok(CniOutcome {
            exit: output.status.code(),
            stdout: output.stdout,
            stderr: output.stderr,
        })
    }

    /// The result of ADD that the runtime remembers; `None` when there is none.
    pub(crate) fn cached_result(&self, attachment: &Attachment) -> Result<Option<Value>> {
        let path = self.result_path(attachment);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(serde_json::from_str(&text)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }

    /// Remembers the result of ADD, or forgets it.
    pub(crate) fn cache_result(
        &self,
        attachment: &Attachment,
        result: Option<&Value>,
    ) -> Result<()> {
        let path = self.result_path(attachment);
        let what = || format!("the remembered result {}", path.display());
        let Some(result) = result else {
            return match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(error).with_context(what),
                _ => Ok(()),
            };
        };
        fs::create_dir_all(self.host().path(RESULTS)).with_context(what)?;
        fs::write(&path, result.to_string()).with_context(what)
    }

    fn result_path(
        &self,
        Attachment {
            container_id,
            ifname,
            ..
        }: &Attachment,
    ) -> std::path::PathBuf {
        self.host()
            .path(&format!("{RESULTS}/gingham-{container_id}-{ifname}"))
    }
}

/// The plugin's own configuration: its object of the list, with the list's name and version.
fn plugin_conf(conflist: &Value) -> Result<Value> {
    let mut conf = conflist["plugins"]
        .get(0)
        .filter(|plugin| plugin.is_object())
        .context("plugins[0]: must be an object")?
        .clone();
    for field in ["name", "cniVersion"] {
        let value = conflist
            .get(field)
            .with_context(|| format!("{field}: is missing"))?;
        conf[field] = json!(value);
    }
    Ok(conf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_version_of_the_list_go_into_the_plugin() {
        let conflist = json!({
            "cniVersion": "1.1.0", "name": "gingham", "plugins": [{"type": "gingham", "mtu": 1400}],
        });
        assert_eq!(
            plugin_conf(&conflist).unwrap(),
            json!({"cniVersion": "1.1.0", "name": "gingham", "type": "gingham", "mtu": 1400})
        );
        let error = plugin_conf(&json!({"plugins": [{}]})).unwrap_err();
        assert_eq!(error.to_string(), "name: is missing");
        assert!(plugin_conf(&json!({"plugins": []})).is_err());
    }
}
