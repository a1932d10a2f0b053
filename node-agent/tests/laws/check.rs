//! What the checks make of what was found.

use gingham_agent::check::cni::{self, Conf};
use gingham_agent::check::run_dir::{self, Access, Mount, There, mount_of};
use gingham_agent::check::settings::{self, Agent, Reading};
use gingham_agent::check::{Row, State, host, routes};
use gingham_agent::run_dir::Holder;
use gingham_agent::sysctls::{Scope, settings as wanted};
use gingham_model::{Family, Owner, Prefix, Route, RouteKey, RouteProtocol, TABLE_MAIN, Target};
use std::path::Path;

fn row<'a>(rows: &'a [Row], check: &str) -> &'a Row {
    rows.iter().find(|row| row.check == check).unwrap()
}

fn healthy() -> host::Facts {
    host::Facts {
        release: Ok("6.18.44-1-amd64".to_owned()),
        capabilities: Ok(1 << 12),
        nft: Ok("nftables v1.0.6".to_owned()),
        ipv6_disabled: Some("0".to_owned()),
    }
}

#[test]
fn a_kernel_is_judged_by_its_first_two_numbers() {
    for (release, state) in [
        ("6.18.44-1-amd64", State::Ok),
        ("5.15.0-100-generic", State::Ok),
        ("5.14.0-427.el9", State::Fail),
        ("4.18.0", State::Fail),
        ("10.0-rc1", State::Ok),
        ("strange", State::Warn),
    ] {
        let facts = host::Facts {
            release: Ok(release.to_owned()),
            ..healthy()
        };
        assert_eq!(row(&host::rows(&facts), "kernel").state, state, "{release}");
    }
}

#[test]
fn what_the_agent_cannot_do_without_fails() {
    assert!(
        host::rows(&healthy())
            .iter()
            .all(|row| row.state == State::Ok)
    );
    let rows = host::rows(&host::Facts {
        capabilities: Ok(!(1 << 12)),
        nft: Err("nft not found".to_owned()),
        ipv6_disabled: None,
        ..healthy()
    });
    let states: Vec<State> = rows.iter().map(|row| row.state).collect();
    assert_eq!(states, [State::Ok, State::Fail, State::Fail, State::Warn]);
}

/// A node of one uplink, all of whose settings are `value` and can be written or not.
fn found(value: &str, writable: Result<(), String>, agent: Agent) -> settings::Facts {
    let settings = wanted(&Scope {
        families: [Family::V4].into(),
        uplinks: ["eth0".to_owned()].into(),
        ..Scope::default()
    });
    let reading = Reading::Value(value.to_owned(), writable);
    settings::Facts {
        settings: settings.into_iter().map(|s| (s, reading.clone())).collect(),
        filter_of_all: value.to_owned(),
        filters: vec![("eth0".to_owned(), "0".to_owned())],
        pods: Vec::new(),
        agent,
    }
}

#[test]
fn a_setting_the_agent_will_make_is_no_fault() {
    let read_only = || Err("Read-only file system".to_owned());
    for (writable, agent, state) in [
        (Ok(()), Agent::Absent, State::Ok),
        (Ok(()), Agent::Runs, State::Warn),
        (read_only(), Agent::Absent, State::Fail),
    ] {
        let rows = settings::rows(&found("0", writable, agent));
        let forwarding = row(&rows, "forwarding");
        assert_eq!(forwarding.state, state, "{forwarding:?}");
        assert_eq!(forwarding.mend.is_empty(), state == State::Ok);
    }
    let rows = settings::rows(&found("1", read_only(), Agent::Absent));
    assert_eq!(row(&rows, "forwarding").state, State::Ok);
    let redirects = row(&rows, "send_redirects");
    assert_eq!(redirects.state, State::Warn, "it works without");
    assert_eq!(
        redirects.mend,
        [
            "on the host, run: sysctl -w net/ipv4/conf/all/send_redirects=0",
            "on the host, run: sysctl -w net/ipv4/conf/eth0/send_redirects=0",
        ]
    );
}

#[test]
fn the_filter_in_effect_is_the_stricter_one() {
    for (all, words, state) in [
        ("0", "eth0 off", State::Ok),
        ("1", "eth0 strict", State::Ok),
        ("2", "eth0 loose", State::Warn),
    ] {
        let rows = settings::rows(&found(all, Ok(()), Agent::Absent));
        let filter = row(&rows, "rp_filter");
        assert_eq!(filter.state, state, "{filter:?}");
        assert!(filter.found.ends_with(words), "{filter:?}");
    }
}

