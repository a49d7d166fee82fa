//! The configuration: JSON, checked as a whole before anything is opened.

mod carrier;
mod copy;
mod delivery;
mod http;
mod look;
mod private_key;
mod rules;
mod secret;
mod senders;
mod smtp;
mod storage;
mod warnings;
mod webhook;

use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::channel::{EMAIL, OWN_MEMBERS};
use crate::clock::MINUTE_MS;
use crate::error::{Error, Result};
use crate::message::Texts;
use crate::phone::CallingCode;
use crate::policy::{Policy, Profile};
use crate::record::{MOST_STEPS, Via};
use crate::strict::{self, Node, Object};
use crate::typed::fold;

pub use crate::channel::Condition;
pub use crate::step::StepConfig;
pub use copy::CopyConfig;
pub use http::{ByLocale, HttpBody, HttpConfig, HttpMethod, HttpUrl, Listed, Piece, Placeholder, Template, Tree};
pub use look::LookConfig;
pub use senders::{Access, SenderConfig};
pub use smtp::SmtpConfig;
#[cfg(feature = "smtp")]
pub use smtp::SmtpTls;
pub use webhook::WebhookConfig;

pub use carrier::{Auth, CarrierConfig};
#[cfg(test)]
pub use private_key::PrivateKey;
pub use secret::from_base64;

/// Shortest and longest code that a request may bring.
const OWN_CODE_CHARS: std::ops::RangeInclusive<usize> = 4..=16;

/// Where records are kept. Paths are absolute. The URLs may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub enum RepositoryUrl {
    /// An SQLite database.
    Sqlite(PathBuf),
    /// A folder of JSON files.
    Json(PathBuf),
    /// This process.
    Memory,
    /// A Redis server, or several.
    Redis(RedisConfig),
    /// A PostgreSQL server.
    Postgres(PostgresConfig),
}

impl RepositoryUrl {
    fn refuse_unsupported(&self) -> Result<()> {
        let missing = match self {
            RepositoryUrl::Redis(_) if !cfg!(feature = "redis") => "redis",
            RepositoryUrl::Postgres(_) if !cfg!(feature = "postgres") => "postgres",
            _ => return Ok(()),
        };
        Err(Error::unsupported(format!("repository {missing}: not supported by this build")))
    }
}

/// How Redis is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisConfig {
    /// The URL, with user and password.
    pub url: String,
    /// The only authorities that are trusted, in PEM, where not the platform's.
    pub ca_file: Option<PathBuf>,
    /// Connections that are kept.
    pub pool_size: usize,
    /// Replicas that must have a change before it is answered.
    pub wait_replicas: u32,
}

/// How PostgreSQL is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresConfig {
    /// The URL, with user and password.
    pub url: String,
    /// The only authorities that are trusted, in PEM, where not the platform's.
    pub ca_file: Option<PathBuf>,
    /// Most connections.
    pub pool_size: usize,
}

/// What an acknowledged change survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Loss of power.
    #[default]
    Full,
    /// The end of the process.
    Process,
    /// What the server at the other end of a network says.
    Engine,
}

/// Where the key comes from.
#[derive(Clone)]
pub enum KeySource {
    /// The configuration itself.
    Given(Zeroizing<Vec<u8>>),
    /// A file that the configuration names.
    File(PathBuf),
    /// The file beside the repository that is used unless another is named.
    Beside(PathBuf),
    /// Nowhere: the repository ends with the process, and so may the key.
    None,
}

