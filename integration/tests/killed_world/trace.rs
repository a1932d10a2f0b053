//! A program that is killed when it has made so many system calls.

use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fmt;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// `PTRACE_SYSCALL_INFO_EXIT` of `linux/ptrace.h`: the call is done.
const EXIT: u8 = 2;

/// How it ended.
#[derive(Debug)]
pub(crate) enum End {
    Killed,
    /// By itself, with this exit code.
    Done(i32),
}

/// A run, killed or not.
#[derive(Debug)]
pub(crate) struct Traced {
    pub(crate) end: End,
    /// How many system calls were done.
    pub(crate) calls: usize,
    /// What it was killed after, as `/proc/PID/syscall` shows it: a number of `asm/unistd.h` first.
    last: String,
    stdout: String,
}

impl Traced {
    #[track_caller]
    pub(crate) fn assert_succeeded(&self) {
        assert!(matches!(self.end, End::Done(0)), "{self:?}");
    }
}

impl fmt::Display for Traced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} system calls, the last {}", self.calls, self.last)
    }
}

/// Runs `program` in the calling thread's namespaces and kills it, with all its threads, when it has
/// made `last` system calls; those are counted in the order in which they end.
pub(crate) fn run(program: &mut Command, stdin: &[u8], last: usize) -> Traced {
    #[expect(clippy::zombie_processes, reason = "waitpid below reaps it")]
    let mut child = stopped_before(program);
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    let main = Pid::from_raw(child.id().try_into().unwrap());
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(main, options).unwrap();
    let mut traced = Traced {
        end: End::Killed,
        calls: 0,
        last: String::new(),
        stdout: String::new(),
    };
    let mut started = false;
    loop {
        // The threads too, and nobody else's children.
        let group = Pid::from_raw(-main.as_raw());
        match waitpid(group, Some(WaitPidFlag::__WALL)).unwrap() {
            WaitStatus::Exited(pid, code) if pid == main => {
                traced.end = End::Done(code);
                break;
            }
            WaitStatus::Signaled(pid, ..) if pid == main => break,
            WaitStatus::PtraceSyscall(pid) if started => {
                if is_done(pid) {
                    traced.calls += 1;
                }
                if traced.calls == last {
                    traced.last = fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap();
                    kill(main, Signal::SIGKILL).unwrap();
                } else {
                    go_on(pid, None);
                }
            }
            WaitStatus::PtraceEvent(pid, _, event) => {
                started |= event == ptrace::Event::PTRACE_EVENT_EXEC as i32;
                go_on(pid, None);
            }
            WaitStatus::Stopped(pid, signal) => go_on(pid, Some(signal)),
            WaitStatus::PtraceSyscall(pid) => go_on(pid, None),
            _ => {}
        }
    }
    let stdout = child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut traced.stdout);
    stdout.unwrap();
    traced
}

/// A shell that stops before it becomes `program`, so that nothing of it is missed.
fn stopped_before(program: &Command) -> Child {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "kill -STOP $$; exec \"$0\""])
        .arg(program.get_program());
    for (name, value) in program.get_envs() {
        shell.env(name, value.unwrap());
    }
    shell
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let child = shell.spawn().unwrap();
    let pid = Pid::from_raw(child.id().try_into().unwrap());
    let stopped = waitpid(pid, Some(WaitPidFlag::WUNTRACED)).unwrap();
    assert_eq!(stopped, WaitStatus::Stopped(pid, Signal::SIGSTOP));
    child
}

/// Whether the stop is the end of a system call; one that was killed meanwhile tells nothing.
fn is_done(pid: Pid) -> bool {
    ptrace::syscall_info(pid).is_ok_and(|info| info.op == EXIT)
}

fn go_on(pid: Pid, signal: Option<Signal>) {
    match ptrace::syscall(pid, signal) {
        // Killed meanwhile.
        Ok(()) | Err(nix::Error::ESRCH) => {}
        Err(errno) => panic!("going on with {pid}: {errno}"),
    }
}
