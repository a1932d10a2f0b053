//! Any bytes as `node.json`: refused by name, or read the same when written.
#![no_main]

use gingham_ipam::NodeState;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match NodeState::parse(bytes) {
        Ok(state) => {
            for family in &state.families {
                let blocks = state.supply().active(*family).count();
                assert!(blocks <= state.blocks.len());
            }
        }
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
});
