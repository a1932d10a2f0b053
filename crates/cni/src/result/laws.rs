//! What holds for every result.

use super::*;
use crate::Version;
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
    ("[a-z]{1,15}", mac, option::of(any::<u32>()), sandbox).prop_map(|(name, mac, mtu, sandbox)| {
        Interface {
            name,
            mac,
            mtu,
            sandbox,
            others: Map::new(),
        }
    })
}

fn route() -> impl Strategy<Value = RouteConfig> {
    let number = || option::of(any::<u32>());
    (address(), gateway(), number(), number(), number()).prop_map(
        |((address, length), gw, mtu, priority, table)| RouteConfig {
            mtu,
            priority,
            table,
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
    );
    lists.prop_map(|(interfaces, ips, routes)| AddResult {
        interfaces,
        ips,
        routes,
        dns: None,
    })
}

proptest! {
    #[test]
    fn the_newest_shape_holds_all(result in result()) {
        prop_assert_eq!(AddResult::parse(&result.to_value(Version::NEWEST)), Ok(result));
    }

    /// What a shape has room for survives it: written again it is the same document.
    #[test]
    fn every_shape_is_read_as_it_was_written(
        result in result(), version in proptest::sample::select(Version::ALL.to_vec()),
    ) {
        let document = result.to_value(version);
        let read = AddResult::parse(&document).unwrap();
        prop_assert_eq!(read.to_value(version), document);
    }

    #[test]
    fn nothing_is_lost_in_a_chain(prev in result(), ours in result()) {
        let chained = ours.clone().chained_after(prev.clone());
        prop_assert!(chained.interfaces.starts_with(&prev.interfaces) && chained.ips.starts_with(&prev.ips));
        let behind = &chained.ips[prev.ips.len()..];
        for (ip, alone) in behind.iter().zip(&ours.ips) {
            let named = |of: &AddResult, at: Option<usize>| at.and_then(|at| of.interfaces.get(at).cloned());
            prop_assert_eq!(named(&chained, ip.interface), named(&ours, alone.interface));
        }
    }
}
