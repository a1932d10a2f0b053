//! Where the chosen route comes from, in words.

use super::{Inputs, by};
use crate::status::used;
use gingham_bgp::speaker::report::PathReport;
use gingham_model::{Block, Owner, Prefix};
use gingham_netlink::fib::{Entry, Leads};

pub(super) fn origin(inputs: &Inputs<'_>, chosen: Option<&Entry>) -> String {
    let Some(entry) = chosen else {
        return "no route".to_owned();
    };
    let prefix = entry.key.prefix;
    match (Owner::of(entry.protocol), &entry.leads) {
        (Some(Owner::Pod), _) => "a pod of this node, by the plugin".to_owned(),
        (Some(Owner::Direct), _) => {
            format!("direct, by Block object {}", Block::object_name(prefix))
        }
        (Some(Owner::Learned), _) => learned(inputs, prefix),
        (Some(Owner::Sink), _) => sink(inputs, prefix),
        (None, Leads::Here) => "an address of this node".to_owned(),
        (None, Leads::Out(ways)) if ways.iter().all(|way| way.via.is_none()) => {
            format!("connected{}", whose(entry))
        }
        (None, _) if prefix.length() == 0 => format!("a default route of others{}", whose(entry)),
        (None, _) => format!("a route of others{}", whose(entry)),
    }
}

fn whose(entry: &Entry) -> String {
    match by(entry.protocol).as_str() {
        "" => format!(", protocol {}", entry.protocol.0),
        name => format!(", protocol {} ({name})", entry.protocol.0),
    }
}

fn learned(inputs: &Inputs<'_>, prefix: Prefix) -> String {
    let reports = match inputs.paths {
        Ok(reports) => reports,
        Err(why) => return format!("learned by BGP; from whom is not known: {why}"),
    };
    let of_it = reports.iter().filter(|report| report.prefix == prefix);
    let from: Vec<String> = of_it.flat_map(used).map(said).collect();
    match from.is_empty() {
        true => "learned by BGP; no path is held any more".to_owned(),
        false => format!("learned by BGP from {}", from.join(", ")),
    }
}

fn said(path: &PathReport) -> String {
    let (peer, as_path) = (&path.peer, &path.attributes.as_path);
    match as_path.as_str() {
        "" => format!("{peer} (this AS)"),
        as_path => format!("{peer} (AS path {as_path})"),
    }
}

fn sink(inputs: &Inputs<'_>, prefix: Prefix) -> String {
    let mut blocks = inputs.cluster.blocks();
    let own = blocks.any(|block| block.cidr == prefix && block.node == *inputs.me);
    match own {
        true => "own block: no pod of this node holds the address".to_owned(),
        false => "own aggregate: no Block holds the address".to_owned(),
    }
}
