//! What is in each image: programs of Debian and such as were built from Go modules.

use super::archive::{Config, Image};
use super::tree::Tree;
use super::{
    AGNHOST, BUSYBOX, COREDNS, DISTROLESS_IPTABLES, GLIBC_DNS_TESTING, PAUSE, REGRESSION_74839,
    libraries,
};
use crate::tools;
use anyhow::{Context, Result, bail, ensure};
use std::path::Path;
use std::process::Command;

/// Where programs of Debian are, with the packages that hold them.
const CATATONIT: (&str, &str) = ("/usr/bin/catatonit", "catatonit");
const STATIC_BUSYBOX: (&str, &str) = ("/bin/busybox", "busybox-static");
/// What agnhost's image has besides. Much of it busybox has too, but without options that tests use; and a
/// static program that looks up a host beside another C library than its own crashes.
const ADDED: [(&str, (&str, &str)); 9] = [
    ("sh", ("/usr/bin/dash", "dash")),
    ("nc", ("/usr/bin/nc.openbsd", "netcat-openbsd")),
    ("ss", ("/usr/bin/ss", "iproute2")),
    ("curl", ("/usr/bin/curl", "curl")),
    ("wget", ("/usr/bin/wget", "wget")),
    ("ping", ("/bin/ping", "iputils-ping")),
    ("dig", ("/usr/bin/dig", "bind9-dnsutils")),
    ("getent", ("/usr/bin/getent", "libc-bin")),
    ("conntrack", ("/usr/sbin/conntrack", "conntrack")),
];
/// Busybox's wget, which this one replaces, tries once.
const WGETRC: &str = "tries = 1\n";
const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n";
const GROUP: &str = "root:x:0:\nnogroup:x:65534:\n";

pub(super) fn pause() -> Result<Image> {
    Ok(Image {
        references: vec![PAUSE.into()],
        // -P: no program of its own; it waits for TERM or INT, and for orphans.
        config: Config::new(&["/pause", "-P"], &[], "/"),
        tree: Tree::default().program("/pause", debian(CATATONIT)?),
    })
}

pub(super) fn busybox() -> Result<Image> {
    Ok(Image {
        references: vec![BUSYBOX.into()],
        config: Config::new(&[], &["sh"], "/bin"),
        tree: system(Tree::default())?,
    })
}

pub(super) fn agnhost() -> Result<Image> {
    let mut tree = system(Tree::default())?
        .program("/agnhost", &tools::locate("agnhost")?)
        .program("/coredns", &tools::locate("coredns")?)
        .link("/agnhost-2", "agnhost")
        .text("/etc/wgetrc", WGETRC)
        .shared_folder("/uploads");
    for (name, program) in ADDED {
        tree = dynamic(tree, name, debian(program)?)?;
    }
    // What its server shows is no part of the program.
    for file in ["localhost.crt", "localhost.key"] {
        tree = tree.program(&format!("/{file}"), &tools::locate(file)?);
    }
    Ok(Image {
        references: [AGNHOST, COREDNS, GLIBC_DNS_TESTING, DISTROLESS_IPTABLES]
            .map(str::to_owned)
            .into(),
        config: Config::new(&["/agnhost"], &["pause"], "/bin"),
        tree,
    })
}

pub(super) fn regression_74839() -> Result<Image> {
    let program = tools::locate("regression-issue-74839")?;
    Ok(Image {
        references: vec![REGRESSION_74839.into()],
        config: Config::new(&["/regression-issue-74839"], &[], "/"),
        tree: Tree::default().program("/regression-issue-74839", &program),
    })
}

/// A small system: busybox under all its names, users, a folder for temporary files.
fn system(tree: Tree) -> Result<Tree> {
    let busybox = debian(STATIC_BUSYBOX)?;
    let tree = tree
        .program("/bin/busybox", busybox)
        .text("/etc/passwd", PASSWD)
        .text("/etc/group", GROUP)
        .shared_folder("/tmp");
    let output = Command::new(busybox).arg("--list").output();
    let output = output.with_context(|| format!("{} --list", busybox.display()))?;
    let names = String::from_utf8(output.stdout).context("busybox's names")?;
    ensure!(
        names.lines().any(|name| name == "sh"),
        "{} has no shell",
        busybox.display()
    );
    let names = names.lines().filter(|name| *name != "busybox");
    Ok(names.fold(tree, |tree, name| {
        tree.link(&format!("/bin/{name}"), "busybox")
    }))
}

/// A program with the libraries it loads.
fn dynamic(tree: Tree, name: &str, program: &Path) -> Result<Tree> {
    let tree = tree.program(&format!("/bin/{name}"), program);
    let libraries = libraries::of(program)?;
    Ok(libraries.iter().fold(tree, |tree, library| {
        tree.program(&library.display().to_string(), library)
    }))
}

fn debian((path, package): (&'static str, &str)) -> Result<&'static Path> {
    let found = Path::new(path);
    if !found.is_file() {
        bail!("an image needs `{path}` (Debian package {package})");
    }
    Ok(found)
}
