//! What is kept of a person: telling how a subject stands, unlocking it, erasing a recipient. For operators, who may
//! give any text that the person is known by.

use std::sync::Arc;

use super::pace::Pace;
use super::passed::Passed;
use super::replies::{subject_locked, whole_seconds_up};
use super::{Core, DURABLE, Service, rows};
use crate::block::{Recipient, RowKey, Subject};
use crate::channel::AddressKind;
use crate::email::{self, Email};
use crate::error::{Error, Result};
use crate::limits::{ADDRESS_BYTES, NAME_BYTES};
use crate::phone;
use crate::policy::Standing;
use crate::record::Record;
use crate::reply::{FoundReply, SubjectReply};
use crate::repository::{Page, Row, Transaction, transact};
use crate::request::check_name;
use crate::typed::fold;

impl Service {
    /// Tells how a subject stands, whichever kind of subject the text may mean: of several the worst. Something unknown
    /// has no failures. For operators: never tell visitors.
    ///
    /// # Errors
    ///
    /// `Argument` for a text that can be nothing known; `Store`, `Busy`.
    pub fn subject(&self, subject: &str) -> Result<SubjectReply> {
        self.start_driver()?;
        let answer = self.core.subjects(subject).and_then(|subjects| {
            let moment = self.hooks.moment();
            let reply = transact(&*self.core.repository, DURABLE, move |transaction| {
                let now = transaction.time(&moment);
                let (mut failures, mut worst) = (0, Standing::Open);
                for subject in &subjects {
                    let found = rows::settled_failures(transaction, subject, now)?;
                    failures = failures.max(found.count);
                    worst = worst.max(found.standing(now));
                }
                let retry_after_seconds =
                    if let Standing::LockedFor(ms) = worst { Some(whole_seconds_up(ms)) } else { None };
                Ok(SubjectReply { failures, locked: subject_locked(worst), retry_after_seconds })
            })?;
            self.core.check_found(reply.failures > 0, subject, "subject")?;
            Ok(reply)
        });
        self.logged("subject", None, answer)
    }

    /// Clears failures and locks of a subject, whichever kind of subject the text may mean, and tells whether there
    /// were any.
    ///
    /// # Errors
    ///
    /// `Argument` for a text that can be nothing known; `Store`, `Busy`.
    pub fn unlock(&self, subject: &str) -> Result<FoundReply> {
        self.start_driver()?;
        let answer = self.core.subjects(subject).and_then(|subjects| {
            let reply = transact(&*self.core.repository, DURABLE, move |transaction| {
                let mut found = false;
                for subject in &subjects {
                    // A damaged row locks as well, and goes.
                    found |= !matches!(transaction.get(&subject.row()), Ok(None));
                    transaction.delete(&subject.row());
                }
                Ok(FoundReply { found })
            })?;
            self.core.check_found(reply.found, subject, "subject")?;
            Ok(reply)
        });
        self.logged("unlock", None, answer)
    }

    /// Removes every record of a recipient that is there now, whichever kind of address the text may mean, and tells
    /// whether there were any. Counters and locks stay: they hold hashes, and end by themselves. A record that is
    /// damaged is passed over, and logged once.
    ///
    /// # Errors
    ///
    /// `Argument` for a text that can be nothing known; `Busy`; `Store`, also for a record that the system did not let
    /// be read; after it, the others may be gone.
    pub fn erase(&self, recipient: &str) -> Result<FoundReply> {
        self.start_driver()?;
        let checked = self.core.check_text(recipient, "recipient", ADDRESS_BYTES);
        let answer = checked.and_then(|()| {
            let found = self.erase_all(self.core.recipients(recipient))?;
            self.core.check_found(found, recipient, "recipient")?;
            Ok(FoundReply { found })
        });
        self.logged("erase", None, answer)
    }

    fn erase_all(&self, recipients: Vec<Recipient>) -> Result<bool> {
        let recipients = Arc::new(recipients);
        let mut eraser = Eraser { recipients, pace: Pace::new(), has_erased: false, unread: None };
        for page in self.core.repository.scan(self.core.tenant().rows()) {
            page.and_then(|page| self.erase_page(&mut eraser, page)).map_err(|error| eraser.failed(error))?;
        }
        match eraser.unread.take() {
            Some(error) => Err(eraser.failed(error)),
            None => Ok(eraser.has_erased),
        }
    }

