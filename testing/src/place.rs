//! Repositories of every kind, for tests that are the same for all.

use std::path::Path;

use crate::Folder;
use crate::postgres::{Bouncer, Postgres};
use crate::redis;

/// The kinds that many hosts share.
pub const SERVERS: [&str; 3] = ["redis", "postgres", "pgbouncer"];

/// A key, for repositories that have none beside them.
pub const KEY: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";

/// A repository of a test's own, which goes away with it.
pub struct Place {
    /// As the configuration names it.
    pub repository: String,
    folder: Folder,
    _server: Option<Server>,
}

enum Server {
    Redis { _server: redis::Server },
    Postgres { _bouncer: Option<Bouncer>, _server: Postgres },
}

impl Place {
    /// Of this kind; none where the programs are missing.
    pub fn new(kind: &str, name: &str) -> Option<Self> {
        let folder = Folder::another(&format!("{name}-{kind}"));
        let postgres = || Postgres::start(&["max_connections=400"]);
        let (repository, server) = match kind {
            "redis" => {
                let server = redis::Server::try_start(&[])?;
                (server.url(), Some(Server::Redis { _server: server }))
            }
            "postgres" => {
                let server = postgres()?;
                (server.url("postgres"), Some(Server::Postgres { _bouncer: None, _server: server }))
            }
            "pgbouncer" => {
                let server = postgres()?;
                let bouncer = server.bouncer()?;
                (bouncer.url("postgres"), Some(Server::Postgres { _bouncer: Some(bouncer), _server: server }))
            }
            file => (folder.repository(file), None),
        };
        Some(Self { repository, folder, _server: server })
    }

    /// A folder that goes away with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Whether it lies on a server, and so needs a key.
pub fn is_shared(repository: &str) -> bool {
    repository.contains("://")
}
