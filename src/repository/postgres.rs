//! `postgres://`: rows in PostgreSQL, read by one function and written by another, see `postgres/schema.sql`.
//!
//! `docs/engines.md` says what lies where, and why.

mod address;
mod link;
mod links;
mod login;
mod pool;
mod schema;
#[cfg(test)]
mod tests;
mod trouble;
mod value;
mod wire;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Repository;
use super::optimistic::Optimistic;
use super::store::{ABSENT, Change, Failure, Look, Store, StorePage, Stored, Verdict, Verdicts, Version};
use crate::block::RowKey;
use crate::clock::Time;
use crate::config::{Durability, PostgresConfig};
use crate::error::Result;
use crate::tenant;
use link::{Answer, Call};
use links::{Links, Trial};
use trouble::{Trouble, odd};
use value::{Line, Value};

/// Time for all that is asked at opening.
const OPENING: Duration = Duration::from_secs(10);

/// Most keys that the changes of one commit are about: the server's memory for locks is small.
const MOST_KEYS: usize = 64;

/// One commit in so many removes rows that are over, and so many of them.
const PURGES_EVERY: u64 = 16;
const MOST_PURGED: i32 = 64;

/// A row is kept no longer than that, some million years.
const LONGEST_MS: u64 = i64::MAX as u64 / 4;

const LOOK: &str = "SELECT seen, mark, key, version, content FROM libotp.look($1)";

const PAGE: &str = "SELECT seen, mark, key, version, content FROM libotp.page($1, $2, $3)";

const COMMIT: &str = "SELECT libotp.commit($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";

const TAKE_LEASE: &str = "
INSERT INTO libotp.leases AS lease (key, owner, until) VALUES ($1, $2, libotp.now_ms() + $3)
ON CONFLICT (key) DO UPDATE SET owner = excluded.owner, until = excluded.until
  WHERE lease.until <= libotp.now_ms()
RETURNING true";

const END_LEASE: &str = "DELETE FROM libotp.leases WHERE key = $1 AND owner = $2";

/// Opens the repository, after a look at whether the server can keep one. Makes the schema if there is none.
pub fn open(
    config: &PostgresConfig,
    durability: Durability,
    warnings: &mut Vec<String>,
) -> Result<Arc<dyn Repository>> {
    Ok(Optimistic::new(PostgresStore::open(config, durability, warnings)?, config.pool_size)?)
}

/// Opens a repository that is there, to look at it.
pub fn look(config: &PostgresConfig, durability: Durability) -> Result<Arc<dyn Repository>> {
    let links = Links::new(address::read(config)?, config.pool_size);
    schema::find(&links, Instant::now() + OPENING)?;
    let store = PostgresStore { links, durability, commits: AtomicU64::new(0) };
    Ok(Optimistic::new(store, config.pool_size)?)
}

/// Rows in PostgreSQL.
pub struct PostgresStore {
    links: Links,
    durability: Durability,
    commits: AtomicU64,
}

impl PostgresStore {
    pub fn open(config: &PostgresConfig, durability: Durability, warnings: &mut Vec<String>) -> Result<Self> {
        let links = Links::new(address::read(config)?, config.pool_size);
        schema::prepare(&links, durability, warnings, Instant::now() + OPENING)?;
        Ok(Self { links, durability, commits: AtomicU64::new(0) })
    }

    fn ask(&self, text: &'static str, values: Vec<Value<'_>>, by: Instant) -> Result<Answer> {
        self.links.ask(text, values, by).map_err(|trouble| self.links.error(trouble))
    }

    fn seen(&self, answer: &Answer) -> Result<Seen> {
        seen(answer).ok_or_else(|| self.links.error(odd()))
    }
}

/// What a look or a page gives.
struct Seen {
    time: Time,
    mark: Version,
    rows: BTreeMap<RowKey, Stored>,
}

/// Every line tells the time and the mark; one without a key tells nothing else.
fn seen(answer: &Answer) -> Option<Seen> {
    let head = answer.lines.first()?;
    let time = Time::from_ms(u64::try_from(head.int8(0)?).ok()?);
    let mark = head.uuid(1).map_or(ABSENT, Version::new);
    let row = |line: &Line| {
        let stored = Stored { version: Version::new(line.uuid(3)?), bytes: line.bytes(4)?.to_vec() };
        Some((RowKey::new(line.uuid(2)?), stored))
    };
    Some(Seen { time, mark, rows: answer.lines.iter().filter_map(row).collect() })
}

