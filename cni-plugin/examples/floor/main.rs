//! The floor under the plugin's times: what a process that wires a pod cannot go without, and nothing
//! else. It is started, reads and answers as the plugin does, and asks the kernel for the same objects in
//! as few messages, sends and answers as can be; but it parses nothing, chooses nothing, checks little
//! and undoes nothing. It is for the bench alone, which tells it all in arguments:
//!
//! ```text
//! floor RUN_DIR FAMILIES NUMBER      FAMILIES: IPv4 or dual; NUMBER: which pod, below 250
//! ```

mod netlink;

use netlink::{ACK, CREATE, Datagram, EXCL, REPLACE};
use nix::sched::CloneFlags;
use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const HOST_MAC: [u8; 6] = [0x02, 0x67, 0x68, 0, 0, 1];
const GATEWAY_V4: [u8; 4] = [169, 254, 1, 1];
const GATEWAY_V6: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const LINK_GROUP: u32 = 0x6768;
const MTU: u32 = 1500;
/// Of pods' routes.
const PROTOCOL: u8 = 200;
const METRIC: u32 = 10;
/// The pod's interface has the same index in every pod, one that no other has.
const POD_INDEX: u32 = 1000;
/// About as much as the plugin's answer for both families.
const ANSWER: [u8; 400] = [b' '; 400];

/// One pod: everything about it follows from its number.
struct Pod {
    number: u8,
    dual: bool,
}

impl Pod {
    /// Given and not asked for, so that nobody need be asked what it became.
    fn host_index(&self) -> u32 {
        1000 + u32::from(self.number)
    }

    fn host_if(&self) -> String {
        format!("gh{:012}", self.number)
    }

    fn mac(&self) -> [u8; 6] {
        [0x02, 0x67, 0, 0, 0, self.number]
    }

    fn v4(&self) -> [u8; 4] {
        [10, 105, 0, self.number + 1]
    }

    fn v6(&self) -> [u8; 16] {
        let mut address = [0xfd, 0, 1, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        address[15] = self.number + 1;
        address
    }

    fn alias(&self) -> String {
        format!("shop/web-{} eth0", self.number)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let mut argument = || {
        arguments
            .next()
            .ok_or("usage: floor RUN_DIR FAMILIES NUMBER")
    };
    let run_dir = PathBuf::from(argument()?);
    let dual = argument()? == "dual";
    let number = argument()?.to_string_lossy().parse()?;
    let pod = Pod { number, dual };
    let mut conf = Vec::new();
    io::stdin().read_to_end(&mut conf)?;
    let variable = |name| std::env::var_os(name).ok_or(name);
    if variable("CNI_COMMAND")? == "ADD" {
        add(&pod, &run_dir, variable("CNI_NETNS")?)?;
        io::stdout().write_all(&ANSWER)?;
    } else {
        del(&pod, &run_dir)?;
    }
    Ok(())
}

fn add(pod: &Pod, run_dir: &Path, netns: OsString) -> Result<(), Box<dyn Error>> {
    fs::read("/proc/sys/kernel/random/boot_id")?;
    fs::read(run_dir.join("node.json"))?;
    let netns = File::open(netns)?;
    rewrite(run_dir)?;
    let host = netlink::socket()?;
    netlink::exchange(&host, &pair(pod, netns.as_raw_fd()))?;
    #[expect(
        clippy::disallowed_methods,
        reason = "its only thread, which ends there"
    )]
    nix::sched::setns(&netns, CloneFlags::CLONE_NEWNET)?;
    let inside = netlink::socket()?;
    netlink::exchange(&inside, &pod_side(pod))?;
    netlink::exchange(&host, &host_side(pod))?;
    // Until somebody asks, a link that has just come up may drop what is sent.
    netlink::ask(&inside, &look(POD_INDEX))?;
    netlink::ask(&host, &look(pod.host_index()))?;
    rewrite(run_dir)?;
    Ok(())
}

fn del(pod: &Pod, run_dir: &Path) -> Result<(), Box<dyn Error>> {
    let mut datagram = Datagram::default();
    datagram.message(libc::RTM_DELLINK, ACK, &link(0, 0), |message| {
        message.text(libc::IFLA_IFNAME, &pod.host_if());
    });
    netlink::exchange(&netlink::socket()?, &datagram)?;
    fs::read("/proc/sys/kernel/random/boot_id")?;
    rewrite(run_dir)?;
    Ok(())
}

