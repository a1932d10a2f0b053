//! What lists and watches come to, whatever happens to them on the way.

mod server;

use gingham_agent::store::kubernetes::watching::heard::{Ask, Change, Heard, Item, Trouble, Why};
use gingham_agent::store::kubernetes::watching::union::{Selector, Union, Verdict};
use proptest::prelude::*;
use server::{Connection, Server};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Objects that exist from the beginning and that nobody touches.
const LASTING: [&str; 3] = ["lasting-a", "lasting-b", "lasting-c"];

/// What can happen.
#[derive(Clone, Debug)]
enum Act {
    /// Somebody gives an object a value, which says in which selections it is.
    Write(u8, u8),
    Remove(u8),
    /// The server forgets what came before.
    Compact,
    /// So many messages of a connection arrive.
    Arrive(usize, u8),
    /// The next message arrives twice.
    Twice(usize),
    /// The next two changes arrive in the wrong order.
    Swapped(usize),
    /// An earlier change arrives again.
    Again(usize),
    /// A connection ends, and how.
    End(usize, End),
    /// Nothing more comes of a connection, and nobody says so.
    Stall(usize),
    /// The next answer is a complete list of nothing.
    Empty,
    /// Time passes, in tenths of a second.
    Wait(u16),
}

#[derive(Clone, Copy, Debug)]
enum End {
    InOrder,
    Broken,
    Unreached,
    Expired,
    Denied,
    Starting,
    Busy,
}

fn act() -> impl Strategy<Value = Act> {
    let end = prop_oneof![
        Just(End::InOrder),
        Just(End::Broken),
        Just(End::Unreached),
        Just(End::Expired),
        Just(End::Denied),
        Just(End::Starting),
        Just(End::Busy),
    ];
    prop_oneof![
        4 => (0u8..6, 1u8..4).prop_map(|(name, value)| Act::Write(name, value)),
        2 => (0u8..6).prop_map(Act::Remove),
        1 => Just(Act::Compact),
        8 => (0usize..4, 1u8..6).prop_map(|(at, count)| Act::Arrive(at, count)),
        1 => (0usize..4).prop_map(Act::Twice),
        1 => (0usize..4).prop_map(Act::Swapped),
        1 => (0usize..4).prop_map(Act::Again),
        2 => (0usize..4, end).prop_map(|(at, end)| Act::End(at, end)),
        1 => (0usize..4).prop_map(Act::Stall),
        1 => Just(Act::Empty),
        3 => (0u16..400).prop_map(Act::Wait),
    ]
}

fn selector(bit: u8) -> Selector {
    Selector {
        what: format!("selection {bit}"),
        fields: Some(bit.to_string()),
        labels: None,
    }
}

/// One list that is not true is found out; two in a row are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    None,
    Due,
    Told,
}

/// A union of two selections against a server, with the wire between them in hand.
struct World {
    server: Server,
    union: Union,
    connections: Vec<Connection>,
    /// What a reader of the changes knows.
    known: BTreeMap<String, u8>,
    synced: bool,
    lie: Lie,
    now: Instant,
}

impl World {
    fn new(seed: u64, streaming: bool) -> Self {
        let now = Instant::now();
        let mut union = Union::new(seed);
        let selectors = BTreeSet::from([selector(1), selector(2)]);
        assert!(union.want::<u8>(selectors, None, now).is_empty());
        let mut server = Server::new(streaming);
        for name in LASTING {
            server.write(name, 3);
        }
        World {
            server,
            union,
            connections: Vec::new(),
            known: BTreeMap::new(),
            synced: false,
            lie: Lie::None,
            now,
        }
    }

    /// Asks what is due.
    fn look(&mut self) {
        self.union.tick(self.now);
        for (selector, serial, ask) in self.union.asks(self.now) {
            let bit = selector.fields.as_ref().unwrap().parse().unwrap();
            let mut connection = self.server.answer((selector.clone(), serial), bit, &ask);
            let listing = !matches!(ask, Ask::Watch { .. });
            if self.synced && listing && self.lie == Lie::Due {
                self.lie = Lie::Told;
                connection.say_nothing_is_there();
            }
            self.connections.push(connection);
        }
        let union = &self.union;
        self.connections
            .retain(|connection| union.counts(&connection.selector, connection.serial));
        match self.union.news(self.now) {
            Some(Verdict::Synced) => self.synced = true,
            Some(_) => {}
            None => return,
        }
        if self.synced {
            for name in LASTING {
                assert!(self.known.contains_key(name), "{name} is said to be gone");
            }
        }
    }

