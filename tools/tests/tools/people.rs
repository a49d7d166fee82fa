//! `otp subject`, `otp unlock`, `otp erase` and `otp cancel`.

use otp::Outcome;
use serde_json::json;

use super::command::{NUMBER, Site};

fn create(site: &Site, token: &str) -> String {
    let request = json!({"phoneNumber": NUMBER, "subject": "account 1"}).to_string();
    site.service().create(token, Some(&request)).unwrap().message.unwrap().code.to_string()
}

/// Gives wrong codes until the subject is locked.
fn lock(site: &Site) {
    let service = site.service();
    for round in 0..2 {
        let token = format!("session {round}");
        let code = create(site, &token);
        let wrong: String = code.chars().map(|digit| if digit == '9' { '0' } else { '9' }).collect();
        for _ in 0..5 {
            let _ = service.verify(&token, &wrong, None).unwrap();
        }
    }
}

#[test]
fn a_locked_subject_is_shown_and_unlocked() {
    for kind in ["sqlite", "json"] {
        let site = Site::new(kind);
        site.run(&["subject", "account 1"]).is_done("failures in a row: 0\nlocked: no\n");
        site.run(&["unlock", "account 1"]).is_done("there were no failures and no locks");
        lock(&site);
        site.run_with(&["subject", "-"], "account 1\n").is_done("failures in a row: 10\nlocked: yes, for 1");
        let reply = site.json(&["subject", "account 1"]);
        assert_eq!((&reply["failures"], &reply["locked"]), (&json!(10), &json!("subject")), "{reply}");
        assert_eq!(site.json(&["unlock", "account 1"]), json!({"result": "OTP_OK", "found": true}));
        site.run(&["subject", "account 1"]).is_done("failures in a row: 0\nlocked: no\n");
        let code = create(&site, "session 9");
        assert_eq!(site.service().verify("session 9", &code, None).unwrap().outcome, Outcome::Ok);
    }
}

#[test]
fn erasing_needs_a_yes() {
    let site = Site::new("sqlite");
    create(&site, "session 1");
    site.run(&["erase", NUMBER]).failed(2, "where standard input is no terminal");
    site.run_with(&["erase", "-"], NUMBER).failed(2, "it needs --yes");
    site.run(&["status", "session 1"]).is_done("state: pending");
    let said = site.run_with(&["erase", "-", "--yes"], "0039 333-1234567\n");
    assert!(!said.is_done("the recipient's records are removed").out.contains("333"), "{said:?}");
    assert_eq!(site.run(&["status", "session 1"]).code, 1);
    assert_eq!(site.json(&["erase", NUMBER, "--yes"]), json!({"result": "OTP_OK", "found": false}));
    for nothing in ["+39 0", "+39 333 123"] {
        site.run(&["erase", nothing, "--yes"]).failed(2, "recipient: is neither a phone number");
        site.run(&["unlock", nothing]).failed(2, "subject: is neither a phone number");
        site.run(&["subject", nothing]).failed(2, "subject: is neither a phone number");
    }
    site.run(&["erase", "8192836451", "--yes"]).is_done("there were no records: look at the spelling");
}

#[test]
fn a_damaged_row_is_told() {
    let site = Site::new("json");
    create(&site, "session 1");
    create(&site, "session 2");
    damage(&site);
    let said = site.run(&["erase", NUMBER, "--yes"]);
    said.failed(3, "1 row is damaged and stays: nobody can tell whose");
    assert_eq!(said.out, "the recipient's records are removed\n");
    let reply = site.json(&["erase", NUMBER, "--yes"]);
    assert_eq!(
        (&reply["result"], &reply["found"], &reply["damaged"]),
        (&json!("OTP_E_STORE"), &json!(false), &json!(1))
    );
}

/// Damages one of the rows that hold a record.
pub fn damage(site: &Site) {
    let entries = std::fs::read_dir(site.folder.path().join("otp")).unwrap().map(|entry| entry.unwrap().path());
    let mut records: Vec<_> = entries
        .filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.len() == 37 && std::fs::read_to_string(path).unwrap().contains("\"record\"")
        })
        .collect();
    records.sort();
    let record = records.first().expect("a record");
    std::fs::write(record, "{").unwrap();
}

/// On a terminal, which `script` makes, and types into what it is given.
#[test]
fn erasing_asks_on_a_terminal() {
    let Some(script) = testing::tool("script") else { return };
    let site = Site::new("sqlite");
    create(&site, "session 1");
    let on_terminal = |answer: &str| {
        let mut command = std::process::Command::new(&script);
        let line = format!("{} erase '{NUMBER}'", env!("CARGO_BIN_EXE_otp"));
        command.args(["-qec", &line, "/dev/null"]).env("OTP_CONFIG", &site.config).current_dir(site.folder.path());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        super::command::said(&mut command, answer)
    };
    let said = on_terminal("n\n");
    assert!(said.code == 1 && said.out.contains("[y/N]") && said.out.contains("nothing was done"), "{said:?}");
    site.run(&["status", "session 1"]).is_done("state: pending");
    let said = on_terminal("y\n");
    assert!(said.code == 0 && said.out.contains("records are removed"), "{said:?}");
    assert_eq!(site.run(&["status", "session 1"]).code, 1);
}

#[test]
fn a_cancelled_code_is_no_good() {
    let site = Site::new("sqlite");
    let code = create(&site, "session 1");
    site.run(&["cancel", "session 1"]).is_done("the code is cancelled\n");
    assert_eq!(site.service().verify("session 1", &code, None).unwrap().outcome, Outcome::Cancelled);
    assert_eq!(site.run(&["cancel", "session 2"]).code, 1);
    let code = create(&site, "session 3");
    assert_eq!(site.service().verify("session 3", &code, None).unwrap().outcome, Outcome::Ok);
    let said = site.run(&["cancel", "session 3"]);
    assert_eq!((said.code, said.out.as_str()), (1, "The code has already been verified\n"), "{said:?}");
    assert_eq!(site.json(&["cancel", "session 3"])["result"], "OTP_CHECKED");
}
