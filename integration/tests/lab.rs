//! The lab itself: it stands, it hides from the machine around it, and nothing of it stays behind.

use anyhow::{Context, Result, ensure};
use gingham_integration::{Binaries, Lab, Plan, ProcessId, eventually, topology};
use gingham_model::Family;
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// Ten times what it takes.
const DEADLINE: Duration = Duration::from_secs(20);

fn bare_lab() -> Result<Lab> {
    Lab::up(Plan::scoped(
        topology::static_routes()?,
        Binaries::lab_only()?,
    ))
}

/// What the machine shows of network namespaces, links, mounts and the CNI's folders.
fn machine() -> Result<Vec<String>> {
    let text = |argv: &[&str]| -> Result<String> {
        let output = Command::new(argv[0]).args(&argv[1..]).output()?;
        Ok(String::from_utf8(output.stdout)?)
    };
    let exists = |path: &str| format!("{path}: {}", Path::new(path).exists());
    Ok(vec![
        text(&["ip", "netns", "list"])?,
        text(&["ip", "-brief", "link"])?,
        std::fs::read_to_string("/proc/self/mountinfo")?,
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?,
        text(&["uname", "-n"])?,
        exists("/etc/cni"),
        exists("/opt/cni"),
        exists("/run/cluster"),
    ])
}

#[test]
fn a_lab_hides_from_the_machine_around_it() -> Result<()> {
    let before = machine()?;
    let lab = bare_lab()?;
    let node = lab.at("z1w1")?;
    node.exec(&[
        "mkdir",
        "-p",
        "/etc/cni/net.d",
        "/opt/cni/bin",
        "/var/lib/gingham",
    ])?;
    node.exec(&["ip", "netns", "add", "pod"])?;
    assert_eq!(machine()?, before);
    assert!(!Path::new("/var/lib/gingham").exists());
    // Nor do boxes see each other's.
    let other = lab.at("z1w2")?;
    assert_eq!(other.exec(&["ip", "netns", "list"])?, "");
    assert!(!other.path("/etc/cni").exists());
    lab.down()?;
    assert_eq!(machine()?, before);
    Ok(())
}

#[test]
fn a_box_has_its_own_names_processes_and_boot_id() -> Result<()> {
    let lab = bare_lab()?;
    let (one, two) = (lab.at("z1w1")?, lab.at("c2")?);
    let boot_id = ["cat", "/proc/sys/kernel/random/boot_id"];
    assert_eq!(one.exec(&["uname", "-n"])?, "z1w1\n");
    assert_ne!(one.exec(&boot_id)?, two.exec(&boot_id)?);
    one.set_boot_id("another")?;
    assert_eq!(one.exec(&boot_id)?, "another\n");
    let sleeper = one.spawn("sleep", &["sleep", "1000"])?;
    let members: Vec<String> = one.processes()?.into_iter().map(|m| m.name).collect();
    assert_eq!(members, ["lab", "sleep"]);
    assert!(sleeper.running());
    one.kill()?;
    assert!(!sleeper.running(), "it outlived its box");
    assert_eq!(lab.missing(), ["z1w1"]);
    Ok(())
}

#[test]
fn every_box_sees_the_same_cluster_directory() -> Result<()> {
    let lab = bare_lab()?;
    std::fs::write(lab.cluster_dir().join("nodes/new.yaml"), "kind: Node\n")?;
    let seen = lab
        .at("z3w2")?
        .exec(&["cat", "/run/cluster/nodes/new.yaml"])?;
    assert_eq!(seen, "kind: Node\n");
    lab.at("z1w1")?
        .exec(&["rm", "/run/cluster/nodes/new.yaml"])?;
    assert!(!lab.cluster_dir().join("nodes/new.yaml").exists());
    Ok(())
}

fn addresses(lab: &Lab, name: &str) -> Result<Vec<IpAddr>> {
    let mut plans = lab.topology().boxes.iter();
    let plan = plans
        .find(|plan| plan.name == name)
        .context("no such box")?;
    Ok(plan.addresses.iter().map(|each| each.address).collect())
}

