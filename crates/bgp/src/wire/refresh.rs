//! ROUTE-REFRESH (RFC 2918) and its borders (RFC 7313).

use super::frame::close;
use super::{Notification, Refresh, RefreshPart, family};
use bytes::Bytes;
use gingham_model::Family;
use rustbgpd_wire::MessageType;
use rustbgpd_wire::notification::{NotificationCode, route_refresh_subcode};

/// A message of any other length than this is refused whole (RFC 7313 section 5). What could follow
/// are filters of RFC 5291, which this speaker never offers.
pub(super) fn decode(frame: &Bytes, body: &[u8]) -> Result<Refresh, Notification> {
    let &[high, low, part, safi] = body else {
        return Err(Notification {
            code: NotificationCode::RouteRefreshMessage.as_u8(),
            subcode: route_refresh_subcode::INVALID_MESSAGE_LENGTH,
            data: frame.clone(),
        });
    };
    let family = family::of_numbers(u16::from_be_bytes([high, low]), safi);
    Ok(match part {
        0 => Refresh {
            family,
            part: RefreshPart::Request,
        },
        1 => Refresh {
            family,
            part: RefreshPart::Begin,
        },
        2 => Refresh {
            family,
            part: RefreshPart::End,
        },
        // A part nobody defined is to be ignored, like a family we do not know.
        _ => Refresh {
            family: None,
            part: RefreshPart::Request,
        },
    })
}

/// A request, or one border of the answer.
pub fn encode_refresh(family: Family, part: RefreshPart) -> Bytes {
    let [high, low, safi] = family::octets(family);
    let part = match part {
        RefreshPart::Request => 0,
        RefreshPart::Begin => 1,
        RefreshPart::End => 2,
    };
    close(MessageType::RouteRefresh, &[high, low, part, safi])
}
