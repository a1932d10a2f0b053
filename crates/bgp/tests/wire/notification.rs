//! NOTIFICATIONs there, back, and as text.

use bytes::Bytes;
use gingham_bgp::wire::{
    Codec, MAX_STANDARD, Message, Notification, PeerKind, decode, encode_notification,
};
use proptest::prelude::*;

fn shutdown(text: &str) -> Notification {
    Notification::new(6, 2).with_text(text)
}

#[test]
fn names_are_those_of_the_registry() {
    let named = [
        ((6, 3), "Cease/Peer De-configured"),
        ((4, 0), "Hold Timer Expired"),
        ((8, 0), "Send Hold Timer Expired"),
        ((2, 6), "OPEN Message Error/Unacceptable Hold Time"),
        ((6, 10), "Cease/BFD Down"),
        ((6, 99), "Cease/99"),
        ((77, 5), "Unknown(77)/5"),
    ];
    for ((code, subcode), name) in named {
        assert_eq!(Notification::new(code, subcode).to_string(), name);
    }
}

#[test]
fn shutdown_texts_are_shown_without_what_could_move_a_cursor() {
    let text = shutdown("back at noon").to_string();
    assert_eq!(text, "Cease/Administrative Shutdown: back at noon");
    let text = shutdown("a\nb\u{1b}[2J").to_string();
    assert_eq!(text, "Cease/Administrative Shutdown: a\u{FFFD}b\u{FFFD}[2J");
    let cut = shutdown(&"ä".repeat(200)).shutdown_text().unwrap();
    assert_eq!(cut, "ä".repeat(64));
}

#[test]
fn a_hard_reset_carries_the_reason() {
    let hard = shutdown("moving").into_hard_reset();
    assert!(hard.is_hard_reset() && !shutdown("moving").is_hard_reset());
    assert_eq!(hard.shutdown_text().as_deref(), Some("moving"));
    let text = "Cease/Hard Reset (Cease/Administrative Shutdown): moving";
    assert_eq!(hard.to_string(), text);
}

#[test]
fn what_is_no_shutdown_text_is_left_alone() {
    for data in [
        &[][..],
        &[200, b'a'],
        &[1],
        &[2, 0xC3, 0x28],
        &[1, b'a', b'b'],
    ] {
        let notification = Notification {
            data: Bytes::copy_from_slice(data),
            ..Notification::new(6, 4)
        };
        assert_eq!(notification.shutdown_text(), None);
        assert_eq!(notification.to_string(), "Cease/Administrative Reset");
    }
    assert_eq!(
        Notification::new(6, 3).with_text("no").shutdown_text(),
        None
    );
}

#[test]
fn hard_resets_inside_one_another_are_looked_into_once() {
    let data: Vec<u8> = [6, 9].repeat(32_000);
    let nested = Notification {
        data: data.into(),
        ..Notification::new(6, 9)
    };
    assert_eq!(nested.to_string(), "Cease/Hard Reset");
}

#[test]
fn data_too_long_for_a_message_are_cut() {
    let notification = Notification {
        data: vec![7; 5000].into(),
        ..Notification::new(3, 9)
    };
    assert_eq!(
        encode_notification(&notification).len(),
        usize::from(MAX_STANDARD)
    );
}

proptest! {
    #[test]
    fn notifications_come_back(code: u8, subcode: u8, data in proptest::collection::vec(any::<u8>(), 0..300)) {
        let sent = Notification { code, subcode, data: data.into() };
        let frame = encode_notification(&sent);
        let decoded = decode(&frame, &Codec::opening(PeerKind::External));
        prop_assert_eq!(decoded, Ok(Message::Notification(sent)));
    }

    #[test]
    fn any_can_be_shown(code: u8, subcode: u8, data in proptest::collection::vec(any::<u8>(), 0..300)) {
        let notification = Notification { code, subcode, data: data.into() };
        prop_assert!(!notification.to_string().is_empty());
    }
}
