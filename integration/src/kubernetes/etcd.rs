//! How an etcd of one member is started. It is nobody's but its box's.

use std::path::Path;

/// Where it listens for the API server.
pub(crate) const CLIENTS: &str = "http://127.0.0.1:2379";
/// Where it would listen for other members.
const PEERS: &str = "http://127.0.0.1:2380";

/// Its arguments; its files are below `data`, and are not synced: they last as long as the test.
pub(crate) fn arguments(data: &Path) -> Vec<String> {
    vec![
        format!("--data-dir={}", data.display()),
        format!("--listen-client-urls={CLIENTS}"),
        format!("--advertise-client-urls={CLIENTS}"),
        format!("--listen-peer-urls={PEERS}"),
        format!("--initial-advertise-peer-urls={PEERS}"),
        "--name=lab".to_owned(),
        format!("--initial-cluster=lab={PEERS}"),
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ]
}
