//! Who sends: the senders that are open, and how a step's message leaves by its own.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::plan::{Job, Planned};
use super::{Core, Service};
#[cfg(not(feature = "smtp"))]
use crate::config::SmtpConfig;
use crate::config::{Access, Config, SenderConfig, StepConfig};
use crate::error::{Error, Result};
use crate::hooks;
use crate::record::Via;
use crate::sender::console::Console;
use crate::sender::host::SendFn;
use crate::sender::http::HttpCarrier;
#[cfg(feature = "smtp")]
use crate::sender::smtp::MailSender;
use crate::sender::vonage::{Carrier, Leg};
use crate::sender::{Answer, Message, Sender as _};

/// A sender that is open.
pub enum OpenSender {
    /// Standard error.
    Console(Console),
    /// Vonage.
    Vonage(Carrier),
    /// Any carrier.
    Http(HttpCarrier),
    /// A server for mail.
    #[cfg(feature = "smtp")]
    Smtp(MailSender),
    /// The host, by its function or from the reply.
    Host,
}

/// Who sends on behalf of a call. The host's function is found before anything is stored, since the host may take it
/// away at any moment.
#[derive(Default)]
pub struct Ways {
    host: Option<Arc<SendFn>>,
}

/// When a message may leave.
pub struct Leave<'a> {
    /// Until when.
    pub deadline: Instant,
    /// Asked once, right before it leaves: if it may not, nothing does.
    pub may_leave: &'a mut dyn FnMut() -> bool,
}

/// Opens the senders of a configuration, in its order.
pub fn open(config: &mut Config) -> Result<Vec<OpenSender>> {
    config.senders.iter_mut().map(open_one).collect()
}

fn open_one(sender: &mut SenderConfig) -> Result<OpenSender> {
    let option = sender.option();
    let cannot = |cause: io::Error| {
        let detail = format!("{option}: console: no standard error: {cause}");
        // Anything else, as when descriptors are short, passes.
        let is_closed = cause.raw_os_error() == Some(libc::EBADF);
        if is_closed { Error::config(detail) } else { Error::store(detail) }
    };
    if let Some(http) = &sender.http {
        return Ok(OpenSender::Http(HttpCarrier::open(http.clone(), sender.timeout_ms)?));
    }
    Ok(match sender.access.take() {
        Some(Access::Vonage(config)) => {
            OpenSender::Vonage(Carrier::open(&config, sender.timeout_ms).map_err(|error| error.of_sender(&option))?)
        }
        #[cfg(feature = "smtp")]
        Some(Access::Smtp(config)) => OpenSender::Smtp(MailSender::open(config, sender.timeout_ms)?),
        #[cfg(not(feature = "smtp"))]
        Some(Access::Smtp(_)) => return Err(SmtpConfig::unsupported(&option)),
        None if sender.via == Via::Console => OpenSender::Console(Console::open().map_err(cannot)?),
        None => OpenSender::Host,
    })
}

impl Service {
    /// Who sends now.
    ///
    /// # Errors
    ///
    /// `Unsupported` when a step is for a function of the host's that is not set.
    pub(super) fn ways(&self) -> Result<Arc<Ways>> {
        let ways = self.ways_at_hand();
        let config = &self.core.config;
        if ways.host.is_none() && config.workflow.iter().any(|step| config.via(step) == Via::Host) {
            return Err(no_function());
        }
        Ok(ways)
    }

    /// Who sends now, whether or not that is everybody.
    pub(super) fn ways_at_hand(&self) -> Arc<Ways> {
        Arc::new(Ways { host: self.hooks.sender() })
    }
}

impl Ways {
    /// Whether somebody sends this step.
    ///
    /// # Errors
    ///
    /// `Unsupported`, of the row alone, where it is for a function of the host's that is not set.
    pub fn check(&self, step: &Planned) -> Result<()> {
        if step.via == Via::Host && self.host.is_none() { Err(no_function().of_one_row()) } else { Ok(()) }
    }
}

impl Core {
    /// Sends the message of the step that was begun: with Dispatch together with all that may follow it.
    pub(super) fn send_step(&self, job: &Job, ways: &Ways, leave: Leave<'_>) -> Result<Answer> {
        let missing = || Error::internal("a step that was begun has no sender");
        let step = self.config.workflow.get(job.at()).ok_or_else(missing)?;
        let Leave { deadline, may_leave } = leave;
        Ok(match self.senders.get(step.sender).ok_or_else(missing)? {
            OpenSender::Vonage(carrier) => return self.send_by_vonage(carrier, job, Leave { deadline, may_leave }),
            OpenSender::Http(carrier) => {
                let with = (job.locale.as_deref(), &*self.ref_of(job));
                carrier.send(job.message()?, with, deadline, may_leave)
            }
            #[cfg(feature = "smtp")]
            OpenSender::Smtp(sender) => sender.send(job.message()?, deadline, may_leave),
            _ if !may_leave() => Answer::called_off(),
            OpenSender::Console(console) => console.send(job.message()?).into(),
            OpenSender::Host => {
                let send = ways.host.as_ref().ok_or_else(missing)?;
                let message = Message { client_ref: Some(self.ref_of(job)), ..job.message()?.clone() };
                hooks::calling(|| send(&message)).into()
            }
        })
    }

    fn send_by_vonage(&self, carrier: &Carrier, job: &Job, leave: Leave<'_>) -> Result<Answer> {
        let mut legs = job.steps.iter().zip(&self.config.workflow).map(|(step, configured)| leg(job, step, configured));
        if self.config.dispatches() {
            return Ok(carrier.dispatch(&legs.flatten().collect::<Vec<_>>(), job.now, leave.deadline));
        }
        let leg =
            legs.nth(job.at()).flatten().ok_or_else(|| Error::internal("a step that was begun has no message"))?;
        Ok(carrier.message(&leg, &self.ref_of(job), job.now, leave.deadline, leave.may_leave))
    }

    /// The place of the sender of this step.
    pub(super) fn sender_at(&self, step: usize) -> usize {
        self.config.workflow.get(step).map_or(0, |step| step.sender)
    }

    fn ref_of(&self, job: &Job) -> String {
        self.client_ref(&job.row, job.record.deliveries, job.at())
    }
}

fn no_function() -> Error {
    Error::unsupported("sender is host, but no function is set (on_send)")
}

/// A step as Vonage takes it, if there is an address for it.
fn leg<'a>(job: &'a Job, step: &'a Planned, configured: &'a StepConfig) -> Option<Leg<'a>> {
    let message = step.message.as_ref()?;
    Some(Leg {
        channel: &message.channel,
        from: &message.from,
        to: &message.to,
        text: &message.text,
        code: &message.code,
        locale: job.locale.as_deref(),
        template: configured.provider_template.as_deref(),
        expiry_seconds: configured.expiry_seconds,
        condition: configured.condition?,
    })
}
