//! Repositories of every kind, for tests that are the same for all.

use std::path::Path;

use crate::Folder;
use crate::postgres::{Bouncer, Postgres};
use crate::redis;

/// The kinds that many hosts share.
pub const SERVERS: [&str; 4] = ["redis", "cluster", "postgres", "pgbouncer"];

/// A key, for repositories that have none beside them.
pub const KEY: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";

/// A repository of a test's own, which goes away with it.
pub struct Place {
    /// As the configuration names it.
    pub repository: String,
    folder: Folder,
    server: Option<Server>,
}

enum Server {
    Redis(redis::Server),
    Cluster(redis::Cluster),
    Postgres { _bouncer: Option<Bouncer>, server: Postgres },
}

impl Place {
    /// Of this kind; none where the programs are missing.
    pub fn new(kind: &str, name: &str) -> Option<Self> {
        let folder = Folder::another(&format!("{name}-{kind}"));
        let postgres = || Postgres::start(&["max_connections=400"]);
        let (repository, server) = match kind {
            "redis" => {
                let server = redis::Server::try_start(&redis::KEPT)?;
                (server.url(), Some(Server::Redis(server)))
            }
            "cluster" => {
                let cluster = redis::Cluster::try_start()?;
                (cluster.url(), Some(Server::Cluster(cluster)))
            }
            "postgres" => {
                let server = postgres()?;
                (server.url("postgres"), Some(Server::Postgres { _bouncer: None, server }))
            }
            "pgbouncer" => {
                let server = postgres()?;
                let bouncer = server.bouncer()?;
                (bouncer.url("postgres"), Some(Server::Postgres { _bouncer: Some(bouncer), server }))
            }
            file => (folder.repository(file), None),
        };
        Some(Self { repository, folder, server })
    }

    /// A folder that goes away with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Has its server, or one of them, crash and start again; nothing where there is none. What was acknowledged is
    /// there still.
    pub fn crash(&mut self) {
        match &mut self.server {
            None => {}
            Some(Server::Redis(server)) => {
                server.kill();
                server.restart();
            }
            Some(Server::Cluster(cluster)) => {
                cluster.nodes[0].kill();
                cluster.nodes[0].restart();
                cluster.await_ready();
            }
            Some(Server::Postgres { server, .. }) => {
                server.kill();
                server.restart();
            }
        }
    }

    /// Waits until the server has done what a process had asked for when it was killed.
    pub fn settle(&self) {
        match &self.server {
            None => {}
            Some(Server::Redis(server)) => drop(server.command(&["PING"])),
            Some(Server::Cluster(cluster)) => {
                cluster.nodes.iter().for_each(|node| drop(node.command(&["PING"])));
            }
            Some(Server::Postgres { server, .. }) => {
                let busy = "SELECT count(*) FROM pg_stat_activity
                    WHERE state <> 'idle' AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
                while server.query(busy) != "0" {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
            }
        }
    }

    /// Empties it. Nobody has it open.
    pub fn clear(&self) {
        match &self.server {
            None => {
                let _ = std::fs::remove_dir_all(self.folder());
                std::fs::create_dir_all(self.folder()).unwrap();
            }
            Some(Server::Redis(server)) => drop(server.command(&["FLUSHALL"])),
            Some(Server::Cluster(cluster)) => {
                cluster.nodes.iter().for_each(|node| drop(node.command(&["FLUSHALL"])));
            }
            Some(Server::Postgres { server, .. }) => drop(server.query("DROP SCHEMA IF EXISTS libotp CASCADE")),
        }
    }
}

/// Whether it lies on a server, and so needs a key.
pub fn is_shared(repository: &str) -> bool {
    repository.contains("://")
}
