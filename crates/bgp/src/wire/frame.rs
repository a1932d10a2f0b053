//! Frames: what a stream is cut into, and what a header alone can be refused for.

use super::Notification;
use bytes::{Bytes, BytesMut};
use rustbgpd_wire::header::BgpHeader;
use rustbgpd_wire::{DecodeError, MessageType, peek_message_length};

/// Octets of a header (RFC 4271 section 4.1).
pub const HEADER: usize = 19;
/// The longest message unless both ends agree on more.
pub const MAX_STANDARD: u16 = 4096;
/// The longest message where they do (RFC 8654).
pub const MAX_EXTENDED: u16 = 65535;

/// Takes the next whole frame off the front of `buffer`, without copying; `None` when more has to be
/// read first. A header that cannot be right (marker, length, type) comes alone, its 19 octets, so
/// that [`super::decode`] says why.
pub fn split(buffer: &mut BytesMut, max_length: u16) -> Option<Bytes> {
    let length = match peek_message_length(buffer, max_length) {
        Ok(length) => usize::from(length?),
        Err(_) => HEADER,
    };
    (buffer.len() >= length).then(|| buffer.split_to(length).freeze())
}

/// The length in the header `buffer` begins with, once that is there, right or not.
pub fn length(buffer: &[u8]) -> Option<u16> {
    match buffer.get(16..HEADER) {
        Some(&[high, low, _]) => Some(u16::from_be_bytes([high, low])),
        _ => None,
    }
}

/// The type and the body of a frame whose header is right (RFC 4271 section 6.1). The length of a
/// ROUTE-REFRESH is not looked at: it has an error of its own.
pub(super) fn open(frame: &Bytes, max_length: u16) -> Result<(MessageType, Bytes), Notification> {
    let mut body = frame.clone();
    let header = BgpHeader::decode(&mut body, max_length)?;
    let length = usize::from(header.length);
    let possible = match header.message_type {
        MessageType::Open => length >= 29,
        MessageType::Update => length >= 23,
        MessageType::Notification => length >= 21,
        MessageType::Keepalive => length == HEADER,
        _ => true,
    };
    if possible && length == frame.len() {
        Ok((header.message_type, body))
    } else {
        let length = header.length;
        Err(DecodeError::InvalidLength { length }.into())
    }
}

/// A frame around `body`, which callers keep within the longest message.
pub(super) fn close(message_type: MessageType, body: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(HEADER + body.len());
    let length = u16::try_from(HEADER + body.len()).unwrap_or(MAX_EXTENDED);
    BgpHeader {
        length,
        message_type,
    }
    .encode(&mut frame);
    frame.extend_from_slice(body);
    frame.freeze()
}

/// KEEPALIVE (RFC 4271 section 4.4).
pub fn encode_keepalive() -> Bytes {
    close(MessageType::Keepalive, &[])
}
