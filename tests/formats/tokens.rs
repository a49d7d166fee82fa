//! Tokens are any text: no two of them meet, and none leads out of the repository.

use std::path::Path;
use std::process::Command;

use otp::{Outcome, RequestState, Service};
use serde_json::json;
use testing::{Folder, Random, tool};

const KINDS: [&str; 3] = ["memory", "sqlite", "json"];

fn open(repository: &str, namespace: &str) -> Service {
    let options = json!({"namespace": namespace, "otpLength": 10, "maxAttempts": 10});
    Service::open(Some(&testing::config(repository, "none", options))).unwrap().0
}

fn create(service: &Service, token: &str) -> String {
    let reply = service.create(token, Some("{}")).unwrap();
    assert_eq!(reply.outcome, Outcome::Ok);
    let message = reply.message.unwrap();
    assert_eq!(message.token, token);
    message.code.to_string()
}

fn verify(service: &Service, token: &str, code: &str) -> Outcome {
    service.verify(token, code, None).unwrap().outcome
}

/// Tokens that stores and paths have been led astray by, and neighbours that must not be taken for each other.
fn hostile() -> Vec<String> {
    let long = |text: &str, bytes: usize| text.repeat(bytes / text.len());
    let mut tokens: Vec<String> = [
        "a",
        "a-b",
        "b",
        "a-",
        "-a",
        "a b",
        "a%20b",
        " a",
        "a ",
        "A",
        "1",
        "01",
        "1.0",
        "../a",
        "../../etc/passwd",
        "/etc/passwd",
        "..",
        ".",
        "/",
        "//",
        "\\",
        "..\\a",
        "%2F",
        "%2f",
        "%2E%2E%2F",
        "%",
        "%%",
        "%s%n",
        "'",
        "\"",
        "`",
        "''",
        "' OR 1=1 --",
        "*",
        "?",
        "a;b",
        "a&b",
        "a|b",
        "$HOME",
        "$(reboot)",
        "~",
        "#",
        "{}",
        "{\"a\":1}",
        "[]",
        "<a>",
        "NULL",
        "null",
        "true",
        "a.json",
        "repository.json",
        "journal.json",
        "lock",
        "otp.db",
        "otp.db-wal",
        "file:x?nolock=1",
        "CON",
        "é",
        "e\u{301}",
        "ß",
        "ss",
        "İ",
        "i\u{307}",
        "\u{200b}",
        "a\u{200b}",
        "\u{feff}a",
        "\u{202e}a",
        "日本語",
        "🔑",
        "\u{fffd}",
        "\u{10ffff}",
    ]
    .map(str::to_owned)
    .to_vec();
    for text in ["x", "/", "é", "日", "🔑", "../"] {
        let most = long(text, 256);
        tokens.push(format!("{most}{}", "y".repeat(256 - most.len())));
        tokens.push(most);
    }
    // Alike for all but the last byte.
    tokens.extend([long("x", 255), format!("{}y", long("x", 255)), format!("{}é", long("x", 254))]);
    tokens.sort();
    tokens.dedup();
    tokens
}

/// A text of 1 to 256 bytes without control characters.
fn any(random: &mut Random) -> String {
    let bytes = 1 + random.below(256);
    let mut text = String::new();
    while text.len() < bytes {
        let limit = *random.pick(&[0x7f, 0x800, 0x1_0000, 0x11_0000]);
        let next = char::from_u32(random.below(limit) as u32).filter(|next| !next.is_control());
        text.extend(next.filter(|next| text.len() + next.len_utf8() <= bytes));
        if bytes - text.len() < 4 {
            text.extend(std::iter::repeat_n('.', bytes - text.len()));
        }
    }
    text
}

#[test]
fn no_two_tokens_meet() {
    let mut random = Random::from_environment();
    for kind in KINDS {
        let folder = Folder::new(&format!("tokens-{kind}"));
        let service = open(&folder.repository(kind), "default");
        let mut tokens = hostile();
        tokens.extend((0..testing::size(100, 2000)).map(|_| any(&mut random)));
        tokens.sort();
        tokens.dedup();
        let codes: Vec<_> = tokens.iter().map(|token| create(&service, token)).collect();
        for (place, token) in tokens.iter().enumerate() {
            // Its neighbours, which are most alike, and others.
            let others = [place + 1, place + tokens.len() - 1, random.below(tokens.len()), random.below(tokens.len())];
            for other in others.map(|other| other % tokens.len()).into_iter().filter(|other| *other != place) {
                assert_eq!(verify(&service, token, &codes[other]), Outcome::NotValid, "{token:?}, {:?}", tokens[other]);
            }
        }
        for (token, code) in tokens.iter().zip(&codes) {
            let status = service.status(token).unwrap().status.unwrap();
            assert_eq!((&status.token, status.state), (token, RequestState::Pending));
            assert_eq!(verify(&service, token, code), Outcome::Ok, "{token:?}");
        }
        for (token, code) in tokens.iter().zip(&codes) {
            assert_eq!(verify(&service, token, code), Outcome::Checked, "{token:?}");
        }
        drop(service);
        check_names(kind, &folder);
    }
}

/// The files are named by what they are, never by a token.
fn check_names(kind: &str, folder: &Folder) {
    let names = |folder: &Path| -> Vec<String> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    match kind {
        "sqlite" => {
            let ours = ["otp.db", "otp.db-wal", "otp.db-shm", "otp.db-lock", "otp.db.key"];
            assert!(
                names(folder.path()).iter().all(|name| ours.contains(&name.as_str())),
                "{:?}",
                names(folder.path())
            );
        }
        "json" => {
            let is_row = |name: &str| {
                let key = name.strip_suffix(".json").unwrap_or_default();
                !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_hexdigit())
            };
            let ours = ["repository.json", "lock"];
            let names = names(&folder.path().join("otp"));
            assert!(names.iter().all(|name| is_row(name) || ours.contains(&name.as_str())), "{names:?}");
        }
        _ => {}
    }
}