#[test]
fn pods_whose_filter_somebody_loosened_are_counted() {
    let mut facts = found("0", Ok(()), Agent::Runs);
    for (pods, words, state) in [
        (vec!["1", "1"], "eth0 off", State::Ok),
        (vec!["1", "2"], "1 of 2 pods loose", State::Warn),
        (vec!["0", "0", "1"], "2 of 3 pods off", State::Warn),
    ] {
        facts.pods = pods.into_iter().map(str::to_owned).collect();
        let rows = settings::rows(&facts);
        let filter = row(&rows, "rp_filter");
        assert_eq!(filter.state, state, "{filter:?}");
        assert!(filter.found.ends_with(words), "{filter:?}");
        assert_eq!(filter.mend.is_empty(), state == State::Ok, "{filter:?}");
    }
}

fn confs(files: &[(&str, &str)]) -> cni::Facts {
    let parse = |(name, text): &(&str, &str)| Conf::parse(name, text);
    cni::Facts {
        plugin: "/opt/cni/bin/gingham".into(),
        mode: Ok(0o100_755),
        conf_dir: "/etc/cni/net.d".into(),
        confs: Ok(files.iter().map(parse).collect()),
    }
}

const OURS: &str = r#"{"name": "gingham", "plugins": [{"type": "gingham"}]}"#;
const OTHER: &str = r#"{"name": "x", "type": "bridge"}"#;

#[test]
fn the_first_configuration_by_name_must_be_ours() {
    let ours = ("10-gingham.conflist", OURS);
    for (files, found, mend) in [
        (
            vec![ours, ("87-podman.conf", OTHER)],
            "10-gingham.conflist",
            0,
        ),
        (vec![("00-mine.json", OURS), ours], "00-mine.json", 0),
        (
            vec![ours, ("05-old.conf", OTHER)],
            "05-old.conf comes first, of bridge",
            1,
        ),
        (
            vec![ours, ("05-old.conf", "{")],
            "05-old.conf comes first, and cannot be read",
            1,
        ),
        (
            vec![("05-old.conf", OTHER), ("87-podman.conf", OTHER)],
            "has none of ours",
            2,
        ),
        (vec![], "has none", 1),
    ] {
        let rows = cni::rows(&confs(&files));
        let row = row(&rows, "CNI configuration");
        assert!(row.found.ends_with(found), "{row:?}");
        assert_eq!(row.mend.len(), mend, "{row:?}");
        assert_eq!(row.state == State::Fail, mend > 0, "{row:?}");
    }
    assert!(cni::is_conf("a.conf") && cni::is_conf("a.json") && cni::is_conf("a.b.conflist"));
    assert!(!cni::is_conf("a.conflist.off") && !cni::is_conf("conf"));
}

#[test]
fn a_plugin_that_cannot_be_run_fails() {
    for mode in [Ok(0o100_644), Err("No such file".to_owned())] {
        let facts = cni::Facts { mode, ..confs(&[]) };
        let rows = cni::rows(&facts);
        let row = row(&rows, "CNI plugin");
        assert_eq!(row.state, State::Fail);
        assert_eq!(row.mend, ["install -D gingham /opt/cni/bin/gingham"]);
    }
}

const MOUNTS: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
25 22 0:23 / /run rw,nosuid shared:5 - tmpfs tmpfs rw,size=1024k
26 25 0:24 / /run/lock ro,nosuid shared:6 - tmpfs tmpfs rw
27 22 0:25 / /mnt/a\\040b rw - xfs /dev/sdb1 ro
28 25 0:26 / /run/twice rw - ext4 /dev/sdc1 rw
29 25 0:27 / /run/twice rw - tmpfs tmpfs rw
";

#[test]
fn a_path_lies_on_the_deepest_mount_above_it() {
    for (path, kind, access) in [
        ("/run/gingham", "tmpfs", Access::ReadWrite),
        ("/run/lock/gingham", "tmpfs", Access::ReadOnly),
        ("/mnt/a b/c", "xfs", Access::ReadOnly),
        ("/running", "ext4", Access::ReadWrite),
        ("/run/twice", "tmpfs", Access::ReadWrite),
    ] {
        let kind = kind.to_owned();
        assert_eq!(
            mount_of(MOUNTS, Path::new(path)),
            Some(Mount { kind, access }),
            "{path}"
        );
    }
    assert_eq!(mount_of("", Path::new("/run")), None);
}

