//! Network managers, by the files below a root of the test's own.

use gingham_agent::managers::{Finding, look};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A host with these files.
fn host(files: &[(&str, &str)]) -> TempDir {
    let root = TempDir::new().unwrap();
    for (path, text) in files {
        put(root.path(), path, text);
    }
    root
}

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// The one finding on a host with these files.
fn finding(files: &[(&str, &str)]) -> Finding {
    let root = host(files);
    let [finding] = look(root.path()).try_into().unwrap();
    finding
}

/// Does what a finding says, and looks again.
fn mended(files: &[(&str, &str)]) -> Finding {
    let root = host(files);
    let [finding] = look(root.path()).try_into().unwrap();
    assert!(!finding.is_well(), "{finding:?}");
    let mut path = String::new();
    let mut text = String::new();
    for line in &finding.mend {
        if let Some(content) = line.strip_prefix("    ") {
            text += &format!("{content}\n");
            put(root.path(), &path, &text);
        } else if let Some((_, named)) = line.split_once('/') {
            path = named.split([':', ',']).next().unwrap().to_owned();
            text = fs::read_to_string(root.path().join(&path)).unwrap_or_default();
        }
    }
    let [finding] = look(root.path()).try_into().unwrap();
    finding
}

const NETWORKD: (&str, &str) = ("run/systemd/netif/state", "");
const FOREIGN: (&str, &str) = (
    "etc/systemd/networkd.conf.d/10-a.conf",
    "[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=off\n",
);
const ALL: (&str, &str) = (
    "usr/lib/systemd/network/80-all.network",
    "[Match]\nType=ether\n[Network]\nDHCP=yes\n",
);

#[test]
fn a_host_without_any_has_no_findings() {
    assert_eq!(look(host(&[]).path()), []);
    // Made at boot, whether or not it runs.
    assert_eq!(
        look(host(&[("run/systemd/netif/links/.keep", "")]).path()),
        []
    );
}

#[test]
fn networkd_is_told_by_files_in_their_order() {
    let unmanaged = "[Match]\nName=gh*\n[Link]\nUnmanaged=yes\n";
    for (files, well) in [
        (vec![NETWORKD], false),
        (vec![NETWORKD, FOREIGN], true),
        (vec![NETWORKD, FOREIGN, ALL], false),
        (
            vec![
                NETWORKD,
                FOREIGN,
                ALL,
                ("etc/systemd/network/10-gh.network", unmanaged),
            ],
            true,
        ),
        // Too late: the first match counts.
        (
            vec![
                NETWORKD,
                FOREIGN,
                ALL,
                ("etc/systemd/network/90-gh.network", unmanaged),
            ],
            false,
        ),
        // Masked by one of the same name.
        (
            vec![
                NETWORKD,
                FOREIGN,
                ALL,
                ("etc/systemd/network/80-all.network", ""),
            ],
            true,
        ),
        // A later file takes it back.
        (
            vec![
                NETWORKD,
                FOREIGN,
                (
                    "run/systemd/networkd.conf.d/20-b.conf",
                    "[Network]\nManageForeignRoutes=yes\n",
                ),
            ],
            false,
        ),
        (
            vec![
                NETWORKD,
                FOREIGN,
                (
                    "etc/systemd/network/50-not.network",
                    "[Match]\nName=!gh* lo\n",
                ),
                (
                    "etc/systemd/network/60-mac.network",
                    "[Match]\nType=ether\nMACAddress=02:00:00:00:00:01\n",
                ),
            ],
            true,
        ),
    ] {
        assert_eq!(finding(&files).is_well(), well, "{files:#?}");
    }
}

const NM: (&str, &str) = ("run/NetworkManager/resolv.conf", "");

#[test]
fn network_manager_is_told_by_the_last_word() {
    for (text, well) in [
        ("[keyfile]\nunmanaged-devices=interface-name:gh*\n", true),
        (
            "[keyfile]\nunmanaged-devices=interface-name:cali*;interface-name:gh*\n",
            true,
        ),
        (
            "[keyfile]\nunmanaged-devices=interface-name:cali*,driver:veth\n",
            true,
        ),
        (
            "[keyfile]\nunmanaged-devices=*,except:interface-name:eth0\n",
            true,
        ),
        (
            "[keyfile]\nunmanaged-devices=*,except:type:ethernet\n",
            false,
        ),
        ("[keyfile]\nunmanaged-devices=interface-name:cali*\n", false),
        ("[main]\nunmanaged-devices=interface-name:gh*\n", false),
        (
            "[device-gh]\nmatch-device=interface-name:gh*\nmanaged=0\n",
            true,
        ),
        (
            "[device-a]\nmatch-device=interface-name:gh*\n[device-b]\nmanaged=0\n",
            false,
        ),
        ("#[keyfile]\n#unmanaged-devices=interface-name:gh*\n", false),
    ] {
        let files = [NM, ("etc/NetworkManager/conf.d/a.conf", text)];
        assert_eq!(finding(&files).is_well(), well, "{text}");
    }
    let ours = "[keyfile]\nunmanaged-devices=interface-name:gh*\n";
    let theirs = "[keyfile]\nunmanaged-devices=interface-name:eth9\n";
    // The administrator's files come after the main one, the packages' before it.
    let files = [
        NM,
        ("usr/lib/NetworkManager/conf.d/a.conf", ours),
        ("etc/NetworkManager/NetworkManager.conf", theirs),
    ];
    assert!(!finding(&files).is_well());
    let files = [
        NM,
        ("etc/NetworkManager/NetworkManager.conf", theirs),
        (
            "etc/NetworkManager/conf.d/z.conf",
            "[keyfile]\nunmanaged-devices+=interface-name:gh*\n",
        ),
    ];
    assert!(finding(&files).is_well());
}

#[test]
fn connman_and_dhcpcd_are_told_by_one_line() {
    let connman = ("run/connman/x", "");
    for (text, well) in [
        ("[General]\nNetworkInterfaceBlacklist=vmnet,gh\n", true),
        ("[General]\nNetworkInterfaceBlacklist=vmnet,ghost\n", false),
        ("", false),
    ] {
        let files = [connman, ("etc/connman/main.conf", text)];
        assert_eq!(finding(&files).is_well(), well, "{text}");
    }
    let dhcpcd = ("run/dhcpcd/pid", "");
    for (text, well) in [
        ("denyinterfaces veth* gh*\n", true),
        ("denyinterfaces veth*\ndenyinterfaces gh*\n", true),
        ("allowinterfaces eth0\n", true),
        ("allowinterfaces eth0 *\n", false),
        ("# denyinterfaces gh*\n", false),
    ] {
        let files = [dhcpcd, ("etc/dhcpcd.conf", text)];
        assert_eq!(finding(&files).is_well(), well, "{text}");
    }
}

#[test]
fn what_a_finding_says_to_do_helps() {
    let eth9 = "[keyfile]\nunmanaged-devices=interface-name:eth9\n";
    let hosts: [&[(&str, &str)]; 5] = [
        &[NETWORKD, ALL],
        &[NM],
        &[NM, ("etc/NetworkManager/conf.d/10-a.conf", eth9)],
        &[
            ("run/connman/x", ""),
            ("etc/connman/main.conf", "[General]\nA=b\n"),
        ],
        &[("run/dhcpcd.pid", "1"), ("etc/dhcpcd.conf", "hostname\n")],
    ];
    for files in hosts {
        let after = mended(files);
        assert!(after.is_well(), "{after:#?}");
    }
}
