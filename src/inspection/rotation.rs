//! How far a rotation of the key has come: which keys the configuration has, and which the rows need.

use serde::Serialize;

use super::judge::slots;
use super::{Inspection, Own, now};
use crate::block::KeySlot;
use crate::clock::Time;
use crate::error::{Error, Result};
use crate::record::{Code, Record};
use crate::repository::{Meta, MetaState, Row};

/// Where a rotation stands, going by one configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// One key, which seals the repository: nothing is under way.
    Rest,
    /// A key among the previous ones is to come: once all processes have it, it can become the present one.
    Announced,
    /// The present key is listed, and the repository is still sealed under another one: no process has been opened with
    /// this configuration yet, or one with the configuration before it came later.
    Switching,
    /// The repository is sealed under a key that was met after the present one: other processes have switched, and this
    /// configuration is of the step before.
    Behind,
    /// Rows need a key that the configuration does not have.
    Lacking,
    /// The present key was never announced to the processes that are at work.
    Unannounced,
    /// The present key seals the repository, and rows need earlier ones.
    Retiring,
    /// The present key seals the repository, and no row needs any other: earlier ones may go.
    Done,
}

/// A key of the configuration, and what needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyStanding {
    /// Whether a process was opened with it, in whatever place.
    pub listed: bool,
    /// Whether the repository is sealed under it.
    pub seals: bool,
    /// Whether it was met after the present one: it is rather to come than to go.
    pub comes: bool,
    /// Live codes that were made with it.
    pub live: u64,
    /// Other records that need it: codes that have ended, and those that were replaced.
    pub remembered: u64,
    /// Until when rows need it, as they are now: RFC 3339, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed_until: Option<String>,
    /// When the oldest code that is still there was made with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_code: Option<String>,
    /// When the newest code was made with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest_code: Option<String>,
    /// Whether nothing that is there needs it.
    pub may_go: bool,
}

/// How a rotation stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RotationReply {
    /// How far it is.
    pub phase: Phase,
    /// The keys of the configuration: the present one, then the previous ones in their order.
    pub keys: Vec<KeyStanding>,
    /// Records that need a key which the configuration does not have: calls about them fail.
    pub without_their_key: u64,
    /// Whether an earlier key has a code that is younger than one of the present key, which seals the repository: a process
    /// was not restarted in step 2 by then.
    pub passed_over: bool,
    /// Rows that are damaged: what they need nobody can tell.
    pub unreadable: u64,
}

/// What is said of an own row that says nothing.
const OWN_DAMAGED: &str = "its own row is damaged: restore a backup";

/// What a key is needed for.
#[derive(Clone, Default)]
struct Need {
    live: u64,
    remembered: u64,
    until: Option<Time>,
    oldest: Option<Time>,
    newest: Option<Time>,
}

impl Need {
    fn add(&mut self, record: &Record, slot: KeySlot, time: Time) {
        match record.code.slot == slot && record.is_live(time) {
            true => self.live += 1,
            false => self.remembered += 1,
        }
        self.until = self.until.max(Some(record.kept_until()));
        let codes = std::iter::once(&record.code).chain(&record.remembered);
        for created in codes.filter(|code: &&Code| code.slot == slot).map(|code| code.created) {
            self.oldest = Some(self.oldest.map_or(created, |oldest| oldest.min(created)));
            self.newest = self.newest.max(Some(created));
        }
    }

    fn is_none(&self) -> bool {
        (self.live, self.remembered) == (0, 0)
    }
}

