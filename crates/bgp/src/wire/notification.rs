//! NOTIFICATION (RFC 4271 section 4.5), shutdown texts (RFC 9003) and hard resets (RFC 8538).

use super::Notification;
use super::frame::{HEADER, MAX_STANDARD, close};
use bytes::{BufMut, Bytes, BytesMut};
use rustbgpd_wire::notification::{
    NotificationCode, cease_subcode, description, encode_shutdown_communication,
    extract_shutdown_communication,
};
use rustbgpd_wire::{DecodeError, MessageType, NotificationMessage};
use std::fmt;

/// The most data a NOTIFICATION of 4096 octets has room for.
const MAX_DATA: usize = MAX_STANDARD as usize - HEADER - 2;

impl Notification {
    /// One without data.
    pub fn new(code: u8, subcode: u8) -> Self {
        Notification {
            code,
            subcode,
            data: Bytes::new(),
        }
    }

    /// The same with a shutdown text as data (RFC 9003), cut at 128 octets: older peers take no more.
    pub fn with_text(self, text: &str) -> Self {
        let data = encode_shutdown_communication(text);
        Notification { data, ..self }
    }

    /// Cease/Hard Reset around this one: the peer is not to keep our routes (RFC 8538 section 3).
    pub fn into_hard_reset(self) -> Self {
        let mut data = BytesMut::with_capacity(2 + self.data.len());
        data.put_u8(self.code);
        data.put_u8(self.subcode);
        data.put_slice(&self.data);
        Notification {
            code: NotificationCode::Cease.as_u8(),
            subcode: cease_subcode::HARD_RESET,
            data: data.freeze(),
        }
    }

    /// Whether it is Cease/Hard Reset.
    pub fn is_hard_reset(&self) -> bool {
        self.code == NotificationCode::Cease.as_u8() && self.subcode == cease_subcode::HARD_RESET
    }

    /// The text the operator of the peer left, if there is one that can be read; looks into a hard
    /// reset too.
    pub fn shutdown_text(&self) -> Option<String> {
        let code = NotificationCode::from_u8(self.code);
        let message = NotificationMessage::new(code, self.subcode, self.data.clone());
        let text = extract_shutdown_communication(&message).ok().flatten()?;
        Some(text.to_owned())
    }

    /// What a hard reset is about. `None` for one inside another: a peer must not choose how deep
    /// we look.
    fn inner(&self) -> Option<Notification> {
        let (&[code, subcode], _) = self.data.split_first_chunk::<2>()?;
        let inner = Notification::new(code, subcode);
        (self.is_hard_reset() && !inner.is_hard_reset()).then_some(inner)
    }

    fn name(&self) -> String {
        let code = NotificationCode::from_u8(self.code);
        match (self.subcode, description(code, self.subcode)) {
            (0, _) => code.to_string(),
            (number, "Unknown" | "Unknown Error Code") => format!("{code}/{number}"),
            (_, name) => format!("{code}/{name}"),
        }
    }
}

/// Names and the text, as for a log: `Cease/Administrative Shutdown: back at noon`.
impl fmt::Display for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())?;
        if let Some(inner) = self.inner() {
            write!(f, " ({})", inner.name())?;
        }
        match self.shutdown_text() {
            Some(text) => write!(f, ": {}", text.replace(char::is_control, "\u{FFFD}")),
            None => Ok(()),
        }
    }
}

impl From<DecodeError> for Notification {
    fn from(error: DecodeError) -> Self {
        let (code, subcode, data) = error.to_notification();
        Notification {
            code: code.as_u8(),
            subcode,
            data,
        }
    }
}

pub(super) fn decode(mut body: Bytes) -> Result<Notification, Notification> {
    let length = body.len();
    let message = NotificationMessage::decode(&mut body, length)?;
    Ok(Notification {
        code: message.code.as_u8(),
        subcode: message.subcode,
        data: message.data,
    })
}

/// Data that do not fit into 4096 octets are cut: every peer can take that much.
pub fn encode_notification(notification: &Notification) -> Bytes {
    let data = notification.data.iter().take(MAX_DATA);
    let body: Vec<u8> = [notification.code, notification.subcode]
        .iter()
        .chain(data)
        .copied()
        .collect();
    close(MessageType::Notification, &body)
}
