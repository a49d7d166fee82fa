//! Repositories whose rows are looked at and damaged past the library, by other programs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use otp::Service;
use serde_json::{Value, json};
use testing::Folder;
use testing::carrier::{BOTH, Carrier};
use testing::place::KEY;
use testing::postgres::Postgres;
use testing::redis;

use super::command::Site;

/// All kinds of repository.
pub const GROUNDS: [&str; 4] = ["sqlite", "json", "redis", "postgres"];

const KINDS: [&str; 7] = ["", "meta", "record", "failures", "sends", "timer", "reference"];

/// The repository's own row.
pub const OWN: &str = "00000000000000000000000000000000";

enum Store {
    Sqlite(PathBuf),
    Json(PathBuf),
    Redis(redis::Server),
    Postgres(Postgres),
}

/// A repository with a configuration, and rows of every kind in it.
pub struct Ground {
    pub site: Site,
    pub carrier: Carrier,
    store: Store,
}

impl Ground {
    /// None where the programs are missing.
    pub fn new(kind: &str) -> Option<Self> {
        let folder = Folder::another("check");
        let path = |name: &str| folder.path().join(name);
        let (repository, store) = match kind {
            "sqlite" => {
                testing::tool("sqlite3")?;
                (folder.repository(kind), Store::Sqlite(path("otp.db")))
            }
            "json" => (folder.repository(kind), Store::Json(path("otp"))),
            "redis" => {
                let server = redis::Server::try_start(&redis::KEPT)?;
                (server.url(), Store::Redis(server))
            }
            _ => {
                let server = Postgres::start(&[])?;
                (server.url("postgres"), Store::Postgres(server))
            }
        };
        let carrier = Carrier::start();
        let mut config: Value = serde_json::from_str(&carrier.config(&repository, "")).unwrap();
        config["policy"] = json!({"cooldownSeconds": 0, "sendLimits": [{"count": 100, "minutes": 10}]});
        config["key"] = json!(KEY);
        let site = Site { folder, config: config.to_string() };
        Some(Self { site, carrier, store })
    }

    /// The configuration with these members.
    pub fn config(&self, members: Value) -> String {
        let mut config: Value = serde_json::from_str(&self.site.config).unwrap();
        config.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        config.to_string()
    }

    pub fn service(&self) -> Service {
        self.site.service()
    }

    /// Makes rows of every kind: live codes that are due, one used, and one that was guessed at.
    pub fn fill(&self) {
        let service = self.service();
        for token in ["due 1", "due 2", "used", "guessed"] {
            assert_eq!(service.create(token, Some(BOTH)).unwrap().outcome, otp::Outcome::Ok);
        }
        let newest = self.carrier.seen().into_iter().rfind(|message| message["channel"] == "messenger").unwrap();
        let code = testing::carrier::code_in(&newest);
        assert_eq!(service.verify("guessed", code, None).unwrap().outcome, otp::Outcome::Ok);
        let _ = service.verify("due 1", "000000000", None).unwrap();
    }