#[test]
fn tenants_of_one_repository_do_not_meet() {
    for kind in ["sqlite", "json"] {
        let folder = Folder::new(&format!("tokens-tenants-{kind}"));
        let repository = folder.repository(kind);
        // Alike when joined by nothing, by "-", "/" or ":".
        let pairs = [
            ("a", "bc"),
            ("ab", "c"),
            ("a", "b-c"),
            ("a-b", "c"),
            ("a", "b/c"),
            ("a/b", "c"),
            ("a", "b:c"),
            ("a:b", "c"),
            ("abc", "abc"),
            ("a", "abc"),
        ];
        let made = pairs.map(|(namespace, token)| {
            let service = open(&repository, namespace);
            let code = create(&service, token);
            (service, token, code)
        });
        for (place, (service, token, _)) in made.iter().enumerate() {
            for (_, _, code) in made.iter().enumerate().filter(|(other, _)| *other != place).map(|(_, made)| made) {
                assert_eq!(verify(service, token, code), Outcome::NotValid, "{:?}", pairs[place]);
            }
        }
        for (service, token, code) in &made {
            assert_eq!(verify(service, token, code), Outcome::Ok, "{token}");
        }
    }
}

#[test]
fn what_is_no_token_is_refused() {
    let folder = Folder::new("tokens-refused");
    for kind in KINDS {
        let service = open(&folder.repository(kind), "default");
        let mut refused = vec![String::new(), "x".repeat(257), "é".repeat(128) + "x", "x".repeat(100_000)];
        let controls = (0..=0x1f).chain(0x7f..=0x9f).map(|number| char::from_u32(number).unwrap());
        refused.extend(controls.map(|control| format!("a{control}b")));
        for token in &refused {
            let answers = [
                service.create(token, Some("{}")).map(drop),
                service.resend(token).map(drop),
                service.verify(token, "123456", None).map(drop),
                service.verify(token, "123456", Some("context")).map(drop),
                service.cancel(token).map(drop),
                service.status(token).map(drop),
                service.unlock(token).map(drop),
                service.erase(token).map(drop),
            ];
            for answer in answers {
                let error = answer.unwrap_err();
                assert_eq!(error.outcome(), Outcome::Argument, "{token:?}");
                assert!(token.is_empty() || !error.detail().contains(token.as_str()), "the text repeats the token");
            }
        }
    }
}

/// What is traced: not a test of its own.
#[test]
fn traced() {
    let Some(repository) = testing::role() else { return };
    let service = open(&repository, "../default");
    for token in hostile() {
        let code = create(&service, &token);
        assert_eq!(verify(&service, &token, "none"), Outcome::NotValid);
        let _ = service.resend(&token).unwrap();
        assert_eq!(verify(&service, &token, &code), Outcome::Ok);
        let _ = service.cancel(&token).unwrap();
        let _ = service.status(&token).unwrap();
        let _ = service.unlock(&token).unwrap();
        // A token may be longer than any recipient.
        let erased = service.erase(&token).map_err(|error| error.outcome());
        assert_eq!(erased.is_ok(), token.len() <= 64, "{erased:?}");
    }
    let _ = service.run_due().unwrap();
}

/// Calls that change the file system, by what they may do with a path.
const CHANGES: &str = "openat,open,openat2,creat,mkdir,mkdirat,mknod,mknodat,unlink,unlinkat,rmdir,rename,renameat,\
renameat2,link,linkat,symlink,symlinkat,truncate,chmod,fchmodat,chown,lchown,fchownat,utimensat,setxattr";

/// The paths of a traced call, if it may change anything.
fn changed(line: &str) -> Option<Vec<&str>> {
    let call = line.split_once(' ').map_or(line, |(_, call)| call).trim_start();
    let (name, _) = call.split_once('(')?;
    let only_reads = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_TMPFILE"].iter().all(|flag| !call.contains(flag));
    if name.starts_with("open") && only_reads {
        return None;
    }
    Some(call.split('"').skip(1).step_by(2).collect())
}

#[test]
fn no_file_outside_the_repository_is_touched() {
    let Some(strace) = tool("strace") else { return };
    for kind in ["sqlite", "json"] {
        let (folder, log) = (Folder::new(&format!("tokens-traced-{kind}")), Folder::new(&format!("tokens-log-{kind}")));
        let log = log.path().join("trace");
        let child = testing::child(testing::here!("traced"), &folder.repository(kind));
        let mut command = Command::new(&strace);
        command.args(["-f", "-y", "-s", "4096", "-e", &format!("trace={CHANGES}"), "-o"]).arg(&log);
        command.arg(child.get_program()).args(child.get_args()).current_dir("/");
        let environment = child.get_envs().filter_map(|(name, value)| Some((name, value?)));
        let output = command.envs(environment).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let trace = std::fs::read_to_string(&log).unwrap();
        let inside = folder.path().to_str().unwrap();
        let mut inside_count = 0;
        for line in trace.lines() {
            for path in changed(line).unwrap_or_default() {
                let is_inside = path.starts_with(inside) && !path.contains("/../");
                assert!(is_inside || path == "/dev/null", "{kind}: {line}");
                inside_count += usize::from(is_inside);
            }
        }
        assert!(inside_count >= 3, "the trace shows nothing of the repository");
    }
}
