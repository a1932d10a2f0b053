//! Who is measured: our plugin, its rivals with the settings that make them wire a pod as ours does,
//! and the floor.

use clap::ValueEnum;
use gingham_integration::bench;
use serde_json::{Value, json};
use std::fmt;
use std::path::Path;

/// One that is measured. Ours comes first, the floor last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Rival {
    Gingham,
    /// With host-local.
    Ptp,
    /// The same with `ipMasq`.
    #[value(name = "ptp+masq")]
    Masquerading,
    /// With host-local.
    Bridge,
    Floor,
}

/// Which addresses a pod gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Families {
    V4,
    Dual,
}

impl Rival {
    /// The upstream plugin it is.
    pub(crate) fn plugin(self) -> Option<&'static str> {
        match self {
            Rival::Gingham | Rival::Floor => None,
            Rival::Ptp | Rival::Masquerading => Some("ptp"),
            Rival::Bridge => Some("bridge"),
        }
    }

    /// What to do when it is missing.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Rival::Gingham | Rival::Floor => "integration/build.sh makes it",
            Rival::Ptp | Rival::Masquerading | Rival::Bridge => {
                "integration/tools/build.sh makes it; name its folder with --peers"
            }
        }
    }

    /// The configuration a runtime gives it; `folder` is its own.
    pub(crate) fn conf(self, families: Families, folder: &Path) -> Value {
        let mut conf = json!({"cniVersion": "1.0.0", "name": "bench", "type": self.plugin()});
        match self {
            Rival::Gingham | Rival::Floor => {
                conf["type"] = json!("gingham");
                conf["runDir"] = json!(folder);
                return conf;
            }
            Rival::Ptp => {}
            Rival::Masquerading => conf["ipMasq"] = json!(true),
            Rival::Bridge => {
                conf["bridge"] = json!("br0");
                conf["isDefaultGateway"] = json!(true);
            }
        }
        let mut ranges = vec![json!([{"subnet": "10.102.0.0/24"}])];
        let mut routes = vec![json!({"dst": "0.0.0.0/0"})];
        if families == Families::Dual {
            ranges.push(json!([{"subnet": "fd00:102::/64"}]));
            routes.push(json!({"dst": "::/0"}));
        }
        conf["ipam"] = json!({"type": "host-local", "ranges": ranges, "dataDir": folder});
        // A bridge that is the default gateway brings its own.
        if self != Rival::Bridge {
            conf["ipam"]["routes"] = json!(routes);
        }
        conf
    }
}

impl Families {
    /// What the agent would tell our plugin.
    pub(crate) fn node_state(self, boot: &str) -> Value {
        let block = |cidr| json!({"cidr": cidr, "pool": "z1", "state": "Active"});
        let (listed, blocks) = match self {
            Families::V4 => (json!(["IPv4"]), json!([block("10.101.0.0/24")])),
            Families::Dual => {
                let blocks = json!([block("10.101.0.0/24"), block("fd00:101::/64")]);
                (json!(["IPv4", "IPv6"]), blocks)
            }
        };
        json!({
            "version": 1, "bootId": boot, "node": "bench", "zone": "z1", "mtu": 1500,
            "families": listed, "blocks": blocks, "cooldownSeconds": 0,
        })
    }
}

impl fmt::Display for Families {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Families::V4 => "IPv4",
            Families::Dual => "dual",
        })
    }
}

impl bench::Rival for Rival {
    fn is_ours(self) -> bool {
        self == Rival::Gingham
    }

    fn is_peer(self) -> bool {
        self.plugin().is_some()
    }
}

impl fmt::Display for Rival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}
