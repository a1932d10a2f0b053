//! The one socket: sends requests, matches answers, bounds the wait.

use crate::error::{Cause, Error};
use netlink_packet_core::{
    Emitable, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_ECHO, NLM_F_REQUEST, NetlinkHeader,
    NetlinkMessage, NetlinkPayload, NetlinkSerializable,
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

/// How many requests go into one datagram. The kernel answers all of them before `send` returns, so
/// that many ACKs lie in the receive buffer at once. Each is charged about 830 bytes there, and one
/// without room is lost without a word: 64 take a quarter of the default buffer (212,992 bytes).
const REQUESTS_PER_DATAGRAM: usize = 64;

/// The same where each is echoed: an echo is charged 1 to 2 KiB, and 9 where a route has 128 next
/// hops.
const ECHOES_PER_DATAGRAM: usize = 16;

/// How requests are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Each is confirmed by an ACK.
    Carried,
    /// As above, after an echo of what it made.
    Echoed,
    /// The last of a datagram is confirmed. The kernel takes them in order and tells of a refusal
    /// whether it is asked to or not, so that this ACK stands for all.
    Together,
}

impl Manner {
    /// Flags of a request that is the last of its datagram or is not.
    const fn flags(self, last: bool) -> u16 {
        match (self, last) {
            (Manner::Carried, _) | (Manner::Together, true) => NLM_F_ACK,
            (Manner::Echoed, _) => NLM_F_ACK | NLM_F_ECHO,
            (Manner::Together, false) => 0,
        }
    }

