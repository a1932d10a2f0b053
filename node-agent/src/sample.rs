//! Samples of configurations for the zone's core switches, made of what this node knows. Pure.
//!
//! What they say is what the cores of the lab run (FRR and BIRD): sessions to both reflectors, each
//! family over its own addresses; next-hop-self towards them; routes that share the load, also those
//! the reflectors send by Add-Path; routes of reflectors that restart are kept, also long-lived stale
//! ones, while nobody keeps those of a core that is gone; no aggregate, since the reflectors announce it.

mod bird;
mod eos;
mod frr;
mod junos;

use crate::cluster::Cluster;
use crate::objects::{At, BgpPeer, Node, Nodes};
use clap::ValueEnum;
use gingham_model::{Family, NodeName, PeerName, Prefix, SecretName, Zone};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The most paths of one prefix a core shares its load over.
const MULTIPATH: u8 = 64;

/// Whose configuration language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Flavour {
    /// FRRouting 8 and later.
    #[default]
    Frr,
    /// BIRD 2.
    Bird,
    /// Arista EOS.
    Eos,
    /// Junos, as `set` commands.
    Junos,
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Flavour::Frr => "frr",
            Flavour::Bird => "bird",
            Flavour::Eos => "eos",
            Flavour::Junos => "junos",
        })
    }
}

impl FromStr for Flavour {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        <Flavour as ValueEnum>::from_str(text, false)
            .map_err(|_| "must be frr, bird, eos or junos".to_owned())
    }
}

/// Routers there are samples for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Router {
    /// The core switch of this node's zone.
    Core,
}

impl fmt::Display for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("core")
    }
}

impl FromStr for Router {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        <Router as ValueEnum>::from_str(text, false).map_err(|_| "must be core".to_owned())
    }
}

/// What a core switch of a zone has to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fabric {
    /// The zone.
    pub zone: Zone,
    /// Its autonomous system, the cores' too.
    pub as_number: u32,
    /// The subnets of its nodes.
    pub node_cidrs: Vec<Prefix>,
    /// Its reflectors, by name, and an address of each family they have.
    pub reflectors: Vec<(NodeName, Vec<IpAddr>)>,
    /// The port they listen on.
    pub port: u16,
    /// The hold time; keepalives come three times as often.
    pub hold_seconds: u16,
    /// How long routes of a peer that restarts are kept beyond its restart time, as the last choice.
    pub long_lived_stale_seconds: u32,
    /// The BGPPeer by which the reflectors speak with the cores; none where there is none yet.
    pub peer: Option<PeerName>,
    /// The Secret with the key of the sessions, where they have one.
    pub password_secret: Option<SecretName>,
}

impl Fabric {
    /// The fabric of the zone `me` stands in.
    ///
    /// # Errors
    /// What is not known of it.
    pub fn of(cluster: &Cluster, me: &NodeName) -> Result<Self, String> {
        let (_, zone) = cluster.identity(me)?;
        let config = cluster.config();
        let of_zone = config
            .zones
            .get(&zone)
            .ok_or_else(|| format!("RoutingConfig default: spec.zones has no zone {zone}"))?;
        let here = |node: &&Node| node.zone(&config.zone_label).as_ref() == Ok(&zone);
        let reflectors = cluster
            .nodes()
            .filter(here)
            .filter(|node| node.is_reflector());
        let reflectors: Vec<_> = reflectors
            .map(|node| (node.name.clone(), node.internal_ips.clone()))
            .collect();
        if reflectors.is_empty() {
            return Err(format!(
                "no Node of zone {zone} is known that is a reflector"
            ));
        }
        let peer = cluster
            .peers()
            .find(|peer| is_of_cores(peer, &zone, of_zone.as_number));
        Ok(Fabric {
            as_number: of_zone.as_number,
            node_cidrs: of_zone.node_cidrs.clone(),
            reflectors,
            port: config.reflectors.listen_port,
            hold_seconds: peer
                .and_then(|peer| peer.hold_seconds)
                .unwrap_or(config.timers.hold_seconds),
            long_lived_stale_seconds: config.graceful_restart.long_lived_stale_seconds,
            peer: peer.map(|peer| peer.name.clone()),
            password_secret: peer.and_then(|peer| peer.password_secret.clone()),
            zone,
        })
    }

    /// The sessions of a core in one family: the reflectors' names and addresses.
    fn sessions(&self, family: Family) -> Vec<(&NodeName, IpAddr)> {
        let all = self.reflectors.iter();
        let of_family = all.filter_map(|(name, addresses)| {
            let mut addresses = addresses.iter().copied();
            let address = addresses.find(|address| Family::of(*address) == family)?;
            Some((name, address))
        });
        of_family.collect()
    }

    /// The families there are sessions of.
    fn families(&self) -> impl Iterator<Item = Family> {
        let families = Family::ALL.into_iter();
        families.filter(|family| !self.sessions(*family).is_empty())
    }

    fn subnets(&self, family: Family) -> impl Iterator<Item = Prefix> {
        let all = self.node_cidrs.iter().copied();
        all.filter(move |subnet| subnet.family() == family)
    }

    fn keepalive_seconds(&self) -> u16 {
        self.hold_seconds / 3
    }
}

/// Whether a BGPPeer is of the cores of a zone: the reflectors have it, and it is no node of ours.
fn is_of_cores(peer: &BgpPeer, zone: &Zone, as_number: u32) -> bool {
    let of_zone = peer.zone.as_ref().is_none_or(|of| of == zone);
    let of_as = peer.as_number.is_none_or(|of| of == as_number);
    of_zone && of_as && peer.nodes == Nodes::Reflectors && !matches!(peer.at, At::Selected(_))
}

/// A sample for a core switch.
pub fn core(flavour: Flavour, fabric: &Fabric) -> String {
    match flavour {
        Flavour::Frr => frr::core(fabric),
        Flavour::Bird => bird::core(fabric),
        Flavour::Eos => eos::core(fabric),
        Flavour::Junos => junos::core(fabric),
    }
}

/// What stands above every sample: for whom it is, and what it leaves to its reader.
fn preamble(fabric: &Fabric, (comment, language): (&str, &str), run: Run) -> String {
    let zone = &fabric.zone;
    let mut lines = vec![
        format!("A core switch of zone {zone}, for {language}: a sample by gingham-agent {VERSION}."),
        "To add: the router id if it is to be a certain one, and the sessions to the backbone.".into(),
        "No aggregate here: the reflectors announce the zone's, and say no-export of what is inside."
            .into(),
    ];
    lines.push(match &fabric.peer {
        Some(peer) => format!("The reflectors speak with it by BGPPeer {peer}."),
        None => "The reflectors speak with it once a BGPPeer has its address.".to_owned(),
    });
    if let Some(secret) = &fabric.password_secret {
        lines.push(format!("KEY stands for the key of Secret {secret}."));
    }
    if run == Run::Never {
        lines.push("NOT RUN: nobody has tried this sample on such a switch.".into());
    }
    let lines = lines.into_iter().map(|line| format!("{comment} {line}\n"));
    lines.collect()
}

/// The version that speaks.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Whether the lab runs such a configuration.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Run {
    InTheLab,
    Never,
}

/// `ipv4` or `ipv6`.
fn lower(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    }
}
