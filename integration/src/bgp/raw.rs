//! A peer of handwritten octets: it says whatever a test wants, and reads back whole messages.
//!
//! Nothing here comes from the speaker under test, so that one mistake cannot hide in both ends.

use super::world::Host;
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// Message types (RFC 4271 section 4.1).
pub const OPEN: u8 = 1;
/// UPDATE.
pub const UPDATE: u8 = 2;
/// NOTIFICATION.
pub const NOTIFICATION: u8 = 3;
/// KEEPALIVE.
pub const KEEPALIVE: u8 = 4;

/// Octets of a header.
pub(super) const HEADER: usize = 19;
/// How long the other end may take to connect, to answer, or to read.
const DEADLINE: Duration = Duration::from_secs(30);

/// What the other end said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A message: its type, and what follows the header.
    Message(u8, Vec<u8>),
    /// It closed the connection.
    Closed,
}

/// Who the handwritten peer says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its autonomous system.
    pub asn: u32,
    /// Its BGP identifier.
    pub router_id: Ipv4Addr,
    /// Whether it offers numbers of four octets.
    pub four_octets: bool,
}

/// One TCP connection to a speaker.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
}

impl Connection {
    /// Dials a speaker's port 179 from a host.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn dial(from: &Host, to: IpAddr) -> Result<Self> {
        let address = SocketAddr::new(to, 179);
        let stream = from.visit(|| Ok(TcpStream::connect_timeout(&address, DEADLINE)?))?;
        stream
            .set_read_timeout(Some(DEADLINE))
            .context("a read timeout")?;
        stream
            .set_write_timeout(Some(DEADLINE))
            .context("a write timeout")?;
        stream.set_nodelay(true).context("TCP_NODELAY")?;
        Ok(Connection { stream })
    }

    /// Writes octets as they are.
    ///
    /// # Errors
    /// The other end is gone or does not read.
    pub fn send(&mut self, octets: &[u8]) -> Result<()> {
        self.stream
            .write_all(octets)
            .context("writing to the speaker")
    }

    /// Says that nothing more comes.
    ///
    /// # Errors
    /// The other end is gone.
    pub fn finish(&self) -> Result<()> {
        self.stream
            .shutdown(Shutdown::Write)
            .context("closing one way")
    }

    /// The next message.
    ///
    /// # Errors
    /// Silence for half a minute; a message cut short.
    pub fn hear(&mut self) -> Result<Said> {
        let mut header = [0; HEADER];
        if !self.fill(&mut header)? {
            return Ok(Said::Closed);
        }
        let [.., high, low, kind] = header;
        let length = usize::from(u16::from_be_bytes([high, low]));
        ensure!(
            header.starts_with(&[0xFF; 16]) && length >= HEADER,
            "the speaker sent the header {header:02x?}"
        );
        let mut body = vec![0; length - HEADER];
        ensure!(self.fill(&mut body)?, "the speaker closed within a message");
        Ok(Said::Message(kind, body))
    }

    /// The next UPDATE; keepalives are passed over.
    ///
    /// # Errors
    /// Anything else is said, or nothing.
    pub fn hear_update(&mut self) -> Result<Update> {
        match self.hear_other_than(KEEPALIVE)? {
            Said::Message(UPDATE, body) => Update::read(&body),
            said => bail!("instead of an UPDATE the speaker said {said:02x?}"),
        }
    }

    /// The next message that is not of the type `not`: keepalives come when they like.
    ///
    /// # Errors
    /// As [`Connection::hear`].
    pub fn hear_other_than(&mut self, not: u8) -> Result<Said> {
        loop {
            match self.hear()? {
                Said::Message(kind, _) if kind == not => {}
                said => return Ok(said),
            }
        }
    }

    /// Exchanges OPEN and KEEPALIVE as a well-behaved peer; the session is then established.
    ///
    /// # Errors
    /// The speaker says anything else.
    pub fn establish(&mut self, who: Identity) -> Result<()> {
        self.send(&open(who, &capabilities(who)))?;
        for wanted in [OPEN, KEEPALIVE] {
            match self.hear()? {
                Said::Message(kind, _) if kind == wanted => {}
                said => bail!("instead of a message of type {wanted} the speaker said {said:02x?}"),
            }
            if wanted == OPEN {
                self.send(&keepalive())?;
            }
        }
        Ok(())
    }

    /// `false` when the stream ended before the first octet. A reset is an end too.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<bool> {
        let mut filled = 0;
        while filled < buffer.len() {
            let rest = buffer.get_mut(filled..).unwrap_or_default();
            match self.stream.read(rest) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("waiting for the speaker"),
            }
        }
        ensure!(
            filled == buffer.len() || filled == 0,
            "the speaker closed after {filled} of {} octets",
            buffer.len()
        );
        Ok(filled == buffer.len())
    }
}

