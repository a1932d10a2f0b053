//! Any JSON as a result: refused by name, or read the same from every shape it is written in.
#![no_main]

use gingham_cni::{AddResult, Version};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
        return;
    };
    let result = match AddResult::parse(&value) {
        Ok(result) => result,
        Err(error) => return assert!(error.msg.starts_with("prevResult"), "{error}"),
    };
    for version in Version::ALL {
        let document = result.to_json(version);
        let value = serde_json::from_str(&document).expect("a result is JSON");
        let read = AddResult::parse(&value).expect("what was written can be read");
        assert_eq!(read.to_json(version), document);
        assert!(
            version < Version::NEWEST || read == result,
            "{result:?} {read:?}"
        );
    }
    let twice = result.clone().chained_after(result.clone());
    assert_eq!(twice.ips.len(), 2 * result.ips.len());
});
