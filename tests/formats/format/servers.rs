//! Servers that hold a fixture: what lies there as text, by their own clients, and put back.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use testing::postgres::Postgres;
use testing::redis;

use super::{NEWEST, data};

pub const SERVERS: [&str; 2] = ["redis", "postgres"];

/// Gives all keys, each as the type says that it has; for how long it is kept where it is not for ever.
const DUMP: &str = "
local function hex(text) return (text:gsub('.', function(c) return string.format('%02x', c:byte()) end)) end
local rows = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local row, kind = {}, redis.call('TYPE', key).ok
  if kind == 'string' then row.string = hex(redis.call('GET', key))
  elseif kind == 'hash' then row.hash = redis.call('HGETALL', key)
  else
    row.zset = redis.call('ZRANGE', key, 0, -1)
    for at, name in ipairs(row.zset) do row.zset[at] = hex(name) end
  end
  local kept = redis.call('PTTL', key)
  if kept >= 0 then row.keptMs = kept end
  rows[key] = row
end
return cjson.encode(rows)";

const LOAD: &str = "
local function bytes(text) return (text:gsub('..', function(c) return string.char(tonumber(c, 16)) end)) end
redis.call('FLUSHALL')
for key, row in pairs(cjson.decode(ARGV[1])) do
  if row.string then redis.call('SET', key, bytes(row.string)) end
  if row.hash then redis.call('HSET', key, unpack(row.hash)) end
  for _, name in ipairs(row.zset or {}) do redis.call('ZADD', key, '0', bytes(name)) end
  if row.keptMs then redis.call('PEXPIRE', key, row.keptMs) end
end
return 'done'";

const ROWS: &str =
    "SELECT json_object_agg(key, json_build_object('version', version, 'content', encode(content, 'hex'),
    'keptMs', until - libotp.now_ms(), 'mark', mark) ORDER BY key) FROM libotp.rows";

/// What this library makes where there is nothing.
pub const SCHEMA: &str = include_str!("../../../src/repository/postgres/schema.sql");

/// A server of a test's own.
pub enum Server {
    Redis(redis::Server),
    Postgres(Postgres),
}

impl Server {
    /// Of this kind; none where the programs are missing.
    pub fn start(kind: &str) -> Option<Self> {
        match kind {
            "redis" => testing::tool("redis-cli").and(redis::Server::try_start(&[])).map(Server::Redis),
            _ => Postgres::start(&[]).map(Server::Postgres),
        }
    }

    pub fn url(&self) -> String {
        match self {
            Server::Redis(server) => server.url(),
            Server::Postgres(server) => server.url("postgres"),
        }
    }

    /// All that lies there.
    pub fn dump(&self) -> Value {
        let text = match self {
            Server::Redis(server) => server.command(&["EVAL", DUMP, "0"]),
            Server::Postgres(server) => server.query(ROWS),
        };
        serde_json::from_str(&text).unwrap()
    }

    /// Puts this there, in place of all else. `schema` is that of `postgres:`.
    pub fn load(&self, rows: &Value, schema: &str) {
        match self {
            Server::Redis(server) => {
                assert_eq!(server.command(&["EVAL", LOAD, "0", &rows.to_string()]).trim(), "done");
            }
            Server::Postgres(server) => {
                drop(server.query("DROP SCHEMA IF EXISTS libotp CASCADE"));
                drop(server.query(schema));
                drop(server.query(&format!(
                    "INSERT INTO libotp.rows SELECT key::uuid, (value->>'version')::uuid, decode(value->>'content', 'hex'),
                     libotp.now_ms() + (value->>'keptMs')::int8, (value->>'mark')::uuid FROM json_each('{rows}')"
                )));
            }
        }
    }
}

fn file(version: &str, kind: &str) -> PathBuf {
    data().join(version).join(kind).join("rows.json")
}

/// What lay in a server of this kind.
pub fn rows(version: &str, kind: &str) -> Value {
    serde_json::from_slice(&fs::read(file(version, kind)).unwrap()).unwrap()
}

/// What it lay in.
pub fn schema(version: &str) -> String {
    fs::read_to_string(data().join(version).join("postgres/schema.sql")).unwrap()
}

/// Makes the fixture.
pub fn keep(kind: &str, rows: &Value) {
    let to = file(NEWEST, kind);
    assert!(!to.exists(), "what there is is never made anew");
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::write(&to, serde_json::to_string_pretty(rows).unwrap() + "\n").unwrap();
    if kind == "postgres" {
        fs::write(to.with_file_name("schema.sql"), SCHEMA).unwrap();
    }
}
