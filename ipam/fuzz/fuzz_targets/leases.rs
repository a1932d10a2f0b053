//! Any bytes as `leases.json`: read, or refused by name; and whatever is rescued of them, no address of
//! an attachment is free and none stands twice.
#![no_main]

use gingham_ipam::{BootId, Leases, Recovered};
use gingham_model::MacAddress;
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;

fuzz_target!(|bytes: &[u8]| {
    let boot: BootId = "0b0e1d5c-0001-4a6e-9c1e-5f3f0c9a7e11"
        .parse()
        .expect("a UUID");
    match Leases::parse(bytes) {
        Ok(leases) => {
            let written = leases.to_json().expect("what was read can be written");
            let again = Leases::parse(&written).expect("what was written can be read");
            assert_eq!(again.to_json().expect("as before"), written);
        }
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
    let attachment = |last| Recovered {
        host_if: format!("gh{last}"),
        pod: String::new(),
        v4: Some([10, 64, 3, last].into()),
        v6: None,
        mac: MacAddress([2, 0, 0, 0, 0, last]),
    };
    let rescue = Leases::rescue(&boot, bytes, vec![attachment(5), attachment(6)]);
    let both = rescue.leases.live().iter().chain(rescue.leases.cooling());
    let mut seen = BTreeSet::new();
    for address in both.flat_map(|lease| lease.addresses()) {
        assert!(seen.insert(address), "{address} twice");
    }
    for last in [5, 6] {
        let holder = rescue
            .leases
            .live()
            .iter()
            .find(|lease| lease.host_if == format!("gh{last}"));
        let holder = holder.expect("an attachment has a lease");
        assert_eq!(holder.v4, Some([10, 64, 3, last].into()));
    }
});
