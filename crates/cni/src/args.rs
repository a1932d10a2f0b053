//! `CNI_ARGS`: `KEY=VALUE;KEY=VALUE`, by which Kubernetes runtimes say which pod it is.

use crate::Error;
use crate::Wanted;
use crate::environment::{ARGS, invalid};
use std::fmt;

/// The pod behind a container. A description for people: nothing is kept under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// `K8S_POD_NAMESPACE`.
    pub namespace: String,
    /// `K8S_POD_NAME`.
    pub name: String,
    /// `K8S_POD_UID`, which older runtimes leave out.
    pub uid: Option<String>,
}

impl fmt::Display for Pod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What `CNI_ARGS` may say, in any order; of a key given twice the last one holds.
#[derive(Debug, Default)]
struct Args<'a> {
    namespace: &'a str,
    name: &'a str,
    uid: &'a str,
    ip: &'a str,
    mac: &'a str,
    ignore_unknown: &'a str,
    unknown: Vec<&'a str>,
}

/// The pod that `CNI_ARGS` names, `None` without both namespace and name; and what it asks for.
///
/// # Errors
/// [`Code::InvalidEnvironment`](crate::Code::InvalidEnvironment) for a pair without exactly one `=`, a
/// key that nobody knows and that `IgnoreUnknown` does not excuse, and an address that is none.
pub(crate) fn read(text: &str) -> Result<(Option<Pod>, Wanted), Error> {
    let args = split(text)?;
    args.refuse_unknown()?;
    let wanted = Wanted::of_args(args.ip, args.mac)?;
    let present = !args.namespace.is_empty() && !args.name.is_empty();
    let pod = present.then(|| Pod {
        namespace: args.namespace.to_owned(),
        name: args.name.to_owned(),
        uid: Some(args.uid.to_owned()).filter(|uid| !uid.is_empty()),
    });
    Ok((pod, wanted))
}

/// Sorts the pairs by key. Empty ones are passed over: runtimes join lists with `;`.
fn split(text: &str) -> Result<Args<'_>, Error> {
    let mut args = Args::default();
    for pair in text.split(';').filter(|pair| !pair.is_empty()) {
        let malformed = || invalid(ARGS, pair, "must be KEY=VALUE, with exactly one '='");
        let (key, value) = pair.split_once('=').ok_or_else(malformed)?;
        if value.contains('=') {
            return Err(malformed());
        }
        match key {
            "K8S_POD_NAMESPACE" => args.namespace = value,
            "K8S_POD_NAME" => args.name = value,
            "K8S_POD_UID" => args.uid = value,
            "K8S_POD_INFRA_CONTAINER_ID" => {} // the same as CNI_CONTAINERID
            "IP" => args.ip = value,
            "MAC" => args.mac = value,
            "IgnoreUnknown" => args.ignore_unknown = value,
            other => args.unknown.push(other),
        }
    }
    Ok(args)
}

impl Args<'_> {
    fn refuse_unknown(&self) -> Result<(), Error> {
        let excused = match self.ignore_unknown.to_ascii_lowercase().as_str() {
            "1" | "true" => true,
            "" | "0" | "false" => false,
            _ => {
                let name = format!("{ARGS} IgnoreUnknown");
                return Err(invalid(
                    &name,
                    self.ignore_unknown,
                    "must be 1, 0, true or false",
                ));
            }
        };
        if excused || self.unknown.is_empty() {
            return Ok(());
        }
        let keys = self.unknown.join(", ");
        Err(invalid(
            ARGS,
            &keys,
            "unknown key; IgnoreUnknown=1 would excuse it",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtimes_name_the_pod_in_any_order() {
        let text = "K8S_POD_UID=u1;IgnoreUnknown=1;K8S_POD_NAME=web-0;NEW=x;\
                    K8S_POD_INFRA_CONTAINER_ID=c1;K8S_POD_NAMESPACE=shop;";
        let pod = read(text).unwrap().0.unwrap();
        assert_eq!(pod.to_string(), "shop/web-0");
        assert_eq!(pod.uid.as_deref(), Some("u1"));
    }

    #[test]
    fn half_a_name_is_no_pod() {
        for text in [
            "",
            ";",
            "K8S_POD_NAME=web-0",
            "K8S_POD_NAME=;K8S_POD_NAMESPACE=shop",
            "IP=;MAC=",
        ] {
            assert_eq!(read(text), Ok((None, Wanted::default())), "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            (
                "FOO",
                r#"CNI_ARGS "FOO": must be KEY=VALUE, with exactly one '='"#,
            ),
            (
                "IP=10.0.0.1=2",
                r#"CNI_ARGS "IP=10.0.0.1=2": must be KEY=VALUE, with exactly one '='"#,
            ),
            (
                "FOO=1;IgnoreUnknown=false;BAR=2",
                r#"CNI_ARGS "FOO, BAR": unknown key; IgnoreUnknown=1 would excuse it"#,
            ),
            (
                "IgnoreUnknown=maybe",
                r#"CNI_ARGS IgnoreUnknown "maybe": must be 1, 0, true or false"#,
            ),
            (
                "IgnoreUnknown=1;IP=10.64.3",
                r#"CNI_ARGS IP "10.64.3": must be an IP address"#,
            ),
            (
                "MAC=ff:ff:ff:ff:ff:ff",
                r#"CNI_ARGS MAC "ff:ff:ff:ff:ff:ff": must be a MAC address of one interface, such as 02:00:00:00:00:02"#,
            ),
        ];
        for (text, msg) in cases {
            let error = read(text).unwrap_err();
            assert_eq!((error.code.number(), error.msg.as_str()), (4, msg));
        }
    }
}
