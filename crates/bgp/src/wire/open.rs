//! OPEN (RFC 4271 section 4.2) and the capabilities in it (RFC 5492).

use super::family::{afi, family};
use super::{AddPathOffer, Capabilities, LongLivedOffer, Notification, Open, RestartOffer};
use crate::config::AsnWidth;
use crate::{Asn, RouterId};
use bytes::{Bytes, BytesMut};
use gingham_model::Family;
use rustbgpd_wire::constants::{BGP_VERSION, capability_code};
use rustbgpd_wire::notification::{NotificationCode, open_subcode};
use rustbgpd_wire::{
    AddPathFamily, AddPathMode, Afi, Capability, ExtendedNextHopFamily, GracefulRestartFamily,
    LlgrFamily, OpenMessage, Safi,
};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

/// The longest restart time (12 bits) and long-lived stale time (24 bits) that can be written.
const MAX_RESTART: u16 = 0x0FFF;
const MAX_LONG_LIVED: u32 = 0x00FF_FFFF;

pub(super) fn decode(mut body: Bytes) -> Result<Open, Notification> {
    let length = body.len();
    let message = OpenMessage::decode(&mut body, length)?;
    if message.bgp_identifier == Ipv4Addr::UNSPECIFIED {
        // RFC 6286 section 2.2.
        let code = NotificationCode::OpenMessage.as_u8();
        return Err(Notification::new(code, open_subcode::BAD_BGP_IDENTIFIER));
    }
    Ok(Open {
        asn: Asn(message.four_byte_as()),
        hold_seconds: message.hold_time,
        router_id: RouterId(message.bgp_identifier),
        capabilities: read(&message.capabilities),
    })
}

fn read(offered: &[Capability]) -> Capabilities {
    let mut capabilities = Capabilities {
        asn_width: AsnWidth::Two,
        codes: offered.iter().map(Capability::code).collect(),
        ..Capabilities::default()
    };
    for capability in offered {
        absorb(&mut capabilities, capability);
    }
    if !capabilities
        .codes
        .contains(&capability_code::MULTI_PROTOCOL)
    {
        capabilities.families.insert(Family::V4);
    }
    capabilities
}

fn absorb(into: &mut Capabilities, capability: &Capability) {
    match capability {
        Capability::MultiProtocol { afi, safi } => into.families.extend(family(*afi, *safi)),
        Capability::FourOctetAs { .. } => into.asn_width = AsnWidth::Four,
        Capability::RouteRefresh => into.refresh = true,
        Capability::EnhancedRouteRefresh => into.enhanced_refresh = true,
        Capability::ExtendedMessage => into.extended_messages = true,
        Capability::ExtendedNextHop(list) => {
            into.extended_next_hop |= list.contains(&V4_OVER_V6);
        }
        Capability::AddPath(list) => into.add_path.extend(list.iter().filter_map(add_path)),
        Capability::LongLivedGracefulRestart(list) => {
            into.long_lived.extend(list.iter().filter_map(long_lived));
        }
        Capability::GracefulRestart {
            restart_state,
            notification,
            restart_time,
            families,
        } => {
            into.restart = Some(RestartOffer {
                restarting: *restart_state,
                notification: *notification,
                time: Duration::from_secs((*restart_time).into()),
                families: families.iter().filter_map(forwarding).collect(),
            });
        }
        Capability::Unknown { code, data } => {
            for entry in entries(*code, data) {
                absorb(into, &entry);
            }
        }
        _ => {}
    }
}

/// The crate gives up a whole list when one entry is of a family it has never heard of; the other
/// entries hold nevertheless. Each readable entry comes as a list of its own.
fn entries(code: u8, list: &[u8]) -> Vec<Capability> {
    let width: u8 = match code {
        capability_code::EXTENDED_NEXT_HOP => 6,
        capability_code::ADD_PATH => 4,
        capability_code::LONG_LIVED_GRACEFUL_RESTART => 7,
        _ => return Vec::new(),
    };
    let read = |entry: &[u8]| {
        let mut alone = BytesMut::from([code, width].as_slice());
        alone.extend_from_slice(entry);
        Capability::decode(&mut alone).ok()
    };
    list.chunks_exact(width.into())
        .filter_map(read)
        .filter(|entry| !matches!(entry, Capability::Unknown { .. }))
        .collect()
}

const V4_OVER_V6: ExtendedNextHopFamily = ExtendedNextHopFamily {
    nlri_afi: Afi::Ipv4,
    nlri_safi: Safi::Unicast,
    next_hop_afi: Afi::Ipv6,
};

