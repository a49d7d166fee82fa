//! URLs: `redis://USER:PASSWORD@HOST:PORT/DATABASE`; with sentinels several hosts, and the master's name in place of
//! the database; with a cluster several hosts.

use redis::IntoConnectionInfo;

use super::link::{Servers, Topology};
use crate::config::RedisConfig;
use crate::error::{Error, Result};

const SENTINEL_PORT: u16 = 26379;

/// The servers that the URL names, and what they are called in messages: without user, password and path.
pub fn read(config: &RedisConfig, warnings: &mut Vec<String>) -> Result<(Servers, String)> {
    let bad = || Error::config("repository: is no URL of a Redis server");
    let (scheme, rest) = config.url.split_once("://").ok_or_else(bad)?;
    let (plain, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, hosts) =
        authority.rsplit_once('@').map_or((String::new(), authority), |(user, hosts)| (format!("{user}@"), hosts));
    let (topology, database) = match kind {
        "sentinel" if path.is_empty() => {
            return Err(Error::config("repository: must name the master that the sentinels watch"));
        }
        "sentinel" => (Topology::Sentinel(path.to_owned()), ""),
        "cluster" if !matches!(path, "" | "0") => {
            return Err(Error::config("repository: a cluster has database 0 alone"));
        }
        "cluster" => (Topology::Cluster, ""),
        _ if hosts.contains(',') => return Err(Error::config("repository: names several hosts")),
        _ => (Topology::One, path),
    };
    let seed = |host: &str| {
        let has_port = host.rsplit(']').next().is_some_and(|rest| rest.contains(':'));
        let port = if kind == "sentinel" && !has_port { format!(":{SENTINEL_PORT}") } else { String::new() };
        format!("{plain}://{user}{host}{port}/{database}").into_connection_info().map_err(|_| bad())
    };
    let seeds = hosts.split(',').map(seed).collect::<Result<Vec<_>>>()?;
    if plain == "redis" && !hosts.split(',').all(is_loopback) {
        warnings.push("repository: redis:// sends everything over the network in clear: use rediss://".to_owned());
    }
    let authorities = config.ca_file.as_ref().map(|path| {
        std::fs::read(path).map_err(|cause| Error::config(format!("caFile: cannot read {path:?}: {cause}")))
    });
    let servers = Servers { topology, seeds, authorities: authorities.transpose()?, pool_size: config.pool_size };
    Ok((servers, format!("{scheme}://{hosts}")))
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
