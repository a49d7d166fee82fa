//! JSON Web Tokens: RS256 towards the carrier, HS256 from it.
//!
//! `jsonwebtoken` takes its cryptography from a provider that belongs to the whole process. This library brings one on
//! ring, which knows these two algorithms. A Rust host that has set a provider of its own keeps it: then every key
//! is tried with that provider before it is used, and a provider that fails, panics or is wrong makes the service
//! fail to open. A host that wants its own sets it before it opens the first service.

use std::panic::{AssertUnwindSafe, catch_unwind};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, new_error};
use jsonwebtoken::signature::{Error as Rejected, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, crypto, errors};
use once_cell::sync::OnceCell;
use ring::rand::SystemRandom;
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::fork;
use crate::mac::MacKey;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    // jsonwebtoken's own stand-ins would panic.
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| Err(unsupported()),
        rsa_pub_components_from_public_key: |_| Err(unsupported()),
        ec_pub_components_from_private_key: |_, _| Err(unsupported()),
        ed_pub_components_from_private_key: |_, _| Err(unsupported()),
        compute_digest: |_, _| Err(unsupported()),
    },
};

static IS_OURS: OnceCell<bool> = OnceCell::new();

/// What is signed to try a provider that is not ours.
const PROBE: &[u8] = b"libotp";

fn unsupported() -> errors::Error {
    new_error(ErrorKind::UnsupportedAlgorithm)
}

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> errors::Result<Box<dyn JwtSigner>> {
    match algorithm {
        Algorithm::HS256 => Ok(Box::new(Hs256(MacKey::new(key.as_bytes())))),
        Algorithm::RS256 => {
            let pair = RsaKeyPair::from_der(key.as_bytes());
            let pair = pair.map_err(|cause| new_error(ErrorKind::InvalidRsaKey(cause.to_string())))?;
            Ok(Box::new(Rs256(pair)))
        }
        _ => Err(unsupported()),
    }
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> errors::Result<Box<dyn JwtVerifier>> {
    match algorithm {
        Algorithm::HS256 => Ok(Box::new(Hs256(MacKey::new(key.try_get_as_bytes()?)))),
        _ => Err(unsupported()),
    }
}

struct Hs256(MacKey);

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, Rejected> {
        Ok(self.0.sign(message).as_ref().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Rejected> {
        if self.0.verify(message, signature) { Ok(()) } else { Err(Rejected::new()) }
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

struct Rs256(RsaKeyPair);

impl Signer<Vec<u8>> for Rs256 {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, Rejected> {
        let mut signature = vec![0; self.0.public().modulus_len()];
        // PKCS#1 v1.5 draws no random numbers; ring asks for a generator all the same.
        let signed = self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
        signed.map(|()| signature).map_err(|_| Rejected::new())
    }
}

impl JwtSigner for Rs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}

/// Gives the process this library's provider unless it has one; `false` when it has another. Done by every key, and
/// cheap after the first time.
pub fn install() -> bool {
    fork::shared(|| *IS_OURS.get_or_init(|| PROVIDER.install_default().is_ok()))
}

/// Calls `jsonwebtoken`, which reports by a panic that a foreign provider is missing or incomplete.
fn guarded<T>(call: impl FnOnce() -> errors::Result<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(call)).ok()?.ok()
}

fn unusable_provider(algorithm: &str) -> Error {
    Error::config(format!("jsonwebtoken: the crypto provider of this process cannot do {algorithm}"))
}

/// A private RSA key for RS256. Wiped on drop.
pub struct SigningKey(EncodingKey);

impl SigningKey {
    /// Reads a key of 2048 to 4096 bits from PEM, in PKCS#8 or PKCS#1, not encrypted.
    ///
    /// # Errors
    ///
    /// `Config`: not such a key, or the host's crypto provider does not sign with it.
    pub fn from_pem(pem: &[u8]) -> Result<Self> {
        let der = PrivateKeyDer::from_pem_slice(pem).map(Zeroizing::new);
        // The causes of this error may repeat a line of the key.
        let der = der.map_err(|_| Error::config("privateKey: no unencrypted private key in PEM"))?;
        let (pair, pkcs1) = match &*der {
            PrivateKeyDer::Pkcs1(key) => (RsaKeyPair::from_der(key.secret_pkcs1_der()), Some(key.secret_pkcs1_der())),
            PrivateKeyDer::Pkcs8(key) => {
                (RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()), inner_key(key.secret_pkcs8_der()))
            }
            _ => return Err(Error::config("privateKey: not an RSA key")),
        };
        let pair = pair.map_err(|cause| Error::config(format!("privateKey: not a usable RSA key: {cause}")))?;
        let pkcs1 = pkcs1.ok_or_else(|| Error::config("privateKey: not a usable RSA key: InvalidEncoding"))?;
        let key = Self(EncodingKey::from_rsa_der(pkcs1));
        if !install() && !key.is_signed_with(&pair) {
            return Err(unusable_provider("RS256"));
        }
        Ok(key)
    }

    /// Whether the process's provider signs with this key.
    fn is_signed_with(&self, pair: &RsaKeyPair) -> bool {
        let token = guarded(|| jsonwebtoken::encode(&Header::new(Algorithm::RS256), &"", &self.0));
        let parts = token.as_deref().and_then(|token| token.rsplit_once('.'));
        let Some((message, signature)) = parts else { return false };
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key());
        let signature = URL_SAFE_NO_PAD.decode(signature);
        signature.is_ok_and(|signature| public.verify(message.as_bytes(), &signature).is_ok())
    }
}

