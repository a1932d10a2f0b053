//! The table against a real kernel and the real `nft`, in a namespace of its own.

use crate::site::netns;
use gingham_agent::firewall::{Firewall, normal_form};
use gingham_agent::nft::{Nft, Outcome};
use gingham_netlink::Netns;
use std::process::Command;

pub(crate) fn firewall(masqueraded: &[&str], spared: &[&str]) -> Firewall {
    let parse = |cidrs: &[&str]| cidrs.iter().map(|cidr| cidr.parse().unwrap()).collect();
    Firewall {
        masqueraded: parse(masqueraded),
        spared: parse(spared),
    }
}

/// Both families, ranges within and beside each other, single addresses.
pub(crate) fn dual() -> Firewall {
    firewall(
        &[
            "10.64.1.0/26",
            "10.64.1.64/26",
            "10.64.9.9/32",
            "fd00:10:1::/122",
        ],
        &[
            "10.64.0.0/16",
            "10.64.1.0/24",
            "10.65.0.0/16",
            "192.0.2.1/32",
            "fd00:10::/32",
            "fd00:10:5::/48",
        ],
    )
}

/// What `nft` prints when run inside.
pub(crate) fn nft(netns: &Netns, command: &str) -> String {
    let run = || Command::new("nft").args(command.split(' ')).output();
    let output = netns
        .visit(run)
        .unwrap()
        .expect("the tests need nft (package nftables)");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "nft {command}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn set(netns: &Netns, nft: &mut Nft, wanted: &Firewall) -> Outcome {
    netns.visit(|| nft.set(wanted)).unwrap().unwrap()
}

/// Everything, with the handles: a table that is written anew has other ones.
fn handles(netns: &Netns) -> String {
    nft(netns, "-a list ruleset")
}

#[test]
fn a_table_is_installed_once_and_never_written_again() {
    let (node, mut first) = (netns(), Nft::new());
    assert!(node.visit(|| first.differs(&dual())).unwrap().unwrap());
    assert_eq!(set(&node, &mut first, &dual()), Outcome::Installed);
    let installed = handles(&node);
    assert!(!node.visit(|| first.differs(&dual())).unwrap().unwrap());
    assert_eq!(set(&node, &mut first, &dual()), Outcome::Unchanged);
    let mut restarted = Nft::new();
    assert_eq!(set(&node, &mut restarted, &dual()), Outcome::Unchanged);
    assert_eq!(handles(&node), installed);
}

#[test]
fn a_table_follows_what_is_wanted_and_goes() {
    let (node, mut nft) = (netns(), Nft::new());
    for wanted in [
        Firewall::default(),
        dual(),
        firewall(&["10.64.1.0/24"], &[]),
    ] {
        let before = set(&node, &mut nft, &wanted);
        assert!(matches!(before, Outcome::Installed | Outcome::Replaced));
        let listed = self::nft(&node, "-n -s list table inet gingham");
        assert_eq!(normal_form(&listed), normal_form(&wanted.table()));
    }
    let mut restarted = Nft::new();
    assert_eq!(set(&node, &mut restarted, &dual()), Outcome::Replaced);
    assert!(node.visit(|| restarted.remove()).unwrap().unwrap());
    assert!(!node.visit(|| restarted.remove()).unwrap().unwrap());
    assert_eq!(self::nft(&node, "list ruleset"), "");
    assert_eq!(set(&node, &mut restarted, &dual()), Outcome::Installed);
}

/// The listing of every kind of element is known: wide, narrow, first, last, next to each other.
#[test]
fn what_is_listed_is_what_was_written() {
    let mut cidrs: Vec<String> = ["0.0.0.0/1", "128.0.0.0/2", "255.255.255.255/32", "::/64"]
        .map(str::to_owned)
        .to_vec();
    for n in 0..200u32 {
        let (high, low) = (192 + n / 8, 4 * n % 256);
        cidrs.push(format!("{high}.{low}.0.0/{}", 16 + n % 17));
        cidrs.push(format!("fd00:{n:x}:0:{low:x}::/{}", 64 + n % 65));
        cidrs.push(format!("2001:db8:{n:x}:0:1::/{}", 80 + n % 49));
    }
    let cidrs: Vec<&str> = cidrs.iter().map(String::as_str).collect();
    let (node, wanted) = (netns(), firewall(&cidrs, &["0.0.0.0/0", "::/0"]));
    assert_eq!(set(&node, &mut Nft::new(), &wanted), Outcome::Installed);
    assert_eq!(set(&node, &mut Nft::new(), &wanted), Outcome::Unchanged);
}

