//! The rim: looks at everything the checks are about. What cannot be seen is a fact as well.

use super::run_dir::{There, mount_of};
use super::settings::{Agent, Reading};
use super::{Facts, Places, cni, host, routes, run_dir, settings};
use crate::links::Links;
use crate::nft::Nft;
use crate::sysctls::{self, RP_FILTER_ALL, Scope};
use crate::{managers, privileges, run_dir as held};
use gingham_model::{Family, Owner, POD_LINK_GROUP, TABLE_MAIN};
use gingham_netlink::Socket;
use gingham_netlink::sysctl::{self, Tree};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest one request to the kernel may take.
const REQUEST: Duration = Duration::from_secs(5);
/// Where a program's names of route protocols are, below the host's root, the later one counting.
const RT_PROTOS: [&str; 2] = ["usr/share/iproute2/rt_protos", "etc/iproute2/rt_protos"];

/// Looks at the host.
pub fn gather(places: &Places) -> Facts {
    let network = Network::read();
    let run_dir = run_dir_facts(&places.run_dir);
    let agent = match run_dir.holder {
        Some(_) => Agent::Runs,
        None => Agent::Absent,
    };
    Facts {
        host: host_facts(),
        settings: settings_facts(network.as_ref().ok(), agent, &places.settings),
        managers: managers::look(&places.host_root),
        run_dir,
        cni: cni_facts(places),
        routes: network.map(|network| network.facts(&places.host_root)),
    }
}

/// What the kernel says about interfaces and routes.
struct Network {
    links: Links,
    /// The host ends of pods.
    pods: Vec<String>,
    routes: Vec<gingham_model::Route>,
    uplinks: BTreeMap<String, u32>,
}

impl Network {
    fn read() -> Result<Self, String> {
        let words = |error: gingham_netlink::Error| error.to_string();
        let mut socket = Socket::open(REQUEST).map_err(words)?;
        let (links, addresses) = (socket.links(), socket.addresses());
        let links = links.map_err(words)?;
        // Of this thread, as the socket is; a kernel without IPv6 has no second file.
        let text = |file: &str| {
            fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap_or_default()
        };
        let leading = routes::towards_gateways(&text("route"), &text("ipv6_route"));
        let uplinks = links.iter().filter(|link| leading.contains(&link.name));
        let pods = links.iter().filter(|link| link.group == POD_LINK_GROUP);
        Ok(Network {
            pods: pods.map(|link| link.name.clone()).collect(),
            uplinks: uplinks.map(|link| (link.name.clone(), link.mtu)).collect(),
            routes: socket.routes(TABLE_MAIN).map_err(words)?,
            links: Links::new(links, addresses.map_err(words)?),
        })
    }

    fn facts(self, host_root: &Path) -> routes::Facts {
        let texts = RT_PROTOS.iter().map(|file| host_root.join(file));
        let dropped =
            ["usr/share", "etc"].map(|place| host_root.join(place).join("iproute2/rt_protos.d"));
        let files = texts.chain(dropped.iter().flat_map(|dir| list(dir).unwrap_or_default()));
        let names = files.filter_map(|file| fs::read_to_string(file).ok());
        routes::Facts {
            routes: self.routes,
            uplinks: self.uplinks,
            names: names.flat_map(|text| routes::parse_names(&text)).collect(),
        }
    }

    /// What an agent here would keep settings for, as far as the kernel shows it.
    fn scope(&self) -> Scope {
        let direct = self
            .routes
            .iter()
            .filter(|r| Owner::of(r.protocol) == Some(Owner::Direct));
        let direct = direct.map(|route| (route.key, route.clone())).collect();
        let mut neighbours = BTreeMap::new();
        for hop in sysctls::next_hops(&direct) {
            *neighbours.entry(Family::of(hop.via)).or_default() += 1;
        }
        let uplinks: BTreeSet<String> = self.uplinks.keys().cloned().collect();
        let mut advertised = self.links.advertised(&[]);
        advertised.extend(uplinks.iter().cloned());
        let available = |family: &Family| match family {
            Family::V4 => true,
            Family::V6 => sysctl::read("net/ipv6/conf/all/forwarding").is_ok(),
        };
        Scope {
            families: Family::ALL.into_iter().filter(available).collect(),
            uplinks,
            advertised,
            neighbours,
        }
    }
}

fn host_facts() -> host::Facts {
    host::Facts {
        release: sysctl::read("kernel/osrelease").map_err(|error| error.to_string()),
        capabilities: privileges::effective(),
        nft: Nft::new().probe().map_err(|error| error.to_string()),
        ipv6_disabled: sysctl::read("net/ipv6/conf/all/disable_ipv6").ok(),
    }
}

fn settings_facts(network: Option<&Network>, agent: Agent, tree: &Tree) -> settings::Facts {
    let scope = network.map(Network::scope).unwrap_or_default();
    let read = |name: &str| sysctl::read(name).unwrap_or_default();
    let filter = |link: &str| read(&format!("net/ipv4/conf/{link}/rp_filter"));
    let uplinks = scope.uplinks.iter();
    let filters = uplinks.map(|link| (link.clone(), filter(link))).collect();
    let pods = network.iter().flat_map(|network| &network.pods);
    let pods = pods.map(|link| filter(link)).collect();
    let settings = sysctls::settings(&scope).into_iter().map(|setting| {
        let reading = match sysctl::read(&setting.name) {
            Ok(value) => {
                let writable = tree.may_set(&setting.name);
                Reading::Value(value, writable.map_err(|error| error.to_string()))
            }
            Err(error) if error.is_missing() => Reading::Absent,
            Err(error) => Reading::Unreadable(error.to_string()),
        };
        (setting, reading)
    });
    settings::Facts {
        settings: settings.collect(),
        filter_of_all: read(RP_FILTER_ALL),
        filters,
        pods,
        agent,
    }
}

fn run_dir_facts(path: &Path) -> run_dir::Facts {
    let there = match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => There::Directory,
        Ok(_) => There::Other,
        Err(_) => There::Nothing,
    };
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    // Links on the way are followed as far as there is one.
    let existing = path.ancestors().find_map(|path| path.canonicalize().ok());
    run_dir::Facts {
        path: path.to_owned(),
        there,
        mount: existing.and_then(|existing| mount_of(&mounts, &existing)),
        holder: held::holder(path),
    }
}

fn cni_facts(places: &Places) -> cni::Facts {
    let plugin = places.cni_bin_dir.join(cni::PLUGIN);
    let named = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let mode = fs::metadata(&plugin).map(|metadata| metadata.permissions().mode());
    let confs = list(&places.cni_conf_dir).map(|files| {
        let confs = files.iter().filter_map(|path| {
            let name = path.file_name()?.to_str()?;
            let text = || fs::read_to_string(path).unwrap_or_default();
            cni::is_conf(name).then(|| cni::Conf::parse(name, &text()))
        });
        confs.collect()
    });
    cni::Facts {
        mode: mode.map_err(|error| named(&plugin, error)),
        plugin,
        confs: match confs {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            confs => confs.map_err(|error| named(&places.cni_conf_dir, error)),
        },
        conf_dir: places.cni_conf_dir.clone(),
    }
}

/// What a folder holds, in the order of the names.
fn list(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut paths = entries.collect::<std::io::Result<Vec<PathBuf>>>()?;
    paths.sort();
    Ok(paths)
}