#[test]
fn a_run_directory_must_be_writable_and_should_not_outlive_a_boot() {
    let on = |kind: &str, access, there| run_dir::Facts {
        path: "/run/gingham".into(),
        there,
        mount: Some(Mount {
            kind: kind.to_owned(),
            access,
        }),
        holder: Some(Holder { pid: Some(7) }),
    };
    for (facts, state) in [
        (on("tmpfs", Access::ReadWrite, There::Directory), State::Ok),
        (on("tmpfs", Access::ReadWrite, There::Nothing), State::Ok),
        (on("tmpfs", Access::ReadOnly, There::Nothing), State::Fail),
        (on("ext4", Access::ReadWrite, There::Directory), State::Warn),
        (on("tmpfs", Access::ReadWrite, There::Other), State::Fail),
    ] {
        let rows = run_dir::rows(&facts);
        assert_eq!(row(&rows, "run directory").state, state, "{rows:?}");
        assert_eq!(row(&rows, "agent").found, "runs (process 7)");
    }
}

fn foreign(prefix: &str, protocol: u8, metric: u32) -> Route {
    let prefix: Prefix = prefix.parse().unwrap();
    Route {
        key: RouteKey {
            table: TABLE_MAIN,
            prefix,
            metric,
        },
        protocol: RouteProtocol(protocol),
        target: Target::Unreachable,
    }
}

#[test]
fn our_numbers_in_other_hands_fail_and_our_metrics_are_named() {
    let own = Route::of(
        Owner::Direct,
        "10.64.0.0/24".parse().unwrap(),
        Target::Unreachable,
    );
    let mut facts = routes::Facts {
        routes: vec![own, foreign("10.1.0.0/24", 4, 100)],
        ..routes::Facts::default()
    };
    let rows = routes::rows(&facts);
    assert_eq!(row(&rows, "protocol numbers").state, State::Ok);
    assert!(row(&rows, "metrics").found.ends_with("ours alone"));

    facts.routes.push(foreign("10.2.0.0/24", 201, 13));
    facts.names = routes::parse_names("# comment\n201\tours\n0x3c mine\n300 no\n");
    for last in 0..5 {
        facts
            .routes
            .push(foreign(&format!("10.3.{last}.0/24"), 60, 12));
    }
    let rows = routes::rows(&facts);
    let numbers = row(&rows, "protocol numbers");
    assert_eq!(numbers.state, State::Fail);
    assert!(
        numbers
            .found
            .ends_with("10.2.0.0/24 metric 13 of protocol 201, ours"),
        "{numbers:?}"
    );
    let metrics = row(&rows, "metrics");
    assert_eq!(metrics.state, State::Ok);
    assert!(
        metrics
            .found
            .contains("10.3.0.0/24 metric 12 of protocol 60, mine"),
        "{metrics:?}"
    );
    assert!(metrics.found.ends_with("and 2 more"), "{metrics:?}");
    assert_eq!(row(&rows, "protocol names").found, "in rt_protos: 201 ours");
}

#[test]
fn uplinks_are_the_interfaces_that_lead_to_a_gateway() {
    let route = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0100010A\t0003\t0\t0\t0\t00000000\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
";
    let any = "00000000000000000000000000000000";
    let ipv6_route = format!(
        "{any} 00 {any} 00 fd000001000000000000000000000001 00000400 00000001 00000000 00000003     eth1\n\
         {any} 40 {any} 00 {any} 00000100 00000001 00000000 00000001     eth2\n"
    );
    let uplinks = routes::towards_gateways(route, &ipv6_route);
    assert_eq!(uplinks, ["eth0", "eth1"].map(str::to_owned).into());

    let mtus = |mtus: &[(&str, u32)]| routes::Facts {
        uplinks: mtus
            .iter()
            .map(|(link, mtu)| ((*link).to_owned(), *mtu))
            .collect(),
        ..routes::Facts::default()
    };
    for (facts, state) in [
        (mtus(&[]), State::Warn),
        (mtus(&[("eth0", 1500), ("eth1", 1500)]), State::Ok),
        (mtus(&[("eth0", 1500), ("eth1", 9000)]), State::Warn),
    ] {
        assert_eq!(
            row(&routes::rows(&facts), "uplink MTU").state,
            state,
            "{facts:?}"
        );
    }
}
