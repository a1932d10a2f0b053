//! The one socket: sends requests, matches answers, bounds the wait.

use crate::error::{Cause, Error};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket as RawSocket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use std::io;
use std::time::{Duration, Instant};

/// The kernel packs a dump into datagrams of up to 32 KiB if the reader offers that much.
const RECEIVE_BUFFER: usize = 32 * 1024;

/// How often a dump that was interrupted by a change is started again.
const DUMP_ATTEMPTS: u32 = 16;

/// One change for the kernel to make, and its name for an error message.
#[derive(Clone, Debug)]
pub struct Request {
    what: String,
    message: RouteNetlinkMessage,
    flags: u16,
}

impl Request {
    /// `what` reads as the start of an error: operation and object. `flags` are the `NLM_F_*`
    /// beyond `REQUEST` and `ACK`, which every request carries.
    pub(crate) fn new(what: String, message: RouteNetlinkMessage, flags: u16) -> Self {
        Request {
            what,
            message,
            flags,
        }
    }

    /// Operation and object, as an error about it would begin.
    pub fn what(&self) -> &str {
        &self.what
    }
}

/// A `NETLINK_ROUTE` socket in the namespace of the thread that opened it; it stays there wherever
/// it is carried.
pub struct Socket {
    raw: RawSocket,
    timeout: Duration,
    sequence: u32,
    port: u32,
    buffer: Vec<u8>,
}

impl Socket {
    /// Opens a socket whose every call returns within `timeout`.
    ///
    /// # Errors
    /// Only what the operating system says to `socket`, `bind` and `setsockopt`.
    pub fn open(timeout: Duration) -> Result<Self, Error> {
        Self::open_raw(timeout).map_err(|error| Error::socket("open netlink socket", error))
    }

    fn open_raw(timeout: Duration) -> io::Result<Self> {
        let mut raw = RawSocket::new(NETLINK_ROUTE)?;
        raw.set_ext_ack(true)?;
        raw.set_cap_ack(true)?;
        // Without it the kernel ignores the filter of a dump.
        raw.set_netlink_get_strict_chk(true)?;
        let wait = i64::try_from(timeout.as_micros()).unwrap_or(i64::MAX);
        setsockopt(&raw, sockopt::ReceiveTimeout, &TimeVal::microseconds(wait))?;
        let port = raw.bind_auto()?.port_number();
        let buffer = Vec::with_capacity(RECEIVE_BUFFER);
        Ok(Socket {
            raw,
            timeout,
            sequence: 0,
            port,
            buffer,
        })
    }

    /// Sends `requests` in one datagram and waits for the ACK of each.
    ///
    /// The kernel works through them in order and does not stop at a failure, so on an error the
    /// later requests may have been carried out as well.
    ///
    /// # Errors
    /// The first request that failed.
    pub fn run(&mut self, requests: &[Request]) -> Result<(), Error> {
        let first = self.send(requests)?;
        let mut outcome = Ok(());
        let deadline = Instant::now() + self.timeout;
        for (request, sequence) in requests.iter().zip(first..) {
            let answer = self.collect(sequence, deadline);
            let failed = match answer {
                Ok(_) => continue,
                Err(cause) => Error::new(request.what.clone(), cause),
            };
            // Only a refusal leaves the stream of answers in step.
            let in_step = matches!(failed.cause, Cause::Refused { .. });
            outcome = outcome.and(Err(failed));
            if !in_step {
                break;
            }
        }
        outcome
    }

    /// Asks for one object.
    ///
    /// # Errors
    /// As [`Socket::run`]; an object that is not there is [`Cause::Refused`] with `ENODEV` or
    /// `ENOENT`.
    pub(crate) fn get(&mut self, request: Request) -> Result<Vec<RouteNetlinkMessage>, Error> {
        let requests = [request];
        let sequence = self.send(&requests)?;
        let [request] = requests;
        self.collect(sequence, Instant::now() + self.timeout)
            .map(|answer| answer.messages)
            .map_err(|cause| Error::new(request.what, cause))
    }

