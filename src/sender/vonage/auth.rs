//! Who asks: the `Authorization` of a request, and the signed token behind it.

use std::sync::{Arc, Mutex, OnceLock};

use serde::Serialize;
use zeroize::Zeroizing;

use super::super::wire::basic;
use crate::clock::{SECOND_MS, Time};
use crate::config::Auth;
use crate::error::{Error, Result};
use crate::fork::{self, lock};
use crate::jwt::{self, SigningKey};
use crate::random::random;

/// How long a token is good, as the carrier's own clients have it (15 minutes; it allows 30 s to 24 h).
const LIFETIME_MS: u64 = 900 * SECOND_MS;

/// The age at which one caller makes the next token while all others go on with this one.
const RENEWED_MS: u64 = 600 * SECOND_MS;

/// The age from which a token is not sent any more: it could end on its way, or by the carrier's clock.
const UNUSED_MS: u64 = LIFETIME_MS - 60 * SECOND_MS;

/// How far a clock may step back before a token counts as one from the future.
const STEP_BACK_MS: u64 = 30 * SECOND_MS;

/// Makes the value of `Authorization`.
pub enum Authorization {
    /// Name and password.
    Basic(Arc<Zeroizing<String>>),
    /// A token, made when it is needed.
    Jwt(Jwt),
}

impl Authorization {
    /// Reads the key, if there is one.
    ///
    /// # Errors
    ///
    /// `Config` when the key cannot be read or is no RSA key.
    pub fn new(auth: &Auth) -> Result<Self> {
        match auth {
            Auth::Basic { api_key, api_secret } => Ok(Self::Basic(Arc::new(basic(api_key, api_secret)))),
            Auth::Jwt { application_id, private_key } => {
                let key = SigningKey::from_pem(private_key.read()?.as_bytes()).map_err(|error| {
                    let cause = error.detail().trim_start_matches("privateKey: ");
                    Error::config(format!("sender.privateKey: {cause}"))
                })?;
                Ok(Self::Jwt(Jwt { key, application_id: application_id.clone(), tokens: Tokens::default() }))
            }
        }
    }

    /// The value of `Authorization` at this time.
    ///
    /// # Errors
    ///
    /// `Random` or `Internal` when a token cannot be made.
    pub fn header(&self, now: Time) -> Result<Arc<Zeroizing<String>>> {
        match self {
            Self::Basic(header) => Ok(header.clone()),
            Self::Jwt(jwt) => jwt.tokens.get(now, || jwt.sign(now)),
        }
    }

    /// Forgets what other threads had begun.
    pub fn in_child(&self) {
        if let Self::Jwt(jwt) = self {
            lock(&jwt.tokens.state).turn = None;
        }
    }
}

/// A key and the token it signed last.
pub struct Jwt {
    key: SigningKey,
    application_id: String,
    tokens: Tokens,
}

#[derive(Serialize)]
struct RequestClaims<'a> {
    application_id: &'a str,
    iat: u64,
    exp: u64,
    jti: String,
}

impl Jwt {
    fn sign(&self, now: Time) -> Result<Zeroizing<String>> {
        let iat = now.ms() / SECOND_MS;
        let claims = RequestClaims {
            application_id: &self.application_id,
            iat,
            exp: iat + LIFETIME_MS / SECOND_MS,
            jti: uuid(random()?),
        };
        let token = Zeroizing::new(jwt::sign_rs256(&self.key, &claims)?);
        Ok(Zeroizing::new(format!("Bearer {}", *token)))
    }
}

/// A UUID of version 4 (RFC 9562, 5.4).
fn uuid(bytes: [u8; 16]) -> String {
    let bits = u128::from_be_bytes(bytes);
    let bits = (bits & !(0xf << 76) & !(0b11 << 62)) | (0x4 << 76) | (0b10 << 62);
    let (a, b, c) = (bits >> 96, (bits >> 80) & 0xffff, (bits >> 64) & 0xffff);
    let (d, e) = ((bits >> 48) & 0xffff, bits & 0xffff_ffff_ffff);
    format!("{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}")
}

/// The current token. It is signed once in its lifetime, by the first that needs it: the others use the old one, or wait
/// for that caller where there is none. No lock is held while it signs, since a program may bring its own provider
/// for signatures; and nobody waits inside the fork gate.
#[derive(Default)]
struct Tokens {
    state: Mutex<TokenState>,
}

#[derive(Default)]
struct TokenState {
    token: Option<Token>,
    turn: Option<Arc<SignedToken>>,
}

#[derive(Clone)]
struct Token {
    header: Arc<Zeroizing<String>>,
    issued: Time,
}

/// A signature in the making, and what came of it.
type SignedToken = OnceLock<Result<Arc<Zeroizing<String>>>>;

enum Choice {
    Use(Arc<Zeroizing<String>>),
    Wait(Arc<SignedToken>),
    Sign(Arc<SignedToken>),
}

impl TokenState {
    fn choose(&mut self, now: Time) -> Choice {
        let usable = self
            .token
            .as_ref()
            .filter(|token| now.plus(STEP_BACK_MS) >= token.issued && now.since(token.issued) < UNUSED_MS);
        match (usable, &self.turn) {
            (Some(token), turn) if turn.is_some() || now.since(token.issued) < RENEWED_MS => {
                Choice::Use(token.header.clone())
            }
            (_, Some(turn)) => Choice::Wait(turn.clone()),
            (_, None) => {
                let turn = Arc::new(SignedToken::new());
                self.turn = Some(turn.clone());
                Choice::Sign(turn)
            }
        }
    }
}

impl Tokens {
    fn get(&self, now: Time, sign: impl FnOnce() -> Result<Zeroizing<String>>) -> Result<Arc<Zeroizing<String>>> {
        let turn = match fork::shared(|| lock(&self.state).choose(now)) {
            Choice::Use(header) => return Ok(header),
            Choice::Wait(turn) => return turn.wait().clone(),
            Choice::Sign(turn) => turn,
        };
        let mut signing = Signing { tokens: self, turn, now, result: None };
        signing.result.insert(sign().map(Arc::new)).clone()
    }
}

/// Publishes a signature when it ends, however it ends: nobody is to wait for a caller that panicked.
struct Signing<'a> {
    tokens: &'a Tokens,
    turn: Arc<SignedToken>,
    now: Time,
    result: Option<Result<Arc<Zeroizing<String>>>>,
}

impl Drop for Signing<'_> {
    fn drop(&mut self) {
        let result = self.result.take().unwrap_or_else(|| Err(Error::internal("signing a token was cut short")));
        fork::shared(|| {
            let mut state = lock(&self.tokens.state);
            // In a child of a fork the turn is forgotten.
            if state.turn.as_ref().is_some_and(|turn| Arc::ptr_eq(turn, &self.turn)) {
                state.turn = None;
                if let Ok(header) = &result {
                    state.token = Some(Token { header: header.clone(), issued: self.now });
                }
            }
        });
        // The turn is this caller's own: nobody else has set it.
        let _ = self.turn.set(result);
    }
}

#[cfg(test)]
mod tests;