#[test]
fn cores_reach_each_other_and_nodes_reach_everything_in_both_families() -> Result<()> {
    let lab = bare_lab()?;
    let all = [
        "c1", "c2", "c3", "z1w1", "z1w2", "z2w1", "z2w2", "z3w1", "z3w2",
    ];
    let mut families = Vec::new();
    for from in all {
        for to in all {
            for address in addresses(&lab, to)? {
                let result = lab.at(from)?.ping(address, 1)?;
                ensure!(result.complete(), "{from} to {to} {address}: {result:?}");
                families.push(Family::of(address));
            }
        }
    }
    let of = |family| families.iter().filter(|each| **each == family).count();
    assert_eq!((of(Family::V4), of(Family::V6)), (9 * 12, 9 * 12));
    Ok(())
}

#[test]
fn a_command_that_hangs_is_killed_with_what_it_started() -> Result<()> {
    let lab = bare_lab()?;
    let node = lab.at("z2w1")?;
    let hanging = node.command(&["sh", "-c", "echo begun; sleep 1000 & sleep 1000"]);
    let error = hanging
        .deadline(Duration::from_millis(300))
        .text()
        .unwrap_err();
    let text = format!("{error:#}");
    assert!(
        text.contains("not done within 300ms, killed; so far: begun"),
        "{text}"
    );
    eventually("nothing runs but process 1", DEADLINE, || {
        let left = node.processes()?;
        ensure!(left.len() == 1, "{left:?}");
        Ok(())
    })
}

#[test]
fn a_failing_command_says_where_and_why() -> Result<()> {
    let lab = bare_lab()?;
    let error = lab
        .at("c1")?
        .exec(&["ip", "route", "add", "10.0.0.1/8", "dev", "lo"]);
    let text = error.unwrap_err().to_string();
    assert!(
        text.starts_with("c1: `ip route add 10.0.0.1/8 dev lo`: exit status: 2"),
        "{text}"
    );
    let unknown = lab.at("c9").unwrap_err().to_string();
    assert!(
        unknown.starts_with("no box \"c9\"; there are bb, c1,"),
        "{unknown}"
    );
    Ok(())
}

fn last_line(printed: &str) -> Result<serde_json::Value> {
    Ok(serde_json::from_str(
        printed.lines().last().context("nothing printed")?,
    )?)
}

#[test]
fn the_probe_counts_at_both_ends() -> Result<()> {
    let lab = bare_lab()?;
    let program = Binaries::lab_only()?.lab.display().to_string();
    let receive = [
        &program, "probe", "receive", "--port", "7000", "--count", "150",
    ];
    let receiver = lab.at("z3w2")?.spawn("receive", &receive)?;
    eventually("the receiver listens", DEADLINE, || {
        ensure!(receiver.printed()?.starts_with("listening"));
        Ok(())
    })?;
    for (to, count) in [("10.3.0.22", "100"), ("fd00:3::22", "150")] {
        let send = [
            &program, "probe", "send", "--to", to, "--port", "7000", "--count", count,
        ];
        let sent = last_line(&lab.at("z1w1")?.exec(&send)?)?;
        assert_eq!(sent, json!({"sent": count.parse::<u64>()?, "errors": {}}));
    }
    let received = last_line(&receiver.wait(DEADLINE)?)?;
    assert_eq!(
        (&received["received"], &received["duplicates"]),
        (&json!(150), &json!(100))
    );
    assert_eq!(
        (&received["firstSeq"], &received["lastSeq"]),
        (&json!(0), &json!(149))
    );
    Ok(())
}

#[test]
fn the_probe_counts_what_it_cannot_send() -> Result<()> {
    let lab = bare_lab()?;
    let program = Binaries::lab_only()?.lab.display().to_string();
    let send = [
        &program,
        "probe",
        "send",
        "--to",
        "192.0.2.1",
        "--port",
        "7000",
        "--count",
        "20",
    ];
    // A switch has no route to anywhere.
    let sent = last_line(&lab.at("sw1")?.exec(&send)?)?;
    let errors = json!({"Network is unreachable (os error 101)": 20});
    assert_eq!(sent, json!({"sent": 0, "errors": errors}));
    Ok(())
}

/// Set in the process that [`killing_the_owner_leaves_nothing`] starts, which is itself, and kills.
const HOLD: &str = "GINGHAM_LAB_TEST_HOLD";

#[allow(clippy::print_stdout, reason = "its stdout is what the test reads")]
fn own_a_lab_until_killed() -> Result<()> {
    let lab = bare_lab()?;
    lab.at("z1w1")?.spawn("sleep", &["sleep", "1000"])?;
    println!("folder {}", lab.cluster_dir().display());
    for member in lab.at("z1w1")?.processes()? {
        println!("process {}", member.id.pid);
    }
    for each in lab.boxes() {
        println!("process {}", each.init().pid);
    }
    println!("up");
    std::thread::sleep(Duration::from_secs(1000));
    Ok(())
}

