//! A whole speaker on real sockets, in a namespace that lives as long as a file descriptor; the peer is
//! this test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

use bytes::BytesMut;
use gingham_bgp::attributes::{Attributes, Community};
use gingham_bgp::config::{Announcement, Config, When};
use gingham_bgp::session::Farewell;
use gingham_bgp::speaker::{CommandError, Options, Started, start};
use gingham_bgp::wire::{self, Capabilities, Codec, Message, Open, PeerKind};
use gingham_bgp::{Asn, Nlri, RouterId};
use gingham_model::{Family, Prefix};
use gingham_netlink::{Netns, Socket as Netlink, address, link};
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Far longer than anything here takes.
const WAIT: Duration = Duration::from_secs(30);

/// Runs `test` on a runtime whose sockets are in a namespace of their own.
fn in_a_namespace<T: Future<Output = ()>>(test: impl FnOnce() -> T + Send) {
    let netns = Netns::create().expect("these tests need root: they make network namespaces");
    let mut netlink = netns.visit(|| Netlink::open(WAIT)).unwrap().unwrap();
    let lo = netlink.link("lo").unwrap().index;
    let mut requests = vec![link::set_up(lo)];
    requests.extend(["10.0.0.1", "10.0.0.2"].map(|text| {
        let address: IpAddr = text.parse().unwrap();
        address::add(lo, address, 32)
    }));
    netlink.run(&requests).unwrap();
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(test());
    };
    netns.visit(run).unwrap();
}

fn config(listen: &str, more: &str) -> Config {
    let text = format!("{{asn: 64512, routerId: 10.0.0.1, listen: [{listen}], {more}}}");
    serde_saphyr::from_str(&text).unwrap()
}

const RANGE: &str = "ranges: [{name: all, prefix: 10.0.0.0/24, asn: 64512, role: client}]";