/// The RSAPrivateKey in a PrivateKeyInfo (RFC 5208, 5): an octet string after the version and the algorithm.
fn inner_key(pkcs8: &[u8]) -> Option<&[u8]> {
    let (members, _) = read_der(pkcs8)?;
    let (_version, members) = read_der(members)?;
    let (_algorithm, members) = read_der(members)?;
    read_der(members).map(|(key, _)| key)
}

/// The content of the first value, and what follows it (X.690, 8.1).
fn read_der(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) =
            rest.split_at_checked(usize::from(first & 0x7f)).filter(|(digits, _)| digits.len() <= 4)?;
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
    };
    rest.split_at_checked(length)
}

/// A token with these claims, signed by RS256.
///
/// # Errors
///
/// `Internal`: the claims are no JSON object, or the host's crypto provider fails.
pub fn sign_rs256(key: &SigningKey, claims: &impl Serialize) -> Result<String> {
    guarded(|| jsonwebtoken::encode(&Header::new(Algorithm::RS256), claims, &key.0))
        .ok_or_else(|| Error::internal("a JWT could not be signed"))
}

/// A secret that verifies HS256. Wiped on drop.
pub struct VerifyingKey(DecodingKey);

impl VerifyingKey {
    /// A copy of the secret as a key.
    ///
    /// # Errors
    ///
    /// `Config`: the host's crypto provider does not verify with it.
    pub fn from_secret(secret: &[u8]) -> Result<Self> {
        let key = Self(DecodingKey::from_secret(secret));
        if !install() && !key.is_verified_with(&MacKey::new(secret)) {
            return Err(unusable_provider("HS256"));
        }
        Ok(key)
    }

    /// Whether the process's provider tells this key's signature from others.
    fn is_verified_with(&self, mac: &MacKey) -> bool {
        let verify = |signature: &[u8]| {
            let signature = URL_SAFE_NO_PAD.encode(signature);
            guarded(|| crypto::verify(&signature, PROBE, &self.0, Algorithm::HS256)) == Some(true)
        };
        let (right, wrong) = (mac.sign(PROBE), mac.sign(b"another"));
        verify(right.as_ref()) && !verify(wrong.as_ref()) && !verify(&[])
    }
}

/// The claims of a token, if HS256 with this key signed it; nothing else in it is checked. `None` when it is wrong in
/// any way: another algorithm, a critical extension (RFC 7515, 4.1.11), padded Base64, a claim of the wrong type, a
/// claim of `T` that is repeated.
pub fn verify_hs256<T: DeserializeOwned>(key: &VerifyingKey, token: &str) -> Option<T> {
    // Only the host's clock counts, so the times in the token are left to the caller.
    let mut validation = Validation::new(Algorithm::HS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let token = guarded(|| jsonwebtoken::decode::<T>(token, &key.0, &validation))?;
    token.header.crit.is_none().then_some(token.claims)
}

#[cfg(test)]
mod tests;
