//! Whatever happens to answers on their way from the API server, what the store says comes to what
//! the API server holds, and never says that it is complete when it is not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod kube_store_world;

use gingham_agent::objects::Kind;
use gingham_integration::eventually;
use gingham_integration::kubernetes::{Api, Reach, Relay};
use gingham_model::Block;
use kube_store_world::proxy::{Fault, Proxy};
use kube_store_world::{PATIENCE, Reader, api, block, object, shared, store};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Blocks of a zone that are there before anybody looks.
const LASTING: u8 = 8;

/// A zone of its own, with blocks in it, and somebody who watches it through a proxy.
struct World {
    api: &'static Api,
    proxy: Proxy,
    reader: Reader,
    zone: String,
    net: u8,
}

/// Whether a request is the watch or list of the blocks of a zone.
fn about(zone: &str) -> impl Fn(&str) -> bool + Send + 'static {
    let selector = format!("fieldSelector=spec.zone%3D{zone}&");
    move |asked| asked.contains(&selector)
}

impl World {
    /// Nobody looks at it before `faults` are set.
    fn new(net: u8, faults: impl FnOnce(&Proxy, &str)) -> Self {
        let (api, zone) = (shared(), format!("z{net}"));
        let lasting: Vec<Block> = (0..LASTING)
            .map(|number| block(&zone, (net, number), "other"))
            .collect();
        let objects: Vec<_> = lasting.iter().map(object).collect();
        api.create_all(&objects).unwrap();
        let (proxy, me) = (Proxy::start(api), format!("node-{net}"));
        faults(&proxy, &zone);
        let store = store(&proxy.kubeconfig(api, &me), &me);
        let reader = Reader::start(store, &me, &lasting);
        reader.stand_in(&zone);
        World {
            api,
            proxy,
            reader,
            zone,
            net,
        }
    }

    fn block(&self, number: u8) -> Block {
        block(&self.zone, (self.net, number), "other")
    }

    fn name(&self, number: u8) -> String {
        Block::object_name(self.block(number).cidr)
    }

    fn create(&self, number: u8) {
        self.api.create(&object(&self.block(number))).unwrap();
    }

    /// Blocks come, change and go.
    fn churn(&self, first: u8) {
        for number in first..first + 4 {
            self.create(number);
        }
        for number in first..first + 4 {
            let name = self.name(number);
            let other = serde_json::json!({"spec": {"nodeIPs": ["10.1.0.9"]}});
            self.api.patch("Block", &name, other).unwrap();
        }
        for number in first..first + 2 {
            self.api.delete("Block", &self.name(number)).unwrap();
        }
    }

    fn converges(&self) {
        self.reader.converges(self.api, &self.zone);
    }

    fn faults_happened(&self) {
        eventually("all faults", PATIENCE, || match self.proxy.is_done() {
            true => Ok(()),
            false => anyhow::bail!("some are left"),
        })
        .unwrap();
    }
}

/// The first lists suffer `faults`, one after another.
fn listed_under(net: u8, faults: &[Fault]) {
    let world = World::new(net, |proxy, zone| {
        for fault in faults {
            proxy.next(about(zone), *fault, 1);
        }
    });
    world.converges();
    world.faults_happened();
    world.churn(50);
    world.converges();
}

/// A watch goes well, is broken, and the next answers suffer `faults`, while blocks come and go.
fn watched_under(net: u8, faults: &[Fault]) {
    let world = World::new(net, |_, _| {});
    world.converges();
    for fault in faults {
        world.proxy.next(about(&world.zone), *fault, 1);
    }
    world.proxy.cut();
    world.churn(50);
    world.faults_happened();
    world.churn(60);
    world.converges();
}

#[test]
fn a_list_that_breaks_off_ends_early_or_is_empty_concludes_nothing() {
    listed_under(
        20,
        &[Fault::Cut(3), Fault::End(5), Fault::End(0), Fault::Cut(0)],
    );
}

#[test]
fn a_list_that_stalls_is_given_up() {
    listed_under(21, &[Fault::Stall(4)]);
}

#[test]
fn a_server_that_refuses_for_a_while_is_asked_again() {
    listed_under(
        22,
        &[Fault::Busy(1), Fault::Status(500), Fault::Status(503)],
    );
}

