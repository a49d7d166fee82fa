//! The disk of the campaign itself: what it may hold.

use std::collections::BTreeSet;
use std::fs;

use super::disk::{Disk, Model};
use super::record::{Event, Id, ROOT};
use testing::{Folder, Random};

/// All that images of a disk after these events hold under a name; `None` where there is none.
fn seen(events: &[Event], model: Model, name: &str) -> BTreeSet<Option<String>> {
    let mut disk = Disk::default();
    events.iter().for_each(|event| disk.apply(event));
    let test = std::thread::current().name().unwrap().replace(':', "-");
    let image = |seed| {
        let folder = Folder::in_memory(&test);
        disk.image(model, &mut Random::seeded(seed), folder.path());
        fs::read_to_string(folder.path().join(name)).ok()
    };
    (0..200).map(image).collect()
}

fn make(id: Id, name: &str) -> Event {
    Event::Make { name: name.to_owned(), id, is_folder: false }
}

fn write(id: Id, text: &str) -> Event {
    Event::Write { id, at: 0, bytes: text.into() }
}

fn texts(texts: &[Option<&str>]) -> BTreeSet<Option<String>> {
    texts.iter().map(|text| text.map(str::to_owned)).collect()
}

#[test]
fn what_is_synced_stays_and_what_is_not_may_be_there() {
    let mut events = vec![make(1, "a"), write(1, "one"), Event::Sync { id: 1 }, Event::Sync { id: ROOT }];
    assert_eq!(seen(&events, Model::Strict, "a"), texts(&[Some("one")]));
    events.push(write(1, "two"));
    assert_eq!(seen(&events, Model::Strict, "a"), texts(&[Some("one"), Some("two")]));
    assert_eq!(seen(&events, Model::Synced, "a"), texts(&[Some("one")]));
    assert_eq!(seen(&events, Model::Ordered, "a"), texts(&[Some("two")]));
}

#[test]
fn a_failed_sync_is_not_made_good_by_a_later_one() {
    let begun = [make(1, "a"), write(1, "one"), Event::Sync { id: 1 }, Event::Sync { id: ROOT }, write(1, "two")];
    let failed = [Event::FailedSync { id: 1 }, Event::Sync { id: 1 }];
    let mut events = [begun.as_slice(), failed.as_slice()].concat();
    assert_eq!(seen(&events, Model::Strict, "a"), texts(&[Some("one"), Some("two")]));
    events.extend([write(1, "two"), Event::Sync { id: 1 }]);
    assert_eq!(seen(&events, Model::Strict, "a"), texts(&[Some("two")]));
}

#[test]
fn names_are_covered_by_their_folder_alone() {
    let mut events = vec![make(1, "a"), write(1, "one"), Event::Sync { id: 1 }];
    assert_eq!(seen(&events, Model::Strict, "a"), texts(&[None, Some("one")]));
    events.push(Event::Sync { id: ROOT });
    events.extend([make(2, "b"), write(2, "two"), Event::Sync { id: 2 }]);
    events.push(Event::Rename { from: "b".to_owned(), to: "a".to_owned() });
    assert_eq!(seen(&events, Model::Strict, "a"), texts(&[Some("one"), Some("two")]));
    events.push(Event::Sync { id: ROOT });
    assert_eq!(seen(&events, Model::Strict, "a"), texts(&[Some("two")]));
    assert_eq!(seen(&events, Model::Strict, "b"), texts(&[None]));
}

#[test]
fn pages_are_torn_and_reordered() {
    let pages = |letter: &str| letter.repeat(3 * 4096);
    let begun = [make(1, "a"), write(1, &pages("x")), Event::Sync { id: 1 }, Event::Sync { id: ROOT }];
    let events = [begun.as_slice(), &[write(1, &pages("y"))]].concat();
    let images = seen(&events, Model::Strict, "a");
    let letters = |image: &Option<String>, unit: usize| -> String {
        image.iter().flat_map(|text| text.chars().step_by(unit)).collect()
    };
    let by_page: BTreeSet<_> = images.iter().map(|image| letters(image, 4096)).collect();
    assert!(by_page.contains("xyx") && by_page.contains("yxy"), "{by_page:?}");
    assert!(images.iter().any(|image| letters(image, 512).starts_with("yx")), "no page is torn");
}

#[test]
fn a_file_is_shortened_as_a_whole() {
    let begun = [make(1, "a"), write(1, "long"), Event::Sync { id: 1 }, Event::Sync { id: ROOT }];
    let mut events = [begun.as_slice(), &[Event::Resize { id: 1, length: 0 }, write(1, "new")]].concat();
    let possible = [Some("long"), Some(""), Some("new"), Some("\0\0\0")];
    assert_eq!(seen(&events, Model::Strict, "a"), texts(&possible));
    events.push(Event::Sync { id: 1 });
    assert_eq!(seen(&events, Model::Strict, "a"), texts(&[Some("new")]));
    let shorter =
        [begun.as_slice(), &[Event::Resize { id: 1, length: 2 }, Event::Resize { id: 1, length: 3 }]].concat();
    assert_eq!(seen(&shorter, Model::Strict, "a"), texts(&[Some("long"), Some("lo"), Some("lo\0")]));
}
