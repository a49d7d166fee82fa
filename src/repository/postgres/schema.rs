//! The schema: whether it is there, whose it is, and how it is made.

use std::time::Instant;

use super::links::Links;
use super::trouble::Trouble;
use super::value::Line;
use crate::config::Durability;
use crate::error::{Error, Result};

/// The version of tables and functions. A schema with a higher one is refused.
const FORMAT: i32 = 1;

const MAKE: &str = include_str!("schema.sql");

/// Who may write a function may do what our user may. So the schema is ours, or of somebody who may do more anyway, and
/// nobody else puts anything into it. A superuser is a member of every role, and that of a stranger's is no reason.
const STATE: &str = "
SELECT current_setting('server_version_num')::int4,
  space.oid IS NOT NULL,
  coalesce(owner.rolsuper OR owner.oid = here.datdba OR owner.oid = me.oid
    OR NOT me.rolsuper AND pg_has_role(owner.oid, 'MEMBER'), false),
  NOT EXISTS (SELECT FROM aclexplode(space.nspacl) acl
      WHERE acl.privilege_type = 'CREATE' AND acl.grantee <> space.nspowner)
    AND NOT EXISTS (SELECT FROM pg_class WHERE relnamespace = space.oid AND relowner <> space.nspowner)
    AND NOT EXISTS (SELECT FROM pg_proc WHERE pronamespace = space.oid AND proowner <> space.nspowner),
  current_setting('synchronous_standby_names') = '',
  current_setting('fsync') = 'on'
FROM pg_database here
JOIN pg_roles me ON me.rolname = current_user
LEFT JOIN pg_namespace space ON space.nspname = 'libotp'
LEFT JOIN pg_roles owner ON owner.oid = space.nspowner
WHERE here.datname = current_database()";

/// Has the schema there, and says what its owner should know.
pub fn prepare(links: &Links, durability: Durability, warnings: &mut Vec<String>, by: Instant) -> Result<()> {
    let mut state = read(links, by)?;
    if state.int4(0).unwrap_or(0) < 130_000 {
        return Err(links.error_as(Error::config, "needs PostgreSQL 13 or newer"));
    }
    if !state.is_true(1) {
        make(links, by)?;
        state = read(links, by)?;
    }
    accept(links, &state, by)?;
    if durability == Durability::Full && state.is_true(4) {
        warnings.push(
            "durability: a failover may forget what was acknowledged last, since synchronous_standby_names is empty"
                .to_owned(),
        );
    }
    if durability == Durability::Full && !state.is_true(5) {
        warnings.push("durability: fsync is off on the server: a loss of power may destroy the repository".to_owned());
    }
    Ok(())
}

/// Refuses a database without the schema, and what `prepare` refuses.
pub fn find(links: &Links, by: Instant) -> Result<()> {
    let state = read(links, by)?;
    if !state.is_true(1) {
        return Err(links.error("there is no repository: no schema libotp"));
    }
    accept(links, &state, by)
}

/// Refuses a schema that is not ours.
fn accept(links: &Links, state: &Line, by: Instant) -> Result<()> {
    if !state.is_true(2) || !state.is_true(3) {
        let cause = "the schema libotp, or something in it, belongs to a stranger, or others may create in it";
        return Err(links.error_as(Error::config, cause));
    }
    let format = ask(links, "SELECT number FROM libotp.format", by)?.int4(0);
    match format {
        Some(FORMAT) => Ok(()),
        Some(FORMAT..) => Err(links.error("the schema libotp was made by a newer version of this library")),
        _ => Err(links.error("the schema libotp is none that this library made")),
    }
}

fn make(links: &Links, by: Instant) -> Result<()> {
    match links.ask(MAKE, Vec::new(), by) {
        Ok(_) => Ok(()),
        Err(Trouble::Refused(state)) if state.is_forbidden() => {
            let cause = "there is no schema libotp, and the user may not make it: see docs/engines.md";
            Err(links.error_as(Error::config, cause))
        }
        Err(trouble) => Err(links.error(trouble)),
    }
}

fn read(links: &Links, by: Instant) -> Result<Line> {
    ask(links, STATE, by)
}

fn ask(links: &Links, text: &'static str, by: Instant) -> Result<Line> {
    let answer = links.ask(text, Vec::new(), by).map_err(|trouble| links.error(trouble))?;
    answer.lines.into_iter().next().ok_or_else(|| links.error("the server gives an odd answer"))
}
