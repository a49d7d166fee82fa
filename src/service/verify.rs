//! Verifying a code, and cancelling it.

use zeroize::Zeroizing;

use super::replies::retry_after;
use super::{Core, DURABLE, Service, rows};
use crate::block::RowKey;
use crate::clock::Time;
use crate::code::{self, Guess, TypedCode};
use crate::error::{Error, Result};
use crate::limits::CONTEXT_BYTES;
use crate::metrics::Call;
use crate::outcome::Outcome;
use crate::reply::{DoneReply, VerifyReply};
use crate::repository::{Transaction, transact};

/// Most bytes of a code that is looked at.
const CODE_BYTES: usize = 64;

impl Service {
    /// Verifies a code. It is good once: one transaction decides the answer, which is given after the commit.
    ///
    /// # Errors
    ///
    /// `Argument`, `Config` when a key is not at hand, `Store`, `Busy`.
    pub fn verify(&self, token: &str, code: &str, context: Option<&str>) -> Result<VerifyReply> {
        self.call(Call::Verify, || {
            let row = self.core.row(token)?;
            let answer = read_guess(code, context).and_then(|guess| self.guess(row, guess));
            self.logged("verify", Some(&row), answer)
        })
    }

    fn guess(&self, row: RowKey, guess: Guess) -> Result<VerifyReply> {
        let core = self.core.clone();
        let moment = self.hooks.moment();
        if core.repository.knows_absent(&row)? {
            return core.guess_nothing(&row, &guess, core.repository.time(&moment)?);
        }
        transact(&*self.core.repository, DURABLE, move |transaction| {
            let now = transaction.time(&moment);
            core.guess(transaction, &row, &guess, now)
        })
    }

    /// Cancels the code of a token, which may be done again.
    ///
    /// # Errors
    ///
    /// `Argument`, `Store`, `Busy`.
    pub fn cancel(&self, token: &str) -> Result<DoneReply> {
        self.call(Call::Cancel, || {
            let row = self.core.row(token)?;
            let moment = self.hooks.moment();
            let answer = transact(&*self.core.repository, DURABLE, move |transaction| {
                let now = transaction.time(&moment);
                let Some(before) = rows::record(transaction, &row, now)? else { return Ok(Outcome::Unknown) };
                let mut record = before.clone();
                record.settle(now);
                let outcome = record.cancel();
                rows::put_record(transaction, &row, &before, record, now);
                Ok(outcome)
            });
            self.logged("cancel", Some(&row), answer.map(|outcome| DoneReply { outcome }))
        })
    }
}

impl Core {
    /// Decides a guess about a token that has no record: as much computing as for one that has.
    fn guess_nothing(&self, row: &RowKey, guess: &Guess, now: Time) -> Result<VerifyReply> {
        code::find(&self.keys, row, None, guess, now)?;
        Ok(VerifyReply { outcome: Outcome::NotValid, attempts_left: None, retry_after_seconds: None, locked: None })
    }

    fn guess(&self, transaction: &mut dyn Transaction, row: &RowKey, guess: &Guess, now: Time) -> Result<VerifyReply> {
        let Some(before) = rows::record(transaction, row, now)? else { return self.guess_nothing(row, guess, now) };
        let mut record = before.clone();
        record.settle(now);
        let mut failures = rows::settled_failures(transaction, &record.code.subject, now)?;
        let standing = failures.standing(now);
        let locked = record.locked(standing);
        let outcome = if locked.is_some() {
            Outcome::Locked
        } else {
            let matched = code::find(&self.keys, row, Some(&record), guess, now)?;
            let failed = failures.clone();
            let outcome = record.check(matched, &mut failures, self.config.policy.subject_failures, now);
            if failures != failed {
                rows::put_failures(transaction, &record.code.subject, failures);
            }
            outcome
        };
        let attempts_left = Some(record.attempts_left());
        rows::put_record(transaction, row, &before, record, now);
        Ok(VerifyReply { outcome, attempts_left, retry_after_seconds: retry_after(locked, standing), locked })
    }
}

/// Checks what was typed, before it counts as a guess.
fn read_guess(code: &str, context: Option<&str>) -> Result<Guess> {
    if !(1..=CODE_BYTES).contains(&code.len()) {
        return Err(Error::argument(format!("code: must have 1 to {CODE_BYTES} bytes")));
    }
    if context.is_some_and(|context| context.len() > CONTEXT_BYTES) {
        return Err(Error::argument(format!("context: must have at most {CONTEXT_BYTES} bytes")));
    }
    let code =
        TypedCode::of(code).ok_or_else(|| Error::argument("code: has nothing but blanks, dashes and the like"))?;
    Ok(Guess { code, context: context.map(|context| Zeroizing::new(context.to_owned())) })
}
