//! `redis://` and its kin: rows in Redis or Valkey, read by one script and written by another.
//!
//! | name | what it is |
//! |---|---|
//! | `otp:{T}:KEY` | a row: its version, and its bytes as the codec writes them |
//! | `otp:{T}:i` | the keys of the tenant's rows, in order |
//! | `otp:{T}:m` | the tenant's copy of the repository's mark |
//! | `otp:{T}:l:KEY` | a lease |
//! | `otp:{own}:m`, `otp:{own}:0…` | the mark itself, and the repository's own row |
//! | `otp:{own}:t` | the tenants, each `new` until its copy of the mark is made, then `made` |
//!
//! `docs/engines.md` says why.

mod address;
mod faults;
mod keys;
mod link;
mod scripts;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redis::{Cmd, FromRedisValue, Value};

use super::Repository;
use super::optimistic::Optimistic;
use super::store::{ABSENT, Change, Failure, Look, Store, StorePage, Stored, Verdict, Verdicts, Version};
use crate::block::{BLOCK_BYTES, RowKey};
use crate::clock::{SECOND_MS, Time};
use crate::config::RedisConfig;
use crate::error::{Error, Result};
use crate::fork::{self, lock};
use crate::tenant::{self, Tenant};
use keys::Tag;
use link::{Links, Request};
use scripts::{Scripts, Text};

/// Time for all that is asked at opening.
const OPENING: Duration = Duration::from_secs(10);

/// How long replicas are waited for.
const REPLICAS: Duration = Duration::from_secs(2);

/// Opens the repository, after a look at whether the server can keep one.
pub fn open(config: &RedisConfig, warnings: &mut Vec<String>) -> Result<Arc<dyn Repository>> {
    Ok(Optimistic::new(RedisStore::open(config, warnings)?, config.pool_size)?)
}

/// Rows in Redis.
pub struct RedisStore {
    links: Links,
    place: String,
    scripts: Scripts,
    wait_replicas: u32,
    /// Tenants whose copy of this mark has been looked after.
    entered: Mutex<HashSet<(Tenant, Version)>>,
}

impl RedisStore {
    pub fn open(config: &RedisConfig, warnings: &mut Vec<String>) -> Result<Self> {
        let (servers, place) = address::read(config, warnings)?;
        let links = Links::new(servers, place.clone());
        let (scripts, wait_replicas, entered) = (Scripts::new(), config.wait_replicas, Mutex::default());
        let store = Self { links, place, scripts, wait_replicas, entered };
        store.check(warnings)?;
        warnings.push(
            "durability: engine: a failover of the server may forget what was acknowledged last: used codes, failures \
             and sends"
                .to_owned(),
        );
        Ok(store)
    }

    /// Whether the server is new enough, and drops no rows when its memory is full.
    fn check(&self, warnings: &mut Vec<String>) -> Result<()> {
        let by = Instant::now() + OPENING;
        let mut info = redis::cmd("INFO");
        info.arg("server");
        let info: String = self.ask(Tag::Own, info, by)?;
        let version = info.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap_or_default();
        let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
        let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if version < (6, 2) {
            return Err(Error::config(format!("repository {:?}: needs Redis 6.2 or newer", self.place)));
        }
        let mut policy = redis::cmd("CONFIG");
        policy.arg("GET").arg("maxmemory-policy");
        match self.ask::<Vec<String>>(Tag::Own, policy, by) {
            Ok(answer) if answer.get(1).is_some_and(|policy| policy == "noeviction") => Ok(()),
            Ok(answer) if answer.len() == 2 => {
                let cause = "maxmemory-policy must be noeviction: any other drops locks and limits";
                Err(Error::config(format!("repository {:?}: {cause}", self.place)))
            }
            _ => {
                warnings
                    .push("repository: the server does not tell its maxmemory-policy, which must be noeviction".into());
                Ok(())
            }
        }
    }

    fn ask<T: FromRedisValue>(&self, tag: Tag, command: Cmd, by: Instant) -> Result<T> {
        let request = Request { command, fallback: None, writes: false, after: None };
        let value = self.links.call(tag.slot(), &request, by)?;
        T::from_redis_value(value).map_err(|_| self.links.error("the server gives an odd answer"))
    }

