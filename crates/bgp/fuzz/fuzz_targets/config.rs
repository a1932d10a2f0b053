//! Any text as a configuration: it is read or refused, and what is read is written the same.
#![no_main]

use gingham_bgp::config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(config) = serde_saphyr::from_str::<Config>(text) else {
        return;
    };
    for error in config.check().err().unwrap_or_default() {
        assert!(!error.to_string().is_empty());
    }
    let written = serde_saphyr::to_string(&config).expect("what was read can be written");
    let again = serde_saphyr::from_str::<Config>(&written);
    assert_eq!(again.as_ref().ok(), Some(&config), "{written}\n{again:?}");
});
