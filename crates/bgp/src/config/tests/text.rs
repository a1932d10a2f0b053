//! Reading and writing.

use super::{VALID, read, valid};

#[test]
fn text_is_refused_with_its_place_and_name() {
    let table = [
        (
            "asn: 64513, import",
            "asn: 64513, holdSecond: 9, import",
            "holdSecond",
        ),
        (
            "asn: 64512, password",
            "asn: 64512, passwort: x, password",
            "passwort",
        ),
        ("listen:", "listens:", "listens"),
        ("count: 9", "count: 9, than: warn", "than"),
        ("10.0.0.2", "10.0.0.256", "10.0.0.256"),
        ("10.1.0.0/16", "10.1.0.1/16", "10.1.0.0/16 is meant?"),
        (
            "asn: 64513, import",
            "holdSeconds: 70000, asn: 64513, import",
            "70000",
        ),
        ("asn: 64513, import", "import", "missing field `asn`"),
        ("role: client", "role: Client", "Client"),
    ];
    for (from, to, expected) in table {
        assert!(VALID.contains(from), "{from}");
        let error = read(&VALID.replacen(from, to, 1)).unwrap_err();
        assert!(error.contains(expected), "{to}: {error}");
        assert!(error.contains("line "), "{to}: {error}");
    }
}

#[test]
fn what_was_read_is_written_the_same() {
    let config = valid();
    let yaml = serde_saphyr::to_string(&config).unwrap();
    assert_eq!(read(&yaml), Ok(config), "{yaml}");
}

#[test]
fn a_password_is_never_shown() {
    let config = valid();
    let password = config.ranges[0].settings.password.clone().unwrap();
    assert_eq!(password.0, "1", "digits are text here");
    assert_eq!(format!("{password:?}"), "(hidden)");
}

#[test]
fn the_examples_can_be_used() {
    for name in ["reflector", "node", "external"] {
        let path = format!(
            "{}/examples/speaker/{name}.yaml",
            env!("CARGO_MANIFEST_DIR")
        );
        let yaml = std::fs::read_to_string(&path).unwrap();
        let config = read(&yaml).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(config.check(), Ok(()), "{name}");
    }
}
