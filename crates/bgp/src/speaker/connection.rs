//! One TCP connection: a task that reads it, and writing from wherever there is something to write.

use super::outbox::Outbox;
use crate::session::ConnectionId;
use crate::wire::{self, MAX_STANDARD};
use bytes::{Bytes, BytesMut};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How much is read at a time while little comes, and while much does.
const READ_LITTLE: usize = 4 * 1024;
const READ_MUCH: usize = 64 * 1024;
/// A socket that takes nothing for this long is said to be blocked.
const BLOCKED_AFTER: Duration = Duration::from_secs(5);
/// How long a closing connection has to take its last words, and to close its side.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(2);

/// What a connection tells the loop.
#[derive(Debug)]
pub(super) enum News {
    /// Whole messages, in order.
    Frames(ConnectionId, Vec<Bytes>),
    /// The next message is longer than is taken. Answered once everything before has been dealt with:
    /// one of those may be what allows it.
    Long(oneshot::Sender<()>),
    /// It is over.
    Closed(ConnectionId, String),
    /// It takes nothing.
    Blocked(ConnectionId),
    /// It takes something again.
    Unblocked(ConnectionId),
    /// It was cut off from its log and can take something now.
    Behind(ConnectionId),
}

/// A connection; shared between its reader, whoever writes, and the loop.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    stream: TcpStream,
    outbox: Mutex<Outbox>,
    /// A task waits for the socket to take more; it writes, nobody else.
    waiting: AtomicBool,
    /// Nothing but last words is written any more.
    closing: AtomicBool,
    max_length: AtomicU16,
    news: Sender<News>,
}

/// What writing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrote {
    /// Everything there was.
    All,
    /// Everything there was, and the log has gone on without it.
    Behind,
    /// The socket takes no more for now.
    Full,
    /// The connection is broken; its reader will say so.
    Broken,
}

impl Connection {
    /// A connection whose messages go to `news`.
    pub(super) fn new(id: ConnectionId, stream: TcpStream, news: Sender<News>) -> Arc<Self> {
        Arc::new(Connection {
            id,
            stream,
            outbox: Mutex::default(),
            waiting: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            max_length: AtomicU16::new(MAX_STANDARD),
            news,
        })
    }

    /// Takes messages up to this length from now on.
    pub(super) fn set_max_length(&self, octets: u16) {
        self.max_length.store(octets, Ordering::Relaxed);
    }

    /// What it has yet to write. The lock is held for single writes only; a writer that panicked left
    /// a queue that is still whole.
    pub(super) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is something to write.
    pub(super) fn owes(&self) -> bool {
        !self.outbox().front().is_empty()
    }

    /// Writes what the socket takes now; a task goes on with the rest when it takes more. Says whether
    /// all is written and the log has gone on without it.
    pub(super) fn pump(self: &Arc<Self>) -> bool {
        if self.waiting.load(Ordering::Acquire) {
            return false;
        }
        let wrote = self.write();
        if wrote == Wrote::Full && !self.waiting.swap(true, Ordering::AcqRel) {
            tokio::spawn(Arc::clone(self).drain());
        }
        wrote == Wrote::Behind
    }

    fn write(&self) -> Wrote {
        loop {
            let mut outbox = self.outbox();
            let front = outbox.front();
            if front.is_empty() {
                drop(front);
                return match outbox.is_behind() {
                    true => Wrote::Behind,
                    false => Wrote::All,
                };
            }
            match self.stream.try_write_vectored(&front) {
                Ok(octets) => outbox.wrote(octets),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Wrote::Full,
                Err(_) => return Wrote::Broken,
            }
        }
    }

    async fn drain(self: Arc<Self>) {
        let mut blocked = false;
        while !self.closing.load(Ordering::Acquire) {
            match timeout(BLOCKED_AFTER, self.stream.writable()).await {
                Err(_) if !blocked => {
                    blocked = true;
                    self.tell(News::Blocked(self.id)).await;
                    continue;
                }
                Err(_) => continue,
                Ok(Err(_)) => break,
                Ok(Ok(())) => {}
            }
            let before = self.outbox().written;
            let wrote = self.write();
            if blocked && self.outbox().written > before {
                blocked = false;
                self.tell(News::Unblocked(self.id)).await;
            }
            if wrote != Wrote::Full {
                break;
            }
        }
        self.waiting.store(false, Ordering::Release);
        // What was queued since the last look is nobody's business otherwise.
        if self.pump() {
            self.tell(News::Behind(self.id)).await;
        }
    }

    /// Reads until the connection is over.
    pub(super) async fn read(self: Arc<Self>) {
        let mut buffer = BytesMut::new();
        let mut room = READ_LITTLE;
        let reason = loop {
            if let Err(error) = self.stream.readable().await {
                break error.to_string();
            }
            buffer.reserve(room);
            match self.stream.try_read_buf(&mut buffer) {
                Ok(0) => break "closed by the peer".to_owned(),
                Ok(octets) => {
                    room = if octets >= room {
                        READ_MUCH
                    } else {
                        READ_LITTLE
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => break error.to_string(),
            }
            self.hand_on(&mut buffer).await;
            if buffer.is_empty() {
                // Thousands of quiet sessions hold no buffers.
                buffer = BytesMut::new();
            }
        };
        self.tell(News::Closed(self.id, reason)).await;
    }

    /// Hands on every whole message.
    async fn hand_on(&self, buffer: &mut BytesMut) {
        let mut frames = Vec::new();
        loop {
            if wire::length(buffer).is_some_and(|length| length > self.max_length()) {
                self.tell_frames(&mut frames).await;
                let (dealt_with, answer) = oneshot::channel();
                self.tell(News::Long(dealt_with)).await;
                // The loop has ended when nobody answers.
                let _ = answer.await;
            }
            match wire::split(buffer, self.max_length()) {
                Some(frame) => frames.push(frame),
                None => break,
            }
        }
        self.tell_frames(&mut frames).await;
    }

    async fn tell_frames(&self, frames: &mut Vec<Bytes>) {
        if !frames.is_empty() {
            self.tell(News::Frames(self.id, std::mem::take(frames)))
                .await;
        }
    }

    fn max_length(&self) -> u16 {
        self.max_length.load(Ordering::Relaxed)
    }

    /// Writes what is due, says that nothing follows, and waits for the peer to do the same: data
    /// that is not read would turn the close into a reset, and the peer would not read why.
    pub(super) async fn finish(self: Arc<Self>) {
        self.closing.store(true, Ordering::Release);
        self.outbox().hush();
        let words =
            async { while self.write() == Wrote::Full && self.stream.writable().await.is_ok() {} };
        // Whoever takes nothing hears nothing.
        let _ = timeout(LAST_WORDS, words).await;
        let _ = socket2::SockRef::from(&self.stream).shutdown(std::net::Shutdown::Write);
        let mut ignored = BytesMut::new();
        let end = async {
            while self.stream.readable().await.is_ok() {
                ignored.clear();
                ignored.reserve(READ_LITTLE);
                match self.stream.try_read_buf(&mut ignored) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Ok(0) | Err(_) => break,
                    Ok(_) => {}
                }
            }
        };
        let _ = timeout(LAST_WORDS, end).await;
    }

    /// Tells the loop; when that has ended, nobody.
    async fn tell(&self, news: News) {
        let _ = self.news.send(news).await;
    }
}
