//! Reads codes out of a repository by `docs/format.md` alone: nothing here is the library's.

use ring::{aead, hmac};
use serde_json::Value;

pub type Block = [u8; 16];

/// HMAC-SHA256 over parts that follow each other.
fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    parts.iter().for_each(|part| context.update(part));
    context.sign().as_ref().to_vec()
}

/// `mac(key, label, fields...)` of the page.
pub fn mac(key: &[u8], label: &str, fields: &[&[u8]]) -> Vec<u8> {
    let fields: Vec<_> = [&[label.as_bytes()], fields].concat();
    let lengths: Vec<_> = fields.iter().map(|field| (field.len() as u64).to_be_bytes()).collect();
    let parts: Vec<&[u8]> = lengths.iter().zip(&fields).flat_map(|(length, field)| [&length[..], field]).collect();
    hmac(key, &parts)
}

fn block(bytes: &[u8]) -> Block {
    bytes[..16].try_into().unwrap()
}

/// What follows from a key of the configuration.
pub struct Key {
    pub id: Block,
    macs: Vec<u8>,
    seals: Vec<u8>,
}

impl Key {
    pub fn derive(key: &[u8]) -> Self {
        let extracted = hmac(b"libotp", &[key]);
        let expand = |info: &str| hmac(&extracted, &[info.as_bytes(), &[1]]);
        Self { id: block(&expand("id")), macs: expand("mac"), seals: expand("seal") }
    }

    pub fn unseal(&self, place: &Block, nonce: &[u8], sealed: &[u8]) -> Vec<u8> {
        let key = mac(&self.seals, "row", &[place, nonce]);
        let key = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_256_GCM, &key).unwrap());
        let mut bytes = sealed.to_vec();
        let nonce = aead::Nonce::assume_unique_for_key([0; 12]);
        key.open_in_place(nonce, aead::Aad::from(place), &mut bytes).unwrap().to_vec()
    }

    /// The code that is derived.
    pub fn code(&self, row: &Block, code: &Code) -> String {
        let modulus = 10u64.pow(code.length.into());
        let limit = u64::MAX - u64::MAX % modulus;
        let numbers = (0..).flat_map(|round: u32| {
            let fields: [&[u8]; 5] = [&self.id, &code.bound(row), &code.block, &[code.length], &round.to_be_bytes()];
            let mac = mac(&self.macs, "code", &fields);
            let numbers: Vec<_> = mac.chunks(8).map(|bytes| u64::from_be_bytes(bytes.try_into().unwrap())).collect();
            numbers
        });
        let number = numbers.into_iter().find(|number| *number < limit).unwrap() % modulus;
        format!("{number:0width$}", width = usize::from(code.length))
    }

    /// What is kept of a code that the host brought, and of one that was replaced.
    pub fn kept(&self, row: &Block, code: &Code, text: &str) -> Block {
        block(&mac(&self.macs, "mac", &[&code.bound(row), text.as_bytes()]))
    }

    pub fn replaced(&self, row: &Block, code: &Code, text: &str) -> Block {
        block(&mac(&self.macs, "replaced", &[&self.kept(row, code, text)]))
    }

    pub fn context(&self, row: &Block, code: &Code, context: &str) -> Block {
        let times = [code.created.to_be_bytes(), code.expires.to_be_bytes()].concat();
        block(&mac(&self.macs, "context", &[row, &times, context.as_bytes()]))
    }
}

/// The key of what is kept under a hash.
pub fn row_key(index: &[u8], kind: &str, namespace: &str, text: &str) -> Block {
    let tenant = mac(index, "tenant", &[namespace.as_bytes()]);
    let mut key = block(&mac(index, kind, &[namespace.as_bytes(), text.as_bytes()]));
    key[..4].copy_from_slice(&tenant[..4]);
    key[0] = 0x80 | key[0] & 0x3f;
    key
}

/// A code of a record.
#[derive(Default)]
pub struct Code {
    /// With its flags.
    pub state: u8,
    pub slot: u8,
    pub created: u64,
    pub expires: u64,
    /// The nonce of one that is derived, else the MAC.
    pub block: Block,
    /// 0 for one that is kept as a MAC.
    pub length: u8,
    pub max_attempts: u8,
    pub subject: Block,
    pub context: Option<Block>,
}

impl Code {
    /// What is sealed beside it is bound to this.
    pub fn identity(&self, row: &Block) -> Vec<u8> {
        [&self.bound(row)[..], &[self.length], &self.block].concat()
    }