    fn run(&self, tag: Tag, script: &Call<'_>, by: Instant) -> std::result::Result<Value, Failure> {
        let send = |name: &str, text: &str| {
            let mut command = redis::cmd(name);
            command.arg(text).arg(script.keys.len()).arg(&script.keys).arg(&script.arguments);
            command
        };
        let (command, fallback) = (send("EVALSHA", &script.text.hash), || send("EVAL", script.text.text));
        let request = Request { command, fallback: Some(&fallback), writes: script.writes, after: script.after() };
        self.links.call(tag.slot(), &request, by)
    }

    fn read<T: FromRedisValue>(&self, tag: Tag, script: &Call<'_>, by: Instant) -> Result<T> {
        let value = self.run(tag, script, by)?;
        T::from_redis_value(value).map_err(|_| self.links.error("the server gives an odd answer"))
    }

    /// Reads rows of one tag.
    fn look_at(&self, tag: Tag, keys: &[RowKey], by: Instant) -> Result<Look> {
        let names = std::iter::once(tag.mark()).chain(keys.iter().map(|key| tag.row(key)));
        let look =
            Call { text: &self.scripts.look, keys: names.collect(), arguments: Vec::new(), writes: false, replicas: 0 };
        let ((seconds, micros), values): ((u64, u64), Vec<Option<Vec<u8>>>) = self.read(tag, &look, by)?;
        let time = Time::from_ms(seconds.saturating_mul(SECOND_MS).saturating_add(micros / 1000));
        let mut rows = values.into_iter().map(stored);
        let mark = rows.next().map(|mark| mark.version).unwrap_or(ABSENT);
        Ok(Look { time, mark, rows: rows.collect() })
    }

    /// The same, of a tenant that has its copy of the mark.
    fn look_inside(&self, tag: Tag, keys: &[RowKey], mark: &Version, by: Instant) -> Result<Look> {
        self.enter(tag, mark, by)?;
        self.look_at(tag, keys, by)
    }

    /// Sees to it, once, that a tenant is in the list and has its copy of the mark. Where that was there and is not,
    /// it is not made again: then rows are missing as well.
    fn enter(&self, tag: Tag, mark: &Version, by: Instant) -> Result<()> {
        let Tag::Tenant(tenant) = tag else { return Ok(()) };
        if fork::shared(|| lock(&self.entered).contains(&(tenant, *mark))) {
            return Ok(());
        }
        let name = tenant.to_string();
        let enter = Call {
            text: &self.scripts.enter,
            keys: vec![Tag::Own.mark(), Tag::tenants()],
            arguments: vec![bytes_of(mark), name.clone().into_bytes()],
            writes: false,
            replicas: 0,
        };
        let is_new: bool = self.read(Tag::Own, &enter, by)?;
        if is_new && *mark != ABSENT {
            let mut copy = redis::cmd("SET");
            copy.arg(tag.mark()).arg(mark.bytes()).arg("NX");
            self.ask::<Value>(tag, copy, by)?;
            let mut made = redis::cmd("HSET");
            made.arg(Tag::tenants()).arg(name).arg("made");
            self.ask::<Value>(Tag::Own, made, by)?;
        }
        fork::shared(|| lock(&self.entered).insert((tenant, *mark)));
        Ok(())
    }

    fn tenants(&self, by: Instant) -> Result<Vec<Tenant>> {
        let mut names = redis::cmd("HKEYS");
        names.arg(Tag::tenants());
        let names: Vec<String> = self.ask(Tag::Own, names, by)?;
        Ok(names.iter().filter_map(|name| Tenant::named(name)).collect())
    }

    /// Replicas are waited for on the connection that wrote: any other would be told of those that have what it wrote.
    fn commit_in(&self, tag: Tag, changes: &[&Change], mark: &Version, replicas: u32, by: Instant) -> Verdicts {
        self.enter(tag, mark, by).map_err(Failure::Final)?;
        let commit = Call { replicas, ..commit(&self.scripts.commit, tag, changes, mark) };
        let odd = |_| Failure::Lost(self.links.error("the server gives an odd answer"));
        let value = self.run(tag, &commit, by)?;
        let (verdicts, reached): (Vec<u8>, u32) = match replicas {
            0 => (FromRedisValue::from_redis_value(value).map_err(odd)?, 0),
            _ => FromRedisValue::from_redis_value(value).map_err(odd)?,
        };
        if reached < replicas {
            let cause = format!("{reached} replicas have the change, and waitReplicas is {replicas}");
            return Err(Failure::Final(self.links.error(&cause)));
        }
        let verdict = |number| match number {
            1 => Verdict::Done,
            0 => Verdict::Changed,
            _ => Verdict::Reopen,
        };
        Ok(verdicts.into_iter().map(verdict).collect())
    }
}

