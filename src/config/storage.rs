//! `repository`, `key`, `keyFile`, `previousKeys`.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::secret::{self, from_base64};
use super::{Durability, KeySource, PostgresConfig, RedisConfig, RepositoryUrl};
use crate::error::Result;
use crate::limits::KEY_BYTES;
use crate::strict::{Node, Object, is_visible_ascii};

const MAX_PREVIOUS_KEYS: usize = 16;

/// Connections that a service keeps, where it is not told.
const POOL_SIZE: u64 = 8;

const MOST_CONNECTIONS: u64 = 64;

const MOST_REPLICAS: u64 = 16;

const REDIS: [&str; 6] = ["redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"];

const POSTGRES: [&str; 2] = ["postgres", "postgresql"];

fn read_redis(root: &mut Object, url: &str) -> Result<RedisConfig> {
    let ca_file = read_ca_file(root, if url.starts_with("rediss") { Ok(()) } else { Err("rediss") })?;
    let pool_size = read_number(root, "poolSize", 1..=MOST_CONNECTIONS, POOL_SIZE)? as usize;
    let wait_replicas = read_number(root, "waitReplicas", 0..=MOST_REPLICAS, 0)? as u32;
    Ok(RedisConfig { url: url.to_owned(), ca_file, pool_size, wait_replicas })
}

fn read_postgres(root: &mut Object, url: &str) -> Result<PostgresConfig> {
    let verifies = url.split(['?', '&']).any(|part| part == "sslmode=verify-full");
    let ca_file = read_ca_file(root, if verifies { Ok(()) } else { Err("sslmode=verify-full") })?;
    let pool_size = read_number(root, "poolSize", 1..=MOST_CONNECTIONS, POOL_SIZE)? as usize;
    match root.take("waitReplicas") {
        Some(node) => Err(node.error("needs redis: with postgres the server says whom it waits for")),
        None => Ok(PostgresConfig { url: url.to_owned(), ca_file, pool_size }),
    }
}

/// Authorities, where there are certificates; else what these need.
fn read_ca_file(root: &mut Object, has_tls: std::result::Result<(), &str>) -> Result<Option<PathBuf>> {
    let Some(node) = root.take("caFile") else { return Ok(None) };
    has_tls.map_err(|needed| node.error(&format!("needs {needed}, since nothing else has certificates")))?;
    absolute(node.text()?).map(Some).map_err(|cause| node.error(cause))
}

fn read_number(root: &mut Object, option: &str, range: RangeInclusive<u64>, otherwise: u64) -> Result<u64> {
    root.take(option).map_or(Ok(otherwise), |node| node.integer(range))
}

/// What an acknowledged change survives: with Redis what the server says.
pub fn read_durability(root: &mut Object, repository: &RepositoryUrl) -> Result<Durability> {
    let choices = [("full", Durability::Full), ("process", Durability::Process), ("engine", Durability::Engine)];
    let is_redis = matches!(repository, RepositoryUrl::Redis(_));
    let Some(node) = root.take("durability") else {
        return Ok(if is_redis { Durability::Engine } else { Durability::Full });
    };
    match node.choice(&choices)? {
        Durability::Engine if !is_redis => Err(node.error("engine needs redis")),
        Durability::Full | Durability::Process if is_redis => Err(node.error("must be engine with redis")),
        durability => Ok(durability),
    }
}

pub fn read_repository(root: &mut Object) -> Result<RepositoryUrl> {
    let node = secret::take(root, "repository")?;
    let text = node.as_ref().map_or(Ok("sqlite:otp.db"), Node::text)?;
    let (scheme, rest) = text.split_once(':').unwrap_or_default();
    let (is_redis, is_postgres) = (REDIS.contains(&scheme), POSTGRES.contains(&scheme));
    if !is_redis && !is_postgres {
        refuse_options_of_servers(root)?;
    }
    let failed = |cause: &str| root.error("repository", cause);
    match scheme {
        "sqlite" if rest.ends_with('/') => Err(failed("must name a file")),
        "sqlite" => absolute(rest).map(RepositoryUrl::Sqlite).map_err(failed),
        // Collected again, so that `otp/` is called `otp`.
        "json" => absolute(rest).map(|path| RepositoryUrl::Json(path.components().collect())).map_err(failed),
        "memory" if rest.is_empty() => Ok(RepositoryUrl::Memory),
        _ if is_redis && rest.contains(['?', '#']) => Err(failed("must have no ? and no #")),
        _ if is_postgres && rest.contains('#') => Err(failed("must have no #")),
        _ if is_redis && names_host(rest) => read_redis(root, text).map(RepositoryUrl::Redis),
        _ if is_postgres && names_host(rest) => read_postgres(root, text).map(RepositoryUrl::Postgres),
        _ if is_redis || is_postgres => Err(failed("must name a host")),
        _ => Err(failed(
            "must be sqlite:PATH, json:FOLDER, memory:, redis://, rediss:// (+sentinel, +cluster) or postgres://",
        )),
    }
}