/// An UPDATE for IPv4 as it came: nothing is judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// Prefixes no longer reachable.
    pub withdrawn: Vec<String>,
    /// The values of the attributes, by type code.
    pub attributes: BTreeMap<u8, Vec<u8>>,
    /// Prefixes reachable.
    pub announced: Vec<String>,
}

impl Update {
    /// Reads what follows the header.
    ///
    /// # Errors
    /// A field that is cut short.
    pub fn read(body: &[u8]) -> Result<Self> {
        let mut rest = body;
        let withdrawn = field(&mut rest)?;
        let mut attributes = field(&mut rest)?;
        let mut update = Update {
            withdrawn: prefixes(withdrawn)?,
            announced: prefixes(rest)?,
            ..Update::default()
        };
        while !attributes.is_empty() {
            let flags = octet(&mut attributes)?;
            let code = octet(&mut attributes)?;
            let value = match flags & 0x10 {
                0 => {
                    let length = octet(&mut attributes)?;
                    take(&mut attributes, length.into())?
                }
                _ => field(&mut attributes)?,
            };
            update.attributes.insert(code, value.to_vec());
        }
        Ok(update)
    }

    /// Whether it is the End-of-RIB marker of IPv4 (RFC 4724 section 2).
    pub fn is_end_of_rib(&self) -> bool {
        *self == Update::default()
    }
}

/// Octets behind a length of two.
fn field<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8]> {
    let (high, low) = (octet(rest)?, octet(rest)?);
    take(rest, u16::from_be_bytes([high, low]).into())
}

fn octet(rest: &mut &[u8]) -> Result<u8> {
    let one = take(rest, 1)?;
    one.first().copied().context("an UPDATE cut short")
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8]> {
    let (taken, left) = rest
        .split_at_checked(length)
        .context("an UPDATE cut short")?;
    *rest = left;
    Ok(taken)
}

fn prefixes(mut rest: &[u8]) -> Result<Vec<String>> {
    let mut prefixes = Vec::new();
    while !rest.is_empty() {
        let length = octet(&mut rest)?;
        let mut address = [0; 4];
        let octets = take(&mut rest, length.div_ceil(8).into())?;
        let room = address
            .get_mut(..octets.len())
            .context("a prefix beyond 32 bits")?;
        room.copy_from_slice(octets);
        prefixes.push(format!("{}/{length}", Ipv4Addr::from(address)));
    }
    Ok(prefixes)
}

/// A message with a header that is right.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut octets = vec![0xFF; 16];
    octets.extend(length(HEADER + body.len()));
    octets.push(kind);
    octets.extend(body);
    octets
}

/// KEEPALIVE.
pub fn keepalive() -> Vec<u8> {
    message(KEEPALIVE, &[])
}

/// OPEN of version 4 with a hold time of 90 s and these optional parameters, as they are.
pub fn open(who: Identity, parameters: &[u8]) -> Vec<u8> {
    let short = u16::try_from(who.asn).unwrap_or(23456);
    let mut body = vec![4];
    body.extend(short.to_be_bytes());
    body.extend(90_u16.to_be_bytes());
    body.extend(who.router_id.octets());
    body.push(u8::try_from(parameters.len()).unwrap_or(u8::MAX));
    body.extend(parameters);
    message(OPEN, &body)
}

/// One optional parameter with capabilities (RFC 5492): IPv4 and IPv6 unicast, and wide AS numbers where
/// they are offered.
pub fn capabilities(who: Identity) -> Vec<u8> {
    let mut all = vec![1, 4, 0, 1, 0, 1, 1, 4, 0, 2, 0, 1];
    if who.four_octets {
        all.extend([65, 4]);
        all.extend(who.asn.to_be_bytes());
    }
    let mut parameter = vec![2, u8::try_from(all.len()).unwrap_or(u8::MAX)];
    parameter.extend(all);
    parameter
}

/// UPDATE out of its three fields, each as it is.
pub fn update(withdrawn: &[u8], attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let mut body = length(withdrawn.len()).to_vec();
    body.extend(withdrawn);
    body.extend(length(attributes.len()));
    body.extend(attributes);
    body.extend(nlri);
    message(UPDATE, &body)
}

/// A length in two octets. What is longer does not fit into a message anyway.
fn length(octets: usize) -> [u8; 2] {
    u16::try_from(octets).unwrap_or(u16::MAX).to_be_bytes()
}