/// What a change of the leases costs, without the change.
fn rewrite(run_dir: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let lock = options.open(run_dir.join("leases.lock"))?;
    lock.lock()?;
    let leases = run_dir.join("leases.json");
    let content = fs::read(&leases)?;
    let temporary = run_dir.join("leases.json.tmp");
    options
        .truncate(true)
        .open(&temporary)?
        .write_all(&content)?;
    fs::rename(temporary, leases)
}

/// The pair, its other end in the pod from the start.
fn pair(pod: &Pod, netns: i32) -> Datagram {
    let mut datagram = Datagram::default();
    let host = link(pod.host_index(), 0);
    datagram.message(libc::RTM_NEWLINK, ACK | CREATE | EXCL, &host, |message| {
        message.text(libc::IFLA_IFNAME, &pod.host_if());
        message.put(libc::IFLA_ADDRESS, &HOST_MAC);
        message.put(libc::IFLA_MTU, &MTU.to_ne_bytes());
        one_queue(message);
        message.put(libc::IFLA_GROUP, &LINK_GROUP.to_ne_bytes());
        message.nest(libc::IFLA_LINKINFO, |info| {
            info.text(libc::IFLA_INFO_KIND, "veth");
            info.nest(libc::IFLA_INFO_DATA, |data| {
                // VETH_INFO_PEER of linux/veth.h.
                data.nest(1, |peer| {
                    peer.raw(&link(POD_INDEX, 0));
                    peer.text(libc::IFLA_IFNAME, "eth0");
                    peer.put(libc::IFLA_ADDRESS, &pod.mac());
                    peer.put(libc::IFLA_MTU, &MTU.to_ne_bytes());
                    one_queue(peer);
                    peer.put(libc::IFLA_NET_NS_FD, &netns.to_ne_bytes());
                });
            });
        });
    });
    datagram
}

fn one_queue(end: &mut Datagram) {
    end.put(libc::IFLA_NUM_TX_QUEUES, &1_u32.to_ne_bytes());
    end.put(libc::IFLA_NUM_RX_QUEUES, &1_u32.to_ne_bytes());
}

/// Only the last message asks for an answer; the kernel tells of each that fails anyhow.
fn pod_side(pod: &Pod) -> Datagram {
    let mut datagram = Datagram::default();
    if pod.dual {
        datagram.message(libc::RTM_SETLINK, 0, &link(POD_INDEX, 0), |message| {
            message.nest(libc::IFLA_AF_SPEC, no_link_local);
        });
    }
    up(&mut datagram, POD_INDEX);
    address(&mut datagram, POD_INDEX, &pod.v4(), 32);
    neighbour(&mut datagram, POD_INDEX, &GATEWAY_V4, &HOST_MAC);
    default_route(&mut datagram, &GATEWAY_V4);
    if pod.dual {
        address(&mut datagram, POD_INDEX, &pod.v6(), 128);
        neighbour(&mut datagram, POD_INDEX, &GATEWAY_V6, &HOST_MAC);
        default_route(&mut datagram, &GATEWAY_V6);
    }
    datagram.acknowledge_last();
    datagram
}

fn host_side(pod: &Pod) -> Datagram {
    let index = pod.host_index();
    let mut datagram = Datagram::default();
    datagram.message(libc::RTM_SETLINK, 0, &link(index, 0), |message| {
        message.put(libc::IFLA_IFALIAS, pod.alias().as_bytes());
        message.nest(libc::IFLA_AF_SPEC, |spec| {
            if pod.dual {
                no_link_local(spec);
            }
            spec.nest(libc::AF_INET as u16, |inet| {
                // IFLA_INET_CONF of linux/if_link.h, IPV4_DEVCONF_RP_FILTER of linux/ip.h.
                inet.nest(1, |conf| conf.put(8, &1_u32.to_ne_bytes()));
            });
        });
    });
    up(&mut datagram, index);
    if pod.dual {
        address(&mut datagram, index, &GATEWAY_V6, 64);
    }
    neighbour(&mut datagram, index, &pod.v4(), &pod.mac());
    host_route(&mut datagram, index, &pod.v4());
    if pod.dual {
        neighbour(&mut datagram, index, &pod.v6(), &pod.mac());
        host_route(&mut datagram, index, &pod.v6());
    }
    datagram.acknowledge_last();
    datagram
}

