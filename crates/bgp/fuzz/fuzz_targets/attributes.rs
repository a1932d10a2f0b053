//! The body of an UPDATE, read as different peers would: what comes out can be packed, and read again
//! as the same.
#![no_main]

use bytes::BytesMut;
use gingham_bgp::Nlri;
use gingham_bgp::attributes::Attributes;
use gingham_bgp::wire::{Codec, Message, Update, decode, pack_reach, pack_unreach, split};
use gingham_bgp_fuzz::{codec, frame};
use gingham_model::Family;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((agreed, body)) = input.split_first() else {
        return;
    };
    let codec = codec(*agreed);
    let Some(frame) = frame(2, body) else {
        return;
    };
    let Ok(Message::Update(update)) = decode(&frame, &codec) else {
        return;
    };
    for reach in &update.announced {
        announce(&codec, &reach.attributes, &reach.nlri);
    }
    for family in Family::ALL {
        let of_family = |nlri: &&Nlri| nlri.prefix.family() == family;
        let nlri: Vec<Nlri> = update.withdrawn.iter().filter(of_family).copied().collect();
        withdraw(&codec, &nlri);
    }
});

fn announce(codec: &Codec, attributes: &Attributes, nlri: &[Nlri]) {
    let mut packed = Vec::new();
    // Not everything that is taken may be passed on.
    let Ok(messages) = pack_reach(codec, attributes, nlri, &mut packed) else {
        assert!(packed.is_empty());
        return;
    };
    let updates = read(codec, &packed);
    assert_eq!(updates.len(), messages);
    let mut again = Vec::new();
    for update in updates {
        assert_eq!(
            (update.faults.len(), update.withdrawn.len()),
            (0, 0),
            "{update:?}"
        );
        for reach in update.announced {
            assert_eq!(&reach.attributes, attributes);
            again.extend(reach.nlri);
        }
    }
    assert_eq!(again, nlri);
}

fn withdraw(codec: &Codec, nlri: &[Nlri]) {
    let mut packed = Vec::new();
    let messages = pack_unreach(codec, nlri, &mut packed);
    let updates = read(codec, &packed);
    assert_eq!(updates.len(), messages);
    let again = updates.into_iter().flat_map(|update| update.withdrawn);
    assert!(again.eq(nlri.iter().copied()));
}

fn read(codec: &Codec, packed: &[u8]) -> Vec<Update> {
    let mut stream = BytesMut::from(packed);
    let mut updates = Vec::new();
    while let Some(frame) = split(&mut stream, codec.max_length) {
        match decode(&frame, codec) {
            Ok(Message::Update(update)) => updates.push(update),
            other => panic!("{frame:02x?} is no UPDATE: {other:?}"),
        }
    }
    assert!(stream.is_empty());
    updates
}
