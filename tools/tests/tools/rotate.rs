//! `otp rotate`: whole rotations, with services of each configuration at work.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use otp::{Outcome, Service};
use serde_json::{Value, json};
use testing::place::{KEY, Place};

use super::command::{NUMBER, Said, Site, said};
use super::ground::{GROUNDS, Ground, OWN};

/// A site with a configuration for each step.
struct Rotation {
    site: Site,
    _place: Place,
    old: String,
    new: String,
}

impl Rotation {
    /// None where the programs are missing.
    fn new(kind: &str) -> Option<Self> {
        let place = Place::new(kind, "rotate")?;
        let site = Site::at(&place.repository);
        let name = |name: &str| site.folder.path().join(name).display().to_string();
        let (old, new) = (name("old.key"), name("new.key"));
        std::fs::write(&old, format!("{KEY}\n")).unwrap();
        std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o600)).unwrap();
        Some(Self { site, _place: place, old, new })
    }

    /// The configuration with these keys, by their files.
    fn config(&self, key: &str, previous: &[&str]) -> String {
        let mut config: Value = serde_json::from_str(&self.site.config).unwrap();
        config["key"] = json!(format!("file:{key}"));
        config["previousKeys"] = previous.iter().map(|key| json!(format!("file:{key}"))).collect();
        config.to_string()
    }

    fn rotate(&self, config: &str) -> Said {
        self.site.run(&["rotate", "--config", config])
    }

    fn phase(&self, config: &str) -> String {
        self.site.json(&["rotate", "--config", config])["phase"].as_str().unwrap().to_owned()
    }
}

fn open(config: &str) -> Service {
    Service::open(Some(config)).unwrap().0
}

fn create(service: &Service, token: &str) -> String {
    let request = json!({"phoneNumber": NUMBER}).to_string();
    service.create(token, Some(&request)).unwrap().message.unwrap().code.to_string()
}

fn verified(service: &Service, token: &str, code: &str) -> Outcome {
    service.verify(token, code, None).unwrap().outcome
}

#[track_caller]
fn locks_out(said: &Said, text: &str) {
    assert!(said.code == 1 && said.out.contains(text) && said.err.is_empty(), "no {text:?}: {said:?}");
}

fn each(work: impl Fn(Rotation)) {
    for rotation in ["sqlite", "json", "redis", "postgres"].into_iter().filter_map(Rotation::new) {
        work(rotation);
    }
}