/// Options that mean nothing without a server.
fn refuse_options_of_servers(root: &mut Object) -> Result<()> {
    match ["caFile", "poolSize", "waitReplicas"].into_iter().find_map(|option| root.take(option)) {
        Some(node) => Err(node.error("needs a repository on the network")),
        None => Ok(()),
    }
}

/// The path from the working directory as it is now. Being absolute it begins with a slash, so that SQLite never
/// takes it for a URI.
pub(super) fn absolute(path: &str) -> std::result::Result<PathBuf, &'static str> {
    if path.is_empty() {
        return Err("must not be empty");
    }
    let path = std::path::absolute(path).map_err(|_| "the working directory cannot be read")?;
    if path.file_name().is_some() { Ok(path) } else { Err("must end with a name") }
}

/// Whether a URL without its scheme has a host, perhaps after a user.
fn names_host(rest: &str) -> bool {
    let authority = rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    is_visible_ascii(rest) && !host.is_empty() && !host.starts_with(':')
}

pub fn read_key(root: &mut Object, repository: &RepositoryUrl) -> Result<KeySource> {
    let key = secret::take(root, "key")?.map(|node| read_key_text(&node)).transpose()?;
    let file = root.take("keyFile").map(|node| read_key_file(&node, repository)).transpose()?;
    match (key, file) {
        (Some(_), Some(_)) => Err(root.error("keyFile", "not possible together with key")),
        (Some(key), None) => Ok(KeySource::Given(key)),
        (None, Some(file)) => Ok(KeySource::File(file)),
        (None, None) => match repository {
            RepositoryUrl::Sqlite(path) | RepositoryUrl::Json(path) => {
                let mut file = path.clone().into_os_string();
                file.push(".key");
                Ok(KeySource::Beside(file.into()))
            }
            RepositoryUrl::Memory => Ok(KeySource::None),
            RepositoryUrl::Redis(_) | RepositoryUrl::Postgres(_) => {
                Err(root.error("key", "needed by a repository on the network, or keyFile"))
            }
        },
    }
}

fn read_key_text(node: &Node) -> Result<Zeroizing<Vec<u8>>> {
    let key = from_base64(node.text()?).ok_or_else(|| node.error("must be Base64"))?;
    if key.len() < KEY_BYTES {
        return Err(node.error("must hold 32 bytes or more"));
    }
    Ok(key)
}

fn read_key_file(node: &Node, repository: &RepositoryUrl) -> Result<PathBuf> {
    let text = node.text()?;
    if secret::is_key(text) {
        return Err(node.error("must be the path of a file; a key itself is given as key"));
    }
    if text.ends_with('/') {
        return Err(node.error("must name a file"));
    }
    let path = absolute(text).map_err(|cause| node.error(cause))?;
    match repository {
        RepositoryUrl::Sqlite(other) | RepositoryUrl::Json(other) if *other == path => {
            Err(node.error("is the repository itself"))
        }
        _ => Ok(path),
    }
}

pub fn read_previous_keys(root: &mut Object) -> Result<Vec<Zeroizing<Vec<u8>>>> {
    let Some(node) = root.take("previousKeys") else { return Ok(Vec::new()) };
    let keys = node.list(0..=MAX_PREVIOUS_KEYS)?.into_iter().map(secret::resolve);
    keys.map(|node| read_key_text(&node?)).collect()
}

/// Whether the key lies in the folder of the database, or in the folder that is the repository.
pub fn is_key_beside(key: &KeySource, repository: &RepositoryUrl) -> bool {
    let folder = |path: &Path| path.parent().map(Path::to_owned);
    match (key, repository) {
        (KeySource::Beside(_), _) => true,
        (KeySource::File(key), RepositoryUrl::Sqlite(path)) => folder(key) == folder(path),
        (KeySource::File(key), RepositoryUrl::Json(path)) => folder(key) == folder(path) || key.starts_with(path),
        _ => false,
    }
}