fn add_path(entry: &AddPathFamily) -> Option<(Family, AddPathOffer)> {
    let offer = AddPathOffer {
        receive: entry.send_receive != AddPathMode::Send,
        send: entry.send_receive != AddPathMode::Receive,
    };
    Some((family(entry.afi, entry.safi)?, offer))
}

fn long_lived(entry: &LlgrFamily) -> Option<(Family, LongLivedOffer)> {
    let offer = LongLivedOffer {
        forwarding: entry.forwarding_preserved,
        time: Duration::from_secs(entry.stale_time.into()),
    };
    Some((family(entry.afi, entry.safi)?, offer))
}

fn forwarding(entry: &GracefulRestartFamily) -> Option<(Family, bool)> {
    Some((family(entry.afi, entry.safi)?, entry.forwarding_preserved))
}

/// Times beyond what their fields hold are written as the longest there is.
pub fn encode_open(open: &Open) -> Bytes {
    let message = OpenMessage {
        version: BGP_VERSION,
        my_as: open.asn.two_octets(),
        hold_time: open.hold_seconds,
        bgp_identifier: open.router_id.0,
        capabilities: write(open),
    };
    let mut frame = BytesMut::new();
    match message.encode(&mut frame) {
        Ok(()) => frame.freeze(),
        Err(_) => unreachable!("two families of each capability are far below every limit"),
    }
}

fn write(open: &Open) -> Vec<Capability> {
    let offer = &open.capabilities;
    let multiprotocol = |family: &Family| Capability::MultiProtocol {
        afi: afi(*family),
        safi: Safi::Unicast,
    };
    let mut list: Vec<Capability> = offer.families.iter().map(multiprotocol).collect();
    list.extend(offer.refresh.then_some(Capability::RouteRefresh));
    let next_hop = Capability::ExtendedNextHop(vec![V4_OVER_V6]);
    list.extend(offer.extended_next_hop.then_some(next_hop));
    list.extend(
        offer
            .extended_messages
            .then_some(Capability::ExtendedMessage),
    );
    list.extend(offer.restart.as_ref().map(write_restart));
    list.extend(
        (offer.asn_width == AsnWidth::Four).then_some(Capability::FourOctetAs { asn: open.asn.0 }),
    );
    list.extend(write_add_path(&offer.add_path));
    list.extend(
        offer
            .enhanced_refresh
            .then_some(Capability::EnhancedRouteRefresh),
    );
    list.extend(write_long_lived(&offer.long_lived));
    list
}

fn write_restart(offer: &RestartOffer) -> Capability {
    let seconds = u16::try_from(offer.time.as_secs()).unwrap_or(MAX_RESTART);
    let families = offer
        .families
        .iter()
        .map(|(family, kept)| GracefulRestartFamily {
            afi: afi(*family),
            safi: Safi::Unicast,
            forwarding_preserved: *kept,
        });
    Capability::GracefulRestart {
        restart_state: offer.restarting,
        notification: offer.notification,
        restart_time: seconds.min(MAX_RESTART),
        families: families.collect(),
    }
}

fn write_add_path(offers: &BTreeMap<Family, AddPathOffer>) -> Option<Capability> {
    let entry = |(family, offer): (&Family, &AddPathOffer)| {
        let send_receive = match (offer.receive, offer.send) {
            (true, true) => AddPathMode::Both,
            (true, false) => AddPathMode::Receive,
            (false, true) => AddPathMode::Send,
            (false, false) => return None,
        };
        Some(AddPathFamily {
            afi: afi(*family),
            safi: Safi::Unicast,
            send_receive,
        })
    };
    let list: Vec<AddPathFamily> = offers.iter().filter_map(entry).collect();
    (!list.is_empty()).then_some(Capability::AddPath(list))
}

fn write_long_lived(offers: &BTreeMap<Family, LongLivedOffer>) -> Option<Capability> {
    let entry = |(family, offer): (&Family, &LongLivedOffer)| LlgrFamily {
        afi: afi(*family),
        safi: Safi::Unicast,
        forwarding_preserved: offer.forwarding,
        stale_time: u32::try_from(offer.time.as_secs())
            .unwrap_or(MAX_LONG_LIVED)
            .min(MAX_LONG_LIVED),
    };
    let list: Vec<LlgrFamily> = offers.iter().map(entry).collect();
    (!list.is_empty()).then_some(Capability::LongLivedGracefulRestart(list))
}
