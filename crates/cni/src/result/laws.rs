//! What holds for every result.

use super::*;
use crate::Version;
use gingham_model::Family;
use proptest::option;
use proptest::prelude::*;

fn address() -> impl Strategy<Value = (IpAddr, u8)> {
    let v4 = (any::<u32>(), 0..=32_u8).prop_map(|(bits, length)| (IpAddr::V4(bits.into()), length));
    let v6 =
        (any::<u128>(), 0..=128_u8).prop_map(|(bits, length)| (IpAddr::V6(bits.into()), length));
    prop_oneof![v4, v6]
}

fn gateway() -> impl Strategy<Value = Option<IpAddr>> {
    option::of(address().prop_map(|(address, _)| address))
}

fn interface() -> impl Strategy<Value = Interface> {
    let mac = option::of(any::<[u8; 6]>().prop_map(MacAddress));
    let sandbox = option::of("/[a-z]{1,8}");
    let others = proptest::collection::btree_map("socketPath|pciID|other", "[a-z]{0,4}", 0..3);
    let others = others.prop_map(|all| all.into_iter().map(|(key, text)| (key, text.into())));
    (
        "[a-z]{1,15}",
        mac,
        option::of(any::<u32>()),
        sandbox,
        others,
    )
        .prop_map(|(name, mac, mtu, sandbox, others)| Interface {
            name,
            mac,
            mtu,
            sandbox,
            others: others.collect(),
        })
}

fn route() -> impl Strategy<Value = RouteConfig> {
    let numbers = proptest::array::uniform5(option::of(any::<u32>()));
    (address(), gateway(), numbers).prop_map(
        |((address, length), gw, [mtu, advmss, priority, table, scope])| RouteConfig {
            mtu,
            advmss,
            priority,
            table,
            scope,
            ..RouteConfig::new(Prefix::containing(address, length).unwrap(), gw)
        },
    )
}

fn result() -> impl Strategy<Value = AddResult> {
    let ip = (address(), gateway(), option::of(0..9_usize));
    let ip = ip.prop_map(|(address, gateway, interface)| IpConfig {
        address,
        gateway,
        interface,
    });
    let lists = (
        proptest::collection::vec(interface(), 0..3),
        proptest::collection::vec(ip, 0..4),
        proptest::collection::vec(route(), 0..3),
        option::of(Just(serde_json::json!({"nameservers": ["192.0.2.53"]}))),
    );
    lists.prop_map(|(interfaces, ips, routes, dns)| AddResult {
        interfaces,
        ips,
        routes,
        dns,
    })
}

/// What of a result the shape of `version` has room for.
fn held_by(version: Version, mut result: AddResult) -> AddResult {
    if version < Version::V1_1_0 {
        for interface in &mut result.interfaces {
            interface.mtu = None;
            interface.others.remove("socketPath");
            interface.others.remove("pciID");
        }
        for route in &mut result.routes {
            *route = RouteConfig::new(route.dst, route.gw);
        }
    }
    if version < Version::V0_3_0 {
        let v4 = result.ips.iter().find(|ip| ip.address.0.is_ipv4());
        let v6 = result.ips.iter().find(|ip| ip.address.0.is_ipv6());
        let has = |family| match family {
            Family::V4 => v4.is_some(),
            Family::V6 => v6.is_some(),
        };
        result.routes.retain(|route| has(route.dst.family()));
        result
            .routes
            .sort_by_key(|route| route.dst.family() == Family::V6);
        result.ips = v4.into_iter().chain(v6).cloned().collect();
        result.ips.iter_mut().for_each(|ip| ip.interface = None);
        result.interfaces.clear();
    }
    result
}

proptest! {
    /// What a shape has room for survives it, the newest all, and its form alone tells which it is.
    #[test]
    fn every_shape_is_read_as_it_was_written(
        result in result(), version in proptest::sample::select(Version::ALL.to_vec()),
    ) {
        let mut document = result.to_value(version);
        let held = held_by(version, result.clone());
        prop_assert!(version < Version::NEWEST || held == result);
        prop_assert_eq!(AddResult::parse(&document), Ok(held.clone()));
        document["cniVersion"] = Value::Null;
        prop_assert_eq!(AddResult::parse(&document), Ok(held));
    }

    #[test]
    fn nothing_is_lost_in_a_chain(prev in result(), ours in result()) {
        let chained = ours.clone().chained_after(prev.clone());
        let named = |of: &AddResult| -> Vec<_> {
            let interface = |ip: &IpConfig| ip.interface.and_then(|at| of.interfaces.get(at).cloned());
            of.ips.iter().map(|ip| (ip.address, ip.gateway, interface(ip))).collect()
        };
        prop_assert_eq!(named(&chained), [named(&prev), named(&ours)].concat());
        prop_assert_eq!(chained.interfaces, [prev.interfaces, ours.interfaces].concat());
        prop_assert_eq!(chained.routes, [prev.routes, ours.routes].concat());
        prop_assert_eq!(chained.dns, prev.dns.or(ours.dns));
    }
}