#[test]
fn retry_after_is_obeyed() {
    let start = Instant::now();
    let world = World::new(23, |proxy, zone| {
        proxy.next(about(zone), Fault::Busy(5), 1);
    });
    world.converges();
    assert!(start.elapsed() >= Duration::from_secs(5));
}

#[test]
fn a_server_that_cannot_stream_lists_is_asked_for_pages() {
    let world = World::new(24, |proxy, zone| {
        proxy.next(about(zone), Fault::Status(422), 1);
    });
    world.converges();
    let asked = world.proxy.asked();
    let of_zone = about(&world.zone);
    let of_zone: Vec<_> = asked.iter().filter(|asked| of_zone(asked)).collect();
    assert!(of_zone[0].contains("sendInitialEvents=true"), "{of_zone:?}");
    assert!(of_zone[1].contains("limit=500"), "{of_zone:?}");
    assert!(of_zone[2].contains("watch=true"), "{of_zone:?}");
    world.churn(50);
    world.converges();
}

#[test]
fn a_version_that_is_forgotten_means_to_list_again() {
    watched_under(
        25,
        &[Fault::Status(410), Fault::Expired(0), Fault::Expired(2)],
    );
}

#[test]
fn a_watch_that_breaks_goes_on_where_it_broke() {
    watched_under(
        26,
        &[Fault::Cut(0), Fault::Cut(1), Fault::Cut(2), Fault::End(1)],
    );
    let world = World::new(27, |_, _| {});
    world.converges();
    world.proxy.asked();
    world.proxy.cut();
    world.churn(50);
    world.converges();
    let of_zone = about(&world.zone);
    let asked = world.proxy.asked();
    let asked: Vec<_> = asked.iter().filter(|asked| of_zone(asked)).collect();
    assert!(!asked.is_empty());
    let listed = |asked: &&&String| asked.contains("sendInitialEvents");
    assert_eq!(asked.iter().filter(listed).count(), 0, "{asked:?}");
}

#[test]
fn changes_that_come_twice_or_in_the_wrong_order_do_no_harm() {
    watched_under(28, &[Fault::Twice]);
    let world = World::new(29, |proxy, zone| {
        proxy.next(about(zone), Fault::Swapped, 1);
    });
    world.churn(50);
    // The last one may wait in the proxy for a partner.
    world.create(70);
    world.proxy.cut();
    world.converges();
}

#[test]
fn a_list_again_that_is_empty_is_not_believed() {
    watched_under(30, &[Fault::Status(410), Fault::Hollow]);
}

#[test]
fn a_slow_server_is_waited_for() {
    listed_under(31, &[Fault::Slow(Duration::from_millis(700))]);
}

#[test]
fn a_zone_is_complete_only_when_it_is_listed_and_the_old_one_counts_until_then() {
    let world = World::new(32, |_, _| {});
    world.converges();
    let (old, new) = (world.block(0), block("z33", (33, 0), "other"));
    world.api.create(&object(&new)).unwrap();
    world.proxy.next(about("z33"), Fault::Stall(0), 1);
    world.reader.stand_in("z33");
    eventually("the new zone is not listed", PATIENCE, || {
        match world.reader.state(Kind::Block) {
            Some(Err(why)) if why == "blocks of zone z33: not listed yet" => Ok(()),
            other => anyhow::bail!("{other:?}"),
        }
    })
    .unwrap();
    let holds = |block: &Block| {
        let name = Block::object_name(block.cidr);
        world.reader.see(|seen| seen.blocks().contains_key(&name))
    };
    assert!(holds(&old) && !holds(&new));
    eventually("the blocks of the new zone alone", PATIENCE, || {
        match (holds(&old), holds(&new)) {
            (false, true) => Ok(()),
            other => anyhow::bail!("{other:?}"),
        }
    })
    .unwrap();
    assert_eq!(world.reader.state(Kind::Block), Some(Ok(())));
}

#[test]
fn a_block_that_leaves_the_zone_and_is_ours_stays() {
    let world = World::new(34, |_, _| {});
    let mine = block(&world.zone, (world.net, 40), "node-34");
    world.api.create(&object(&mine)).unwrap();
    world.converges();
    let name = Block::object_name(mine.cidr);
    for zone in ["elsewhere", "z34", "elsewhere"] {
        let moved = serde_json::json!({"spec": {"zone": zone}});
        world.api.patch("Block", &name, moved).unwrap();
        world.converges();
    }
    world.api.delete("Block", &name).unwrap();
    world.converges();
}

