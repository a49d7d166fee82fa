//! A fork in the middle of sending mail: each side has its own connections, and every mail arrives once.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use serde_json::json;
use testing::Folder;

use super::{open_inbox, sender};
use crate::forks::{Arrived, each_side_has_its_own, send_on_both_sides};
use crate::{T0, open};

#[test]
fn both_sides_of_a_fork_send_mail_by_their_own_connections() {
    testing::alone(testing::here!("both_sides_of_a_fork_send_mail_by_their_own_connections"), || {
        let (folder, inbox) = (Folder::new("delivery-smtp-forks"), open_inbox());
        let config = json!({"repository": folder.repository("sqlite"), "sender": sender(&inbox),
            "workflow": [{"channel": "email", "from": "codes@acme.example"}], "durability": "process",
            "policy": {"cooldownSeconds": 0, "sendLimits": []}});
        let service = open(&config.to_string(), &Arc::new(AtomicI64::new(T0)));
        let told = send_on_both_sides(&service, |number| json!({"email": format!("m{number}@b.example")}));
        assert_eq!(inbox.complaints(), [""; 0]);
        let arrived = inbox.messages().into_iter().map(|mail| Arrived {
            number: mail.envelope.to.trim_start_matches('m').split('@').next().unwrap().parse().unwrap(),
            id: mail.header("message-id").unwrap().trim_matches(['<', '>']).to_owned(),
            connection: mail.connection,
        });
        each_side_has_its_own(&told, &arrived.collect::<Vec<_>>());
    });
}