#[test]
fn killing_the_owner_leaves_nothing() -> Result<()> {
    if std::env::var_os(HOLD).is_some() {
        return own_a_lab_until_killed();
    }
    let before = machine()?;
    let mut owner = Command::new(std::env::current_exe()?)
        .args(["--exact", "killing_the_owner_leaves_nothing", "--nocapture"])
        .env(HOLD, "1")
        .stdout(Stdio::piped())
        .spawn()?;
    let (mut processes, mut folder) = (Vec::new(), PathBuf::new());
    for line in BufReader::new(owner.stdout.take().context("no stdout")?).lines() {
        let line = line?;
        match line.split_once(' ') {
            Some(("process", pid)) => processes.extend(ProcessId::of(pid.parse()?)),
            Some(("folder", path)) => folder = path.into(),
            _ if line == "up" => break,
            _ => {}
        }
    }
    assert_eq!(processes.len(), 2 + 13);
    assert!(folder.is_dir() && processes.iter().all(|process| process.alive()));
    owner.kill()?;
    owner.wait()?;
    eventually("nothing is left", DEADLINE, || {
        let left: Vec<_> = processes.iter().filter(|process| process.alive()).collect();
        ensure!(left.is_empty(), "{left:?} run");
        ensure!(!folder.exists(), "{} is there", folder.display());
        ensure!(machine()? == before, "{:#?}", machine()?);
        Ok(())
    })
}

fn lab(state: &Path, arguments: &[&str]) -> Result<Output> {
    let output = Command::new(Binaries::lab_only()?.lab)
        .arg("--state-dir")
        .arg(state)
        .args(arguments)
        .output()?;
    Ok(output)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn up_twice_and_down_twice_are_safe() -> Result<()> {
    let before = machine()?;
    let temporary = tempfile::tempdir()?;
    let state = temporary.path().join("lab");
    let first = lab(&state, &["up", "--no-agents"])?;
    ensure!(first.status.success(), "{}", said(&first));
    let second = lab(&state, &["up", "--no-agents"])?;
    ensure!(
        said(&second).contains("already up and healthy"),
        "{}",
        said(&second)
    );
    let ping = lab(
        &state,
        &[
            "exec",
            "z1w1",
            "--",
            "sh",
            "-c",
            "ping -c1 fd00:3::22 && exit 7",
        ],
    )?;
    assert_eq!(ping.status.code(), Some(7));

    assert!(lab(&state, &["down"])?.status.success());
    assert!(!state.exists());
    assert_eq!(machine()?, before);
    let again = lab(&state, &["down"])?;
    ensure!(
        again.status.success() && said(&again).contains("is not up"),
        "{}",
        said(&again)
    );
    assert!(!state.exists());
    let status = lab(&state, &["status"])?;
    assert!(
        said(&status).contains("the lab is not up"),
        "{}",
        said(&status)
    );
    Ok(())
}

#[test]
fn a_lab_that_lost_a_box_is_built_anew() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let state = temporary.path().join("lab");
    assert!(lab(&state, &["up", "--no-agents"])?.status.success());
    let status = lab(&state, &["status", "-o", "json"])?;
    let boxes: serde_json::Value = serde_json::from_slice(&status.stdout)?;
    let core = boxes
        .as_array()
        .into_iter()
        .flatten()
        .find(|each| each["name"] == "c1");
    let pid = core
        .and_then(|core| core["pid"].as_i64())
        .context("c1 has no pid")?;
    let core = ProcessId::of(i32::try_from(pid)?).context("c1 is not there")?;
    core.signal(nix::sys::signal::Signal::SIGKILL)?;
    eventually("c1 is gone", DEADLINE, || {
        ensure!(!core.alive());
        Ok(())
    })?;
    assert!(!lab(&state, &["status"])?.status.success());
    let up = lab(&state, &["up", "--no-agents"])?;
    ensure!(
        said(&up).contains("stood half: c1 is gone"),
        "{}",
        said(&up)
    );
    assert!(lab(&state, &["status"])?.status.success());
    assert!(lab(&state, &["down"])?.status.success());
    Ok(())
}