    fn hear(&mut self, at: usize, heard: Heard<u8>) {
        let connection = &self.connections[at];
        let request = (&*connection.selector, connection.serial);
        let changes = self.union.hear(request, heard, self.now);
        self.take(changes);
        self.now += Duration::from_millis(1);
    }

    fn take(&mut self, changes: Vec<Change<u8>>) {
        for change in changes {
            match change {
                Change::Is { name, object, .. } => {
                    self.known.insert(name.into_string(), object);
                }
                Change::Gone { name, .. } => {
                    assert!(!LASTING.contains(&&*name), "{name} is said to be gone");
                    self.known.remove(&*name);
                }
            }
        }
    }

    fn arrive(&mut self, at: usize) -> bool {
        let heard = self.connections[at].next(&self.server);
        heard.map(|heard| self.hear(at, heard)).is_some()
    }

    fn act(&mut self, act: &Act) {
        let at = |at: usize| (!self.connections.is_empty()).then(|| at % self.connections.len());
        match *act {
            Act::Write(name, value) => self.server.write(&format!("object-{name}"), value),
            Act::Remove(name) => self.server.remove(&format!("object-{name}")),
            Act::Compact => self.server.compact(),
            Act::Empty if self.lie == Lie::None => self.lie = Lie::Due,
            Act::Empty => {}
            Act::Wait(tenths) => self.now += Duration::from_millis(u64::from(tenths) * 100),
            Act::Arrive(which, count) => {
                let Some(at) = at(which) else { return };
                for _ in 0..count {
                    self.arrive(at);
                }
            }
            Act::Twice(which) => {
                let Some(at) = at(which) else { return };
                if let Some(heard) = self.connections[at].next(&self.server) {
                    self.hear(at, heard.clone());
                    self.hear(at, heard);
                }
            }
            Act::Swapped(which) => {
                let Some(at) = at(which) else { return };
                for heard in self.connections[at].next_two_swapped(&self.server) {
                    self.hear(at, heard);
                }
            }
            Act::Again(which) => {
                let Some(at) = at(which) else { return };
                if let Some(heard) = self.connections[at].earlier() {
                    self.hear(at, heard);
                }
            }
            Act::Stall(which) => {
                let Some(at) = at(which) else { return };
                self.connections[at].stall();
            }
            Act::End(which, end) => {
                let Some(at) = at(which) else { return };
                let trouble = |why| Heard::Trouble(Trouble::new(why, "a fault"));
                let heard = match end {
                    End::InOrder => Heard::Ended,
                    End::Broken => trouble(Why::Broken),
                    End::Unreached => trouble(Why::Unreached),
                    End::Expired => trouble(Why::Expired),
                    End::Denied => trouble(Why::Denied),
                    End::Starting => trouble(Why::Starting),
                    End::Busy => Heard::Trouble(Trouble {
                        retry_after: Some(Duration::from_secs(3)),
                        ..Trouble::new(Why::Broken, "too many requests")
                    }),
                };
                self.hear(at, heard);
            }
        }
    }