/// A script with what it is given.
struct Call<'a> {
    text: &'a Text,
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
    writes: bool,
    /// Replicas that must have what it writes.
    replicas: u32,
}

impl Call<'_> {
    /// What is asked when it is done.
    fn after(&self) -> Option<Cmd> {
        let mut wait = redis::cmd("WAIT");
        wait.arg(self.replicas).arg(REPLICAS.as_millis() as u64);
        (self.replicas > 0).then_some(wait)
    }
}

/// The script of these changes, with their arguments as it wants them.
fn commit<'a>(text: &'a Text, tag: Tag, changes: &[&Change], mark: &Version) -> Call<'a> {
    let mut names = vec![tag.mark(), tag.index()];
    let mut numbers = BTreeMap::new();
    let mut number = |key: &RowKey| {
        let number = *numbers.entry(*key).or_insert_with(|| {
            names.push(tag.row(key));
            names.len()
        });
        number.to_string().into_bytes()
    };
    let mut arguments = vec![bytes_of(mark)];
    for change in changes {
        arguments.push(bytes_of(&change.mark.unwrap_or(ABSENT)));
        arguments.push(change.conditions.len().to_string().into_bytes());
        for (key, version) in &change.conditions {
            arguments.extend([number(key), bytes_of(version)]);
        }
        arguments.push(change.writes.len().to_string().into_bytes());
        for write in &change.writes {
            let content = write.content.as_ref();
            let value = content.map(|content| [&write.version.bytes()[..], &content.bytes].concat());
            let kept = content.and_then(|content| content.kept_ms).map(|ms| ms.to_string().into_bytes());
            // What is there has its name in the index: it goes in the same step as the row.
            let is_new = !change.conditions.iter().any(|(key, version)| *key == write.key && *version != ABSENT);
            let name = if is_new || content.is_none() { write.key.bytes().to_vec() } else { Vec::new() };
            arguments.extend([number(&write.key), name, value.unwrap_or_default(), kept.unwrap_or_default()]);
        }
    }
    Call { text, keys: names, arguments, writes: true, replicas: 0 }
}

/// As scripts compare versions: none is empty.
fn bytes_of(version: &Version) -> Vec<u8> {
    if *version == ABSENT { Vec::new() } else { version.bytes().to_vec() }
}

fn stored(value: Option<Vec<u8>>) -> Stored {
    let Some(value) = value else { return Stored { version: ABSENT, bytes: Vec::new() } };
    match value.split_first_chunk::<BLOCK_BYTES>() {
        Some((version, bytes)) => Stored { version: Version::new(*version), bytes: bytes.to_vec() },
        // Not ours: it is there, and damaged. The script that commits gives it the same version.
        None => Stored { version: Version::new([0xff; BLOCK_BYTES]), bytes: value },
    }
}

impl Store for RedisStore {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn look(&self, keys: &[RowKey], mark: &Version, by: Instant) -> Result<Look> {
        let mut tags: BTreeMap<Tag, Vec<RowKey>> = BTreeMap::new();
        keys.iter().for_each(|key| tags.entry(Tag::of(key)).or_default().push(*key));
        match tags.len() {
            0 => return self.look_at(Tag::Own, &[], by),
            1 => return self.look_inside(Tag::of(keys.first().unwrap_or(&super::META)), keys, mark, by),
            _ => {}
        }
        // Rows of several tenants are of no one moment; nothing that this library does needs them to be.
        let (mut found, mut last) = (BTreeMap::new(), None);
        for (tag, keys) in tags {
            let mut look = self.look_inside(tag, &keys, mark, by)?;
            found.extend(keys.into_iter().zip(std::mem::take(&mut look.rows)));
            last = Some(look).filter(|look| look.mark == *mark || *mark == ABSENT).or(last);
        }
        let mut look = last.ok_or_else(|| self.links.error("was emptied or replaced: open it again"))?;
        look.rows = keys.iter().map(|key| found.get(key).cloned().unwrap_or_else(|| stored(None))).collect();
        Ok(look)
    }

