//! Keys and TTLs against the real kernel, in a namespace that lives as long as a file descriptor.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

use gingham_bgp::config::{Password, Settings};
use gingham_bgp::speaker::md5::set_key;
use gingham_bgp::speaker::socket::{self, prepare_accepted, prepare_dial};
use gingham_bgp::wire::PeerKind;
use gingham_model::Prefix;
use gingham_netlink::{Netns, Socket as Netlink, address, link};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Long enough for what works, and for a second SYN of what does not.
const WAIT: Duration = Duration::from_secs(3);

const SERVER: [&str; 2] = ["10.0.0.1:179", "[fd00::1]:179"];

/// Runs `test` where both ends of every connection live.
fn in_a_namespace(test: impl FnOnce() + Send) {
    let netns = Netns::create().expect("these tests need root: they make network namespaces");
    let mut netlink = netns.visit(|| Netlink::open(WAIT)).unwrap().unwrap();
    let lo = netlink.link("lo").unwrap().index;
    let addresses = [
        "10.0.0.1",
        "10.1.2.3",
        "10.2.0.1",
        "fd00::1",
        "fd00:1::3",
        "fd00:2::1",
    ];
    let mut requests = vec![link::set_up(lo)];
    requests.extend(addresses.map(|text| {
        let address: std::net::IpAddr = text.parse().unwrap();
        address::add(lo, address, if address.is_ipv4() { 32 } else { 128 })
    }));
    netlink.run(&requests).unwrap();
    netns.visit(test).unwrap();
}

fn settings(yaml: &str) -> Settings {
    serde_saphyr::from_str(&format!("{{asn: 64512, {yaml}}}")).unwrap()
}

fn key(text: &str) -> Option<Password> {
    Some(Password(text.into()))
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn dial(at: &str, yaml: &str) -> io::Result<TcpStream> {
    let peer: SocketAddr = at.parse().unwrap();
    let socket = prepare_dial(peer, &settings(yaml), PeerKind::External)?;
    socket.connect_timeout(&peer.into(), WAIT)?;
    Ok(socket.into())
}

fn refused(at: &str, yaml: &str) {
    let error = dial(at, yaml).expect_err(yaml);
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{yaml}: {error}");
}

/// A listener without keys.
fn listen(at: &str) -> TcpListener {
    socket::listen(at.parse().unwrap(), &BTreeMap::new()).unwrap()
}

fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(false).unwrap();
    listener.accept().unwrap().0
}

/// Whether a word gets from one end to the other.
fn carries(mut from: &TcpStream, mut to: &TcpStream) -> bool {
    from.write_all(b"word").unwrap();
    to.set_nonblocking(false).unwrap();
    to.set_read_timeout(Some(WAIT)).unwrap();
    let mut word = [0; 4];
    to.read_exact(&mut word).is_ok()
}

#[test]
fn only_the_right_key_connects() {
    in_a_namespace(|| {
        for (at, peer, local) in [
            (SERVER[0], "10.1.2.3/32", "localAddress: 10.1.2.3"),
            (SERVER[1], "fd00:1::3/128", "localAddress: 'fd00:1::3'"),
        ] {
            let secret = key("secret").unwrap();
            let keys = BTreeMap::from([(prefix(peer), &secret)]);
            let listener = socket::listen(at.parse().unwrap(), &keys).unwrap();
            let client = dial(at, &format!("{local}, password: secret")).unwrap();
            let server = accept(&listener);
            assert!(carries(&client, &server) && carries(&server, &client));
            refused(at, &format!("{local}, password: secreT"));
            refused(at, local);
            set_key(&listener, prefix(peer), key("secreT").as_ref()).unwrap();
            dial(at, &format!("{local}, password: secreT")).unwrap();
        }
    });
}

#[test]
fn a_key_covers_its_prefix_and_the_longest_counts() {
    in_a_namespace(|| {
        for (at, wide, [inside, outside]) in [
            (SERVER[0], "10.1.0.0/16", ["10.1.2.3", "10.2.0.1"]),
            (SERVER[1], "fd00:1::/32", ["fd00:1::3", "fd00:2::1"]),
        ] {
            let listener = listen(at);
            set_key(&listener, prefix(wide), key("wide").as_ref()).unwrap();
            let with = |local: &str, key: &str| format!("localAddress: '{local}', password: {key}");
            dial(at, &with(inside, "wide")).unwrap();
            dial(at, &format!("localAddress: '{outside}'")).unwrap();
            refused(at, &with(outside, "wide"));
            let host = Prefix::host(inside.parse().unwrap());
            set_key(&listener, host, key("narrow").as_ref()).unwrap();
            dial(at, &with(inside, "narrow")).unwrap();
            refused(at, &with(inside, "wide"));
        }
    });
}

