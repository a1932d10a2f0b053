//! Interfaces: the veth pair of a pod, and what links there are.

use crate::error::{Cause, Error};
use crate::netns::Netns;
use crate::socket::{Request, Socket};
use gingham_model::MacAddress;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    AfSpecInet, AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InetDevConf, InfoData, InfoKind,
    InfoVeth, LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo, LinkMessage,
};
use std::fmt;
use std::os::fd::{AsFd, AsRawFd};

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its MTU in bytes.
    pub mtu: u32,
    /// Its hardware address, if it has one of six bytes.
    pub mac: Option<MacAddress>,
    /// Whether it is switched on (`IFF_UP`).
    pub up: bool,
    /// Whether it has carrier too (`IFF_LOWER_UP`).
    pub running: bool,
    /// Whether it is a loopback interface.
    pub loopback: bool,
    /// Its group (`IFLA_GROUP`), 0 unless set.
    pub group: u32,
    /// Its alias, what `ip link` shows below the name.
    pub alias: Option<String>,
    /// Of a veth the index of its other end, in whatever namespace that is; `None` for other kinds.
    pub veth_peer: Option<u32>,
}

/// One end of a veth pair as it is born.
#[derive(Clone, Debug)]
pub struct VethEnd {
    /// Its name.
    pub name: String,
    /// Its hardware address. Given at birth so that udev's `MACAddressPolicy=persistent` leaves it
    /// alone (`addr_assign_type` 3).
    pub mac: MacAddress,
}

/// A veth pair to be made.
#[derive(Clone, Debug)]
pub struct VethPair {
    /// The end that stays in the namespace of the socket.
    pub host: VethEnd,
    /// The end that is born in the other namespace.
    pub peer: VethEnd,
    /// MTU of both.
    pub mtu: u32,
    /// Group of the host end.
    pub group: u32,
}

/// Makes a veth pair, its peer in `netns` from the start: moving a link between namespaces would
/// wait for an RCU grace period. Both ends are down: settings of an address family can only be made
/// on a link that exists, and must be made before it is up.
pub fn create_veth(pair: &VethPair, netns: &Netns) -> Request {
    let mut peer = LinkMessage::default();
    peer.attributes.extend(birth(&pair.peer, pair.mtu));
    peer.attributes
        .push(LinkAttribute::NetNsFd(netns.as_fd().as_raw_fd()));

    let mut host = LinkMessage::default();
    host.attributes.extend(birth(&pair.host, pair.mtu));
    host.attributes.push(LinkAttribute::Group(pair.group));
    host.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
    ]));
    let what = format!(
        "create veth {} with peer {}",
        pair.host.name, pair.peer.name
    );
    Request::new(
        what,
        RouteNetlinkMessage::NewLink(host),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

/// One queue each way: by default a veth has as many as there may be processors, and the kernel makes
/// and unmakes objects for each. They are of use to XDP and to GRO on the veth alone.
fn birth(end: &VethEnd, mtu: u32) -> [LinkAttribute; 5] {
    [
        LinkAttribute::IfName(end.name.clone()),
        LinkAttribute::Address(end.mac.0.to_vec()),
        LinkAttribute::Mtu(mtu),
        LinkAttribute::NumTxQueues(1),
        LinkAttribute::NumRxQueues(1),
    ]
}

/// Settings of an interface that should hold from the moment it is up. What is `None` or `false`
/// stays as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings<'a> {
    /// Its alias (`IFLA_IFALIAS`).
    pub alias: Option<&'a str>,
    /// It gets no link-local IPv6 address when it comes up (`IN6_ADDR_GEN_MODE_NONE`). The kernel
    /// answers `EAFNOSUPPORT` where it has no IPv6.
    pub addr_gen_none: bool,
    /// It drops IPv4 packets whose source is not routed back through it (`rp_filter` 1, RFC 3704
    /// section 2.2).
    pub rp_filter_strict: bool,
    /// It answers ARP for every address that is routed through another interface (`proxy_arp` 1).
    pub proxy_arp: bool,
}