impl Inspection {
    /// Tells how far a rotation of the key has come, going by this configuration. Nothing is changed.
    ///
    /// # Errors
    ///
    /// `Store` for a repository that is not one to work with; `Config` without its keys; `Busy`.
    pub fn rotation(&self) -> Result<RotationReply> {
        let repository = self.repository()?;
        let refused = |cause: &str| Err(Error::store(format!("repository {:?}: {cause}", repository.place())));
        let meta = match &self.own {
            Own::There(meta) if meta.state == MetaState::Whole => meta,
            Own::There(meta) if meta.state.is_moved() => return refused("it was moved: rotate where it went"),
            Own::There(_) => return refused("it is an unfinished copy"),
            Own::Missing if self.has_rows()? => return refused(super::check::OWN_MISSING),
            Own::Missing => return refused("it is empty: no service has begun it"),
            Own::Damaged(_) => return refused(OWN_DAMAGED),
        };
        let slots = self.slots.as_ref().ok_or_else(|| Error::config("key: is needed to tell how it stands"))?;
        if self.lens.ring.is_none() {
            return refused(OWN_DAMAGED);
        }
        let (needs, unreadable) = self.needs(now(repository)?)?;
        let need = |slot: KeySlot| needs.get(usize::from(slot.0)).cloned().unwrap_or_default();
        let current = slots.first().copied().flatten();
        let mut keys: Vec<_> = slots.iter().map(|slot| standing(meta, current, *slot, slot.map(need))).collect();
        if let Some(present) = keys.first_mut() {
            present.may_go = false;
        }
        let others = needs
            .iter()
            .enumerate()
            .filter(|(slot, _)| !slots.iter().flatten().any(|known| usize::from(known.0) == *slot));
        let without_their_key = others.map(|(_, need)| need.live + need.remembered).sum();
        let first = current.and_then(|current| need(current).oldest);
        let is_younger = |slot: &KeySlot| first.is_some_and(|first| need(*slot).newest > Some(first));
        let earlier = slots.iter().flatten().filter(|slot| current.is_some_and(|current| slot.0 < current.0));
        let passed_over = keys.first().is_some_and(|present| present.seals) && earlier.clone().any(is_younger);
        let phase = match phase(&keys) {
            Phase::Unannounced => Phase::Unannounced,
            _ if without_their_key > 0 => Phase::Lacking,
            phase => phase,
        };
        Ok(RotationReply { phase, keys, without_their_key, passed_over, unreadable })
    }

    fn has_rows(&self) -> Result<bool> {
        for page in self.repository()?.scan_for_copy() {
            if !page?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What each key is needed for, by slot, over all namespaces; and how many rows cannot be read.
    fn needs(&self, time: Time) -> Result<(Vec<Need>, u64)> {
        let (mut needs, mut unreadable) = (vec![Need::default(); usize::from(u8::MAX)], 0);
        for page in self.repository()?.scan_for_check() {
            for (key, row) in page? {
                match row {
                    Ok(Row::Record(record)) if self.lens.fault(&key, &Row::Record(record.clone())).is_some() => {
                        unreadable += 1
                    }
                    Ok(Row::Record(record)) if !record.is_absent(time) => add(&mut needs, &record, time),
                    Ok(_) => {}
                    Err(_) => unreadable += 1,
                }
            }
        }
        Ok((needs, unreadable))
    }
}

fn add(needs: &mut [Need], record: &Record, time: Time) {
    let mut of_record: Vec<_> = slots(record).collect();
    of_record.sort_unstable_by_key(|slot| slot.0);
    of_record.dedup();
    for slot in of_record {
        if let Some(need) = needs.get_mut(usize::from(slot.0)) {
            need.add(record, slot, time);
        }
    }
}

fn standing(meta: &Meta, current: Option<KeySlot>, slot: Option<KeySlot>, need: Option<Need>) -> KeyStanding {
    let need = need.unwrap_or_default();
    // A previous one may be the present one once more, which nobody needs.
    let is_current = slot.is_some() && slot == current;
    let seals = slot == Some(meta.sealed_by);
    KeyStanding {
        listed: slot.is_some(),
        seals,
        comes: !is_current && slot.is_none_or(|slot| current.is_some_and(|current| slot.0 > current.0)),
        live: need.live,
        remembered: need.remembered,
        needed_until: need.until.map(|time| time.to_string()),
        oldest_code: need.oldest.map(|time| time.to_string()),
        newest_code: need.newest.map(|time| time.to_string()),
        may_go: is_current || need.is_none() && !seals,
    }
}

fn phase(keys: &[KeyStanding]) -> Phase {
    let Some((current, previous)) = keys.split_first() else { return Phase::Rest };
    match (current.seals, current.listed) {
        (false, false) => Phase::Unannounced,
        (false, true) if previous.iter().any(|key| key.seals && key.comes) => Phase::Behind,
        (false, true) => Phase::Switching,
        (true, _) if previous.iter().any(|key| key.comes) => Phase::Announced,
        (true, _) if previous.is_empty() => Phase::Rest,
        (true, _) if previous.iter().all(|key| key.may_go) => Phase::Done,
        (true, _) => Phase::Retiring,
    }
}