fn look(index: u32) -> Datagram {
    let mut datagram = Datagram::default();
    datagram.message(libc::RTM_GETLINK, 0, &link(index, 0), |message| {
        // Without counters: RTEXT_FILTER_SKIP_STATS of linux/rtnetlink.h.
        message.put(libc::IFLA_EXT_MASK, &8_u32.to_ne_bytes());
    });
    datagram
}

fn no_link_local(spec: &mut Datagram) {
    spec.nest(libc::AF_INET6 as u16, |inet6| {
        // IFLA_INET6_ADDR_GEN_MODE and IN6_ADDR_GEN_MODE_NONE of linux/if_link.h.
        inet6.put(8, &[1]);
    });
}

fn up(datagram: &mut Datagram, index: u32) {
    datagram.message(libc::RTM_SETLINK, 0, &link(index, 1), |_| {});
}

fn address(datagram: &mut Datagram, index: u32, address: &[u8], length: u8) {
    let nodad = if address.len() == 16 { 2 } else { 0 };
    let mut header = vec![family(address), length, nodad, 0];
    header.extend(index.to_ne_bytes());
    datagram.message(libc::RTM_NEWADDR, CREATE | EXCL, &header, |message| {
        message.put(libc::IFA_LOCAL, address);
    });
}

fn neighbour(datagram: &mut Datagram, index: u32, address: &[u8], mac: &[u8; 6]) {
    let mut header = vec![family(address), 0, 0, 0];
    header.extend(index.to_ne_bytes());
    // NUD_PERMANENT, no flags, no type.
    header.extend([0x80, 0, 0, 0]);
    datagram.message(libc::RTM_NEWNEIGH, CREATE | REPLACE, &header, |message| {
        message.put(libc::NDA_DST, address);
        message.put(libc::NDA_LLADDR, mac);
    });
}

fn default_route(datagram: &mut Datagram, gateway: &[u8]) {
    let header = route(gateway, 0, libc::RTPROT_BOOT, libc::RT_SCOPE_UNIVERSE);
    datagram.message(libc::RTM_NEWROUTE, CREATE | EXCL, &header, |message| {
        message.put(libc::RTA_GATEWAY, gateway);
        message.put(libc::RTA_OIF, &POD_INDEX.to_ne_bytes());
    });
}

fn host_route(datagram: &mut Datagram, index: u32, address: &[u8]) {
    let length = if address.len() == 16 { 128 } else { 32 };
    let header = route(address, length, PROTOCOL, libc::RT_SCOPE_LINK);
    datagram.message(libc::RTM_NEWROUTE, CREATE | EXCL, &header, |message| {
        message.put(libc::RTA_DST, address);
        message.put(libc::RTA_PRIORITY, &METRIC.to_ne_bytes());
        message.put(libc::RTA_OIF, &index.to_ne_bytes());
    });
}

/// `struct ifinfomsg`: only `IFF_UP` is ever given.
fn link(index: u32, up: u32) -> [u8; 16] {
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&up.to_ne_bytes());
    header[12..16].copy_from_slice(&up.to_ne_bytes());
    header
}

/// `struct rtmsg` of a unicast route in table main; one through a gateway is on its link whatever the
/// addresses say.
fn route(address: &[u8], length: u8, protocol: u8, scope: u8) -> [u8; 12] {
    let onlink = if length == 0 { 4 } else { 0 };
    [
        family(address),
        length,
        0,
        0,
        libc::RT_TABLE_MAIN,
        protocol,
        scope,
        libc::RTN_UNICAST,
        onlink,
        0,
        0,
        0,
    ]
}

fn family(address: &[u8]) -> u8 {
    let family = if address.len() == 16 {
        libc::AF_INET6
    } else {
        libc::AF_INET
    };
    family as u8
}