    fn sql(&self, path: &std::path::Path, statement: &str) -> String {
        let output = Command::new("sqlite3").arg(path).arg(statement).output().unwrap();
        assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// All rows, by key, with their kinds; less the repository's own.
    pub fn rows(&self) -> BTreeMap<String, &'static str> {
        let named = |line: &str| {
            let (key, kind) = line.trim().split_once('|')?;
            let key: String = key.chars().filter(char::is_ascii_hexdigit).collect();
            Some((key, KINDS[kind.parse::<usize>().unwrap()]))
        };
        let rows: BTreeMap<_, _> = match &self.store {
            Store::Sqlite(path) => {
                let statement = "SELECT lower(hex(k)), unicode(CAST(substr(v, 1, 1) AS TEXT)) FROM item";
                self.sql(path, statement).lines().filter_map(named).collect()
            }
            Store::Postgres(server) => {
                server.query("SELECT key, get_byte(content, 0) FROM libotp.rows").lines().filter_map(named).collect()
            }
            Store::Redis(server) => {
                let script = "local lines = {} for _, name in ipairs(redis.call('KEYS', 'otp:{*}:*')) do
                    local key = string.match(name, '}:(%x+)$')
                    if key and #key == 32 then
                      lines[#lines + 1] = key .. '|' .. string.byte(redis.call('GETRANGE', name, 16, 16)) end
                    end return lines";
                server.command(&["EVAL", script, "0"]).lines().filter_map(named).collect()
            }
            Store::Json(folder) => {
                let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
                let files = files.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
                let named = files.filter_map(|path| {
                    let value: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
                    let kind = KINDS.iter().find(|kind| value.get(**kind).is_some())?;
                    let stem = path.file_stem().unwrap().to_str().unwrap();
                    Some((if *kind == "meta" { OWN } else { stem }.to_owned(), *kind))
                });
                named.collect()
            }
        };
        rows.into_iter().filter(|(key, _)| key != OWN).collect()
    }

    /// The rows of a kind.
    pub fn of_kind(&self, kind: &str) -> Vec<String> {
        self.rows().into_iter().filter(|(_, found)| *found == kind).map(|(key, _)| key).collect()
    }

    fn file(&self, folder: &std::path::Path, key: &str) -> PathBuf {
        folder.join(if key == OWN { "repository.json".to_owned() } else { format!("{key}.json") })
    }

    /// Changes the bytes of a row by an expression of each language, over `v`.
    fn change(&self, key: &str, sqlite: &str, postgres: &str, redis: &str, json: impl Fn(String) -> String) {
        match &self.store {
            Store::Sqlite(path) => {
                let statement = format!("UPDATE item SET v = {sqlite} WHERE k = x'{key}'; SELECT changes()");
                assert_eq!(self.sql(path, &statement).trim(), "1");
            }
            Store::Postgres(server) => {
                let statement = format!(
                    "WITH old AS (SELECT content AS v FROM libotp.rows WHERE key = '{key}')
                     UPDATE libotp.rows SET content = {postgres} FROM old WHERE key = '{key}' RETURNING 1"
                );
                assert_eq!(server.query(&statement), "1");
            }
            Store::Redis(server) => {
                let script = format!(
                    "for _, name in ipairs(redis.call('KEYS', '{}')) do
                       local v = redis.call('GET', name)
                       local head, v = string.sub(v, 1, 16), string.sub(v, 17)
                       redis.call('SET', name, {redis}, 'KEEPTTL') return 1 end",
                    if key == OWN {
                        "otp:{own}:00000000000000000000000000000000".to_owned()
                    } else {
                        format!("otp:{{*}}:{key}")
                    },
                );
                assert_eq!(server.command(&["EVAL", &script, "0"]).trim(), "1");
            }
            Store::Json(folder) => {
                let file = self.file(folder, key);
                let text = std::fs::read_to_string(&file).unwrap();
                std::fs::write(&file, json(text)).unwrap();
            }
        }
    }

    /// Cuts a row off after its third byte: no kind of row is as short.
    pub fn cut(&self, key: &str) {
        let half = |text: String| text[..text.len() / 2].to_owned();
        self.change(key, "substr(v, 1, 3)", "substr(v, 1, 3)", "head .. string.sub(v, 1, 3)", half);
    }

    /// Turns the bits of a row's last byte, which is the end of what is sealed, if something is.
    pub fn turn(&self, key: &str) {
        let turned = |text: String| {
            let end = text.find(r#""sealed": ""#).map(|place| place + 11).unwrap();
            let digit = if text[end..].starts_with('0') { "1" } else { "0" };
            format!("{}{digit}{}", &text[..end], &text[end + 1..])
        };
        self.change(
            key,
            "CAST(substr(v, 1, length(v) - 2) || CASE WHEN substr(v, -2) = x'0000' THEN x'0001' ELSE x'0000' END AS BLOB)",
            "set_byte(v, length(v) - 1, 255 - get_byte(v, length(v) - 1))",
            "head .. string.sub(v, 1, -2) .. string.char(255 - string.byte(v, -1))",
            turned,
        );
    }

    /// Makes a row shorter than any version.
    pub fn shorten(&self, key: &str) {
        self.change(key, "x'02'", "'\\x02'::bytea", "'x'", |_| String::new());
    }

    /// Removes a row.
    pub fn remove(&self, key: &str) {
        match &self.store {
            Store::Sqlite(path) => drop(self.sql(path, &format!("DELETE FROM item WHERE k = x'{key}'"))),
            Store::Postgres(server) => drop(server.query(&format!("DELETE FROM libotp.rows WHERE key = '{key}'"))),
            Store::Redis(server) => {
                let script = format!(
                    "for _, name in ipairs(redis.call('KEYS', 'otp:{{*}}:{key}')) do redis.call('DEL', name) end"
                );
                drop(server.command(&["EVAL", &script, "0"]));
            }
            Store::Json(folder) => std::fs::remove_file(self.file(folder, key)).unwrap(),
        }
    }

    /// The row's bytes, to be compared.
    pub fn bytes(&self, key: &str) -> String {
        match &self.store {
            Store::Sqlite(path) => self.sql(path, &format!("SELECT hex(v) FROM item WHERE k = x'{key}'")),
            Store::Postgres(server) => server.query(&format!("SELECT content FROM libotp.rows WHERE key = '{key}'")),
            Store::Redis(server) => {
                let script = format!(
                    "for _, name in ipairs(redis.call('KEYS', 'otp:{{*}}:{key}')) do
                       return (string.gsub(redis.call('GET', name), '.', function(c) return string.format('%02x', string.byte(c)) end)) end"
                );
                server.command(&["EVAL", &script, "0"])
            }
            Store::Json(folder) => std::fs::read_to_string(self.file(folder, key)).unwrap_or_default(),
        }
    }
}