/// The values of a commit, as the function wants them.
fn values<'a>(changes: &[&'a Change], mark: &Version, (synced, purged): (bool, i32)) -> Vec<Value<'a>> {
    let (mut places, mut keys) = (BTreeMap::new(), Vec::new());
    let mut place = |key: &RowKey| {
        *places.entry(*key).or_insert_with(|| {
            keys.push(*key.bytes());
            number(keys.len())
        })
    };
    let (mut condition_of, mut condition_key, mut condition_version) = (Vec::new(), Vec::new(), Vec::new());
    let (mut write_of, mut write_key, mut write_version) = (Vec::new(), Vec::new(), Vec::new());
    let (mut write_content, mut write_kept) = (Vec::new(), Vec::new());
    for (change, of) in changes.iter().zip(1..) {
        for (key, version) in &change.conditions {
            condition_of.push(of);
            condition_key.push(place(key));
            condition_version.push(*version.bytes());
        }
        for write in &change.writes {
            write_of.push(of);
            write_key.push(place(&write.key));
            write_version.push(*write.version.bytes());
            write_content.push(write.content.as_ref().map(|content| &content.bytes[..]));
            let kept_ms = write.content.as_ref().and_then(|content| content.kept_ms);
            write_kept.push(kept_ms.map(|ms| ms.min(LONGEST_MS) as i64));
        }
    }
    vec![
        Value::Uuid(*mark.bytes()),
        Value::Uuid(*changes.iter().find_map(|change| change.mark).unwrap_or(ABSENT).bytes()),
        Value::Text(if synced { "on" } else { "off" }),
        Value::Int4(purged),
        Value::Uuids(keys),
        Value::Int4(number(changes.len())),
        Value::Int4s(condition_of),
        Value::Int4s(condition_key),
        Value::Uuids(condition_version),
        Value::Int4s(write_of),
        Value::Int4s(write_key),
        Value::Uuids(write_version),
        Value::Byteas(write_content),
        Value::Int8s(write_kept),
    ]
}

fn number(size: usize) -> i32 {
    i32::try_from(size).unwrap_or(i32::MAX)
}

/// One sign a change.
fn verdicts(answer: &Answer, changes: usize) -> Option<Vec<Verdict>> {
    let signs = answer.lines.first()?.bytes(0)?;
    let verdict = |sign: &u8| match sign {
        b'1' => Some(Verdict::Done),
        b'0' => Some(Verdict::Changed),
        b'2' => Some(Verdict::Reopen),
        _ => None,
    };
    signs.iter().map(verdict).collect::<Option<Vec<_>>>().filter(|verdicts| verdicts.len() == changes)
}

impl Store for PostgresStore {
    fn place(&self) -> String {
        self.links.place().to_owned()
    }

    fn most_keys(&self) -> usize {
        MOST_KEYS
    }

    fn look(&self, keys: &[RowKey], _mark: &Version, by: Instant) -> Result<Look> {
        let all = keys.iter().map(|key| *key.bytes()).collect();
        let Seen { time, mark, mut rows } = self.seen(&self.ask(LOOK, vec![Value::Uuids(all)], by)?)?;
        let absent = || Stored { version: ABSENT, bytes: Vec::new() };
        let rows = keys.iter().map(|key| rows.remove(key).unwrap_or_else(absent)).collect();
        Ok(Look { time, mark, rows })
    }

    fn commit(&self, changes: &[&Change], mark: &Version, synced: bool, by: Instant) -> Verdicts {
        let synced = synced && self.durability == Durability::Full;
        let is_turn = self.commits.fetch_add(1, Ordering::Relaxed).is_multiple_of(PURGES_EVERY);
        let purged = if is_turn { MOST_PURGED } else { 0 };
        let call = Call { text: COMMIT, values: values(changes, mark, (synced, purged)) };
        let answer = match self.links.change(&call, by) {
            Ok(answer) => answer,
            Err(Trial::Again) => return Ok(vec![Verdict::Changed; changes.len()]),
            Err(Trial::Failed(failure)) => return Err(failure),
        };
        if synced && answer.is_warned {
            let cause = "the change was made, and standbys have not said that they have it";
            return Err(Failure::Final(self.links.error(cause)));
        }
        verdicts(&answer, changes.len()).ok_or_else(|| Failure::Lost(self.links.error(odd())))
    }

    fn page(&self, range: RangeInclusive<RowKey>, limit: usize, _mark: &Version, by: Instant) -> Result<StorePage> {
        let ends = [range.start(), range.end()].map(|key| Value::Uuid(*key.bytes()));
        let values = ends.into_iter().chain([Value::Int4(number(limit))]).collect();
        let Seen { time, mark, rows } = self.seen(&self.ask(PAGE, values, by)?)?;
        let last = rows.keys().next_back().filter(|_| rows.len() >= limit);
        let rest = last.filter(|last| *last < range.end()).map(|last| tenant::after(last, range.clone()));
        Ok(StorePage { time, mark, rest: rest.filter(|rest| !rest.is_empty()), rows: rows.into_iter().collect() })
    }

    fn take_lease(&self, key: &RowKey, owner: &Version, lasts: Duration, by: Instant) -> Result<bool> {
        let lasts = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX / 4);
        let values = vec![Value::Uuid(*key.bytes()), Value::Uuid(*owner.bytes()), Value::Int8(lasts)];
        Ok(!self.ask(TAKE_LEASE, values, by)?.lines.is_empty())
    }

    fn end_lease(&self, key: &RowKey, owner: &Version, by: Instant) {
        let values = vec![Value::Uuid(*key.bytes()), Value::Uuid(*owner.bytes())];
        // It ends by itself.
        let _: std::result::Result<_, Trouble> = self.links.ask(END_LEASE, values, by);
    }

    fn in_child(&self) {
        self.links.abandon();
    }
}
