//! What the table does to packets.

use crate::nftables::firewall;
use crate::site::{FAR, LO, NEAR, NODE, OTHER, PATIENCE, POD, Site, host_address, ip, run, socket};
use gingham_agent::firewall::Firewall;
use gingham_agent::nft::{Nft, Outcome};
use gingham_netlink::{Netns, address};
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const BLOCKS: [&str; 2] = ["10.64.1.0/24", "fd00:10:1::/122"];
const CLUSTER: [&str; 4] = ["10.64.0.0/16", "fd00:10::/32", "10.1.0.0/24", "fd00:1::/64"];

fn wanted() -> Firewall {
    firewall(&BLOCKS, &CLUSTER)
}

/// A connection from `client` to `address` of `server`: both ends.
fn connect(client: &Netns, server: &Netns, address: &str) -> (TcpStream, TcpStream) {
    let listen = || TcpListener::bind((ip(address), 0)).unwrap();
    let listener = server.visit(listen).unwrap();
    let to = listener.local_addr().unwrap();
    let connect = || TcpStream::connect_timeout(&to, PATIENCE);
    let connection = client.visit(connect).unwrap();
    let connection = connection.unwrap_or_else(|error| panic!("{to}: {error}"));
    (connection, listener.accept().unwrap().0)
}

/// The address under which `server` sees `client`.
fn seen(client: &Netns, server: &Netns, address: &str) -> IpAddr {
    connect(client, server, address).1.peer_addr().unwrap().ip()
}

#[test]
fn a_pod_goes_by_the_nodes_address_outside_the_cluster_and_nowhere_else() {
    let site = Site::new();
    for at in [0, 1] {
        let control = seen(&site.pod, &site.peer, FAR[at]);
        assert_eq!(control, ip(POD[at]));
    }
    site.set(&mut Nft::new(), &wanted());
    for at in [0, 1] {
        assert_eq!(seen(&site.pod, &site.peer, FAR[at]), ip(NODE[at]));
        assert_eq!(seen(&site.pod, &site.peer, NEAR[at]), ip(POD[at]));
        assert_eq!(seen(&site.pod, &site.node, NODE[at]), ip(POD[at]));
        assert_eq!(seen(&site.pod, &site.other, OTHER[at]), ip(POD[at]));
        assert_eq!(seen(&site.peer, &site.pod, POD[at]), ip(NEAR[at]));
    }
    assert_eq!(site.spoofed(), 0);
}

/// As where their pool is not known.
#[test]
fn pods_of_one_node_see_each_other_even_if_nothing_spares_them() {
    let site = Site::new();
    site.set(&mut Nft::new(), &firewall(&BLOCKS, &[]));
    for at in [0, 1] {
        assert_eq!(seen(&site.pod, &site.other, OTHER[at]), ip(POD[at]));
        assert_eq!(seen(&site.pod, &site.peer, NEAR[at]), ip(NODE[at]));
    }
}

/// One exchange over every connection, begun by either end.
fn converse(connections: &[(TcpStream, TcpStream)]) {
    for (client, server) in connections {
        for (mut from, mut to) in [(client, server), (server, client)] {
            to.set_read_timeout(Some(PATIENCE)).unwrap();
            from.write_all(b"news").unwrap();
            let mut heard = [0; 4];
            to.read_exact(&mut heard).unwrap();
            assert_eq!(&heard, b"news");
        }
    }
}

/// Data flows all the while: a moment without NAT would show the peer the pod's address, and it
/// would reset a connection it does not know.
#[test]
fn connections_survive_a_restart_and_every_change() {
    let site = Site::new();
    site.set(&mut Nft::new(), &wanted());
    let connections = FAR.map(|far| connect(&site.pod, &site.peer, far));
    let mut agent = Nft::new();
    assert_eq!(site.set(&mut agent, &wanted()), Outcome::Unchanged);
    let done = AtomicBool::new(false);
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                converse(&connections);
            }
        });
        let changes = [Firewall::default(), wanted()].into_iter().cycle().take(21);
        let outcomes = changes.map(|wanted| site.set(&mut agent, &wanted));
        let outcomes = outcomes.collect();
        done.store(true, Ordering::Relaxed);
        outcomes
    });
    assert_eq!(outcomes, [Outcome::Replaced; 21]);
    converse(&connections);
    let new = seen(&site.pod, &site.peer, FAR[0]);
    assert_eq!(new, ip(POD[0]), "the last change ended masquerading");
}

/// Two datagrams from `client` to `server`: one under the address `source`, one under `own`.
fn say(client: &Netns, source: &str, own: &str, server: &UdpSocket) {
    let to = server.local_addr().unwrap();
    let say = |from: &str| UdpSocket::bind((ip(from), 0))?.send_to(from.as_bytes(), to);
    client.visit(|| say(source).and(say(own))).unwrap().unwrap();
}

fn heard(server: &UdpSocket) -> String {
    let mut text = [0; 64];
    let length = server.recv(&mut text).unwrap();
    String::from_utf8(text[..length].to_vec()).unwrap()
}

#[test]
fn who_speaks_under_anothers_address_is_not_heard_and_counted() {
    let site = Site::new();
    let foreign = [
        OTHER,
        ["10.1.0.77", "fd00:1::77"],
        ["198.51.100.7", "2001:db8:7::7"],
    ];
    for source in foreign.as_flattened() {
        run(&site.pod, &[host_address(LO, source)]);
    }
    for at in [0, 1] {
        let bind = || UdpSocket::bind((ip(FAR[at]), 0)).unwrap();
        let server = site.peer.visit(bind).unwrap();
        server.set_read_timeout(Some(PATIENCE)).unwrap();
        for source in foreign.map(|source| source[at]) {
            site.set(&mut Nft::new(), &wanted());
            say(&site.pod, source, POD[at], &server);
            assert_eq!(heard(&server), POD[at], "and not {source}");
            assert_eq!(site.spoofed(), 1, "{source}");
            assert!(site.node.visit(|| Nft::new().remove()).unwrap().unwrap());
            say(&site.pod, source, POD[at], &server);
            let control = [heard(&server), heard(&server)];
            assert_eq!(control, [source, POD[at]]);
        }
    }
}

/// Duplicate address detection and multicast reports come from `::`, other neighbour discovery
/// from link-local addresses.
#[test]
fn what_a_pod_must_say_on_its_link_is_heard() {
    let site = Site::new();
    site.set(&mut Nft::new(), &wanted());
    let in_pod = |command: &str| -> Output {
        let words: Vec<&str> = command.split(' ').collect();
        let run = || Command::new(words[0]).args(&words[1..]).output().unwrap();
        let output = site.pod.visit(run).unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
        output
    };
    let eth0 = socket(&site.pod).link("eth0").unwrap().index;
    run(&site.pod, &[address::add(eth0, ip("fe80::2"), 64)]);
    in_pod("ping -6 -c 3 -i 0.2 -w 20 -I fe80::2%eth0 fe80::1%eth0");
    in_pod("ip address add fd00:10:1::2a/128 dev eth0");
    let deadline = Instant::now() + PATIENCE;
    let tentative = || {
        let addresses = socket(&site.pod).addresses().unwrap();
        addresses.iter().any(|address| address.tentative)
    };
    while tentative() {
        assert!(Instant::now() < deadline, "the address stays tentative");
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(site.spoofed(), 0);
}
