//! `lab probe echo`: a TCP server that sends every line back and tells who called.

use crate::probe::LISTENING;
use anyhow::{Context, Result};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::thread;

/// Serves both families on `port` until it is killed. Prints [`LISTENING`] once callers are heard,
/// then `from ADDRESS` for each of them.
///
/// # Errors
/// The port is taken, or stdout is closed.
pub fn serve(port: u16) -> Result<()> {
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))
        .with_context(|| format!("opening port {port}"))?;
    writeln!(io::stdout(), "{LISTENING}").context("stdout")?;
    loop {
        let (caller, address) = listener.accept().context("accepting a caller")?;
        let address = address.ip().to_canonical();
        writeln!(io::stdout(), "from {address}").context("stdout")?;
        // A caller that breaks off is no concern of the others.
        thread::spawn(move || answer(caller));
    }
}

fn answer(mut caller: TcpStream) -> io::Result<()> {
    let lines = BufReader::new(caller.try_clone()?);
    for line in lines.lines() {
        caller.write_all(format!("{}\n", line?).as_bytes())?;
    }
    Ok(())
}
