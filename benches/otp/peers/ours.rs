//! The library itself, as one of them.

use otp::{Outcome, Service};
use testing::redis::Server;

use super::{Times, time};
use crate::Size;
use crate::disk::Folder;
use crate::load::{create, open_long, sqlite, verify, wrong};

pub fn in_file(folder: &Folder, round: usize, durability: &str, size: Size) -> Vec<Times> {
    let database = folder.file(&format!("{durability}-{round}.db"));
    run(&open_long(&sqlite(&database), durability), 0, size)
}

pub fn in_redis(server: &Server, round: usize, size: Size) -> Vec<Times> {
    run(&open_long(&server.url(), "engine"), 2 * round * size.compared, size)
}

fn run(service: &Service, first: usize, size: Size) -> Vec<Times> {
    let count = size.compared;
    let mut codes = Vec::new();
    let created = time(count, |place| codes.push(create(service, first + place)));
    let verified = time(count, |place| verify(service, first + place, codes[place], Outcome::Ok));
    let others: Vec<_> = (0..count).map(|place| create(service, first + count + place)).collect();
    let guessed = time(count, |place| verify(service, first + count + place, wrong(others[place]), Outcome::NotValid));
    let unknown = time(count, |place| {
        let reply = service.verify(&format!("nobody-{place}"), "123456", None).expect("a verify");
        assert_eq!(reply.outcome, Outcome::NotValid);
    });
    vec![("create", created), ("verify", verified), ("wrong", guessed), ("unknown", unknown)]
}