    fn bound(&self, row: &Block) -> Vec<u8> {
        let context = self.context.as_ref().map_or(&[][..], |context| context);
        let times = [self.created.to_be_bytes(), self.expires.to_be_bytes()].concat();
        [&row[..], &self.subject, &times, &[self.max_attempts], context].concat()
    }
}

/// A record. The JSON reader leaves numbers out that JSON spells as words.
#[derive(Default)]
pub struct Record {
    pub flags: u8,
    pub code: Code,
    pub answer: Option<u8>,
    pub remembered: Vec<Code>,
    pub via: u8,
    pub steps: Vec<Step>,
    pub sealed: Vec<u8>,
}

/// A step: the numbers of its channel and of its state, with that one's flags.
pub struct Step {
    pub channel: u8,
    pub status: u8,
}

/// A record of `json:`.
pub fn json_record(text: &str) -> Record {
    let file: Value = serde_json::from_str(text).unwrap();
    assert_eq!(file["version"], 1);
    let record = &file["record"];
    let remembered = record["remembered"].as_array().map(|codes| codes.iter().map(json_code).collect());
    let sealed = record["sealed"].as_str().map(hex).unwrap_or_default();
    Record { code: json_code(&record["code"]), remembered: remembered.unwrap_or_default(), sealed, ..Record::default() }
}

fn json_code(code: &Value) -> Code {
    let number = |value: &Value| value.as_u64().unwrap();
    let derived = code["secret"].get("derived");
    Code {
        slot: number(&code["key"]) as u8,
        created: number(&code["created"]),
        expires: number(&code["expires"]),
        block: json_block(derived.map_or(&code["secret"]["mac"], |derived| &derived["nonce"])),
        length: derived.map_or(0, |derived| number(&derived["length"]) as u8),
        max_attempts: number(&code["maxAttempts"]) as u8,
        subject: json_block(&code["subject"]),
        context: code.get("context").map(json_block),
        ..Code::default()
    }
}

pub fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn json_block(value: &Value) -> Block {
    block(&hex(value.as_str().unwrap()))
}

/// What is left of a row of `sqlite:`.
pub struct Bytes<'a>(pub &'a [u8]);

impl Bytes<'_> {
    pub fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    pub fn take(&mut self, count: usize) -> Vec<u8> {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken.to_vec()
    }

    fn block(&mut self) -> Block {
        block(&self.take(16))
    }

    pub fn integer(&mut self) -> u64 {
        let byte = self.byte();
        let low = u64::from(byte & 0x7f);
        if byte < 0x80 { low } else { low | self.integer() << 7 }
    }

    fn near(&mut self, base: u64) -> u64 {
        let distance = self.integer();
        if distance & 1 == 0 { base + (distance >> 1) } else { base - (distance >> 1) }
    }

    fn code(&mut self, usual: Block) -> Code {
        let (state, slot, block, created) = (self.byte(), self.byte(), self.block(), self.integer());
        let expires = self.near(created);
        if state & 3 == 1 {
            self.near(created);
        }
        let max_attempts = self.byte();
        let subject = if state & 8 == 0 { usual } else { self.block() };
        let context = (state & 4 != 0).then(|| self.block());
        Code { state, slot, created, expires, block, length: state >> 4, max_attempts, subject, context }
    }

    fn text(&mut self) {
        let length = self.integer();
        self.take(length as usize);
    }

    pub fn record(mut self) -> Record {
        assert_eq!(self.byte(), 2, "a record");
        let flags = self.byte();
        let has = |flag: u8| flags & flag != 0;
        let recipients: Vec<_> = (0..self.integer()).map(|_| self.block()).collect();
        let code = self.code(recipients.first().copied().unwrap_or_default());
        let _attempts = self.byte();
        let _seen = self.near(code.created);
        let _retention = self.integer();
        if has(32) {
            self.near(code.created);
        }
        let answer = has(1).then(|| {
            self.take(16 + 16);
            self.byte()
        });
        let count = if has(4) { self.integer() } else { 0 };
        let remembered = (0..count).map(|_| self.code(code.subject)).collect();
        let _deliveries = self.integer();
        let via_and_steps = self.integer();
        if has(2) {
            self.text();
        }
        if has(8) {
            self.near(code.created);
        }
        let steps = (0..via_and_steps / 7).map(|_| self.step(code.created)).collect();
        Record { flags, code, answer, remembered, via: (via_and_steps % 7) as u8, steps, sealed: self.0.to_vec() }
    }

    fn step(&mut self, created: u64) -> Step {
        let channel = self.byte();
        if channel == 0 {
            self.text();
        }
        let status = self.byte();
        self.near(created);
        for flag in [64, 16, 32] {
            if status & flag != 0 {
                self.text();
            }
        }
        Step { channel, status }
    }
}