fn started(config: Config) -> Started {
    start(config, Options::default()).unwrap()
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

const MANY: u16 = 3000;

/// A configuration that tells more than both sockets of a connection take while nobody reads.
fn much() -> Config {
    let one = |number: u16| {
        let [high, low] = number.to_be_bytes();
        Announcement {
            prefix: prefix(&format!("10.{}.{low}.0/24", 64 + high)),
            next_hop: None,
            med: Some(number.into()),
            local_pref: None,
            communities: (0..900).map(Community).collect(),
            large_communities: vec![],
            node: None,
            when: When::Always,
        }
    };
    Config {
        announce: (0..MANY).map(one).collect(),
        ..config(&format!("'{ONE}'"), RANGE)
    }
}

/// The other end of a session.
struct Peer {
    stream: TcpStream,
    unread: BytesMut,
}

impl Peer {
    fn dial(at: &str) -> std::io::Result<Peer> {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
        socket.bind(&SocketAddr::new([10, 0, 0, 2].into(), 0).into())?;
        let at: SocketAddr = at.parse().unwrap();
        socket.connect_timeout(&at.into(), WAIT)?;
        let stream: TcpStream = socket.into();
        stream.set_read_timeout(Some(WAIT))?;
        let unread = BytesMut::new();
        Ok(Peer { stream, unread })
    }

    /// A peer whose session is up.
    async fn up(at: &str) -> Peer {
        let mut peer = Peer::dial(at).unwrap();
        let open = Open {
            asn: Asn(64512),
            hold_seconds: 0,
            router_id: RouterId([10, 0, 0, 2].into()),
            capabilities: Capabilities {
                families: BTreeSet::from([Family::V4]),
                ..Capabilities::default()
            },
        };
        peer.say(&wire::encode_open(&open));
        peer.say(&wire::encode_keepalive());
        while !matches!(peer.hear().await, Some(Message::Keepalive)) {}
        peer
    }

    fn say(&mut self, frame: &[u8]) {
        self.stream.write_all(frame).unwrap();
    }

    fn announce(&mut self, text: &str, next_hop: [u8; 4]) {
        let attributes = Attributes {
            local_pref: Some(100),
            ..Attributes::originated(next_hop.into())
        };
        let mut frames = Vec::new();
        let nlri = [Nlri::plain(prefix(text))];
        wire::pack_reach(&codec(), &attributes, &nlri, &mut frames).unwrap();
        self.say(&frames);
    }

    /// The next message; `None` when the connection is closed.
    async fn hear(&mut self) -> Option<Message> {
        loop {
            if let Some(frame) = wire::split(&mut self.unread, codec().max_length) {
                return Some(wire::decode(&frame, &codec()).unwrap());
            }
            let mut octets = vec![0; 65536];
            let mut stream = self.stream.try_clone().unwrap();
            // The speaker is on this thread's runtime, and goes on meanwhile.
            let reading = tokio::task::spawn_blocking(move || {
                let length = stream.read(&mut octets)?;
                octets.truncate(length);
                Ok::<_, std::io::Error>(octets)
            });
            let octets = reading.await.unwrap().expect("something to read");
            if octets.is_empty() {
                return None;
            }
            self.unread.extend_from_slice(&octets);
        }
    }

    /// Until the connection closes: UPDATEs and the last word in short.
    async fn rest(&mut self) -> Vec<String> {
        let mut heard = Vec::new();
        while let Some(message) = self.hear().await {
            match message {
                Message::Update(update) => {
                    heard.extend(
                        update
                            .withdrawn
                            .iter()
                            .map(|it| format!("not {}", it.prefix)),
                    );
                    let reach = update.announced.iter().flat_map(|reach| &reach.nlri);
                    heard.extend(reach.map(|it| it.prefix.to_string()));
                }
                Message::Notification(said) => heard.push(said.to_string()),
                _ => {}
            }
        }
        heard
    }
}

fn codec() -> Codec {
    Codec {
        families: BTreeSet::from([Family::V4]),
        ..Codec::opening(PeerKind::Internal)
    }
}

/// Whether somebody listens there.
fn listens(at: &str) -> bool {
    match Peer::dial(at) {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => false,
        Err(error) => panic!("{at}: {error}"),
    }
}

const ONE: &str = "10.0.0.1:179";
const ANY: &str = "0.0.0.0:179";

#[test]
fn a_speaker_listens_where_its_configuration_says_now() {
    in_a_namespace(|| async {
        let handle = started(config("", "")).handle;
        assert!(!listens(ONE));
        handle
            .configure(config(&format!("'{ONE}'"), RANGE))
            .await
            .unwrap();
        let mut peer = Peer::up(ONE).await;
        // Nobody can listen everywhere while somebody does at one address.
        handle
            .configure(config(&format!("'{ANY}'"), RANGE))
            .await
            .unwrap();
        assert!(listens("10.0.0.2:179"));
        handle.configure(config("", "")).await.unwrap();
        assert!(!listens(ONE) && !listens("10.0.0.2:179"));
        let rest = peer.rest().await;
        assert_eq!(rest.len(), 1, "{rest:?}");
    });
}

#[test]
fn where_it_cannot_listen_it_is_told_by_name_and_all_stays_as_it_was() {
    in_a_namespace(|| async {
        let _other = TcpListener::bind("10.0.0.2:1790").unwrap();
        let handle = started(config(&format!("'{ANY}'"), RANGE)).handle;
        let mut peer = Peer::up(ONE).await;
        for listen in [
            "'10.0.0.1:179', '10.0.0.2:1790'",
            "'0.0.0.0:179', '10.0.0.2:1790'",
        ] {
            let wanted = config(
                listen,
                &format!("{RANGE}, announce: [{{prefix: 10.64.0.0/24}}]"),
            );
            let error = handle.configure(wanted).await.unwrap_err();
            assert!(matches!(error, CommandError::Listen(..)), "{error}");
            assert!(
                error.to_string().starts_with("listen 10.0.0.2:1790: "),
                "{error}"
            );
            assert!(listens("10.0.0.2:179"), "{listen}");
        }
        let wrong = config(&format!("'{ONE}'"), "multipath: 0");
        let error = handle.configure(wrong).await.unwrap_err();
        assert_eq!(error.to_string(), "multipath: must be at least 1, is 0");
        assert!(listens("10.0.0.2:179"));
        assert_eq!(
            handle.rib(None).await.unwrap().len(),
            0,
            "nothing is announced"
        );
        handle.end(Farewell::Reset(String::new())).await.unwrap();
        assert_eq!(peer.rest().await.len(), 1, "the goodbye alone");
        assert!(!listens(ONE));
    });
}

#[test]
fn a_goodbye_comes_after_everything_that_was_to_be_told() {
    in_a_namespace(|| async {
        let handle = started(config(&format!("'{ONE}'"), RANGE)).handle;
        let mut peer = Peer::up(ONE).await;
        handle.configure(much()).await.unwrap();
        handle.withdraw(prefix("10.64.0.0/24")).await.unwrap();
        let began = Instant::now();
        let (ended, heard) =
            tokio::join!(handle.end(Farewell::HardReset("away".to_owned())), async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                peer.rest().await
            });
        ended.unwrap();
        assert!(began.elapsed() < WAIT);
        let told: BTreeSet<&str> = heard.iter().map(String::as_str).collect();
        assert_eq!(
            told.len(),
            usize::from(MANY) + 2,
            "each once, a withdrawal and the goodbye"
        );
        let [.., withdrawn, goodbye] = &heard[..] else {
            panic!("{heard:?}");
        };
        assert_eq!(withdrawn, "not 10.64.0.0/24");
        assert!(goodbye.contains("away"), "{goodbye}");
    });
}