/// Makes settings of an interface, all in one message.
pub fn configure(dev: u32, settings: &Settings<'_>) -> Request {
    set(
        dev,
        format!("set {settings} on interface {dev}"),
        |message| {
            let attributes = &mut message.attributes;
            attributes.extend(
                settings
                    .alias
                    .map(|alias| LinkAttribute::IfAlias(alias.to_owned())),
            );
            let mut families = Vec::new();
            if settings.rp_filter_strict || settings.proxy_arp {
                // Entries of 0 are not sent.
                let mut conf = InetDevConf::default();
                conf.rp_filter = settings.rp_filter_strict.into();
                conf.proxy_arp = settings.proxy_arp.into();
                families.push(AfSpecUnspec::Inet(vec![AfSpecInet::DevConfRequest(conf)]));
            }
            if settings.addr_gen_none {
                let none = AfSpecInet6::AddrGenMode(In6AddrGenMode::None);
                families.push(AfSpecUnspec::Inet6(vec![none]));
            }
            if !families.is_empty() {
                attributes.push(LinkAttribute::AfSpecUnspec(families));
            }
        },
    )
}

impl fmt::Display for Settings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = [
            (self.alias.is_some(), "alias"),
            (self.addr_gen_none, "addrgenmode none"),
            (self.rp_filter_strict, "rp_filter 1"),
            (self.proxy_arp, "proxy_arp 1"),
        ];
        let mut set = set
            .into_iter()
            .filter_map(|(is_set, name)| is_set.then_some(name));
        f.write_str(set.next().unwrap_or("nothing"))?;
        set.try_for_each(|name| write!(f, ", {name}"))
    }
}

/// Gives an interface its alias (`IFLA_IFALIAS`).
pub fn set_alias(dev: u32, alias: &str) -> Request {
    let alias = Some(alias);
    configure(
        dev,
        &Settings {
            alias,
            ..Settings::default()
        },
    )
}

/// Keeps the kernel from giving an interface a link-local IPv6 address when it comes up
/// (`IN6_ADDR_GEN_MODE_NONE`).
pub fn set_addr_gen_none(dev: u32) -> Request {
    configure(
        dev,
        &Settings {
            addr_gen_none: true,
            ..Settings::default()
        },
    )
}

/// Puts an interface into a group (`IFLA_GROUP`).
pub fn set_group(dev: u32, group: u32) -> Request {
    let what = format!("put interface {dev} into group {group:#x}");
    set(dev, what, |message| {
        message.attributes.push(LinkAttribute::Group(group));
    })
}

/// Switches an interface on.
pub fn set_up(dev: u32) -> Request {
    set(dev, format!("set interface {dev} up"), |message| {
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
    })
}

fn set(dev: u32, what: String, change: impl FnOnce(&mut LinkMessage)) -> Request {
    let mut message = LinkMessage::default();
    message.header.index = dev;
    change(&mut message);
    Request::new(what, RouteNetlinkMessage::SetLink(message), 0)
}

/// Removes the interface of that name; with one end of a veth pair goes the other, and with a link
/// its routes, addresses and neighbours.
pub fn delete(name: &str) -> Request {
    let mut message = LinkMessage::default();
    message
        .attributes
        .push(LinkAttribute::IfName(name.to_owned()));
    Request::new(
        format!("delete interface {name}"),
        RouteNetlinkMessage::DelLink(message),
        0,
    )
}

/// Removes the interface of that index, as [`delete`] does.
pub fn delete_index(dev: u32) -> Request {
    let mut message = LinkMessage::default();
    message.header.index = dev;
    Request::new(
        format!("delete interface {dev}"),
        RouteNetlinkMessage::DelLink(message),
        0,
    )
}

/// Removes every interface of a group in one go (`IFLA_GROUP`), as [`delete`] does; the kernel
/// answers `ENODEV` when there is none, and `EPERM` for group 0, which is everybody's.
pub fn delete_group(group: u32) -> Request {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::Group(group));
    Request::new(
        format!("delete interfaces of group {group:#x}"),
        RouteNetlinkMessage::DelLink(message),
        0,
    )
}

