//! A stream of bytes, in two pieces or in one: the same frames, and what can be read of them can be
//! written and read again.
#![no_main]

use bytes::{Bytes, BytesMut};
use gingham_bgp::wire::{
    Codec, HEADER, Message, decode, encode_notification, encode_open, encode_refresh, split,
};
use gingham_bgp_fuzz::codec;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [agreed, cut, stream @ ..] = input else {
        return;
    };
    let codec = codec(*agreed);
    let whole = frames([stream], &codec);
    let (front, back) = stream.split_at(stream.len().min(usize::from(*cut)));
    assert_eq!(whole, frames([front, back], &codec));
    for frame in &whole {
        read_and_write(frame, &codec);
    }
});

/// The frames of a stream that comes in `pieces`, up to the first that cannot be read: there a session
/// ends.
fn frames<const N: usize>(pieces: [&[u8]; N], codec: &Codec) -> Vec<Bytes> {
    let mut buffer = BytesMut::new();
    let mut frames = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        while let Some(frame) = split(&mut buffer, codec.max_length) {
            assert!(frame.len() >= HEADER);
            let last = decode(&frame, codec).is_err();
            frames.push(frame);
            if last {
                return frames;
            }
        }
    }
    frames
}

fn read_and_write(frame: &Bytes, codec: &Codec) {
    match decode(frame, codec) {
        // Without any family it would be of IPv4: an OPEN cannot say "of none that we know".
        Ok(Message::Open(open)) if open.capabilities.families.is_empty() => {}
        Ok(Message::Open(open)) => {
            let again = decode(&encode_open(&open), codec);
            assert_eq!(again.map(known), Ok(known(Message::Open(open))));
        }
        Ok(Message::Notification(notification)) => {
            let _ = (notification.to_string(), notification.shutdown_text());
            assert_eq!(encode_notification(&notification), frame);
        }
        Err(notification) => {
            let again = decode(&encode_notification(&notification), codec);
            assert_eq!(again, Ok(Message::Notification(notification)));
        }
        Ok(Message::Refresh(refresh)) => {
            if let Some(family) = refresh.family {
                let again = decode(&encode_refresh(family, refresh.part), codec);
                assert_eq!(again, Ok(Message::Refresh(refresh)));
            }
        }
        Ok(Message::Update(_) | Message::Keepalive) => {}
    }
}

/// An OPEN without the codes of capabilities we do not write.
fn known(message: Message) -> Message {
    match message {
        Message::Open(mut open) => {
            open.capabilities.codes.clear();
            Message::Open(open)
        }
        other => other,
    }
}
