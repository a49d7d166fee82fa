//! What servers do to a message: the right result, in time, and never a second one where one may have been taken.

mod faults;
mod sessions;
mod tls;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};
use simulator::smtp::{Inbox, MailFault, Security, Setup};
use zeroize::Zeroizing;

use super::MailSender;
use crate::config::{Access, Config};
use crate::names::LookUp;
use crate::sender::{Message, SendFailure, samples};

/// Time that is not used up.
const AMPLE: Duration = Duration::from_secs(30);

/// Time that is.
const SHORT: Duration = Duration::from_millis(700);

/// The server's name, in certificates and errors.
const HOST: &str = "mail.test";

const USER: &str = "the user";
const PASSWORD: &str = "the pass\u{f6}rd";

/// Every name is this machine.
fn here(host_and_port: &str) -> io::Result<Vec<SocketAddr>> {
    let (_, port) = host_and_port.rsplit_once(':').unwrap();
    Ok(vec![(Ipv4Addr::LOCALHOST, port.parse::<u16>().unwrap()).into()])
}

/// A certificate of its own authority, and that authority.
fn certified(params: CertificateParams) -> (Arc<ServerConfig>, RootCertStore) {
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let builder = ServerConfig::builder_with_provider(default_provider().into());
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    (builder.with_single_cert(vec![certificate.der().clone()], key).unwrap().into(), roots)
}

fn params(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

fn sender_with(options: &Value, look_up: LookUp, roots: RootCertStore) -> MailSender {
    let mut sender = json!({"type": "smtp", "host": HOST});
    sender.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    let steps = json!([{"channel": "email", "from": "ACME <codes@acme.test>"}]);
    let config = json!({"repository": "memory:", "sender": sender, "workflow": steps}).to_string();
    let mut config = Config::parse(Some(&config)).map_err(|error| panic!("{error}")).ok().unwrap();
    let Some(Access::Smtp(config)) = config.senders[0].access.take() else { panic!() };
    MailSender::with(config, roots, look_up, 120_000).ok().unwrap()
}

/// An inbox and whoever sends to it.
struct Ground {
    inbox: Inbox,
    sender: MailSender,
}

impl Ground {
    /// STARTTLS and a password, as submission has it.
    fn new() -> Self {
        Self::with("PLAIN LOGIN")
    }

    /// The same with these ways of telling the password.
    fn with(mechanisms: &'static str) -> Self {
        let (tls, roots) = certified(params(HOST));
        let account = Some((USER.to_owned(), PASSWORD.to_owned()));
        let setup = Setup { security: Security::StartTls(tls), account, mechanisms, ..Setup::default() };
        let inbox = Inbox::start(setup).unwrap();
        let options = json!({"port": inbox.port, "user": USER, "password": PASSWORD});
        Self { sender: sender_with(&options, here, roots), inbox }
    }

    /// Without TLS.
    fn plain(setup: Setup) -> Self {
        let inbox = Inbox::start(setup).unwrap();
        let options = json!({"host": "127.0.0.1", "port": inbox.port, "tls": "none"});
        Self { sender: sender_with(&options, here, RootCertStore::empty()), inbox }
    }

    /// This goes wrong on every connection.
    fn always(self, fault: &MailFault) -> Self {
        self.inbox.faults(vec![Some(fault.clone()); 4]);
        self
    }

    fn send(&self) -> Told {
        send_if(&self.sender, AMPLE, true)
    }
}

fn message_to(to: &str) -> Message {
    let subject = Some(Zeroizing::new("ACME: your code".to_owned()));
    let message = samples::message("email", to, "Insert the following code: 63731");
    Message { from: "ACME <codes@acme.test>".to_owned(), subject, ..message }
}

/// What came of a message.
struct Told {
    kind: &'static str,
    failure: SendFailure,
    /// How often it was asked whether it may leave.
    asked: usize,
    taken: Duration,
}

fn send_if(sender: &MailSender, time: Duration, may_leave: bool) -> Told {
    send_message(sender, &message_to("mario.rossi@people.test"), time, may_leave)
}

fn send_message(sender: &MailSender, message: &Message, time: Duration, may_leave: bool) -> Told {
    let (begun, mut asked) = (Instant::now(), 0);
    let answer = sender.send(message, begun + time, &mut || {
        asked += 1;
        may_leave
    });
    let taken = begun.elapsed();
    assert!(taken < time + Duration::from_secs(2), "took {taken:?} of {time:?}");
    let (kind, failure) = samples::told(answer);
    let told = format!("{failure:?}");
    for secret in ["63731", "people.test", "mario", "rossi", USER, PASSWORD, "\\n", "\\r"] {
        assert!(!told.contains(secret), "{told}");
    }
    Told { kind, failure, asked, taken }
}
