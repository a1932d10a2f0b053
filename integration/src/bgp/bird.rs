//! BIRD: one process, a configuration language, and a client that prints text.

use super::peer::{Daemon, FOLDER, Launch, Session, patient};
use super::plan::{AddPath, AsnWidth, Dial, Neighbour, Origin, Role, Speaker, Ttl};
use super::table::{self, Path, Table};
use super::world::Host;
use anyhow::{Context, Result, bail};
use gingham_model::Family;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

/// The daemon.
#[derive(Debug)]
pub(super) struct Bird;

impl Daemon for Bird {
    fn files(&self, speaker: &Speaker) -> Vec<(String, String)> {
        vec![(format!("{FOLDER}/bird.conf"), configuration(speaker))]
    }

    fn argv(&self, launch: Launch) -> Result<Vec<String>> {
        let recover = match launch {
            Launch::Fresh => "",
            Launch::Again => " -R",
        };
        let line = format!("bird -f -c {FOLDER}/bird.conf -s {FOLDER}/bird.ctl{recover}");
        Ok(line.split(' ').map(str::to_owned).collect())
    }

    fn client(&self, host: &Host, request: &[&str]) -> Result<String> {
        let socket = format!("{FOLDER}/bird.ctl");
        let words = [&["birdc", "-s", &socket], request].concat();
        let said = patient(host, &words).text()?;
        // birdc ends with 0 even so.
        if said.contains("syntax error") {
            bail!("birdc {request:?}: {said}");
        }
        Ok(said)
    }

    fn sessions(&self, host: &Host) -> Result<BTreeMap<IpAddr, Session>> {
        Ok(protocols(host)?.into_values().collect())
    }

    fn table(&self, host: &Host, family: Family) -> Result<Table> {
        let name = match family {
            Family::V4 => "master4",
            Family::V6 => "master6",
        };
        let said = self.client(host, &["show", "route", "table", name, "all"])?;
        read(&said, &protocols(host)?)
    }
}

/// Its BGP protocols by name: where the peer is, and how the session stands.
fn protocols(host: &Host) -> Result<BTreeMap<String, (IpAddr, Session)>> {
    let said = Bird.client(host, &["show", "protocols", "all"])?;
    let mut protocols = BTreeMap::new();
    let (mut name, mut state) = ("", "");
    for line in said.lines() {
        if !line.starts_with(' ') {
            name = line.split(' ').next().unwrap_or_default();
        } else if let Some(text) = line.trim().strip_prefix("BGP state:") {
            state = text.trim();
        } else if let Some(text) = line.trim().strip_prefix("Neighbor address:") {
            let session = (plain_address(text)?, Session::named(state));
            protocols.insert(name.to_owned(), session);
        }
    }
    Ok(protocols)
}

/// An address that may carry its interface, `fe80::1%eth0`.
fn plain_address(text: &str) -> Result<IpAddr> {
    let bare = text.trim().split('%').next().unwrap_or_default();
    bare.parse().with_context(|| format!("address {text:?}"))
}

fn configuration(speaker: &Speaker) -> String {
    let mut text = format!(
        "log stderr all;\nrouter id {};\nprotocol device {{}}\n\
         protocol direct {{ ipv4; ipv6; interface \"eth0\"; }}\n",
        speaker.router_id
    );
    for (family, channel) in [(Family::V4, "ipv4"), (Family::V6, "ipv6")] {
        let _ = writeln!(text, "protocol static {{ {channel};");
        for origin in speaker.origins(family) {
            let _ = writeln!(
                text,
                "  route {} blackhole{};",
                origin.prefix,
                attributes(origin)
            );
        }
        text.push_str("}\n");
    }
    text += &export(speaker);
    if let Some(restart) = speaker.restart {
        let _ = writeln!(text, "graceful restart wait {};", restart.seconds);
    }
    for (number, neighbour) in speaker.neighbours.iter().enumerate() {
        text += &protocol(speaker, neighbour, number);
    }
    text
}

/// What goes to peers. MEDs are set here, since an external peer gets none that is older.
fn export(speaker: &Speaker) -> String {
    let mut text = "filter outward {\n".to_owned();
    for origin in &speaker.originate {
        if let Some(med) = origin.med {
            let _ = writeln!(text, "  if net = {} then bgp_med = {med};", origin.prefix);
        }
    }
    text + "  if source ~ [ RTS_STATIC, RTS_BGP ] then accept; else reject;\n}\n"
}

/// ` { bgp_community.add(...); ... }`, or nothing.
fn attributes(origin: &Origin) -> String {
    let mut text = String::new();
    if let Some(next_hop) = origin.next_hop {
        let _ = write!(text, " bgp_next_hop = {next_hop};");
    }
    for community in &origin.communities {
        let _ = write!(
            text,
            " bgp_community.add(({}));",
            community.replace(':', ",")
        );
    }
    for community in &origin.large_communities {
        let _ = write!(
            text,
            " bgp_large_community.add(({}));",
            community.replace(':', ",")
        );
    }
    match text.is_empty() {
        true => text,
        false => format!(" {{{text} }}"),
    }
}