#[test]
fn without_its_key_a_listener_takes_plain_connections() {
    in_a_namespace(|| {
        let listener = listen(SERVER[0]);
        let everybody = prefix("0.0.0.0/0");
        set_key(&listener, everybody, key("secret").as_ref()).unwrap();
        refused(SERVER[0], "");
        set_key(&listener, everybody, None).unwrap();
        dial(SERVER[0], "").unwrap();
        set_key(&listener, everybody, None).expect("none to take back");
    });
}

#[test]
fn a_key_that_cannot_be_is_refused() {
    in_a_namespace(|| {
        let listener = listen(SERVER[0]);
        let kind = |from: &str, key: Option<Password>| {
            set_key(&listener, prefix(from), key.as_ref()).map_err(|error| error.kind())
        };
        assert_eq!(kind("10.0.0.0/8", key("")), Err(ErrorKind::InvalidInput));
        assert_eq!(
            kind("10.0.0.0/8", key(&"x".repeat(81))),
            Err(ErrorKind::InvalidInput)
        );
        assert_eq!(kind("fd00::/8", key("x")), Err(ErrorKind::InvalidInput));
        assert_eq!(kind("10.0.0.0/8", key(&"x".repeat(80))), Ok(()));
    });
}

#[test]
fn a_dial_takes_no_answer_from_too_far_away() {
    in_a_namespace(|| {
        for at in SERVER {
            // Not one of ours: it answers with the kernel's 64.
            let far = TcpListener::bind(at).unwrap();
            refused(at, "ttl: {security: 1}");
            refused(at, "ttl: {security: 191}");
            dial(at, "ttl: {security: 192}").unwrap();
            drop(far);
            let _near = listen(at);
            dial(at, "ttl: {security: 1}").unwrap();
        }
    });
}

#[test]
fn an_accepted_connection_takes_nothing_from_too_far_away() {
    in_a_namespace(|| {
        for at in SERVER {
            let listener = listen(at);
            let prepare = |server: &TcpStream, yaml: &str| {
                prepare_accepted(server, &settings(yaml), PeerKind::Internal)
                    .map_err(|error| error.kind())
            };
            let near = dial(at, "ttl: {security: 1}").unwrap();
            let server = accept(&listener);
            assert_eq!(prepare(&server, "ttl: {security: 1}"), Ok(()));
            assert!(carries(&near, &server) && carries(&server, &near));
            // Somebody else goes on where the peer stood.
            let socket = socket2::SockRef::from(&near);
            match socket.domain().unwrap() {
                socket2::Domain::IPV4 => socket.set_ttl_v4(254).unwrap(),
                _ => socket.set_unicast_hops_v6(254).unwrap(),
            }
            assert!(!carries(&near, &server), "a TTL of 254 is one hop too many");

            let _far = dial(at, "ttl: {multihop: 254}").unwrap();
            let server = accept(&listener);
            assert_eq!(
                prepare(&server, "ttl: {security: 1}"),
                Err(ErrorKind::PermissionDenied)
            );
            let _far = dial(at, "ttl: {multihop: 254}").unwrap();
            let server = accept(&listener);
            assert_eq!(prepare(&server, "ttl: {security: 2}"), Ok(()));
        }
    });
}

#[test]
fn packets_go_as_far_as_the_peer_is() {
    in_a_namespace(|| {
        let peer: SocketAddr = SERVER[0].parse().unwrap();
        let ttl = |yaml: &str, kind| {
            let socket = prepare_dial(peer, &settings(yaml), kind).unwrap();
            assert_eq!(socket.tos_v4().unwrap(), 0xC0);
            assert!(socket.tcp_nodelay().unwrap());
            socket.ttl_v4().unwrap()
        };
        assert_eq!(ttl("", PeerKind::External), 1);
        assert_eq!(ttl("", PeerKind::Internal), 255);
        assert_eq!(ttl("ttl: {multihop: 3}", PeerKind::External), 3);
        assert_eq!(ttl("ttl: {security: 3}", PeerKind::External), 255);
        let foreign = settings("localAddress: 10.9.9.9");
        let error = prepare_dial(peer, &foreign, PeerKind::External).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
    });
}