    /// Removes the recipient's records among these, which are looked at once more.
    fn erase_page(&self, eraser: &mut Eraser, page: Page) -> Result<()> {
        let (mut found, mut passed) = (Vec::new(), Vec::new());
        for (key, row) in page {
            match row {
                Ok(Row::Record(record)) if eraser.concerns(&record) => found.push(key),
                Ok(_) => {}
                // Nobody can tell whose it is: of one that is damaged nobody ever will.
                Err(error) => {
                    passed.push(Passed { key, about: key, outcome: error.outcome() });
                    eraser.unread = eraser.unread.take().or(Some(error).filter(|error| !error.is_damage()));
                }
            }
        }
        self.tell_passed("erase", &passed);
        let mut found = found.as_slice();
        while !found.is_empty() {
            let (first, left) = found.split_at(eraser.pace.rows().min(found.len()));
            let (keys, recipients) = (first.to_vec(), eraser.recipients.clone());
            eraser.pace.transact(&*self.core.repository, move |transaction| {
                keys.iter().try_for_each(|key| erase_record(transaction, key, &recipients))
            })?;
            (eraser.has_erased, found) = (true, left);
        }
        Ok(())
    }
}

/// The erasing of a recipient's records.
struct Eraser {
    recipients: Arc<Vec<Recipient>>,
    pace: Pace,
    /// Whether some are gone for good.
    has_erased: bool,
    /// Why a row could not be read that may be in order.
    unread: Option<Error>,
}

impl Eraser {
    fn concerns(&self, record: &Record) -> bool {
        concerns(record, &self.recipients)
    }

    /// Once something was erased, no error says that nothing was done.
    fn failed(&self, error: Error) -> Error {
        if self.has_erased {
            return Error::store(format!("recipient: not all of its records were erased: {error}"));
        }
        error
    }
}

fn concerns(record: &Record, recipients: &[Recipient]) -> bool {
    record.recipients.iter().any(|recipient| recipients.contains(recipient))
}

/// Removes the record, if it still is the recipient's. One that was damaged meanwhile is left to whoever needs it.
fn erase_record(transaction: &mut dyn Transaction, key: &RowKey, recipients: &[Recipient]) -> Result<()> {
    match transaction.get(key) {
        Ok(Some(Row::Record(record))) if concerns(&record, recipients) => {
            rows::delete_record(transaction, key, &record);
            Ok(())
        }
        Err(error) if !error.is_damage() => Err(error),
        _ => Ok(()),
    }
}

impl Core {
    /// Every subject that a text may mean.
    fn subjects(&self, text: &str) -> Result<Vec<Subject>> {
        self.check_text(text, "subject", NAME_BYTES)?;
        let namespace = &self.config.namespace;
        let mut subjects =
            vec![self.keys.index("subject", namespace, text), self.keys.index("token as subject", namespace, text)];
        subjects.extend(self.recipients(text).into_iter().map(Subject::from));
        Ok(subjects)
    }

    /// Every recipient that a text may mean: what is typed in passing, a number above all, is folded.
    pub(super) fn recipients(&self, text: &str) -> Vec<Recipient> {
        let numbers = phone::readings(text, self.config.default_country).into_iter();
        let phone = numbers.map(|number| self.recipient(&AddressKind::Phone, &number));
        let folded = fold(text);
        let others = [AddressKind::Messenger, AddressKind::Channel(String::new())];
        let others = others.iter().flat_map(|kind| [text, folded.as_str()].map(|text| self.recipient(kind, text)));
        let email = self.recipient(&AddressKind::Email, email::pasted(text));
        phone.chain(others).chain([email]).collect()
    }

    /// Checks the text of an operator, which with a number may hold line feeds that came along.
    fn check_text(&self, text: &str, parameter: &str, max_bytes: usize) -> Result<()> {
        let is_number = !phone::readings(text, self.config.default_country).is_empty() && text.len() <= max_bytes;
        let is_email = Email::parse(email::pasted(text)).is_ok() && text.len() <= NAME_BYTES;
        if is_number || is_email { Ok(()) } else { check_name(text, parameter, max_bytes) }
    }

    /// Refuses a text by which nothing was found and nothing can be, rather than to answer that it was done.
    fn check_found(&self, found: bool, text: &str, parameter: &str) -> Result<()> {
        if !found && phone::is_broken(text, self.config.default_country) {
            return Err(Error::argument(format!("{parameter}: is neither a phone number nor anything else known")));
        }
        Ok(())
    }
}