/// A whole configuration.
pub struct Config {
    /// Where records are kept.
    pub repository: RepositoryUrl,
    /// The key of new records.
    pub key: KeySource,
    /// Keys of which records may still be around.
    pub previous_keys: Vec<Zeroizing<Vec<u8>>>,
    /// The tenant.
    pub namespace: String,
    /// Digits of a code.
    pub otp_length: u8,
    /// How long a code is good, in milliseconds.
    pub validity_ms: u64,
    /// Wrong guesses that a code allows.
    pub max_attempts: u8,
    /// Limits.
    pub policy: Policy,
    /// What messages say.
    pub texts: Texts,
    /// Whether a request may bring its own code.
    pub own_codes: bool,
    /// The calling code of numbers that are written without one.
    pub default_country: Option<&'static CallingCode>,
    /// The members that a request may have, where not all of them are welcome.
    pub accept: Option<Vec<String>>,
    /// Who delivers: 1 to 8.
    pub senders: Vec<SenderConfig>,
    /// The steps of a delivery: 1 to 5.
    pub workflow: Vec<StepConfig>,
    /// Whether a thread of the service does what is due.
    pub background: bool,
    /// How webhooks of the carrier are checked; without it none is taken.
    pub webhook: Option<WebhookConfig>,
    /// What an acknowledged change survives.
    pub durability: Durability,
    /// What is allowed and yet not advisable, a line each.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads a configuration; none is `{}`.
    ///
    /// # Errors
    ///
    /// `Config` for anything unknown, repeated, of the wrong type or out of range, naming the option; `Unsupported`
    /// when all of it is right and this build lacks an option.
    pub fn parse(json: Option<&str>) -> Result<Self> {
        let mut root = match json {
            // Editors of some systems begin every file with a byte order mark.
            Some(json) => {
                strict::parse(json.strip_prefix('\u{feff}').unwrap_or(json), "config", Error::config)?.object()?
            }
            None => Object::absent("config", Error::config),
        };
        let repository = storage::read_repository(&mut root)?;
        let key = storage::read_key(&mut root, &repository)?;
        let previous_keys = storage::read_previous_keys(&mut root)?;
        let durability = storage::read_durability(&mut root, &repository)?;
        let namespace = read_namespace(&mut root)?;
        let rules = rules::read(&mut root)?;
        let own_codes = read_flag(&mut root, "ownCodes")?;
        let texts = Texts::read(&mut root)?;
        let senders = senders::read_senders(&mut root)?;
        let mut warnings = Vec::new();
        let workflow = delivery::read_workflow(&mut root, &senders, &texts, &mut warnings)?;
        let webhook = WebhookConfig::read(&mut root, &mut warnings)?;
        let background = read_flag(&mut root, "background")?;
        let default_country = root.take("defaultCountry").map(|node| read_default_country(&node)).transpose()?;
        let accept = root.take("accept").map(|node| read_accept(node, &workflow)).transpose()?;
        root.finish()?;

        let mut config = Self {
            repository,
            key,
            previous_keys,
            namespace,
            otp_length: rules.otp_length,
            validity_ms: rules.validity_ms,
            max_attempts: rules.max_attempts,
            policy: rules.policy,
            texts,
            own_codes,
            default_country,
            accept,
            senders,
            workflow,
            background,
            webhook,
            durability,
            warnings,
        };
        config.check_limits()?;
        config.check_channels()?;
        config.check_texts()?;
        config.refuse_unsupported()?;
        config.warn();
        Ok(config)
    }

    /// Who sends a step.
    pub fn via(&self, step: &StepConfig) -> Via {
        self.senders.get(step.sender).map_or(Via::None, |sender| sender.via)
    }

    /// By what metrics name the senders: by their names, or the only one by its kind.
    pub fn sender_names(&self) -> Vec<&str> {
        self.senders.iter().map(|sender| sender.name.as_deref().unwrap_or(sender.via.name())).collect()
    }

    /// Whether the reply of a create has the message, for the host to deliver.
    pub fn hands_over(&self) -> bool {
        self.delivers_alone(Via::None)
    }

    /// Whether the carrier goes from step to step.
    pub fn dispatches(&self) -> bool {
        self.delivers_alone(Via::Dispatch)
    }

    fn delivers_alone(&self, via: Via) -> bool {
        self.senders.iter().any(|sender| sender.via == via)
    }

    /// Whether the library goes from step to step when it is time.
    pub fn is_timed(&self) -> bool {
        !self.dispatches() && self.workflow.iter().any(|step| step.condition.is_some())
    }