impl Socket {
    /// Makes a veth pair as [`create_veth`] does, and says what the host end became: so its index,
    /// and that of its peer, need no look-up.
    ///
    /// # Errors
    /// `EEXIST` when one of the names is taken; nothing is made then.
    pub fn make_veth(&mut self, pair: &VethPair, netns: &Netns) -> Result<Link, Error> {
        let mut outcomes = self
            .run_each_echoed(&[create_veth(pair, netns)])
            .into_iter();
        let echoed = outcomes.next().transpose()?.unwrap_or_default();
        // Kernels before 6.2 do not echo new links.
        match echoed.into_iter().find_map(parse) {
            Some(link) => Ok(link),
            None => self.link(&pair.host.name),
        }
    }

    /// The interface of that name, by a targeted request.
    ///
    /// # Errors
    /// `ENODEV` when there is none.
    pub fn link(&mut self, name: &str) -> Result<Link, Error> {
        let mut message = LinkMessage::default();
        message
            .attributes
            .push(LinkAttribute::IfName(name.to_owned()));
        self.look_up(&get_link(format!("look up interface {name}"), message))
    }

    /// The interface of that index, by a targeted request.
    ///
    /// # Errors
    /// `ENODEV` when there is none.
    pub fn link_at(&mut self, dev: u32) -> Result<Link, Error> {
        let mut message = LinkMessage::default();
        message.header.index = dev;
        self.look_up(&get_link(format!("look up interface {dev}"), message))
    }

    fn look_up(&mut self, request: &Request) -> Result<Link, Error> {
        let found = self.get(request)?.into_iter().find_map(parse);
        found.ok_or_else(|| request.failed(Cause::Undecodable("an ACK without a link".into())))
    }

    /// Every interface, in the order of their indices.
    ///
    /// # Errors
    /// As every dump.
    pub fn links(&mut self) -> Result<Vec<Link>, Error> {
        let request = get_link("list interfaces".into(), LinkMessage::default());
        let mut links: Vec<Link> = self.dump(&request)?.into_iter().filter_map(parse).collect();
        links.sort_by_key(|link| link.index);
        Ok(links)
    }
}

/// Without counters, which nobody here reads and which cost the kernel most.
fn get_link(what: String, mut message: LinkMessage) -> Request {
    message
        .attributes
        .push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    Request::new(what, RouteNetlinkMessage::GetLink(message), 0)
}

fn parse(message: RouteNetlinkMessage) -> Option<Link> {
    match message {
        RouteNetlinkMessage::NewLink(message) => read(message),
        _ => None,
    }
}

/// What a link message says; `None` when it says only a part, as those of wireless extensions do,
/// which carry little more than the name. A whole one has an MTU.
pub(crate) fn read(message: LinkMessage) -> Option<Link> {
    let flags = message.header.flags;
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        mtu: 0,
        mac: None,
        up: flags.contains(LinkFlags::Up),
        running: flags.contains(LinkFlags::LowerUp),
        loopback: flags.contains(LinkFlags::Loopback),
        group: 0,
        alias: None,
        veth_peer: None,
    };
    let (mut whole, mut veth) = (false, false);
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Mtu(mtu) => (link.mtu, whole) = (mtu, true),
            LinkAttribute::Address(mac) => link.mac = mac.try_into().ok().map(MacAddress),
            LinkAttribute::Group(group) => link.group = group,
            LinkAttribute::IfAlias(alias) => link.alias = Some(alias),
            LinkAttribute::Link(other) => link.veth_peer = Some(other),
            LinkAttribute::LinkInfo(info) => {
                veth = info.contains(&LinkInfo::Kind(InfoKind::Veth));
            }
            _ => {}
        }
    }
    link.veth_peer = link.veth_peer.filter(|_| veth);
    whole.then_some(link)
}