    const fn requests_per_datagram(self) -> usize {
        match self {
            Manner::Carried | Manner::Together => REQUESTS_PER_DATAGRAM,
            Manner::Echoed => ECHOES_PER_DATAGRAM,
        }
    }
}

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

    pub(crate) fn failed(&self, cause: Cause) -> Error {
        Error::new(self.what.as_str(), cause)
    }

    /// Appends the message to a datagram. Messages begin at multiples of four (`NLMSG_ALIGN`).
    fn write(&self, mut header: NetlinkHeader, datagram: &mut Vec<u8>) {
        let body = NetlinkSerializable::buffer_len(&self.message);
        let length = header.buffer_len() + body;
        header.message_type = self.message.message_type();
        // A message of 4 GiB is none that anybody could make here.
        header.length = u32::try_from(length).unwrap_or(u32::MAX);
        let start = datagram.len();
        datagram.resize(start + length.next_multiple_of(4), 0);
        let (head, tail) = datagram[start..].split_at_mut(header.buffer_len());
        header.emit(head);
        self.message.serialize(&mut tail[..body]);
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

    /// The port the kernel knows this socket by (`nl_pid`): what it writes into the notices of the
    /// changes made here.
    pub fn port(&self) -> u32 {
        self.port
    }

    /// Carries out `requests` in order and waits until the last is done.
    ///
    /// The kernel does not stop at a failure, so on an error the later requests may have been
    /// carried out as well.
    ///
    /// # Errors
    /// The first request that failed. When the socket itself fails it is the last one of those under
    /// way that is named, and none of them is certain.
    pub fn run(&mut self, requests: &[Request]) -> Result<(), Error> {
        let deadline = Instant::now() + self.timeout;
        for batch in requests.chunks(Manner::Together.requests_per_datagram()) {
            self.together(batch, deadline)?;
        }
        Ok(())
    }

    fn together(&mut self, batch: &[Request], deadline: Instant) -> Result<(), Error> {
        let Some(last) = batch.last() else {
            return Ok(());
        };
        let first = self.sequence.wrapping_add(1);
        self.send(batch, |last| Manner::Together.flags(last))
            .map_err(|cause| last.failed(cause))?;
        let mut refused = None;
        loop {
            self.receive(deadline).map_err(|cause| last.failed(cause))?;
            for message in Messages::of(&self.buffer) {
                let message = message.map_err(|cause| last.failed(cause))?;
                let at = message.header.sequence_number.wrapping_sub(first) as usize;
                let (Some(request), NetlinkPayload::Error(error)) =
                    (batch.get(at), message.payload)
                else {
                    continue;
                };
                if message.header.port_number != self.port {
                    continue;
                }
                let failed = Cause::of(&error).map(|cause| request.failed(cause));
                refused = refused.or(failed);
                if at + 1 == batch.len() {
                    return refused.map_or(Ok(()), Err);
                }
            }
        }
    }

    /// Carries out `requests` in order, many to a datagram, and says of each how it ended. A refusal
    /// concerns one request only. When the socket itself fails, or the time this socket may take is
    /// over, that request tells why and every later one is [`Cause::Unanswered`].
    ///
    /// A datagram holds 64 requests and no more bytes than the send buffer: 3 KiB for each.
    pub fn run_each(&mut self, requests: &[Request]) -> Vec<Result<(), Error>> {
        let outcomes = self.each(requests, Manner::Carried).into_iter();
        outcomes.map(|outcome| outcome.map(drop)).collect()
    }

    /// As [`Socket::run_each`], and tells of each what the kernel told everybody who listens
    /// (`NLM_F_ECHO`): the object as it is now.
    pub(crate) fn run_each_echoed(
        &mut self,
        requests: &[Request],
    ) -> Vec<Result<Vec<RouteNetlinkMessage>, Error>> {
        let outcomes = self.each(requests, Manner::Echoed).into_iter();
        let messages = |answer: Answer| answer.messages;
        outcomes.map(|outcome| outcome.map(messages)).collect()
    }

    fn each(&mut self, requests: &[Request], manner: Manner) -> Vec<Result<Answer, Error>> {
        let deadline = Instant::now() + self.timeout;
        let mut outcomes = Vec::with_capacity(requests.len());
        for batch in requests.chunks(manner.requests_per_datagram()) {
            if !self.exchange((batch, manner), deadline, &mut outcomes) {
                break;
            }
        }
        let unanswered = requests.iter().skip(outcomes.len());
        let unanswered = unanswered.map(|request| Err(request.failed(Cause::Unanswered)));
        outcomes.extend(unanswered);
        outcomes
    }

    /// Sends one datagram and adds the outcomes of its requests; `false` when the socket is out of
    /// step with the kernel's answers, which only a refusal leaves in step.
    fn exchange(
        &mut self,
        (batch, manner): (&[Request], Manner),
        deadline: Instant,
        outcomes: &mut Vec<Result<Answer, Error>>,
    ) -> bool {
        let first = self.sequence.wrapping_add(1);
        if let Err(cause) = self.send(batch, |last| manner.flags(last)) {
            outcomes.extend(batch.first().map(|leader| Err(leader.failed(cause))));
            return false;
        }
        for (position, request) in (0u32..).zip(batch) {
            let answer = self.collect(first.wrapping_add(position), deadline);
            let in_step = matches!(answer, Ok(_) | Err(Cause::Refused { .. }));
            outcomes.push(answer.map_err(|cause| request.failed(cause)));
            if !in_step {
                return false;
            }
        }
        true
    }

    /// Asks for one object.
    ///
    /// # Errors
    /// As [`Socket::run`]; an object that is not there is [`Cause::Refused`] with `ENODEV` or
    /// `ENOENT`.
    pub(crate) fn get(&mut self, request: &Request) -> Result<Vec<RouteNetlinkMessage>, Error> {
        let deadline = Instant::now() + self.timeout;
        self.send(std::slice::from_ref(request), |_| NLM_F_ACK)
            .and_then(|()| self.collect(self.sequence, deadline))
            .map(|answer| answer.messages)
            .map_err(|cause| request.failed(cause))
    }

    /// Lists objects; starts again when the list changed while it was read.
    ///
    /// # Errors
    /// As [`Socket::run`], and [`Cause::Interrupted`] when it never came to rest.
    pub(crate) fn dump(&mut self, request: &Request) -> Result<Vec<RouteNetlinkMessage>, Error> {
        let deadline = Instant::now() + self.timeout;
        for _ in 0..DUMP_ATTEMPTS {
            let answer = self
                .send(std::slice::from_ref(request), |_| NLM_F_DUMP | NLM_F_ACK)
                .and_then(|()| self.collect(self.sequence, deadline))
                .map_err(|cause| request.failed(cause))?;
            if !answer.interrupted {
                return Ok(answer.messages);
            }
        }
        Err(request.failed(Cause::Interrupted(DUMP_ATTEMPTS)))
    }

    /// Sends all in one datagram, each with a sequence number of its own, the last of which is then
    /// `self.sequence`. `flags` of a request that is the last one, or is not.
    fn send(&mut self, requests: &[Request], flags: impl Fn(bool) -> u16) -> Result<(), Cause> {
        let mut datagram = Vec::new();
        for (at, request) in requests.iter().enumerate() {
            self.sequence = self.sequence.wrapping_add(1);
            let mut header = NetlinkHeader::default();
            header.flags = request.flags | flags(at + 1 == requests.len()) | NLM_F_REQUEST;
            header.sequence_number = self.sequence;
            request.write(header, &mut datagram);
        }
        let kernel = SocketAddr::new(0, 0);
        let sent = self.raw.send_to(&datagram, &kernel, 0);
        sent.map(drop).map_err(Cause::Socket)
    }

    /// Reads until the ACK, the end of the dump, or the refusal that answers `sequence`. Answers to
    /// earlier requests, abandoned by a time-out, are passed over.
    fn collect(&mut self, sequence: u32, deadline: Instant) -> Result<Answer, Cause> {
        let mut answer = Answer::default();
        loop {
            self.receive(deadline)?;
            for message in Messages::of(&self.buffer) {
                let message = message?;
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
        }
    }

    /// One datagram, into the buffer.
    fn receive(&mut self, deadline: Instant) -> Result<(), Cause> {
        self.buffer.clear();
        loop {
            if Instant::now() > deadline {
                return Err(Cause::Timeout(self.timeout));
            }
            match self.raw.recv(&mut self.buffer, 0) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(Cause::Timeout(self.timeout));
                }
                Err(error) => return Err(Cause::Socket(error)),
            }
        }
    }
}

/// The messages of one datagram. It ends at the first that cannot be read.
struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    fn of(datagram: &'a [u8]) -> Self {
        Messages { rest: datagram }
    }
}

impl Iterator for Messages<'_> {
    type Item = Result<NetlinkMessage<RouteNetlinkMessage>, Cause>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(self.rest)
            .map_err(|error| Cause::Undecodable(error.to_string()));
        let length = message
            .as_ref()
            .map(|message| message.header.length as usize);
        let next = length.unwrap_or(usize::MAX).checked_next_multiple_of(4);
        self.rest = next
            .and_then(|next| self.rest.get(next..))
            .unwrap_or_default();
        Some(message)
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
