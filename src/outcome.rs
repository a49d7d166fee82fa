//! What a call of the library can come to: the one list of results, with number, name, sentence and HTTP status.

use serde::{Serialize, Serializer};

/// The result of a call.
///
/// [`Outcome::Ok`] is the only yes. Positive numbers are considered refusals, to show the user; negative numbers
/// say that the library could not answer, to log. Numbers are never changed or reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Outcome {
    /// Done; for a verification: the code was right and is now used.
    Ok = 0,
    /// The code is not right, or there is none.
    NotValid = 1,
    /// The code is right and was used before.
    Checked = 2,
    /// The code is right and too old, or a newer one replaced it.
    Expired = 3,
    /// Too many wrong codes: on this code, or on the subject.
    Locked = 4,
    /// Too many codes were sent to the recipient.
    RateLimited = 5,
    /// The code was cancelled.
    Cancelled = 6,
    /// The recipient is not on the list of countries, or the provider does not send there.
    Refused = 7,
    /// There is no such request.
    Unknown = 8,
    /// A parameter or a member of the request is wrong; nothing was done.
    Argument = -1,
    /// The configuration or the key is wrong; nothing was done.
    Config = -2,
    /// The repository failed; what was asked may have been done, or a part of it.
    Store = -3,
    /// The repository was busy for too long; nothing was done.
    Busy = -4,
    /// The message was certainly not sent.
    Send = -5,
    /// The message may have been sent, or another one with its code.
    InDoubt = -6,
    /// The webhook's signature is wrong.
    Signature = -7,
    /// The webhook carries no signature.
    Unsigned = -8,
    /// The operating system gave no random numbers; nothing was done.
    Random = -9,
    /// The configuration does not provide what was asked; nothing was done.
    Unsupported = -10,
    /// A defect of the library; what was asked may have been done.
    Internal = -11,
}

impl Outcome {
    /// Every outcome, by number from the highest to the lowest.
    pub const ALL: [Outcome; 20] = [
        Outcome::Unknown,
        Outcome::Refused,
        Outcome::Cancelled,
        Outcome::RateLimited,
        Outcome::Locked,
        Outcome::Expired,
        Outcome::Checked,
        Outcome::NotValid,
        Outcome::Ok,
        Outcome::Argument,
        Outcome::Config,
        Outcome::Store,
        Outcome::Busy,
        Outcome::Send,
        Outcome::InDoubt,
        Outcome::Signature,
        Outcome::Unsigned,
        Outcome::Random,
        Outcome::Unsupported,
        Outcome::Internal,
    ];

    /// The outcome with this number, if there is one.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.number() == number)
    }

    /// The number, as in C.
    #[must_use]
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The name, as in C and in replies and log events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.entry().0
    }

    /// The HTTP status that a service answers with.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        self.entry().1
    }

    /// A sentence: for a refusal the one to show the user, for a failure a short fixed one.
    #[must_use]
    pub const fn message(self) -> &'static str {
        self.entry().2
    }

    const fn entry(self) -> (&'static str, u16, &'static str) {
        match self {
            Outcome::Ok => ("OTP_OK", 200, "OK"),
            Outcome::NotValid => ("OTP_NOT_VALID", 404, "Not found"),
            Outcome::Checked => ("OTP_CHECKED", 409, "The code has already been verified"),
            Outcome::Expired => ("OTP_EXPIRED", 410, "The code is expired"),
            Outcome::Locked => ("OTP_LOCKED", 429, "Too many wrong codes"),
            Outcome::RateLimited => ("OTP_RATE_LIMITED", 429, "Too many codes requested"),
            Outcome::Cancelled => ("OTP_CANCELLED", 410, "The code was cancelled"),
            Outcome::Refused => ("OTP_REFUSED", 403, "The recipient is not allowed"),
            Outcome::Unknown => ("OTP_UNKNOWN", 404, "There is no such request"),
            Outcome::Argument => ("OTP_E_ARGUMENT", 400, "an argument is not valid"),
            Outcome::Config => ("OTP_E_CONFIG", 500, "the configuration or the key is not valid"),
            Outcome::Store => ("OTP_E_STORE", 503, "the repository failed"),
            Outcome::Busy => ("OTP_E_BUSY", 503, "the repository is busy"),
            Outcome::Send => ("OTP_E_SEND", 502, "the message was not sent"),
            Outcome::InDoubt => ("OTP_E_IN_DOUBT", 502, "the message may have been sent"),
            Outcome::Signature => ("OTP_E_SIGNATURE", 401, "the signature of the webhook is wrong"),
            Outcome::Unsigned => ("OTP_E_UNSIGNED", 503, "the webhook carries no signature"),
            Outcome::Random => ("OTP_E_RANDOM", 500, "the operating system gave no random numbers"),
            Outcome::Unsupported => ("OTP_E_UNSUPPORTED", 500, "the configuration does not provide this"),
            Outcome::Internal => ("OTP_E_INTERNAL", 500, "internal error"),
        }
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome;

    #[test]
    fn all_holds_every_number_once() {
        let numbers: Vec<i32> = Outcome::ALL.iter().map(|outcome| outcome.number()).collect();
        assert_eq!(numbers, (-11..=8).rev().collect::<Vec<_>>());
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::from_number(outcome.number()), Some(outcome));
            assert!(outcome.name().starts_with(if outcome.number() < 0 { "OTP_E_" } else { "OTP_" }));
        }
        assert_eq!(Outcome::from_number(9), None);
    }
}
