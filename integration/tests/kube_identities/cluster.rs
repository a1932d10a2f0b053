//! The cluster that is asked, and what is expected of its answers.

use crate::questions::{
    BLOCKS, EVENTS, FREE, LEASES, ORPHANED, OTHER, OWN, POD_CIDR, block, dry, event, lease, node,
    post, unavailable,
};
use anyhow::{Context, Result, bail, ensure};
use gingham_integration::eventually;
use gingham_integration::kubernetes::{Answer, Api, Client, MANIFEST, NAMESPACE, Question};
use serde_json::json;
use std::time::Duration;

/// What is expected of an answer.
#[derive(Clone, Copy)]
pub(crate) enum Is {
    Allowed,
    /// Refused, and the refusal says this.
    Refused(&'static str),
    /// The schema refuses it for everybody, and says this.
    Invalid(&'static str),
}
use Is::{Allowed, Invalid, Refused};

/// What RBAC says.
pub(crate) const NO_RULE: Is = Refused("cannot");

/// The cluster, and the clients of n1's agents; n2 is the other node.
pub(crate) struct Cluster {
    api: Api,
    pub(crate) node: Client,
    reflector: Client,
    node_nowhere: Client,
    reflector_nowhere: Client,
    wrong: Vec<String>,
    asked: usize,
}

impl Cluster {
    pub(crate) fn new(by: By) -> Result<Self> {
        let api = Api::start(&[])?;
        api.apply(MANIFEST)?;
        for name in ["n1", "n2"] {
            api.create(&node(name))?;
        }
        api.create(&json!({
            "apiVersion": "gingham.dev/v1alpha1",
            "kind": "ZonePool",
            "metadata": {"name": "z1"},
            "spec": {"zone": "z1", "cidrs": [{"cidr": "10.64.0.0/16"}, {"cidr": "fd00:64::/48"}]},
        }))?;
        for (cidr, owner, pool, state) in [
            (OWN, "n1", "z1", "Active"),
            (OTHER, "n2", "z1", "Active"),
            (ORPHANED, "n2", "z1", "Orphaned"),
            (POD_CIDR, "n2", "node-pod-cidrs", "Active"),
        ] {
            api.create(&block(cidr, owner, pool, state))?;
        }
        api.create(&json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "zone", "namespace": NAMESPACE},
            "stringData": {"password": "secret"},
        }))?;
        let cluster = Cluster {
            node: by.of_node(&api, Duty::Node, "n1")?,
            reflector: by.of_node(&api, Duty::Reflector, "n1")?,
            node_nowhere: by.nowhere(&api, Duty::Node)?,
            reflector_nowhere: by.nowhere(&api, Duty::Reflector)?,
            api,
            wrong: Vec::new(),
            asked: 0,
        };
        let other = by.of_node(&cluster.api, Duty::Node, "n2")?;
        for (client, name) in [(&cluster.node, "n1"), (&other, "n2")] {
            let made = client.ask(post(EVENTS, event(name, "gingham-agent", name)))?;
            made.ok().with_context(|| format!("the event of {name}"))?;
        }
        let lease = post(LEASES, lease("gingham-conditions"));
        cluster.reflector.ask(lease)?.ok().context("the Lease")?;
        cluster.enforced()?;
        Ok(cluster)
    }

    /// Policies count a moment after they are there; each is asked until it refuses something.
    fn enforced(&self) -> Result<()> {
        let probes = [
            (&self.node, post(BLOCKS, block(FREE, "n2", "z1", "Active"))),
            (
                &self.node,
                post(BLOCKS, block("10.64.1.0/27", "n1", "z1", "Active")),
            ),
            (&self.node, unavailable("n2")),
            (&self.node, post(EVENTS, event("probe", "kubelet", "n1"))),
            (&self.reflector, post(LEASES, lease("probe"))),
        ];
        for (client, question) in probes {
            let what = format!("{} is refused", question.path);
            let patience = Duration::from_secs(60);
            eventually(&what, patience, || {
                let answer = client.ask(dry(question.clone()))?;
                ensure!(answer.code == 403, "{}: {}", answer.code, answer.body);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Asks, and remembers what is not as expected.
    pub(crate) fn row(&mut self, who: Who, what: &str, question: Question, is: Is) -> Result<()> {
        let client = match who {
            Who::Node => &self.node,
            Who::Reflector => &self.reflector,
            Who::NodeNowhere => &self.node_nowhere,
            Who::ReflectorNowhere => &self.reflector_nowhere,
            Who::Operator => &*self.api,
        };
        let answer = client.ask(dry(question))?;
        self.asked += 1;
        if let Err(why) = judge(&answer, is) {
            self.wrong.push(format!("{who:?} {what}: {why:#}"));
        }
        Ok(())
    }

    /// The same of both accounts.
    pub(crate) fn both(&mut self, what: &str, question: Question, is: Is) -> Result<()> {
        self.row(Who::Node, what, question.clone(), is)?;
        self.row(Who::Reflector, what, question, is)
    }

    pub(crate) fn verdict(self) -> Result<()> {
        ensure!(self.asked > 0, "nothing was asked");
        ensure!(
            self.wrong.is_empty(),
            "{} of {} answers are wrong:\n{}",
            self.wrong.len(),
            self.asked,
            self.wrong.join("\n")
        );
        Ok(())
    }
}

/// How agents say who they are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By {
    /// By the token of a service account, bound to a Pod.
    Token,
    /// By a client certificate, as the agents of static pods.
    Certificate,
}

/// Which of the two identities.
#[derive(Clone, Copy)]
enum Duty {
    Node,
    Reflector,
}

impl Duty {
    fn account(self) -> &'static str {
        match self {
            Duty::Node => "gingham-node",
            Duty::Reflector => "gingham-reflector",
        }
    }

    fn group(self) -> &'static str {
        match self {
            Duty::Node => "gingham:nodes",
            Duty::Reflector => "gingham:reflectors",
        }
    }
}

impl By {
    fn of_node(self, api: &Api, duty: Duty, node: &str) -> Result<Client> {
        match self {
            By::Token => api.client_for(duty.account(), node),
            By::Certificate => api.client_certified(&format!("gingham:node:{node}"), duty.group()),
        }
    }

    /// One of no node.
    fn nowhere(self, api: &Api, duty: Duty) -> Result<Client> {
        match self {
            By::Token => unbound(api, duty.account()),
            By::Certificate => api.client_certified("n1", duty.group()),
        }
    }
}

/// Whose credentials are used; nowhere are those of no node.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Who {
    Node,
    Reflector,
    NodeNowhere,
    ReflectorNowhere,
    Operator,
}

fn judge(answer: &Answer, is: Is) -> Result<()> {
    let said = answer.body["message"].as_str().unwrap_or_default();
    match (is, answer.code) {
        (Allowed, 200..300) => Ok(()),
        (Allowed, code) => bail!("{code}: {said}"),
        (Refused(part), 403) | (Invalid(part), 422) if said.contains(part) => Ok(()),
        (Refused(part) | Invalid(part), code) => {
            bail!("must be refused with {part:?}; {code}: {said}")
        }
    }
}

/// A client of a token that is bound to nothing.
fn unbound(api: &Api, account: &str) -> Result<Client> {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account}/token");
    let request = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": 3600},
    });
    let answer = api.ask(post(&path, request))?.ok()?;
    let token = answer["status"]["token"]
        .as_str()
        .context("no token came")?;
    api.client_with(token)
}
