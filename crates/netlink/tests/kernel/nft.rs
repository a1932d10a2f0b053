//! The monitor of nftables, beside the real `nft`.

use crate::support::*;
use gingham_netlink::nft::NftHeard;
use gingham_netlink::{Netns, NftMonitor};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// The tables of the first transaction heard.
fn tables(monitor: &mut NftMonitor) -> BTreeSet<String> {
    let deadline = Instant::now() + TIMEOUT;
    while Instant::now() < deadline {
        match monitor.hear().unwrap() {
            NftHeard::Tables(tables) if !tables.is_empty() => return tables,
            NftHeard::Tables(_) => {}
            NftHeard::Nothing => std::thread::sleep(Duration::from_millis(1)),
            other => panic!("{other:?}"),
        }
    }
    panic!("no table heard");
}

fn rest(monitor: &mut NftMonitor) {
    while monitor.hear().unwrap() != NftHeard::Nothing {}
}

fn listen(netns: &Netns) -> NftMonitor {
    netns.visit(NftMonitor::open).unwrap().unwrap()
}

#[test]
fn the_table_of_every_change_is_heard() {
    let netns = new_namespace();
    foreign(&netns, "nft add table inet bar");
    let mut monitor = listen(&netns);
    for change in [
        "add table inet foo",
        "add chain inet foo c { type filter hook input priority 0 ; }",
        "add rule inet foo c counter accept",
        "add set inet foo s { type ipv4_addr ; }",
        "add element inet foo s { 10.0.0.1 }",
        "add counter inet foo n",
        "flush chain inet foo c",
        "delete set inet foo s",
        "delete table inet foo",
    ] {
        foreign(&netns, &format!("nft {change}"));
        assert_eq!(
            tables(&mut monitor),
            BTreeSet::from(["foo".to_owned()]),
            "{change}"
        );
        rest(&mut monitor);
    }
}

#[test]
fn a_transaction_names_all_its_tables_and_a_listing_none() {
    let netns = new_namespace();
    let mut monitor = listen(&netns);
    foreign(&netns, "nft add table inet foo ; add table ip bar");
    let mut heard = tables(&mut monitor);
    while let NftHeard::Tables(more) = monitor.hear().unwrap() {
        heard.extend(more);
    }
    assert_eq!(heard, BTreeSet::from(["foo".to_owned(), "bar".to_owned()]));
    foreign(&netns, "nft list ruleset");
    assert_eq!(monitor.hear().unwrap(), NftHeard::Nothing);
}
