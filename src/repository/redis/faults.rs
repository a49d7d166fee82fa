//! What is wrong around the rows: marks of tenants, names in their indexes, and what lies where rows should.

use std::time::Instant;

use redis::Value;

use super::keys::Tag;
use super::{OPENING, RedisStore};
use crate::block::RowKey;
use crate::error::Result;
use crate::repository::store::{ABSENT, Version};

/// Names that are looked at in one step.
const PAGE: usize = 256;

/// Goes over all tenants.
pub fn find(store: &RedisStore, mark: &Version) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for tenant in store.tenants(Instant::now() + OPENING)? {
        let tag = Tag::Tenant(tenant);
        let copy = store.look_at(tag, &[], Instant::now() + OPENING)?.mark;
        if copy != *mark && !is_being_made(store, &tenant.to_string())? {
            faults
                .push(format!("tenant {tenant}: its copy of the repository's mark is missing or another: calls fail"));
        }
        look_at_names(store, tag, &mut faults)?;
    }
    Ok(faults)
}

/// Whether somebody has just entered the tenant, and makes its copy of the mark.
fn is_being_made(store: &RedisStore, tenant: &str) -> Result<bool> {
    let mut state = redis::cmd("HGET");
    state.arg(Tag::tenants()).arg(tenant);
    Ok(store.ask::<Option<String>>(Tag::Own, state, Instant::now() + OPENING)?.is_some_and(|state| state == "new"))
}

/// Every name in a tenant's index is that of a row, which is a string, or of one that has expired.
fn look_at_names(store: &RedisStore, tag: Tag, faults: &mut Vec<String>) -> Result<()> {
    let mut after = b"-".to_vec();
    loop {
        let by = Instant::now() + OPENING;
        let mut names = redis::cmd("ZRANGEBYLEX");
        names.arg(tag.index()).arg(&after).arg("+").arg("LIMIT").arg(0).arg(PAGE);
        let names: Vec<Vec<u8>> = store.ask(tag, names, by)?;
        let Some(last) = names.last() else { return Ok(()) };
        after = [b"(", last.as_slice()].concat();
        let read = |name: &Vec<u8>| Some(RowKey::new(name.as_slice().try_into().ok()?));
        let keys: Vec<RowKey> = names.iter().filter_map(read).collect();
        let strange = names.len() - keys.len();
        if strange > 0 {
            faults.push(format!("{}: {strange} names in it are not 16 bytes: no service reads them", tag.index()));
        }
        let rows = store.look_at(tag, &keys, by)?.rows;
        for (key, _) in keys.iter().zip(rows).filter(|(_, row)| row.version == ABSENT) {
            let mut kind = redis::cmd("TYPE");
            kind.arg(tag.row(key));
            match store.ask(tag, kind, by)? {
                Value::SimpleString(kind) if kind == "none" || kind == "string" => {}
                _ => faults.push(format!("{}: is no string: every call that needs it fails", tag.row(key))),
            }
        }
    }
}