    fn commit(&self, changes: &[&Change], mark: &Version, synced: bool, by: Instant) -> Verdicts {
        let tag_of = |change: &Change| {
            let keys = change.conditions.iter().map(|(key, _)| key).chain(change.writes.iter().map(|write| &write.key));
            let tags: HashSet<_> = keys.map(Tag::of).collect();
            (tags.len() == 1).then(|| tags.into_iter().next()).flatten()
        };
        let mut of_tags: BTreeMap<Tag, Vec<usize>> = BTreeMap::new();
        for (place, change) in changes.iter().enumerate() {
            let tag = tag_of(change).ok_or_else(|| Failure::Final(Error::internal("a change of several tenants")))?;
            of_tags.entry(tag).or_default().push(place);
        }
        let mut verdicts = vec![Verdict::Changed; changes.len()];
        for (tag, places) in of_tags {
            let some: Vec<_> = places.iter().filter_map(|place| changes.get(*place).copied()).collect();
            let replicas = if synced { self.wait_replicas } else { 0 };
            for (place, verdict) in places.into_iter().zip(self.commit_in(tag, &some, mark, replicas, by)?) {
                verdicts.get_mut(place).into_iter().for_each(|it| *it = verdict);
            }
        }
        Ok(verdicts)
    }

    fn page(&self, range: RangeInclusive<RowKey>, limit: usize, mark: &Version, by: Instant) -> Result<StorePage> {
        let parts = keys::parts(&range, || self.tenants(by))?;
        let Some((tag, part)) = parts.into_iter().next() else {
            let look = self.look_at(Tag::Own, &[], by)?;
            return Ok(StorePage { time: look.time, mark: look.mark, rows: Vec::new(), rest: None });
        };
        let end = |key: &RowKey| [b"[", &key.bytes()[..]].concat();
        let mut names = redis::cmd("ZRANGEBYLEX");
        names.arg(tag.index()).arg(end(part.start())).arg(end(part.end())).arg("LIMIT").arg(0).arg(limit);
        let names: Vec<Vec<u8>> = self.ask(tag, names, by)?;
        let keys: Vec<_> =
            names.iter().filter_map(|name| Some(RowKey::new(name.as_slice().try_into().ok()?))).collect();
        let look = self.look_inside(tag, &keys, mark, by)?;
        let (there, gone): (Vec<_>, Vec<_>) =
            keys.iter().copied().zip(look.rows).partition(|(_, row)| row.version != ABSENT);
        if !gone.is_empty() {
            let rows = gone.iter().map(|(key, _)| tag.row(key));
            let (keys, arguments) = (std::iter::once(tag.index()).chain(rows).collect(), Vec::new());
            let arguments = gone.iter().map(|(key, _)| key.bytes().to_vec()).chain(arguments).collect();
            self.read::<Value>(
                tag,
                &Call { text: &self.scripts.tidy, keys, arguments, writes: false, replicas: 0 },
                by,
            )?;
        }
        let end = keys.last().filter(|_| names.len() >= limit).unwrap_or(part.end());
        let rest = (*end < *range.end()).then(|| tenant::after(end, range)).filter(|rest| !rest.is_empty());
        Ok(StorePage { time: look.time, mark: look.mark, rows: there, rest })
    }

    fn faults(&self, mark: &Version) -> Result<Vec<String>> {
        faults::find(self, mark)
    }

    /// A tenant that is entered meanwhile gets this one, or keeps the one that it was given here.
    fn spread_mark(&self, mark: &Version, by: Instant) -> Result<()> {
        for tenant in self.tenants(by)? {
            let tag = Tag::Tenant(tenant);
            let mut copy = redis::cmd("SET");
            copy.arg(tag.mark()).arg(mark.bytes());
            self.ask::<Value>(tag, copy, by)?;
        }
        Ok(())
    }

    fn take_lease(&self, key: &RowKey, owner: &Version, lasts: Duration, by: Instant) -> Result<bool> {
        let (tag, mut lease) = (Tag::of(key), redis::cmd("SET"));
        lease.arg(tag.lease(key)).arg(owner.bytes()).arg("NX").arg("PX").arg(lasts.as_millis() as u64);
        Ok(self.ask::<Option<String>>(tag, lease, by)?.is_some())
    }

    fn end_lease(&self, key: &RowKey, owner: &Version, by: Instant) {
        let tag = Tag::of(key);
        let (keys, arguments) = (vec![tag.lease(key)], vec![bytes_of(owner)]);
        // It ends by itself.
        let _ = self.run(tag, &Call { text: &self.scripts.end_lease, keys, arguments, writes: false, replicas: 0 }, by);
    }

    fn in_child(&self) {
        self.links.abandon();
    }
}
