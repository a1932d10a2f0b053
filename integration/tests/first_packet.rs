//! When ADD has answered the pod has its network: the first packet that it sends arrives.
//!
//! A link that was set up passes packets only once the kernel has heard of its carrier, from a queue of
//! its own and some time later on a busy machine; until then it drops them without a word.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod world;

use gingham_integration::{Attachment, Node, Store};
use gingham_netlink::Netns;
use std::hint;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use world::{one_zone, up};

/// Of so many pods some would lose theirs: one in a hundred on an idle machine, on a busy one more.
const PODS: usize = 60;
/// Threads that keep two processors busy.
const BUSY: usize = 4;
/// How long a packet within the node may take.
const ARRIVAL: Duration = Duration::from_secs(5);

#[test]
fn the_first_packet_of_a_pod_arrives() {
    let lab = up(Store::Directory, one_zone());
    let node = lab.node("z1w1").unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..BUSY {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    hint::spin_loop();
                }
            });
        }
        let _over = Over(&over);
        let lost: Vec<String> = (0..PODS).flat_map(|index| lost(&node, index)).collect();
        assert_eq!(lost, [""; 0]);
    });
}

/// Ends what keeps busy, by whatever way a test ends.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The first packets of a new pod, one of each family, that do not arrive at its node.
fn lost(node: &Node, index: usize) -> Vec<String> {
    let name = format!("p{index}");
    node.exec(&["ip", "netns", "add", &name]).unwrap();
    let open = |path: &Path| Netns::open(path).unwrap();
    let pod = open(&node.host().path(&format!("/run/netns/{name}")));
    let host = open(Path::new(&format!(
        "/proc/{}/ns/net",
        node.host().init().pid
    )));
    let socket = |netns: &Netns, address| {
        netns
            .visit(|| UdpSocket::bind((address, 0)).unwrap())
            .unwrap()
    };
    let any: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    let senders = any.map(|address| socket(&pod, address));
    let own = node.plan().internal_ips.iter();
    let receivers: Vec<UdpSocket> = own.map(|address| socket(&host, *address)).collect();
    let to: Vec<SocketAddr> = receivers
        .iter()
        .map(|socket| socket.local_addr().unwrap())
        .collect();

    let attachment = Attachment::of_pod(&name);
    let add = node
        .cni(&node.cni_call("ADD", &attachment).unwrap())
        .unwrap();
    assert_eq!(add.exit, Some(0), "{add:?}");
    for (sender, to) in senders.iter().zip(&to) {
        sender.send_to(b"first", to).unwrap();
    }
    let arrived = |receiver: &UdpSocket| {
        receiver.set_read_timeout(Some(ARRIVAL)).unwrap();
        receiver.recv(&mut [0; 5])
    };
    let lost = receivers
        .iter()
        .zip(to)
        .filter_map(|(receiver, to)| match arrived(receiver) {
            Ok(_) => None,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Some(format!("{name} to {to}"))
            }
            Err(error) => panic!("{error}"),
        });
    let lost = lost.collect();
    let del = node
        .cni(&node.cni_call("DEL", &attachment).unwrap())
        .unwrap();
    assert_eq!(del.exit, Some(0), "{del:?}");
    drop((pod, senders));
    node.exec(&["ip", "netns", "delete", &name]).unwrap();
    lost
}