#[test]
fn who_reads_nothing_is_not_waited_for() {
    in_a_namespace(|| async {
        let handle = started(config(&format!("'{ONE}'"), RANGE)).handle;
        let _peer = Peer::up(ONE).await;
        handle.configure(much()).await.unwrap();
        let ended =
            tokio::time::timeout(WAIT, handle.end(Farewell::HardReset(String::new()))).await;
        ended.expect("six seconds are promised").unwrap();
    });
}

#[test]
fn next_hops_are_reached_by_connected_prefixes() {
    in_a_namespace(|| async {
        let options = Options {
            connected: Some(vec![prefix("10.0.0.0/24")]),
            ..Options::default()
        };
        let Started {
            handle,
            learned,
            mut sessions,
            ..
        } = start(
            config(
                &format!("'{ONE}'"),
                "neighbours: [{name: two, address: 10.0.0.2, asn: 64512, connect: passive}]",
            ),
            options,
        )
        .unwrap();
        assert!(!sessions.borrow().neighbours["two"].established);
        let mut peer = Peer::up(ONE).await;
        peer.announce("10.64.0.0/24", [10, 0, 0, 2]);
        peer.announce("10.65.0.0/24", [10, 9, 0, 2]);
        peer.say(&wire::encode_end_of_rib(Family::V4));
        let ended = |it: &gingham_bgp::speaker::Sessions| !it.neighbours["two"].ended.is_empty();
        tokio::time::timeout(WAIT, sessions.wait_for(ended))
            .await
            .unwrap()
            .unwrap();
        let shown = |changes: gingham_bgp::speaker::Changes| -> Vec<String> {
            changes
                .iter()
                .map(|(prefix, hops)| format!("{prefix} {hops:?}"))
                .collect()
        };
        assert_eq!(
            shown(learned.take()),
            ["10.64.0.0/24 [10.0.0.2]", "10.65.0.0/24 []"]
        );
        handle
            .set_connected(vec![prefix("10.0.0.0/8")])
            .await
            .unwrap();
        assert_eq!(shown(learned.next().await), ["10.65.0.0/24 [10.9.0.2]"]);
        handle.set_connected(vec![]).await.unwrap();
        assert_eq!(
            shown(learned.next().await),
            ["10.64.0.0/24 []", "10.65.0.0/24 []"]
        );
    });
}
