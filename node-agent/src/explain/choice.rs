//! Which route takes a packet: the kernel's rules local, main, default; in a table the longest match,
//! and of several the lowest metric.

use gingham_netlink::fib::{Entry, Leads};
use std::cmp::Reverse;

/// The tables the kernel asks where nobody made rules, in their order: `RT_TABLE_LOCAL`,
/// `RT_TABLE_MAIN`, `RT_TABLE_DEFAULT` of linux/rtnetlink.h.
const TABLES: [u32; 3] = [255, 254, 253];

/// The routes the kernel asks, the best first. They are all of one family and hold one address.
pub fn rank(around: &[Entry]) -> Vec<&Entry> {
    let place = |entry: &Entry| TABLES.iter().position(|table| *table == entry.key.table);
    let asked = around.iter().filter(|entry| place(entry).is_some());
    let mut ranked: Vec<&Entry> = asked.collect();
    // Of one key the first counts, so the order among those stays.
    ranked.sort_by_key(|entry| {
        let (length, metric) = (entry.key.prefix.length(), entry.key.metric);
        (place(entry), Reverse(length), metric)
    });
    ranked
}

/// The route that takes the packet; `None` when none does.
pub fn choose(around: &[Entry]) -> Option<&Entry> {
    let mut ranked = rank(around).into_iter().peekable();
    while let Some(best) = ranked.next() {
        if best.leads != Leads::NextTable {
            return Some(best);
        }
        // It takes the whole table out of the race.
        while ranked
            .next_if(|entry| entry.key.table == best.key.table)
            .is_some()
        {}
    }
    None
}

/// Why the chosen one wins.
pub(super) fn why(chosen: &Entry, ranked: &[&Entry]) -> String {
    let others = || ranked.iter().filter(|entry| !std::ptr::eq(**entry, chosen));
    let same = others().filter(|entry| entry.key.prefix == chosen.key.prefix);
    match (others().count(), same.count()) {
        (0, _) => "the only route".to_owned(),
        (others, 0) => format!("the longest match of {}", others + 1),
        (others, same) => format!(
            "the longest match of {}, the best of {} to the same prefix",
            others + 1,
            same + 1
        ),
    }
}

/// Why another one does not.
pub(super) fn why_not(entry: &Entry, chosen: Option<&Entry>) -> String {
    let (at, Some(chosen)) = (entry.key, chosen) else {
        return "leads to the next table".to_owned();
    };
    if entry.leads == Leads::NextTable {
        "leads to the next table".to_owned()
    } else if at.table != chosen.key.table {
        format!(
            "table {} is asked before table {}",
            chosen.key.table, at.table
        )
    } else if at.prefix.length() < chosen.key.prefix.length() {
        let (ours, best) = (at.prefix.length(), chosen.key.prefix.length());
        format!("shorter match: /{ours}, best has /{best}")
    } else if at.metric > chosen.key.metric {
        format!(
            "higher metric: {}, best has {}",
            at.metric, chosen.key.metric
        )
    } else {
        "a second route of the same key: the first counts".to_owned()
    }
}