    /// Everything arrives from now on.
    fn calm_down(&mut self) {
        self.lie = Lie::Told;
        for _ in 0..200 {
            self.look();
            let mut heard = false;
            for at in 0..self.connections.len() {
                while self.arrive(at) {
                    heard = true;
                }
            }
            if !heard {
                let next = self.union.next().unwrap();
                self.now = self.now.max(next) + Duration::from_millis(1);
            }
        }
        self.look();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever happened, once it is over what is known is what the server holds; what was there
    /// all the time is never said to be gone.
    #[test]
    fn after_any_faults_what_is_known_is_what_the_server_holds(
        seed: u64,
        streaming: bool,
        acts in prop::collection::vec(act(), 0..80),
    ) {
        let mut world = World::new(seed, streaming);
        for act in &acts {
            world.look();
            world.act(act);
        }
        world.calm_down();
        prop_assert_eq!(&world.known, &world.server.selected(3));
        prop_assert!(world.synced);
        prop_assert_eq!(world.union.news(world.now), None);
    }
}

/// A union with one selection, and a time that is moved by hand.
struct One {
    union: Union,
    now: Instant,
    serial: u64,
    told: Option<Verdict>,
}

impl One {
    fn new() -> Self {
        let (mut union, now) = (Union::new(1), Instant::now());
        let selectors = BTreeSet::from([selector(1)]);
        assert!(union.want::<u8>(selectors, None, now).is_empty());
        One {
            union,
            now,
            serial: 0,
            told: None,
        }
    }

    /// Waits until something is asked.
    fn asked(&mut self) -> Ask {
        loop {
            self.union.tick(self.now);
            if let Some((_, serial, ask)) = self.union.asks(self.now).pop() {
                self.serial = serial;
                return ask;
            }
            self.told = self.union.news(self.now).or(self.told.take());
            self.now = self.now.max(self.union.next().unwrap());
        }
    }

    fn hear(&mut self, heard: Heard<u8>) -> Vec<Change<u8>> {
        let request = (&selector(1), self.serial);
        self.union.hear(request, heard, self.now)
    }

    fn listed(&mut self, names: &[&str], version: &str) -> Vec<Change<u8>> {
        let mut changes = self.hear(Heard::Accepted);
        for name in names {
            changes.extend(self.hear(object(name, "1")));
        }
        let version = version.to_owned();
        changes.extend(self.hear(Heard::AllListed { version }));
        changes
    }