/// The handle of the rule that says `text`.
fn rule(node: &Netns, text: &str) -> String {
    let listing = nft(node, "-a list table inet gingham");
    let line = listing.lines().find(|line| line.contains(text)).unwrap();
    line.rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn every_damage_is_repaired() {
    let (node, mut agent) = (netns(), Nft::new());
    set(&node, &mut agent, &dual());
    for damage in [
        "delete table inet gingham",
        "flush table inet gingham",
        "flush chain inet gingham outgoing",
        "add rule inet gingham outgoing accept",
        "insert rule inet gingham antispoof accept",
        "add chain inet gingham another",
        "add set inet gingham another { type ipv4_addr; }",
        "add table inet gingham { flags dormant; }",
        "add chain inet gingham outgoing { policy drop; }",
        "add element inet gingham spared4 { 192.0.2.7 }",
        "delete element inet gingham spared4 { 192.0.2.1 }",
        "delete element inet gingham masqueraded6 { fd00:10:1::/122 }",
        "flush set inet gingham spared6",
    ] {
        nft(&node, damage);
        repaired(&node, &mut agent, damage);
    }
    let drop = rule(&node, "iifgroup");
    nft(
        &node,
        &format!("delete rule inet gingham antispoof handle {drop}"),
    );
    repaired(&node, &mut agent, "a rule deleted");
    let masquerade = rule(&node, "@spared6");
    nft(
        &node,
        &format!("replace rule inet gingham outgoing handle {masquerade} accept"),
    );
    repaired(&node, &mut agent, "a rule replaced");
    let chain = "{ type filter hook prerouting priority -299; }";
    nft(&node, "delete chain inet gingham antispoof");
    nft(&node, &format!("add chain inet gingham antispoof {chain}"));
    repaired(&node, &mut agent, "another priority");
}

fn repaired(node: &Netns, agent: &mut Nft, damage: &str) {
    assert!(
        node.visit(|| agent.differs(&dual())).unwrap().unwrap(),
        "{damage}"
    );
    assert_eq!(set(node, agent, &dual()), Outcome::Repaired, "{damage}");
    assert_eq!(set(node, agent, &dual()), Outcome::Unchanged, "{damage}");
    assert_eq!(
        set(node, &mut Nft::new(), &dual()),
        Outcome::Unchanged,
        "{damage}"
    );
}

/// Tables of others, some of which look like ours, stay to the handle.
#[test]
fn tables_of_others_stay_as_they_are() {
    let node = netns();
    for command in [
        "add table ip nat",
        "add chain ip nat POSTROUTING { type nat hook postrouting priority 100; }",
        "add rule ip nat POSTROUTING ip saddr 10.0.0.0/8 counter masquerade",
        "add table ip gingham",
        "add chain ip gingham outgoing",
        "add table inet gingham2",
        "add set inet gingham2 spared4 { type ipv4_addr; elements = { 192.0.2.1 } }",
    ] {
        nft(&node, command);
    }
    let (before, mut agent) = (handles(&node), Nft::new());
    assert_eq!(set(&node, &mut agent, &dual()), Outcome::Installed);
    assert_eq!(
        set(&node, &mut agent, &Firewall::default()),
        Outcome::Replaced
    );
    nft(&node, "flush chain inet gingham outgoing");
    assert_eq!(
        set(&node, &mut agent, &Firewall::default()),
        Outcome::Repaired
    );
    assert!(node.visit(|| agent.remove()).unwrap().unwrap());
    assert_eq!(handles(&node), before);
}
