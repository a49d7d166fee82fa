//! Why nothing, or not all, was done.

use otp::Outcome;

/// A wrong command line, a no, or a failure with the library's result for it.
#[derive(Debug)]
pub enum Fault {
    /// What is wrong with the command line.
    Usage(String),
    /// Who was asked said no.
    Declined,
    /// There is no repository, and none will come by itself.
    Gone(String),
    /// A negative result, and one line that says what exactly.
    Failed(Outcome, String),
}

/// What a subcommand comes to.
pub type Result<T> = std::result::Result<T, Fault>;

impl Fault {
    /// A wrong command line.
    pub fn usage(detail: impl Into<String>) -> Self {
        Self::Usage(detail.into())
    }

    /// A configuration that cannot be used.
    pub fn config(detail: impl Into<String>) -> Self {
        Self::Failed(Outcome::Config, detail.into())
    }

    /// A repository that cannot be used.
    pub fn store(detail: impl Into<String>) -> Self {
        Self::Failed(Outcome::Store, detail.into())
    }

    /// A repository that is not there.
    pub fn gone(detail: impl Into<String>) -> Self {
        Self::Gone(detail.into())
    }

    /// What the configuration does not provide.
    pub fn unsupported(detail: impl Into<String>) -> Self {
        Self::Failed(Outcome::Unsupported, detail.into())
    }
}

impl From<otp::Error> for Fault {
    fn from(error: otp::Error) -> Self {
        Self::Failed(error.outcome(), error.detail().to_owned())
    }
}

impl From<lexopt::Error> for Fault {
    fn from(error: lexopt::Error) -> Self {
        // Their words begin a sentence at times.
        let text = error.to_string();
        let mut letters = text.chars();
        let first = letters.next().map(|letter| letter.to_lowercase().to_string()).unwrap_or_default();
        Self::Usage(first + letters.as_str())
    }
}
