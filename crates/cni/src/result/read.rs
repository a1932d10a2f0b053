//! A result of another plugin, or of an ADD long ago, out of a document of any version.

use super::{AddResult, Interface, IpConfig, RouteConfig};
use crate::{Error, Version};
use gingham_model::Prefix;
use serde_json::{Map, Value};
use std::net::IpAddr;

const KEY: &str = "prevResult";

/// The reference library writes a `dns` of which nothing is known as `{}`.
fn has_members(value: &Value) -> bool {
    value.as_object().is_none_or(|members| !members.is_empty())
}

/// A value of a document, and where it stands, for messages: `prevResult.ips[0].address`.
struct At<'a> {
    path: String,
    value: &'a Value,
}

impl AddResult {
    /// The `prevResult` of a configuration.
    ///
    /// # Errors
    /// [`crate::Code::InvalidNetworkConfig`] names what in it cannot be read.
    pub(crate) fn of_conf(conf: &Value) -> Result<Option<Self>, Error> {
        let value = conf.get(KEY).filter(|value| !value.is_null());
        value.map(AddResult::parse).transpose()
    }

    /// Reads a result in the shape of its own `cniVersion`; of one that states none, or one we do not
    /// speak, the form tells which it is.
    ///
    /// # Errors
    /// [`crate::Code::InvalidNetworkConfig`] names what cannot be read, as a part of `prevResult`.
    pub fn parse(value: &Value) -> Result<Self, Error> {
        let at = At {
            path: KEY.to_owned(),
            value,
        };
        let keys = at.object()?;
        let families = ["ip4", "ip6"];
        let old = match Version::of_result(value) {
            Some(version) => version < Version::V0_3_0,
            None => families.iter().any(|family| keys.contains_key(*family)),
        };
        let mut result = AddResult {
            dns: at
                .get("dns")
                .map(|dns| dns.value.clone())
                .filter(has_members),
            ..AddResult::default()
        };
        if old {
            for family in families {
                if let Some(at) = at.get(family) {
                    result.ips.push(at.old_ip()?);
                    result.routes.extend(at.list("routes", At::route)?);
                }
            }
        } else {
            result.interfaces = at.list("interfaces", At::interface)?;
            result.ips = at.list("ips", At::ip)?;
            result.routes = at.list("routes", At::route)?;
        }
        Ok(result)
    }
}

impl<'a> At<'a> {
    fn refuse(&self, rule: &str) -> Error {
        Error::field(&self.path, self.value, rule)
    }

    fn object(&self) -> Result<&'a Map<String, Value>, Error> {
        let object = self.value.as_object();
        object.ok_or_else(|| self.refuse("must be an object"))
    }

    /// A member that is not null.
    fn get(&self, key: &str) -> Option<At<'a>> {
        let value = self.value.get(key).filter(|value| !value.is_null())?;
        Some(At {
            path: format!("{}.{key}", self.path),
            value,
        })
    }

    fn required(&self, key: &str) -> Result<At<'a>, Error> {
        self.get(key)
            .ok_or_else(|| self.refuse(&format!("must have {key}")))
    }

    fn list<T>(
        &self,
        key: &str,
        read: impl Fn(&At<'a>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let Some(at) = self.get(key) else {
            return Ok(Vec::new());
        };
        let items = at
            .value
            .as_array()
            .ok_or_else(|| at.refuse("must be a list"))?;
        let items = items.iter().enumerate().map(|(index, value)| At {
            path: format!("{}[{index}]", at.path),
            value,
        });
        items.map(|item| read(&item)).collect()
    }

    fn text(&self) -> Result<&'a str, Error> {
        self.value
            .as_str()
            .ok_or_else(|| self.refuse("must be a string"))
    }

    fn number(&self) -> Result<u32, Error> {
        let number = self
            .value
            .as_u64()
            .and_then(|number| number.try_into().ok());
        number.ok_or_else(|| self.refuse("must be a whole number from 0 to 4294967295"))
    }

    fn numbered(&self, key: &str) -> Result<Option<u32>, Error> {
        self.get(key).map(|at| at.number()).transpose()
    }

    /// An empty one is absent: that is how the reference library writes an address it does not have.
    fn address(&self) -> Result<Option<IpAddr>, Error> {
        match self.text()? {
            "" => Ok(None),
            text => text
                .parse()
                .map(Some)
                .map_err(|_| self.refuse("must be an IP address")),
        }
    }

    fn addressed(&self, key: &str) -> Result<Option<IpAddr>, Error> {
        self.get(key).map_or(Ok(None), |at| at.address())
    }

    fn with_length(&self) -> Result<(IpAddr, u8), Error> {
        let read = |text: &str| {
            let (address, length) = text.split_once('/')?;
            let address: IpAddr = address.parse().ok()?;
            let length = length.parse().ok()?;
            Prefix::containing(address, length).ok()?;
            Some((address, length))
        };
        read(self.text()?).ok_or_else(|| {
            self.refuse("must be an IP address with its length, such as 10.64.3.5/32")
        })
    }

    fn interface(&self) -> Result<Interface, Error> {
        const OURS: [&str; 4] = ["name", "mac", "mtu", "sandbox"];
        let mut others = self.object()?.clone();
        others.retain(|key, _| !OURS.contains(&key.as_str()));
        let mac = self.get("mac").filter(|mac| *mac.value != *"");
        let read = mac
            .as_ref()
            .and_then(|mac| mac.value.as_str()?.parse().ok());
        if let (Some(other), None) = (mac, read) {
            others.insert("mac".to_owned(), other.value.clone());
        }
        let sandbox = self.get("sandbox").map(|at| at.text()).transpose()?;
        Ok(Interface {
            name: self.required("name")?.text()?.to_owned(),
            mac: read,
            mtu: self.numbered("mtu")?,
            sandbox: sandbox.filter(|text| !text.is_empty()).map(str::to_owned),
            others,
        })
    }

    fn ip(&self) -> Result<IpConfig, Error> {
        let interface = self.get("interface").map(|at| at.index()).transpose()?;
        Ok(IpConfig {
            address: self.required("address")?.with_length()?,
            gateway: self.addressed("gateway")?,
            interface: interface.flatten(),
        })
    }

    /// Negative in results of plugins that know no interface.
    fn index(&self) -> Result<Option<usize>, Error> {
        match (self.value.as_u64(), self.value.as_i64()) {
            (Some(index), _) => Ok(index.try_into().ok()),
            (None, Some(_)) => Ok(None),
            (None, None) => Err(self.refuse("must be a whole number")),
        }
    }

    fn old_ip(&self) -> Result<IpConfig, Error> {
        Ok(IpConfig {
            address: self.required("ip")?.with_length()?,
            gateway: self.addressed("gateway")?,
            interface: None,
        })
    }

    fn route(&self) -> Result<RouteConfig, Error> {
        let dst = self.required("dst")?;
        let (address, length) = dst.with_length()?;
        let dst = Prefix::containing(address, length);
        Ok(RouteConfig {
            dst: dst.map_err(|error| self.refuse(&error.to_string()))?,
            gw: self.addressed("gw")?,
            mtu: self.numbered("mtu")?,
            advmss: self.numbered("advmss")?,
            priority: self.numbered("priority")?,
            table: self.numbered("table")?,
            scope: self.numbered("scope")?,
        })
    }
}