/// A reader that knows one block, with a relay before the API server.
fn relayed() -> (Api, Relay, Reader) {
    let api = api();
    let relay = api.new_relay().unwrap();
    let held = block("z1", (1, 1), "other");
    api.create(&object(&held)).unwrap();
    let url = format!("https://{}", relay.address());
    let config = api.kubeconfig("relayed", &url, "the-lab-is-its-own-administrator");
    let reader = Reader::start(store(&config.unwrap(), "w1"), "w1", &[held]);
    reader.stand_in("z1");
    reader.converges(&api, "z1");
    (api, relay, reader)
}

fn wait_for_loss(reader: &Reader) {
    eventually("the loss is told", PATIENCE, || {
        match reader.state(Kind::Block) {
            Some(Err(_)) => Ok(()),
            other => anyhow::bail!("{other:?}"),
        }
    })
    .unwrap();
}

#[test]
fn a_silent_break_of_seconds_is_not_told_and_a_cut_of_longer_is() {
    let (api, relay, reader) = relayed();
    relay.set(Reach::Cut);
    sleep(Duration::from_secs(4));
    assert_eq!(reader.state(Kind::Block), Some(Ok(())));
    wait_for_loss(&reader);
    api.create(&object(&block("z1", (1, 2), "other"))).unwrap();
    relay.set(Reach::Open);
    reader.converges(&api, "z1");
}

/// Its kernel goes on answering, so that only a question to the server itself finds it out; bookmarks,
/// which would come once a minute, are waited for longer than this test does.
#[test]
fn what_is_watched_shares_a_connection_and_a_server_that_hangs_is_found_out() {
    let (api, relay, reader) = relayed();
    // Two that begin at the same moment may each open one: that the first will be HTTP/2 and can be
    // shared is only known once it stands.
    eventually("one connection or two", PATIENCE, || {
        match relay.connections() {
            1 | 2 => Ok(()),
            several => anyhow::bail!("{several} connections"),
        }
    })
    .unwrap();
    relay.set(Reach::Silent);
    wait_for_loss(&reader);
    relay.set(Reach::Open);
    reader.converges(&api, "z1");
}

#[test]
fn an_api_server_that_is_killed_and_comes_back_is_found_again() {
    let api = api();
    let lasting = block("z1", (1, 1), "other");
    api.create(&object(&lasting)).unwrap();
    let store = store(&api.admin_kubeconfig().unwrap(), "w1");
    let reader = Reader::start(store, "w1", &[lasting]);
    reader.stand_in("z1");
    reader.converges(&api, "z1");
    api.kill().unwrap();
    sleep(Duration::from_secs(30));
    assert!(matches!(reader.state(Kind::Block), Some(Err(_))));
    api.restart().unwrap();
    api.create(&object(&block("z1", (1, 2), "other"))).unwrap();
    reader.converges(&api, "z1");
    let all = || Kind::ALL.map(|kind| reader.state(kind) == Some(Ok(())));
    eventually("every kind is listed", PATIENCE, || match all() {
        done if done.iter().all(|done| *done) => Ok(()),
        other => anyhow::bail!("{other:?}"),
    })
    .unwrap();
}

#[test]
fn an_older_etcd_is_taken_as_it_is() {
    let api = api();
    let lasting = block("z1", (1, 1), "other");
    api.create(&object(&lasting)).unwrap();
    api.stop().unwrap();
    let snapshot = api.snapshot("before").unwrap();
    api.restart().unwrap();
    let store = store(&api.admin_kubeconfig().unwrap(), "w1");
    let reader = Reader::start(store, "w1", &[lasting]);
    reader.stand_in("z1");
    for number in 2..40 {
        let later = block("z1", (1, number), "other");
        api.create(&object(&later)).unwrap();
    }
    reader.converges(&api, "z1");
    api.stop().unwrap();
    api.restore(&snapshot).unwrap();
    api.restart().unwrap();
    reader.converges(&api, "z1");
}