fn protocol(speaker: &Speaker, neighbour: &Neighbour, number: usize) -> String {
    let Neighbour {
        address,
        local,
        asn,
        hold_seconds,
        ..
    } = neighbour;
    let mut text = format!(
        "protocol bgp peer{number} {{\n  local {local} as {};\n  neighbor {address} as {asn};\n  \
         direct;\n  hold time {hold_seconds};\n  connect delay time 1;\n  connect retry time 2;\n  \
         error wait time 1, 2;\n  error forget time 1;\n  enable extended messages on;\n",
        speaker.asn
    );
    if neighbour.dial == Dial::Passive {
        text.push_str("  passive on;\n");
    }
    if neighbour.ttl == Ttl::Security {
        text.push_str("  ttl security on;\n");
    }
    if neighbour.asn_width == AsnWidth::Two {
        text.push_str("  enable as4 off;\n");
    }
    if let Some(password) = &neighbour.password {
        let _ = writeln!(text, "  password \"{password}\";");
    }
    if neighbour.role == Role::Client {
        let cluster = speaker.cluster_id.unwrap_or(speaker.router_id);
        let _ = writeln!(text, "  rr client;\n  rr cluster id {cluster};");
    }
    text += &restart(speaker);
    for family in &neighbour.families {
        text += &channel(neighbour, *family);
    }
    text + "}\n"
}

fn restart(speaker: &Speaker) -> String {
    let Some(restart) = speaker.restart else {
        return "  graceful restart off;\n".to_owned();
    };
    let mut text = format!(
        "  graceful restart on;\n  graceful restart time {};\n",
        restart.seconds
    );
    if restart.long_lived_seconds > 0 {
        let _ = writeln!(
            text,
            "  long lived graceful restart on;\n  long lived stale time {};",
            restart.long_lived_seconds
        );
    }
    text
}

fn channel(neighbour: &Neighbour, family: Family) -> String {
    let name = match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    };
    let mut text = format!("  {name} {{ import all; export filter outward; gateway recursive;");
    text.push_str(match neighbour.add_path {
        AddPath::Off => "",
        AddPath::Receive => " add paths rx;",
        AddPath::Send => " add paths tx;",
        AddPath::Both => " add paths on;",
    });
    if let Some(limit) = neighbour.max_prefixes {
        let _ = write!(text, " import limit {limit} action restart;");
    }
    text + " };\n"
}

/// Reads `show route all`: a line of a path begins with its prefix, or with spaces when it is one
/// more path to the prefix before; its attributes follow, each after a tab.
fn read(said: &str, protocols: &BTreeMap<String, (IpAddr, Session)>) -> Result<Table> {
    let mut table = Table::new();
    let mut prefix = String::new();
    for line in said.lines() {
        if let Some(attribute) = line.strip_prefix('\t') {
            let path = table.get_mut(&prefix).and_then(|paths| paths.last_mut());
            if let Some(path) = path {
                read_attribute(path, attribute)?;
            }
        } else if let Some((_, source)) = line.split_once('[') {
            if !line.starts_with(' ') {
                let first = line.split(' ').next().unwrap_or_default();
                prefix = table::prefix(first)?;
            }
            let protocol = source.split([' ', ']']).next().unwrap_or_default();
            let mut path = Path::via(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
            path.from = protocols.get(protocol).map(|(address, _)| *address);
            // `(100s/-)`: preference, mark, metric.
            let rank = source
                .split_once('(')
                .and_then(|(_, rest)| rest.split(')').next());
            path.stale = rank.is_some_and(|rank| rank.contains('s'));
            table.entry(prefix.clone()).or_default().push(path);
        }
    }
    table.values_mut().for_each(|paths| paths.sort());
    Ok(table)
}

fn read_attribute(path: &mut Path, attribute: &str) -> Result<()> {
    let Some((name, value)) = attribute.split_once(':') else {
        return Ok(());
    };
    let value = value.trim();
    let context = || format!("{name} of {value:?}");
    match name {
        "BGP.next_hop" => {
            let first = value.split(' ').next().unwrap_or_default();
            path.next_hop = first.parse().with_context(context)?;
        }
        "BGP.as_path" => path.as_path = table::as_path(value),
        "BGP.med" => path.med = value.parse().with_context(context)?,
        "BGP.local_pref" => path.local_pref = value.parse().with_context(context)?,
        "BGP.originator_id" => path.originator = Some(value.parse().with_context(context)?),
        "BGP.cluster_list" => {
            let ids = value.split_whitespace().map(str::parse);
            path.cluster_list = ids.collect::<Result<_, _>>().with_context(context)?;
        }
        "BGP.community" => {
            let all = tuples(value).map(|text| text.parse());
            path.communities = all.collect::<Result<_>>()?;
        }
        "BGP.large_community" => path.large_communities = tuples(value).collect(),
        _ => {}
    }
    Ok(())
}

/// `(1, 2, 3) (4, 5, 6)` as `1:2:3`, `4:5:6`.
fn tuples(text: &str) -> impl Iterator<Item = String> + '_ {
    let inner = text.split(')').filter_map(|part| part.split_once('('));
    inner.map(|(_, numbers)| numbers.replace(", ", ":").replace(',', ":"))
}