    /// Lists objects; starts again when the list changed while it was read.
    ///
    /// # Errors
    /// As [`Socket::run`], and [`Cause::Interrupted`] when it never came to rest.
    pub(crate) fn dump(&mut self, request: &Request) -> Result<Vec<RouteNetlinkMessage>, Error> {
        let deadline = Instant::now() + self.timeout;
        let request = Request {
            flags: request.flags | NLM_F_DUMP,
            ..request.clone()
        };
        for _ in 0..DUMP_ATTEMPTS {
            let sequence = self.send(std::slice::from_ref(&request))?;
            let answer = self
                .collect(sequence, deadline)
                .map_err(|cause| Error::new(request.what.clone(), cause))?;
            if !answer.interrupted {
                return Ok(answer.messages);
            }
        }
        Err(Error::new(request.what, Cause::Interrupted(DUMP_ATTEMPTS)))
    }

    /// Sends all in one datagram; returns the sequence number of the first.
    fn send(&mut self, requests: &[Request]) -> Result<u32, Error> {
        let first = self.sequence.wrapping_add(1);
        let mut datagram = Vec::new();
        for request in requests {
            self.sequence = self.sequence.wrapping_add(1);
            let mut header = NetlinkHeader::default();
            header.flags = request.flags | NLM_F_REQUEST | NLM_F_ACK;
            header.sequence_number = self.sequence;
            let payload = NetlinkPayload::InnerMessage(request.message.clone());
            let mut message = NetlinkMessage::new(header, payload);
            message.finalize();
            let start = datagram.len();
            datagram.resize(start + message.buffer_len().next_multiple_of(4), 0);
            message.serialize(&mut datagram[start..]);
        }
        match self.raw.send_to(&datagram, &SocketAddr::new(0, 0), 0) {
            Ok(_) => Ok(first),
            Err(error) => {
                let what = requests
                    .first()
                    .map_or("send", |request| request.what.as_str());
                Err(Error::socket(what, error))
            }
        }
    }

    /// Reads until the ACK, the end of the dump, or the refusal that answers `sequence`. Answers to
    /// earlier requests, abandoned by a time-out, are passed over.
    fn collect(&mut self, sequence: u32, deadline: Instant) -> Result<Answer, Cause> {
        let mut answer = Answer::default();
        loop {
            let datagram = self.receive(deadline)?;
            let mut rest = datagram.as_slice();
            while !rest.is_empty() {
                let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                    .map_err(|error| Cause::Undecodable(error.to_string()))?;
                let length = (message.header.length as usize).next_multiple_of(4);
                rest = rest.get(length..).unwrap_or_default();
                let header = message.header;
                if header.sequence_number != sequence || header.port_number != self.port {
                    continue;
                }
                answer.interrupted |= header.flags & NLM_F_DUMP_INTR != 0;
                match message.payload {
                    NetlinkPayload::InnerMessage(inner) => answer.messages.push(inner),
                    NetlinkPayload::Done(done) => return answer.ended(done.code),
                    NetlinkPayload::Error(error) => {
                        return Cause::of(&error).map_or(Ok(answer), Err);
                    }
                    NetlinkPayload::Overrun(_) => return Err(Cause::Undecodable("overrun".into())),
                    _ => {}
                }
            }
            self.buffer = datagram;
        }
    }

    /// One datagram, in the buffer it must be given back as.
    fn receive(&mut self, deadline: Instant) -> Result<Vec<u8>, Cause> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        buffer.reserve(RECEIVE_BUFFER);
        loop {
            if Instant::now() > deadline {
                return Err(Cause::Timeout(self.timeout));
            }
            match self.raw.recv(&mut buffer, 0) {
                Ok(_) => return Ok(buffer),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(Cause::Timeout(self.timeout));
                }
                Err(error) => return Err(Cause::Socket(error)),
            }
        }
    }
}

/// What came back for one sequence number.
#[derive(Default)]
struct Answer {
    messages: Vec<RouteNetlinkMessage>,
    interrupted: bool,
}

impl Answer {
    /// `NLMSG_DONE` carries the error a dump ended with, or 0.
    fn ended(self, code: i32) -> Result<Self, Cause> {
        match code {
            0 => Ok(self),
            code => {
                let errno = Errno::from_raw(code.saturating_neg());
                Err(Cause::Refused { errno, text: None })
            }
        }
    }
}
