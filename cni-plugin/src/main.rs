//! `gingham`, the CNI plugin: wires one pod, or takes it off, and is gone.
//!
//! ```text
//!   runtime ── env, stdin ──► Request ──► add | del | check | gc | status ──► stdout ──► runtime
//!                                          │                │
//!                                   node.json, leases.json  the kernel
//! ```
//!
//! It asks nobody: no agent, no API server, no network, no helper process. What it needs to know
//! stands in `node.json`, which the agent writes; what it must remember, in the lease store beside
//! it. It must never decide what address a pod gets (crate `gingham-ipam`) or what the
//! specification means (crate `gingham-cni`).

mod add;
mod check;
mod del;
mod failure;
mod gc;
mod lease;
mod log;
mod names;
mod run_dir;
mod status;
mod unwire;
mod wire;
mod witness;

use gingham_cni::{Command, Environment, Error, Request, Version};
use log::Log;
use std::io::{self, Read, Write};
use std::panic;
use std::process::ExitCode;

fn main() -> ExitCode {
    let env = Environment::from_vars(std::env::vars_os());
    let command = match env.command() {
        Ok(Some(command)) => command,
        Ok(None) => return by_hand(),
        Err(error) => return answer(Err(error)),
    };
    answer(shielded(|| serve(command, &env)))
}

/// Makes an error of a panic: the runtime must get its document on stdout whatever happens, and
/// throws away the stderr on which a panic tells its place.
fn shielded(
    serve: impl FnOnce() -> Result<String, Error> + panic::UnwindSafe,
) -> Result<String, Error> {
    panic::catch_unwind(serve).unwrap_or_else(|panic| Err(failure::panicked(panic.as_ref())))
}

/// Serves one request; the document for stdout, empty where the verb has none.
fn serve(command: Command, env: &Environment) -> Result<String, Error> {
    // Most fit in, so that one read tells all and one its end.
    let mut stdin = Vec::with_capacity(8 * 1024);
    io::stdin()
        .read_to_end(&mut stdin)
        .map_err(failure::stdin)?;
    let request = Request::parse(command, env, &stdin)?;
    let version = request.version();
    let silent = |()| String::new();
    let outcome = match &request {
        Request::Add(add) => Log::of(command, &add.conf)
            .about(&add.attachment, add.pod.as_ref())
            .around(|log| add::add(add, log))
            .map(|result| result.to_json(version)),
        Request::Del(del) => Log::of(command, &del.conf)
            .about(&del.attachment, None)
            .around(|log| del::del(del, log))
            .map(silent),
        Request::Check(check) => Log::of(command, &check.conf)
            .about(&check.attachment, None)
            .around(|_| check::check(check))
            .map(silent),
        Request::Gc(gc) => Log::of(command, &gc.conf)
            .around(|log| gc::gc(gc, log))
            .map(silent),
        Request::Status(status) => Log::of(command, &status.conf)
            .around(|log| status::status(&status.conf, log))
            .map(silent),
        Request::Version(reply) => Ok(reply.to_json()),
    };
    outcome.map_err(|error| error.at(version))
}

/// Writes the one document, or nothing, and says by the exit code which it was.
fn answer(outcome: Result<String, Error>) -> ExitCode {
    let (document, code) = match outcome {
        Ok(document) => (document, ExitCode::SUCCESS),
        Err(error) => (error.to_json(), ExitCode::FAILURE),
    };
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(document.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Without `CNI_COMMAND` no runtime but a person has started us.
fn by_hand() -> ExitCode {
    use clap::Parser;

    /// The CNI plugin of Gingham: wires pods to the network of their node. A container runtime runs
    /// it, with CNI_COMMAND and its companions in the environment and the network configuration on
    /// stdin.
    #[derive(Parser)]
    #[command(name = "gingham", version)]
    struct ByHand {}

    let ByHand {} = ByHand::parse();
    let mut command = <ByHand as clap::CommandFactory>::command();
    let (version, about) = (command.render_version(), command.render_long_help());
    let (verbs, versions) = (list(&Command::ALL), list(&Version::ALL));
    let speaks = format!("CNI specification {versions}: {verbs}.");
    match write!(io::stderr(), "{version}{speaks}\n\n{about}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn list(items: &[impl ToString]) -> String {
    let texts: Vec<String> = items.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use gingham_cni::Code;

    #[test]
    fn a_panic_becomes_an_error_document() {
        let error = shielded(|| panic!("block {} is gone", "10.64.3.0/26")).unwrap_err();
        assert_eq!(error.code, Code::Internal);
        assert_eq!(error.msg, "the plugin panicked: block 10.64.3.0/26 is gone");
        let visiting = gingham_netlink::Netns::current().unwrap();
        let error = shielded(|| visiting.visit(|| panic!("inside")).unwrap()).unwrap_err();
        assert_eq!(error.msg, "the plugin panicked: inside");
    }
}