#[test]
fn a_whole_rotation_beside_services_at_work() {
    each(|it| {
        let (old, new) = (it.old.as_str(), it.new.as_str());
        let before = it.config(old, &[]);
        let first = open(&before);
        let code = create(&first, "before");
        it.rotate(&before).is_done("no rotation is under way\n").is_done("to begin one: otp rotate --new-key FILE\n");

        // A key, in a file that is the owner's alone and is not written over.
        let made = it.site.run(&["rotate", "--new-key", new, "--config", &before]);
        made.is_done(&format!("a new key is in {new}\nnext, step 1 of 3: "));
        made.is_done(&format!("add \"file:{new}\" to previousKeys\n"));
        let text = std::fs::read_to_string(new).unwrap();
        assert_eq!(std::fs::metadata(new).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(text.trim().len() == 44 && !made.out.contains(text.trim()), "{made:?}");
        it.site.run(&["rotate", "--new-key", new, "--config", &before]).failed(2, "there is something of this name");
        assert_eq!(std::fs::read_to_string(new).unwrap(), text);

        // Step 1: one process after the other gets it.
        let announced = it.config(old, &[new]);
        it.rotate(&announced).is_done("no process has been opened with it yet").is_done("next: restart every process");
        let second = open(&announced);
        assert_eq!(verified(&second, "before", &code), Outcome::Ok);
        let (one, two) = (create(&first, "one"), create(&second, "two"));
        assert_eq!((verified(&second, "one", &one), verified(&first, "two", &two)), (Outcome::Ok, Outcome::Ok));
        let said = it.rotate(&announced);
        said.is_done("step 1 of 3, announce: ").is_done(&format!("of every process, set key to \"file:{new}\"\n"));
        said.is_done(&format!("in previousKeys put \"file:{old}\" in place of \"file:{new}\"\n"));
        it.site.run(&["rotate", "--new-key", "other.key", "--config", &announced]).failed(2, "a rotation is under way");
        drop(first);

        // Step 2: those of step 1 are still at work.
        let switched = it.config(new, &[old]);
        assert_eq!((it.phase(&switched).as_str(), it.phase(&announced).as_str()), ("switching", "announced"));
        let third = open(&switched);
        let (two, three) = (create(&second, "two"), create(&third, "three"));
        assert_eq!((verified(&third, "two", &two), verified(&second, "three", &three)), (Outcome::Ok, Outcome::Ok));
        // Times have milliseconds, and this code is the younger one.
        std::thread::sleep(std::time::Duration::from_millis(2));
        let live = create(&second, "live");
        let said = it.rotate(&switched);
        locks_out(&said, "step 3 of 3, retire: rows still need an earlier key\na process was passed over in step 2: ");
        locks_out(&said, "needed by 1 live code and ");
        locks_out(&said, &format!("next: leave \"file:{old}\" in previousKeys until 2"));
        // What is left of step 1 is behind.
        let said = it.rotate(&announced);
        locks_out(&said, "this configuration is behind: others have switched");
        locks_out(&said, &format!("next: in the configuration of every process, set key to \"file:{new}\"\n"));
        // One that was opened late has it sealed under the old key again, and nobody is locked out.
        drop(second);
        drop(open(&announced));
        it.rotate(&switched).is_done("step 2 of 3, switch: ").is_done("and leave previousKeys as it is");
        let fourth = open(&switched);
        assert_eq!(verified(&third, "live", &live), Outcome::Ok);

        // Step 3: not before no row needs the old key.
        let retired = it.config(new, &[]);
        let said = it.rotate(&retired);
        locks_out(&said, "records need a key that is not in this configuration");
        locks_out(&said, "next: in the configuration of every process, put the missing key back into previousKeys\n");
        assert!(!said.out.contains("no rotation") && !said.out.contains("to begin one"), "{said:?}");
        let said = it.site.run(&["check", "--config", &retired]);
        locks_out(&said, "warning: ");
        locks_out(&said, "a key that is not in this configuration, and calls on them fail");
        assert_eq!(it.phase(&switched), "retiring");
        assert!(fourth.erase(NUMBER).unwrap().found);
        let said = it.rotate(&switched);
        said.is_done("no row needs an earlier key any more\n");
        said.is_done(&format!("remove \"file:{old}\" from previousKeys\n"));
        let fifth = open(&retired);
        let code = create(&third, "last");
        assert_eq!(verified(&fifth, "last", &code), Outcome::Ok);
        it.rotate(&retired).is_done("no rotation is under way\n");
        assert_eq!(it.site.json(&["rotate", "--config", &retired])["keys"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn one_that_was_abandoned_is_begun_again() {
    each(|it| {
        let (old, new) = (it.old.as_str(), it.new.as_str());
        let before = it.config(old, &[]);
        drop(open(&before));
        it.site.run(&["rotate", "--new-key", new, "--config", &before]).is_done("a new key is in ");
        drop(open(&it.config(old, &[new])));
        // Abandoned in step 1, and the key with it.
        std::fs::remove_file(new).unwrap();
        assert_eq!(it.phase(&before), "rest");
        it.site.run(&["rotate", "--new-key", new, "--config", &before]).is_done("a new key is in ");
        let announced = it.config(old, &[new]);
        drop(open(&announced));
        assert_eq!(it.phase(&announced), "announced");
        // Taken back in step 2, with a code under the new key.
        let switched = it.config(new, &[old]);
        let service = open(&switched);
        let code = create(&service, "kept");
        drop(service);
        let service = open(&announced);
        let said = it.rotate(&announced);
        said.is_done("step 1 of 3, announce: ").is_done("needed by 1 live code and ");
        locks_out(&it.rotate(&before), "1 record needs a key that is not in this configuration");
        assert_eq!(verified(&service, "kept", &code), Outcome::Ok);
        drop(open(&switched));
        assert_eq!(it.phase(&switched), "done");
        // One in which codes of the one before are still remembered.
        assert_eq!(it.phase(&it.config(new, &[])), "rest");
    });
}

#[test]
fn a_step_that_was_passed_over_is_told_of() {
    each(|it| {
        let (old, new) = (it.old.as_str(), it.new.as_str());
        let before = it.config(old, &[]);
        let first = open(&before);
        it.site.run(&["rotate", "--new-key", new, "--config", &before]).is_done("a new key is in ");
        let said = it.rotate(&it.config(new, &[old]));
        locks_out(&said, "step 1 was passed over: ");
        locks_out(&said, &format!("next: in the configuration of every process, set key to \"file:{old}\"\n"));
        locks_out(&said, &format!("in previousKeys put \"file:{new}\" in place of \"file:{old}\"\n"));
        // What it tells to do is step 1.
        drop(open(&it.config(old, &[new])));
        assert_eq!(it.phase(&it.config(old, &[new])), "announced");
        let code = create(&first, "first");
        assert_eq!(verified(&first, "first", &code), Outcome::Ok);
        let alone = it.config(new, &[]);
        let said = it.rotate(&alone);
        said.failed(3, "key: is not the one of this repository").failed(3, "so put that back");
    });
}

#[test]
fn commands_that_look_leave_the_own_row_as_it_is() {
    for kind in GROUNDS {
        let Some(ground) = Ground::new(kind) else { continue };
        ground.fill();
        let other = "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";
        let (announced, switched) =
            (json!({"previousKeys": [other]}), json!({"key": other, "previousKeys": [testing::place::KEY]}));
        let look = |members: &Value, when: &str| {
            let (config, before) = (ground.config(members.clone()), ground.bytes(OWN));
            for command in [
                &["status", "used"][..],
                &["subject", NUMBER],
                &["unlock", NUMBER],
                &["cancel", "nobody"],
                &["due"],
                &["metrics"],
                &["open"],
                &["check"],
                &["rotate"],
                &["send-test", NUMBER],
                &["copy", &format!("json:{when}-{}", members["key"].is_null())],
                &["erase", "+39 333 000 0000", "--yes"],
            ] {
                let said = ground.site.run(&[command, &["--config", &config]].concat());
                assert!(said.code <= 1, "{kind}: {command:?}: {said:?}");
                assert_eq!(ground.bytes(OWN), before, "{kind}: {command:?}");
                drop(ground.service());
            }
        };
        look(&announced, "before");
        look(&switched, "before");
        let said = ground.site.run(&["rotate", "--config", &ground.config(announced.clone())]);
        said.is_done("no process has been opened with it yet");
        // Nor does one with a stale configuration move the seal back.
        drop(open(&ground.config(announced.clone())));
        look(&switched, "announced");
        let service = open(&ground.config(switched));
        let before = ground.bytes(OWN);
        let said = ground.site.run(&["status", "guessed", "--config", &ground.config(announced)]);
        said.is_done("state: checked");
        assert_eq!(ground.bytes(OWN), before, "{kind}");
        assert_eq!(service.status("used").unwrap().outcome, Outcome::Ok);
    }
}

#[test]
fn keys_are_named_as_the_configuration_names_them() {
    let site = Site::new("sqlite");
    let folder = site.folder.path();
    let repository = site.folder.repository("sqlite");
    let beside = folder.join("otp.db.key");
    let present = std::fs::read_to_string(&beside).unwrap().trim().to_owned();
    let other = "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";
    let config = |members: Value| {
        let mut config = json!({"repository": repository, "sender": {"type": "none"}});
        config.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        config.to_string()
    };
    drop(open(&config(json!({"previousKeys": [other]}))));
    let run = |members: Value| {
        let mut command = site.command(&["rotate", "--config", &config(members)]);
        let said = said(command.env("PRESENT", &present).env("COMING", other), "");
        assert!(!said.out.contains(other) && !said.out.contains(&present), "a key is shown: {said:?}");
        said
    };
    let path = |path: &Path| path.display().to_string();
    let said = run(json!({"previousKeys": ["env:COMING"]}));
    said.is_done(&format!("the file {}, beside the repository: seals the repository", path(&beside)));
    said.is_done("set key to \"env:COMING\", and remove keyFile if it is there\n");
    said.is_done(&format!("put \"file:{}\" in place of \"env:COMING\"\n", path(&beside)));
    let said = run(json!({"previousKeys": [other], "keyFile": path(&beside)}));
    said.is_done("set key to the key in previousKeys[0], and remove keyFile")
        .is_done("\npreviousKeys[0]: no row needs it");
    let said = run(json!({"previousKeys": ["env:COMING"], "key": "env:PRESENT"}));
    said.is_done("set key to \"env:COMING\"\n").is_done("put \"env:PRESENT\" in place of \"env:COMING\"\n");
    let said = run(json!({"previousKeys": ["env:COMING"], "key": present}));
    said.is_done("put what key holds now in place of \"env:COMING\"\n").is_done("key: seals the repository");
    let file = folder.join("coming.key");
    std::fs::write(&file, other).unwrap();
    let said = run(json!({"previousKeys": [format!("file:{}", path(&file))]}));
    said.is_done(&format!("set keyFile to \"{}\"\n", path(&file)));
}

#[test]
fn what_cannot_be_rotated_is_refused() {
    let site = Site::new("sqlite");
    for (file, text) in [("missing/new.key", "--new-key: "), (".", "--new-key: ")] {
        let said = site.run(&["rotate", "--new-key", file]);
        assert!(said.code >= 2 && said.err.contains(text), "{file}: {said:?}");
    }
    let _ = site.service().create("session 1", None).unwrap();
    site.run(&["copy", "json:moved", "--move", "--yes"]).is_done("moved\n");
    site.run(&["rotate"]).failed(3, "it was moved: rotate where it went");
}
