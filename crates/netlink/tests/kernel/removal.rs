//! Additions that harm nobody, and removals that remove one route and no other.

use crate::support::*;
use gingham_model::{Change, Owner, Route, RouteProtocol, TABLE_MAIN, Target};
use gingham_netlink::{Socket, route};
use nix::errno::Errno;

const STATIC: RouteProtocol = RouteProtocol(4);

/// One family's prefix, and two routers on the link.
struct Place {
    family: &'static str,
    block: &'static str,
    hops: [&'static str; 2],
}

const V4: Place = Place {
    family: "-4",
    block: "10.101.22.0/24",
    hops: ["10.1.0.22", "10.1.0.23"],
};

const V6: Place = Place {
    family: "-6",
    block: "fd00:101:0:22::/64",
    hops: ["fd00:1::22", "fd00:1::23"],
};

impl Place {
    fn route(&self, target: &Target) -> Route {
        Route::of(Owner::Direct, prefix(self.block), target.clone())
    }

    fn hops(&self, dev: u32) -> [(&'static str, u32); 2] {
        self.hops.map(|hop| (hop, dev))
    }

    /// A foreign hand appends a route of our key; `what` is its type, and where it leads.
    fn append(&self, pair: &Pair, protocol: u8, what: (&str, &str)) {
        let (family, block, (kind, target)) = (self.family, self.block, what);
        let hand =
            format!("ip {family} route append {kind} {block} proto {protocol} metric 12 {target}");
        foreign(&pair.host_netns, hand.trim_end());
    }

    /// All targets of our key, in the kernel's order.
    fn copies(&self, socket: &mut Socket) -> Vec<Target> {
        let key = Owner::Direct.key(prefix(self.block));
        let all = socket.routes(TABLE_MAIN).unwrap().into_iter();
        let copies = all.filter(|route| route.key == key);
        copies.map(|route| route.target).collect()
    }

    fn remove(&self, socket: &mut Socket, target: &Target) {
        apply(socket, Change::Remove(self.route(target))).unwrap();
    }
}

#[test]
fn of_duplicates_exactly_the_given_one_goes() {
    for place in [V4, V6] {
        for position in 0..3 {
            let mut pair = connected();
            let dev = pair.host_dev;
            let gateway = format!("via {} dev gh0", place.hops[1]);
            place.append(&pair, 201, ("unreachable", ""));
            place.append(&pair, 201, ("unicast", "dev gh0"));
            place.append(&pair, 201, ("unicast", &gateway));
            let router = via(&place.hops(dev)[1..]);
            let mut all = place.copies(&mut pair.host);
            for target in [Target::Unreachable, Target::Link(dev), router] {
                assert!(all.contains(&target), "{all:?}");
            }
            let gone = all.remove(position);
            place.remove(&mut pair.host, &gone);
            assert_eq!(place.copies(&mut pair.host), all, "without {gone:?}");
        }
    }
}

/// The widest stands first: the kernel must not take it for one through its first next hop.
#[test]
fn of_duplicates_through_routers_exactly_the_given_one_goes() {
    for position in 0..3 {
        let mut pair = connected();
        for target in [
            "nexthop via 10.1.0.22 dev gh0 nexthop via 10.1.0.23 dev gh0",
            "via 10.1.0.22 dev gh0",
            "via 10.1.0.23 dev gh0",
        ] {
            V4.append(&pair, 201, ("unicast", target));
        }
        let mut all = V4.copies(&mut pair.host);
        let gone = all.remove(position);
        V4.remove(&mut pair.host, &gone);
        assert_eq!(V4.copies(&mut pair.host), all, "without {gone:?}");
    }
}

#[test]
fn what_leads_elsewhere_is_not_removed() {
    let mut pair = connected();
    let dev = pair.host_dev;
    for place in [V4, V6] {
        let hops = place.hops(dev);
        let (one, other, both) = (via(&hops[..1]), via(&hops[1..]), via(&hops));
        let (link, nowhere) = (Target::Link(dev), Target::Unreachable);
        for (there, given) in [
            (&one, &other),
            (&one, &nowhere),
            (&both, &nowhere),
            (&link, &one),
            (&link, &nowhere),
            (&nowhere, &one),
            (&nowhere, &link),
        ] {
            refuse(&mut pair.host, &place, (there, given));
        }
        if place.family == "-4" {
            refuse(&mut pair.host, &place, (&both, &one));
            refuse(&mut pair.host, &place, (&other, &both));
            refuse(&mut pair.host, &place, (&one, &link));
        }
    }
}

/// With `there` in the kernel, removing `given` removes nothing.
fn refuse(socket: &mut Socket, place: &Place, (there, given): (&Target, &Target)) {
    apply(socket, Change::Add(place.route(there))).unwrap();
    let removal = route::remove(&place.route(given));
    let refused = socket.run(&[removal]).unwrap_err();
    assert_eq!(refused.errno(), Some(Errno::ESRCH), "{there:?} {refused}");
    assert_eq!(place.copies(socket), std::slice::from_ref(there));
    place.remove(socket, there);
    assert!(place.copies(socket).is_empty());
}

#[test]
fn a_route_that_is_not_ours_any_more_is_removed_by_key_and_protocol() {
    let mut pair = connected();
    for place in [V4, V6] {
        place.append(&pair, 201, ("blackhole", ""));
        assert_eq!(place.copies(&mut pair.host), [Target::Foreign]);
        place.remove(&mut pair.host, &Target::Foreign);
        assert!(place.copies(&mut pair.host).is_empty());
    }
}

/// The kernel would not find it by our next hops: in another order, or one of them twice.
#[test]
fn next_hops_not_in_our_order_are_a_foreign_hands() {
    let mut pair = connected();
    for hops in [["23", "22"], ["22", "22"]] {
        let hops = hops.map(|last| format!("nexthop via 10.1.0.{last} dev gh0"));
        V4.append(&pair, 201, ("unicast", &hops.join(" ")));
        assert_eq!(V4.copies(&mut pair.host), [Target::Foreign]);
        V4.remove(&mut pair.host, &Target::Foreign);
        assert!(V4.copies(&mut pair.host).is_empty());
    }
}

/// IPv6 joins the routers of one key to one route, whoever gave them.
#[test]
fn of_an_ipv6_route_only_our_own_next_hops_go() {
    let mut pair = connected();
    let hops = V6.hops(pair.host_dev);
    apply(&mut pair.host, Change::Add(V6.route(&via(&hops)))).unwrap();
    V6.remove(&mut pair.host, &via(&hops));
    assert!(V6.copies(&mut pair.host).is_empty());

    for (protocol, hop) in [(201, V6.hops[0]), (4, V6.hops[1])] {
        let gateway = format!("via {hop} dev gh0");
        V6.append(&pair, protocol, ("unicast", &gateway));
    }
    assert_eq!(V6.copies(&mut pair.host), [via(&hops)]);
    V6.remove(&mut pair.host, &via(&hops));
    assert_eq!(V6.copies(&mut pair.host), [via(&hops[1..])]);
    assert_eq!(pair.host.routes_of(TABLE_MAIN, STATIC).unwrap().len(), 1);
}

#[test]
fn a_foreign_route_in_the_way_of_an_addition_is_not_harmed() {
    let mut pair = connected();
    for place in [V4, V6] {
        let hops = place.hops(pair.host_dev);
        let ours = place.route(&via(&hops[..1]));
        let theirs = Route {
            protocol: STATIC,
            ..place.route(&via(&hops[1..]))
        };
        apply(&mut pair.host, Change::Add(theirs.clone())).unwrap();
        let refused = apply(&mut pair.host, Change::Add(ours)).unwrap_err();
        assert_eq!(refused.errno(), Some(Errno::EEXIST), "{refused}");
        assert!(pair.host.routes(TABLE_MAIN).unwrap().contains(&theirs));
        assert!(owned(&mut pair.host, Owner::Direct).is_empty());
    }
}

#[test]
fn the_kernel_lists_the_routes_of_one_protocol() {
    let mut pair = connected();
    for place in [V4, V6] {
        place.append(&pair, 201, ("unreachable", ""));
        place.append(&pair, 4, ("unicast", "dev gh0"));
        let gateway = format!("via {} dev gh0", place.hops[0]);
        place.append(&pair, 201, ("unicast", &gateway));
    }
    let direct = Owner::Direct.protocol();
    let mut all = pair.host.routes(TABLE_MAIN).unwrap();
    assert!(all.iter().any(|route| route.protocol == STATIC));
    all.retain(|route| route.protocol == direct);
    assert_eq!(all.len(), 4);
    assert_eq!(pair.host.routes_of(TABLE_MAIN, direct).unwrap(), all);
    assert_eq!(pair.host.routes_of(TABLE_MAIN, STATIC).unwrap().len(), 2);
}