    /// Time for all of a delivery's requests, in milliseconds: of one sender its time-out, and of several those of all
    /// steps, or one that hangs would leave nothing for those that are there to replace it.
    pub fn deadline_ms(&self) -> u64 {
        let times = self.workflow.iter().map(|step| self.timeout_ms(step));
        if self.senders.len() > 1 { times.sum() } else { times.max().unwrap_or_default() }
    }

    /// Time for a step's message, in milliseconds.
    pub fn timeout_ms(&self, step: &StepConfig) -> u64 {
        self.senders.get(step.sender).map_or(0, |sender| sender.timeout_ms)
    }

    /// Whether a request may bring this code: 4 to 16 printable ASCII characters, and what the profile asks for.
    pub fn takes_own_code(&self, code: &str) -> bool {
        let least =
            if self.policy.profile == Profile::Nist { rules::NIST_DIGITS.into() } else { *OWN_CODE_CHARS.start() };
        let is_printable = code.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let is_guessable = !fold(code).is_empty();
        let has_length = (least..=*OWN_CODE_CHARS.end()).contains(&code.len());
        has_length && is_printable && is_guessable && self.texts.can_carry(code)
    }

    fn check_limits(&self) -> Result<()> {
        let is_known = |channel: &String| self.workflow.iter().any(|step| step.channel == *channel);
        let mut limits = self.policy.send_limits.iter();
        match limits.position(|limit| limit.channel.as_ref().is_some_and(|channel| !is_known(channel))) {
            Some(place) => {
                Err(Error::config(format!("policy.sendLimits[{place}].channel: no step of the workflow has it")))
            }
            None => Ok(()),
        }
    }

    /// NIST SP 800-63B-4, 3.1.3.1: mail is no way for a code that proves possession.
    fn check_channels(&self) -> Result<()> {
        let is_mail = |step: &StepConfig| step.channel == EMAIL;
        match self.workflow.iter().position(is_mail).filter(|_| self.policy.profile == Profile::Nist) {
            Some(place) => Err(Error::config(format!(
                "workflow[{place}].channel: profile nist has no codes by e-mail (SP 800-63B-4, 3.1.3.1)"
            ))),
            None => Ok(()),
        }
    }

    fn check_texts(&self) -> Result<()> {
        let length = usize::from(self.otp_length);
        let shortest = if self.own_codes { length.min(*OWN_CODE_CHARS.start()) } else { length };
        let code = "0".repeat(shortest);
        let minutes = self.validity_ms.div_ceil(MINUTE_MS);
        self.workflow.iter().try_for_each(|step| self.texts.check_length(step, &code, minutes))
    }

    fn refuse_unsupported(&self) -> Result<()> {
        self.repository.refuse_unsupported()?;
        match self.senders.iter().find(|sender| sender.via == Via::Smtp && !cfg!(feature = "smtp")) {
            Some(sender) => Err(SmtpConfig::unsupported(&sender.option())),
            None => Ok(()),
        }
    }
}

fn read_default_country(node: &Node) -> Result<&'static CallingCode> {
    let text = node.text()?;
    let code = CallingCode::named(text.strip_prefix('+').unwrap_or(text));
    code.ok_or_else(|| node.error("must be a calling code, such as 39"))
}

/// The members that a request may have; each is one that it could have.
fn read_accept(node: Node, workflow: &[StepConfig]) -> Result<Vec<String>> {
    let read = |node: &Node| {
        let is_own = |name: &str| OWN_MEMBERS.contains(&name) || name == EMAIL;
        let is_member = |name: &str| is_own(name) || workflow.iter().any(|step| step.channel == name);
        node.text_if("the name of a member of a request", is_member).map(str::to_owned)
    };
    node.list(0..=OWN_MEMBERS.len() + 1 + MOST_STEPS)?.iter().map(read).collect()
}

fn read_namespace(root: &mut Object) -> Result<String> {
    root.take("namespace").map_or_else(|| Ok("default".to_owned()), |node| node.name(64))
}

fn read_flag(root: &mut Object, name: &str) -> Result<bool> {
    root.take(name).map_or(Ok(false), |node| node.flag())
}

#[cfg(test)]
mod tests;