    fn news(&mut self) -> Option<Verdict> {
        self.union.tick(self.now);
        self.union.news(self.now).or(self.told.take())
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }
}

fn object(name: &str, version: &str) -> Heard<u8> {
    Heard::Object(Item {
        name: name.into(),
        version: version.to_owned(),
        object: 0,
    })
}

fn trouble(why: Why) -> Heard<u8> {
    Heard::Trouble(Trouble::new(why, "a fault"))
}

fn gone(changes: &[Change<u8>]) -> Vec<&str> {
    let names = changes.iter().filter_map(|change| match change {
        Change::Gone { name, .. } => Some(&**name),
        Change::Is { .. } => None,
    });
    names.collect()
}

#[test]
fn a_break_of_a_few_seconds_is_nobodys_concern_and_a_longer_one_is() {
    let mut one = One::new();
    assert!(matches!(one.asked(), Ask::Stream { .. }));
    one.listed(&["a"], "10");
    assert_eq!(one.news(), Some(Verdict::Synced));
    one.wait(20);
    one.hear(trouble(Why::Broken));
    assert_eq!(one.news(), None);
    let since = one.now;
    while one.now < since + Duration::from_secs(10) {
        let ask = one.asked();
        assert!(
            matches!(&ask, Ask::Watch { version, .. } if version == "10"),
            "{ask:?}"
        );
        one.hear(trouble(Why::Broken));
    }
    let failed = Verdict::Failed("selection 1: a fault".to_owned());
    assert_eq!(one.news(), Some(failed));
    // The server takes the watch up again, and has nothing to tell.
    one.asked();
    one.hear(Heard::Accepted);
    assert_eq!(
        one.news(),
        None,
        "it may yet say that it has forgotten that version"
    );
    one.wait(1);
    assert_eq!(one.news(), Some(Verdict::Synced));
}

#[test]
fn a_server_that_was_away_may_have_been_restored_and_is_asked_for_everything() {
    let mut one = One::new();
    one.asked();
    one.listed(&["a"], "10");
    one.wait(20);
    one.hear(trouble(Why::Broken));
    let since = one.now;
    let mut ask = one.asked();
    while one.now < since + Duration::from_secs(1) {
        assert!(matches!(ask, Ask::Watch { .. }), "{ask:?}");
        one.hear(trouble(Why::Unreached));
        ask = one.asked();
    }
    assert!(matches!(ask, Ask::Stream { .. }), "{ask:?}");
}

#[test]
fn a_server_that_is_back_and_says_when_is_not_made_to_wait_for_long() {
    let mut one = One::new();
    for _ in 0..9 {
        one.asked();
        one.hear(trouble(Why::Unreached));
    }
    one.asked();
    let before = one.now;
    one.hear(Heard::Trouble(Trouble {
        retry_after: Some(Duration::from_secs(1)),
        ..Trouble::new(Why::Broken, "storage is initializing")
    }));
    one.asked();
    assert!(one.now - before < Duration::from_secs(2));
}

/// It has not read yet who may do what.
#[test]
fn a_server_that_starts_and_refuses_is_asked_again_soon_and_one_that_goes_on_refusing_is_not() {
    let mut one = One::new();
    one.asked();
    one.listed(&["a"], "10");
    for _ in 0..10 {
        one.hear(trouble(Why::Unreached));
        one.asked();
    }
    let back = one.now;
    one.hear(trouble(Why::Denied));
    one.asked();
    assert!(one.now - back < Duration::from_secs(1));
    while one.now < back + Duration::from_secs(20) {
        one.hear(trouble(Why::Denied));
        one.asked();
    }
    let before = one.now;
    one.hear(trouble(Why::Denied));
    one.asked();
    assert!(one.now - before >= Duration::from_secs(15));
}

#[test]
fn a_watch_that_says_nothing_is_given_up_and_bookmarks_keep_it() {
    let mut one = One::new();
    one.asked();
    one.listed(&["a"], "10");
    for minute in 1..=4 {
        one.wait(60);
        let version = (10 + minute).to_string();
        one.hear(Heard::Bookmark { version });
        assert!(one.union.asks(one.now).is_empty());
    }
    let before = one.now;
    let ask = one.asked();
    assert!(
        matches!(&ask, Ask::Watch { version, .. } if version == "14"),
        "{ask:?}"
    );
    let silent = one.now - before;
    assert!(silent >= Duration::from_secs(150) && silent < Duration::from_secs(152));
}

#[test]
fn a_list_that_breaks_off_concludes_nothing_and_the_next_one_does() {
    let mut one = One::new();
    one.asked();
    one.listed(&["a", "b", "c", "d", "e"], "10");
    one.hear(trouble(Why::Expired));
    assert!(matches!(one.asked(), Ask::Stream { .. }));
    one.hear(Heard::Accepted);
    one.hear(object("a", "1"));
    assert_eq!(one.hear(Heard::Ended), []);
    one.asked();
    let changes = one.listed(&["a", "b", "c"], "30");
    assert_eq!(gone(&changes), ["d", "e"]);
}

#[test]
fn a_list_that_lacks_most_of_what_was_known_is_asked_for_twice() {
    let mut one = One::new();
    one.asked();
    one.listed(&["a", "b", "c"], "10");
    one.hear(trouble(Why::Expired));
    one.asked();
    assert_eq!(one.listed(&[], "20"), []);
    assert!(matches!(one.asked(), Ask::Stream { .. }));
    let changes = one.listed(&[], "20");
    assert_eq!(gone(&changes), ["a", "b", "c"]);
}

#[test]
fn a_server_that_cannot_stream_is_asked_for_pages() {
    let mut one = One::new();
    one.asked();
    one.hear(trouble(Why::NoStreaming));
    let first = Ask::Page {
        after: None,
        limit: Some(500),
    };
    assert_eq!(one.asked(), first);
    let page = |name: &str, more: Option<&str>| Heard::Page {
        items: vec![Item {
            name: name.into(),
            version: "5".to_owned(),
            object: 0,
        }],
        version: "20".to_owned(),
        more: more.map(str::to_owned),
    };
    one.hear(page("a", Some("there")));
    assert_eq!(one.news(), None);
    let second = one.asked();
    assert!(matches!(&second, Ask::Page { after: Some(after), .. } if after == "there"));
    one.hear(page("b", None));
    assert_eq!(one.news(), Some(Verdict::Synced));
    let ask = one.asked();
    assert!(
        matches!(&ask, Ask::Watch { version, .. } if version == "20"),
        "{ask:?}"
    );
}

/// As one whose connection stands before it can answer.
#[test]
fn a_server_that_lets_a_question_wait_after_a_break_is_asked_for_everything_again() {
    for (seconds, from_anew) in [(0, false), (2, true)] {
        let mut one = One::new();
        one.asked();
        one.listed(&["a"], "10");
        one.wait(20);
        one.hear(trouble(Why::Broken));
        assert!(matches!(one.asked(), Ask::Watch { .. }));
        one.wait(seconds);
        one.hear(Heard::Accepted);
        one.hear(trouble(Why::Broken));
        let ask = one.asked();
        assert_eq!(
            matches!(ask, Ask::Stream { .. }),
            from_anew,
            "{seconds} s: {ask:?}"
        );
    }
}

/// However short it was away: its store may be another one by now.
#[test]
fn a_server_that_has_just_started_is_asked_for_everything_again() {
    for (why, from_anew) in [(Why::Starting, true), (Why::Broken, false)] {
        let mut one = One::new();
        one.asked();
        one.listed(&["a"], "10");
        one.hear(trouble(Why::Broken));
        assert!(matches!(one.asked(), Ask::Watch { .. }));
        one.hear(Heard::Trouble(Trouble {
            retry_after: Some(Duration::from_secs(1)),
            ..Trouble::new(why, "not yet")
        }));
        let ask = one.asked();
        assert_eq!(
            matches!(ask, Ask::Stream { .. }),
            from_anew,
            "{why:?}: {ask:?}"
        );
    }
}

#[test]
fn a_server_that_wants_to_be_left_alone_is() {
    let mut one = One::new();
    one.asked();
    let before = one.now;
    one.hear(Heard::Trouble(Trouble {
        retry_after: Some(Duration::from_secs(20)),
        ..Trouble::new(Why::Broken, "too many requests")
    }));
    one.asked();
    let waited = one.now - before;
    assert!((Duration::from_secs(20)..=Duration::from_secs(30)).contains(&waited));
    let before = one.now;
    one.hear(trouble(Why::Denied));
    one.asked();
    assert!(one.now - before >= Duration::from_secs(15));
}

#[test]
fn the_old_selection_counts_until_the_new_one_is_listed() {
    let mut one = One::new();
    one.asked();
    one.listed(&["a", "b"], "10");
    assert_eq!(one.news(), Some(Verdict::Synced));
    let (first, serial) = (selector(1), one.serial);
    let second = BTreeSet::from([selector(2)]);
    let changes: Vec<Change<u8>> = one.union.want(second, None, one.now);
    assert_eq!(changes, []);
    let failed = Verdict::Failed("selection 2: not listed yet".to_owned());
    assert_eq!(one.news(), Some(failed));
    let (_, other, _) = one.union.asks(one.now).pop().unwrap();
    // The old one is still heard.
    let changes = one.union.hear((&first, serial), object("c", "11"), one.now);
    assert_eq!(changes.len(), 1);
    let mut changes = Vec::new();
    for heard in [
        Heard::Accepted,
        object("b", "1"),
        Heard::AllListed {
            version: "12".to_owned(),
        },
    ] {
        changes.extend(one.union.hear((&selector(2), other), heard, one.now));
    }
    assert_eq!(gone(&changes), ["a", "c"]);
    assert_eq!(one.news(), Some(Verdict::Synced));
    assert!(!one.union.counts(&first, serial));
}

#[test]
fn before_all_selections_are_known_nothing_is_complete() {
    let (mut union, now) = (Union::new(1), Instant::now());
    let lacking = Some("the zone of node w1 is not known".to_owned());
    union.want::<u8>(BTreeSet::from([selector(1)]), lacking, now);
    let (_, serial, _) = union.asks(now).pop().unwrap();
    for heard in [
        Heard::Accepted,
        Heard::AllListed {
            version: "1".to_owned(),
        },
    ] {
        union.hear::<u8>((&selector(1), serial), heard, now);
    }
    assert_eq!(union.news(now), None);
    union.want::<u8>(BTreeSet::from([selector(1)]), None, now);
    assert_eq!(union.news(now), Some(Verdict::Synced));
}
