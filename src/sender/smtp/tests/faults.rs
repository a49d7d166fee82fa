//! One table of faults: every stage of the dialogue, and whatever a server does there.

use std::thread;

use simulator::smtp::{Act, MailFault, Setup, Stage};

use super::{Ground, SHORT, send_if, send_message};

/// The stages at which a server replies.
const STAGES: [Stage; 9] = [
    Stage::Greeting,
    Stage::Ehlo,
    Stage::StartTls,
    Stage::SecureEhlo,
    Stage::Auth,
    Stage::Mail,
    Stage::Recipient,
    Stage::Data,
    Stage::Dot,
];

/// What came of a message before its final dot, and after; how many connections were made before it.
type Case = (&'static str, fn() -> Act, &'static str, &'static str, usize);

fn say(bytes: &str) -> Act {
    Act::Say(bytes.as_bytes().to_vec())
}

fn say_and_close(bytes: &str) -> Act {
    Act::SayAndClose(bytes.as_bytes().to_vec())
}

const ENDING: [Case; 20] = [
    ("closed", || Act::Close, "not taken", "in doubt", 3),
    ("closed within the reply", || say_and_close("25"), "not taken", "in doubt", 3),
    ("closed within the last line", || say_and_close("250 2.0.0 ok\r"), "not taken", "in doubt", 3),
    ("closed between the lines", || say_and_close("250-more\r\n"), "not taken", "in doubt", 3),
    ("not now, and closed", || say_and_close("421 4.3.2 later\r\n"), "not taken", "not taken", 3),
    ("no, and closed", || say_and_close("554 5.3.2 never\r\n"), "not taken", "not taken", 1),
    ("no in many lines", || say("550-5.7.1 a\r\n550-5.7.1 b\r\n550 5.7.1 c\r\n"), "not taken", "not taken", 1),
    ("garbage", || say("hello\r\n"), "not taken", "in doubt", 1),
    ("binary", || Act::Say(vec![0xff, 0, 0xfe, b'\r', b'\n']), "not taken", "in doubt", 1),
    ("another protocol", || say("HTTP/1.1 200 OK\r\n\r\n"), "not taken", "in doubt", 1),
    ("a line feed alone", || say("250 2.0.0 ok\n"), "not taken", "in doubt", 1),
    ("a return alone", || say("250 2.0.0\rok\r\n"), "not taken", "in doubt", 1),
    ("two codes in a reply", || say("250-ok\r\n550 no\r\n"), "not taken", "in doubt", 1),
    ("a code of four digits", || say("2500 ok\r\n"), "not taken", "in doubt", 1),
    ("a code of no class", || say("650 ok\r\n"), "not taken", "in doubt", 1),
    ("a line that is too long", || say(&format!("250 {}\r\n", "x".repeat(5000))), "not taken", "in doubt", 1),
    ("a reply of 65 lines", || say(&("250-x\r\n".repeat(64) + "250 x\r\n")), "not taken", "in doubt", 1),
    ("a reply without an end", || Act::Flood, "not taken", "in doubt", 1),
    ("no", || say("550 5.7.1 no\r\n"), "not taken", "not taken", 1),
    ("no, without more", || say("550\r\n"), "not taken", "not taken", 1),
];

fn check(stage: Stage, case: Case) {
    let (name, act, before, after, connections) = case;
    let name = format!("{name} at {stage:?}");
    let ground = Ground::new().always(&MailFault::new(stage, act()));
    let told = ground.send();
    // What comes with 5.7.1 or 5.3.2 is about who asks.
    let is_no = matches!(act(), Act::Say(bytes) if bytes == b"550\r\n");
    let expected = match stage {
        Stage::Dot => after,
        Stage::Recipient if is_no => "refused",
        _ => before,
    };
    assert_eq!(told.kind, expected, "{name}: {:?}", told.failure);
    // Once the final dot has left, nothing is sent again.
    let connections = if stage == Stage::Dot { 1 } else { connections };
    assert_eq!(ground.inbox.connections(), connections, "{name}");
    assert_eq!(ground.inbox.messages().len(), usize::from(stage == Stage::Dot), "{name}");
    assert_eq!(told.asked, usize::from(matches!(stage, Stage::Data | Stage::Dot)), "{name}");
    assert!(told.failure.detail.starts_with(&format!("mail.test:{}: ", ground.inbox.port)), "{:?}", told.failure);
    assert_eq!(ground.inbox.complaints(), [""; 0], "{name}");
}

#[test]
fn faults_that_end() {
    thread::scope(|scope| {
        for stage in STAGES {
            scope.spawn(move || ENDING.into_iter().for_each(|case| check(stage, case)));
        }
    });
}

#[test]
fn faults_that_last() {
    thread::scope(|scope| {
        for stage in STAGES.into_iter().chain([Stage::Tls, Stage::Body]) {
            for act in [Act::Silence, Act::Drip] {
                if stage == Stage::Body && matches!(act, Act::Drip) {
                    continue;
                }
                scope.spawn(move || {
                    let ground = Ground::new().always(&MailFault::new(stage, act.clone()));
                    let told = send_if(&ground.sender, SHORT, true);
                    let is_out = matches!(stage, Stage::Dot | Stage::Body);
                    let is_garbage = stage == Stage::Tls && matches!(act, Act::Drip);
                    let expected = if is_out { "in doubt" } else { "not taken" };
                    assert_eq!(told.kind, expected, "{act:?} at {stage:?}: {:?}", told.failure);
                    assert!(is_garbage || told.taken >= SHORT, "{act:?} at {stage:?}: {:?}", told.taken);
                    assert_eq!(ground.inbox.connections(), 1, "{act:?} at {stage:?}");
                });
            }
        }
    });
}

/// A server that takes no more for the moment is asked again, on a connection of its own: after a no, nobody knows what
/// else is on its way.
#[test]
fn not_now() {
    thread::scope(|scope| {
        for stage in STAGES {
            scope.spawn(move || {
                let ground = Ground::new().always(&MailFault::reply(stage, "451 4.7.1 try later"));
                let told = ground.send();
                assert_eq!(told.kind, "not taken", "{stage:?}: {:?}", told.failure);
                let tries = if stage == Stage::Dot { 1 } else { 3 };
                assert_eq!(ground.inbox.connections(), tries, "{stage:?}");
                assert_eq!(told.failure.vendor_code.as_deref(), Some("451 4.7.1"), "{stage:?}");
                assert_eq!(told.failure.http_status, None);
                // It was let go once, and the tries are one message.
                assert_eq!(told.asked, usize::from(matches!(stage, Stage::Data | Stage::Dot)), "{stage:?}");
            });
        }
    });
}

#[test]
fn a_passing_fault_costs_no_message() {
    for stage in STAGES.into_iter().filter(|stage| *stage != Stage::Dot) {
        for act in [Act::Close, say_and_close("421 4.3.2 restarting\r\n")] {
            let ground = Ground::new();
            ground.inbox.faults([Some(MailFault::new(stage, act))]);
            let told = ground.send();
            assert_eq!(told.kind, "accepted", "{stage:?}: {:?}", told.failure);
            assert_eq!((ground.inbox.connections(), ground.inbox.messages().len(), told.asked), (2, 1, 1), "{stage:?}");
        }
    }
}

/// What a server says before it is asked may be somebody else's.
#[test]
fn servers_that_speak_before_their_time() {
    for stage in STAGES {
        let ground = Ground::new().always(&MailFault::new(stage, Act::SayMore(b"250 2.0.0 and more\r\n".to_vec())));
        let told = ground.send();
        let is_taken = stage == Stage::Dot;
        assert_eq!(told.kind, if is_taken { "accepted" } else { "not taken" }, "{stage:?}: {:?}", told.failure);
        assert_eq!(
            (ground.inbox.connections(), ground.inbox.messages().len()),
            (1, usize::from(is_taken)),
            "{stage:?}"
        );
        // Words behind the 220 would be heard as if they had come by TLS.
        let has_logged_in = ground.inbox.commands().contains(&"AUTH".to_owned());
        assert!(stage != Stage::StartTls || !has_logged_in, "{stage:?}");
        if is_taken {
            assert_eq!(ground.send().kind, "accepted", "the session is not used again");
            assert_eq!((ground.inbox.connections(), ground.inbox.messages().len()), (2, 2));
        }
    }
}

/// Whether the final dot still left depends on the machine; that the message was not taken is certain to the server
/// alone, and that no second one follows to us.
#[test]
fn a_message_that_is_cut() {
    for fault in [
        MailFault::new(Stage::Body, Act::Close),
        MailFault::new(Stage::Body, say_and_close("451 4.3.0 no room\r\n")),
        MailFault::new(Stage::Data, say_and_close("354 go on\r\n")),
    ] {
        let ground = Ground::new().always(&fault);
        let told = ground.send();
        assert!(["not taken", "in doubt"].contains(&told.kind), "{fault:?}: {}", told.kind);
        assert_eq!(ground.inbox.messages().len(), 0, "{fault:?}");
        assert!(told.kind == "not taken" || ground.inbox.connections() <= 3);
    }
}

#[test]
fn replies_of_a_class_that_does_not_belong_there() {
    for (stage, reply) in [
        (Stage::Greeting, "354 go on"),
        (Stage::Ehlo, "354 go on"),
        (Stage::StartTls, "334 go on"),
        (Stage::Auth, "334 go on"),
        (Stage::Mail, "354 go on"),
        (Stage::Recipient, "354 go on"),
        (Stage::Data, "250 2.0.0 ok"),
        (Stage::Dot, "354 go on"),
    ] {
        let ground = Ground::new().always(&MailFault::reply(stage, reply));
        let told = ground.send();
        assert_eq!(told.kind, if stage == Stage::Dot { "in doubt" } else { "not taken" }, "{stage:?}");
        assert_eq!(ground.inbox.connections(), 1, "{stage:?}");
    }
}

/// What servers say about people is not told.
#[test]
fn texts_of_servers() {
    for (reply, code, title) in [
        ("550 5.1.1 no such user", "550 5.1.1", Some("no such user")),
        ("550 no such user", "550", Some("no such user")),
        ("550 5.1.1", "550 5.1.1", None),
        ("550 5.1.1 <mario.rossi@people.test>: unknown", "550 5.1.1", Some("withheld")),
        ("550 5.1.1 M A R I O . R O S S I is unknown", "550 5.1.1", Some("withheld")),
        ("550 5.1.1 someone.else@people.example", "550 5.1.1", Some("withheld")),
        ("554 5.7.1 63 731 looks like spam", "554 5.7.1", Some("withheld")),
        ("550 4.1.1 an odd one", "550", Some("4.1.1 an odd one")),
    ] {
        let ground = Ground::plain(Setup::default()).always(&MailFault::reply(Stage::Recipient, reply));
        let told = ground.send();
        assert_eq!(told.kind, if code.ends_with("5.7.1") { "not taken" } else { "refused" });
        assert_eq!(told.failure.vendor_title.as_deref(), title, "{reply}");
        assert_eq!(told.failure.vendor_code.as_deref(), Some(code));
        assert_eq!(told.failure.detail, format!("127.0.0.1:{}: RCPT: reply {code}", ground.inbox.port));
    }
}

#[test]
fn addresses_outside_ascii_need_a_server_that_takes_them() {
    let message = super::message_to("jos\u{e9}@people.test");
    let ground = Ground::plain(Setup { utf8: false, ..Setup::default() });
    let told = send_message(&ground.sender, &message, super::AMPLE, true);
    assert_eq!((told.kind, told.asked, ground.inbox.messages().len()), ("refused", 0, 0));
    assert!(told.failure.detail.ends_with("the server offers no SMTPUTF8, which the address needs"));
    let domain = super::message_to("jose@b\u{fc}cher.test");
    assert_eq!(send_message(&ground.sender, &domain, super::AMPLE, true).kind, "accepted");
    let ground = Ground::plain(Setup::default());
    assert_eq!(send_message(&ground.sender, &message, super::AMPLE, true).kind, "accepted");
    let mail = ground.inbox.take().remove(0);
    assert_eq!((&*mail.envelope.to, mail.envelope.utf8), ("jos\u{e9}@people.test", true));
    assert_eq!(ground.inbox.complaints(), [""; 0]);
}
