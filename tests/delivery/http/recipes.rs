//! The recipes of the manual. Each makes the request that its page shows and that the carrier takes; each answer means
//! what the page says; and a mistake in any part of it is noticed.
//!
//! What carriers take is written here from their published descriptions; where from, the page says.

mod aws;
mod bird;
mod changes;
mod endpoint;
mod infobip;
mod page;
mod plivo;
mod signal;
mod sinch;
mod telegram;
mod telnyx;
mod twilio;
mod voice;
mod webhook;

use std::path::Path;

use otp::{DeliveryState, Outcome, Service};
use regex::Regex;
use serde_json::{Value, json};

use super::server::{Received, Server};
use endpoint::Endpoint;
use page::Page;

const CODE: &str = "123456";

/// An answer of a carrier.
type Reply = (u16, &'static str);

/// What it means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Accepted,
    NotTaken,
    Refused,
    /// Refused, and for a reason that is no recipient's.
    Ours,
    InDoubt,
}

use Meaning::{Accepted, InDoubt, NotTaken, Ours, Refused};

/// A recipe, and what is known about its carrier.
struct Recipe {
    page: &'static str,
    /// Which of the page's.
    place: usize,
    /// What stands for the carrier's host.
    origin: &'static str,
    /// The member of a request that has the address, and the address.
    to: (&'static str, &'static str),
    endpoint: Endpoint,
    /// A good answer, and the message's identifier in it.
    good: Reply,
    message_id: Option<&'static str>,
    answers: &'static [(Reply, Meaning)],
}

impl Recipe {
    fn request(&self) -> String {
        json!({self.to.0: self.to.1, "code": CODE}).to_string()
    }
}

const PHONE: (&str, &str) = ("phoneNumber", "+39 333 123 4567");

/// Opens a service, and gives what it is warned of but the limits, which a test switches off.
fn open(config: &Value) -> (Service, Vec<String>) {
    let (service, mut warnings) = Service::open(Some(&config.to_string())).unwrap();
    warnings.retain(|warning| !warning.starts_with("policy.") && !warning.starts_with("ownCodes"));
    (service, warnings)
}

fn create(service: &Service, recipe: &Recipe, token: &str) -> Outcome {
    service.create(token, Some(&recipe.request())).unwrap().outcome
}

/// Whether all that is known about a recipe holds.
fn holds(recipe: &Recipe) {
    let server = Server::start();
    let page = Page::read(recipe.page, recipe.place);
    let config = page.configuration(&server, recipe.origin);
    let (service, warnings) = open(&config);
    assert_eq!(warnings, [""; 0]);
    server.answers(&[recipe.good]);
    assert_eq!(create(&service, recipe, "good"), Outcome::Ok);
    let received = server.take_one();
    assert_eq!(recipe.endpoint.objections(&received), [""; 0], "{}", received.body);
    assert_eq!(page.differences(&received), [""; 0], "{}", received.body);
    let step = service.status("good").unwrap().status.unwrap().delivery.steps.unwrap().remove(0);
    assert_eq!((step.status, step.message_uuid.as_deref()), (DeliveryState::Accepted, recipe.message_id));
    assert_eq!(service.verify("good", CODE, None).unwrap().outcome, Outcome::Ok);
    receipts_are_known(recipe, &service, &received);
    answers_mean(recipe, &service, &server);
    mistakes_are_noticed(recipe, &config, &server, &page);
}

/// A receipt names the message by what the manual's table says.
fn receipts_are_known(recipe: &Recipe, service: &Service, received: &Received) {
    let reference = Regex::new("[0-9a-f]{66}").unwrap();
    let reference = reference.find(&received.target).or_else(|| reference.find(&received.body));
    let name = service.status("good").unwrap().status.unwrap().delivery.steps.unwrap().remove(0).sender;
    let by_reference = reference.map(|found| json!({"clientRef": found.as_str(), "status": "submitted"}));
    let by_id = recipe.message_id.map(|id| json!({"sender": name, "messageId": id, "status": "delivered"}));
    for report in [by_reference, by_id].iter().flatten() {
        assert!(service.report(&report.to_string()).unwrap().known, "{report}");
    }
    let manual = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/carriers.md")).unwrap();
    let row = manual.lines().find(|line| line.contains(&format!("](carriers/{}.md) |", recipe.page))).unwrap();
    let told = row.split('|').nth(3).unwrap().trim();
    assert!(told == "`{ref}`" && reference.is_some() || told == "`messageId`" && recipe.message_id.is_some(), "{row}");
}

fn answers_mean(recipe: &Recipe, service: &Service, server: &Server) {
    for (place, (answer, meaning)) in recipe.answers.iter().enumerate() {
        let (count, expected) = match meaning {
            Accepted => (1, Outcome::Ok),
            // The next try is taken.
            NotTaken => (2, Outcome::Ok),
            Refused => (1, Outcome::Refused),
            Ours => (1, Outcome::Send),
            InDoubt => (1, Outcome::InDoubt),
        };
        let answers = if *meaning == NotTaken { vec![*answer, recipe.good] } else { vec![*answer] };
        server.answers(&answers);
        assert_eq!(create(service, recipe, &format!("answer {place}")), expected, "{answer:?}");
        assert_eq!(server.take().len(), count, "{answer:?}");
    }
}

/// Each mistake is against what the carrier takes, or makes another request than the page shows.
fn mistakes_are_noticed(recipe: &Recipe, config: &Value, server: &Server, page: &Page) {
    let (name, sender) = config["senders"].as_object().unwrap().iter().next().unwrap();
    let (mut count, mut objected) = (0, 0);
    for (what, sender) in changes::of(sender) {
        let mut config = config.clone();
        config["senders"][name] = sender;
        count += 1;
        // One that cannot even be opened is noticed earlier.
        let Ok((service, _)) = Service::open(Some(&config.to_string())) else { continue };
        server.answers(&[recipe.good]);
        create(&service, recipe, "t");
        let received = server.take_one();
        let objections = recipe.endpoint.objections(&received);
        objected += usize::from(!objections.is_empty());
        let is_optional = what.contains("no ") && !what.starts_with("no ");
        assert!(is_optional || !objections.is_empty(), "{}: the carrier takes {what}", recipe.page);
        assert!(!page.differences(&received).is_empty(), "{}: the page shows {what}", recipe.page);
    }
    assert!(count >= 8 && objected >= 6, "{}: {objected} of {count}", recipe.page);
}
