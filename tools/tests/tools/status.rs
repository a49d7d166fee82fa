//! `otp status`.

use serde_json::json;

use super::command::{NUMBER, Site};

#[test]
fn a_request_is_shown_and_no_secret() {
    for kind in ["sqlite", "json"] {
        let site = Site::new(kind);
        let request = json!({"phoneNumber": NUMBER}).to_string();
        let message = site.service().create("session 1", Some(&request)).unwrap().message.unwrap();
        let said = site.run(&["status", "session 1"]);
        said.is_done("state: pending").is_done("wrong codes allowed: 5").is_done("delivery by none");
        assert!(!said.out.contains(&*message.code) && !said.out.contains("393331234567"), "{said:?}");
        site.run_with(&["status", "-"], "session 1\n").is_done("state: pending");

        let reply = site.json(&["status", "session 1"]);
        assert_eq!(reply["result"], "OTP_OK");
        assert_eq!((&reply["state"], &reply["attemptsLeft"]), (&json!("pending"), &json!(5)), "{reply}");
        assert_eq!(site.service().verify("session 1", &message.code, None).unwrap().outcome, otp::Outcome::Ok);
        site.run(&["status", "session 1"]).is_done("state: checked").is_done("verified: ");
    }
}

#[test]
fn an_unknown_request_is_a_refusal() {
    let site = Site::new("sqlite");
    let said = site.run(&["status", "nobody"]);
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (1, "There is no such request\n", ""));
    let reply = site.json(&["status", "nobody"]);
    assert_eq!(reply, json!({"result": "OTP_UNKNOWN", "message": "There is no such request"}));
}

#[test]
fn a_repository_that_is_not_there_is_not_made() {
    let site = Site::new("sqlite");
    let config = site.config.replace("otp.db", "typo.db");
    site.run(&["status", "any", "--config", &config]).failed(3, "typo.db\": is not there");
    assert!(!site.folder.path().join("typo.db").exists());
    let reply = site.json(&["status", "any", "--config", &config]);
    assert_eq!(reply["result"], "OTP_E_STORE", "{reply}");
    let memory = r#"{"repository": "memory:"}"#;
    site.run(&["status", "any", "--config", memory]).failed(3, "memory: belongs to one process");
}

#[test]
fn a_failure_of_the_library_is_told() {
    let site = Site::new("sqlite");
    site.run(&["status", ""]).failed(2, "token");
    std::fs::write(site.folder.path().join("otp.db"), "no database, and longer than nothing").unwrap();
    site.run(&["status", "any"]).failed(3, "otp.db");
}
