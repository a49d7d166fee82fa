//! `otp rotate`: how far a rotation of the key is, and what to do next.

use std::path::PathBuf;
use std::process::ExitCode;

use otp::{Inspection, KeyStanding, Outcome, Phase, RotationReply};
use serde::Serialize;
use serde_json::Value;

use crate::answer::{self, counted};
use crate::command::{Call, Command};
use crate::configuration::Configuration;
use crate::fault::{Fault, Result};
use crate::place::Place;
use crate::service;

/// The subcommand.
pub const ROTATE: Command = Command {
    name: "rotate",
    operand: None,
    options: &["new-key"],
    summary: "how far a rotation of the key is, and what to do next",
    manual: "\
Tells which keys of the configuration the repository needs, how far a rotation of the key is, and the next step. It
changes neither the repository nor the configuration: you do, and ask again after each step. A rotation has three:

  1  announce: every process gets the new key in previousKeys, and is restarted: now each can read what another writes
  2  switch: the new key becomes key or keyFile, the old one stands in previousKeys; every process is restarted
  3  retire: when no row needs the old key any more, it goes from previousKeys; every process is restarted

Between two steps all may stay as it is for as long as you like, and step 1 and 2 can be taken back by putting the
configuration before them back. It cannot see processes: that every one was restarted, on every host, is yours to know.
A process that was passed over in step 1 is locked out by step 2; one that was passed over in step 2 goes on to make
codes under the old key, and after step 3 the others cannot verify them. No command of otp but serve counts as a
process: it lists no key and leaves the repository sealed as it is, whatever its configuration. Restart otp due --every
when the services are restarted.

  --new-key FILE  make a new key in FILE, which must not be there; it is never shown. FILE is for its owner alone.
                  Bring it to every host before step 1

exit status: 0 told; 1 somebody is locked out, or will be: the configuration is behind or ahead of the others, lacks a
key that rows need, or a process was passed over; 2 wrong usage; 3 failed, also where the key that seals the repository
is not in the configuration

example:
  otp rotate --new-key /etc/app/otp-2.key --config /etc/app/otp.json
",
    run,
};

const LOCKS_OUT: u8 = 1;

/// The reply for machines.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reply {
    #[serde(flatten)]
    rotation: RotationReply,
    next: Vec<String>,
}

fn run(call: &Call) -> Result<ExitCode> {
    let configuration = Configuration::read(call.config.as_deref())?;
    let place = service::take_place(&configuration)?;
    let inspection = Inspection::open(&configuration.json(), true).map_err(|error| hinted(error.into()))?;
    let rotation = inspection.rotation()?;
    let names = Names::of(&configuration, &place, rotation.keys.len());
    let made = call.options.new_key.as_deref().map(|file| make_key(&rotation, file)).transpose()?;
    let next = next(&rotation, &names, made.as_deref());
    let locks_out =
        matches!(rotation.phase, Phase::Unannounced | Phase::Behind | Phase::Lacking) || rotation.passed_over;
    if call.json {
        answer::json_reply(Outcome::Ok, &Reply { rotation, next })?;
    } else {
        let mut lines: Vec<_> = rotation.keys.iter().zip(&names.all).map(|(key, name)| standing(key, name)).collect();
        lines.extend(missing(&rotation));
        lines.push(said(rotation.phase).to_owned());
        lines.extend(rotation.passed_over.then(passed_over));
        lines.extend(made.iter().map(|file| format!("a new key is in {file}")));
        lines.extend(next);
        answer::lines(&lines)?;
    }
    Ok(if locks_out { ExitCode::from(LOCKS_OUT) } else { ExitCode::SUCCESS })
}

fn hinted(fault: Fault) -> Fault {
    match fault {
        Fault::Failed(Outcome::Config, detail) if detail.contains("is not the one of this repository") => {
            Fault::config(format!("{detail}: the key that seals it must be among them, so put that back"))
        }
        other => other,
    }
}

/// Makes a key in a file that is not there. One that is to come already is not passed over for another.
fn make_key(rotation: &RotationReply, file: &str) -> Result<String> {
    if rotation.phase == Phase::Lacking {
        return Err(Fault::usage(
            "--new-key: records need a key that is not in this configuration: put that back first",
        ));
    }
    if matches!(rotation.phase, Phase::Announced | Phase::Switching | Phase::Unannounced | Phase::Behind) {
        return Err(Fault::usage("--new-key: a rotation is under way, and has its key: see otp rotate without it"));
    }
    let path = std::path::absolute(file).map_err(|_| Fault::usage("--new-key: must be the path of a file"))?;
    let shown = path.to_str().map(str::to_owned).ok_or_else(|| Fault::usage("--new-key: must be valid UTF-8"))?;
    if !Inspection::make_key_file(path).map_err(|error| renamed(&error))? {
        return Err(Fault::usage("--new-key: there is something of this name, which stays as it is"));
    }
    Ok(shown)
}

fn renamed(error: &otp::Error) -> Fault {
    Fault::Failed(error.outcome(), error.detail().replacen("keyFile", "--new-key", 1))
}

/// How the configuration names its keys. None that stands there itself is shown.
struct Names {
    /// The present one, as `previousKeys` would name it.
    present: String,
    /// Whether it stands in `key`.
    is_key: bool,
    /// What `previousKeys` has.
    previous: Vec<String>,
    /// All, as they are told of.
    all: Vec<String>,
}

impl Names {
    fn of(configuration: &Configuration, place: &Place, keys: usize) -> Self {
        let key = configuration.get("key");
        let path = |path: &str| std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path)).display().to_string();
        let (present, told) = match (&key, configuration.get("keyFile"), place.path()) {
            (Some(key), _, _) => (named(key, "what key holds now"), "key".to_owned()),
            (None, Some(file), _) => {
                let file = path(file.as_str().unwrap_or_default());
                (quoted(&format!("file:{file}")), format!("keyFile {file}"))
            }
            (None, None, Some(place)) => {
                let file = format!("{}.key", place.display());
                (quoted(&format!("file:{file}")), format!("the file {file}, beside the repository"))
            }
            (None, None, _) => ("the present key".to_owned(), "the present key".to_owned()),
        };
        let given = configuration.get("previousKeys");
        let given = given.as_ref().and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let previous: Vec<_> = (0..keys.saturating_sub(1))
            .map(|place| named(given.get(place).unwrap_or(&Value::Null), &format!("the key in previousKeys[{place}]")))
            .collect();
        let of_previous = previous.iter().enumerate().map(|(place, name)| match name.starts_with('"') {
            true => format!("previousKeys[{place}] {name}"),
            false => format!("previousKeys[{place}]"),
        });
        let all = std::iter::once(told).chain(of_previous).collect();
        Self { present, is_key: key.is_some(), previous, all }
    }

    /// What makes this the present key.
    fn make_present(&self, name: &str) -> String {
        let file = name.strip_prefix("\"file:");
        match (self.is_key, file) {
            (false, Some(path)) => format!("set keyFile to \"{path}"),
            (false, None) => format!("set key to {name}, and remove keyFile if it is there"),
            (true, _) => format!("set key to {name}"),
        }
    }
}

/// A value that stands for a secret, or what the secret itself is called.
fn named(value: &Value, otherwise: &str) -> String {
    let stands_for = |text: &&str| text.starts_with("file:") || text.starts_with("env:");
    value.as_str().filter(stands_for).map_or_else(|| otherwise.to_owned(), quoted)
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn standing(key: &KeyStanding, name: &str) -> String {
    let mut said = vec![];
    if key.seals {
        said.push("seals the repository".to_owned());
    }
    if !key.listed {
        said.push("no process has been opened with it yet".to_owned());
    }
    if key.live + key.remembered > 0 {
        let (live, others) = (counted(key.live, "live code", "live codes"), key.remembered);
        let until = key.needed_until.as_deref().unwrap_or_default();
        said.push(format!("needed by {live} and {} until {until}", counted(others, "other record", "other records")));
    } else {
        said.push("no row needs it".to_owned());
    }
    said.extend(key.oldest_code.as_ref().map(|time| format!("its oldest code is of {time}")));
    said.extend(key.newest_code.as_ref().map(|time| format!("its newest code is of {time}")));
    format!("{name}: {}", said.join("; "))
}

fn missing(rotation: &RotationReply) -> Vec<String> {
    let mut lines = Vec::new();
    if rotation.without_their_key > 0 {
        let records = counted(rotation.without_their_key, "record needs", "records need");
        lines.push(format!("{records} a key that is not in this configuration, and calls on them fail"));
    }
    if rotation.unreadable > 0 {
        lines.push(format!("{} damaged: see otp check", counted(rotation.unreadable, "row is", "rows are")));
    }
    lines
}

fn said(phase: Phase) -> &'static str {
    match phase {
        Phase::Rest => "no rotation is under way",
        Phase::Announced => "step 1 of 3, announce: a key in previousKeys is to come",
        Phase::Switching => {
            "step 2 of 3, switch: the repository is still sealed under an earlier key. No process was opened with this \
             configuration yet, or one with the configuration before it was opened since"
        }
        Phase::Behind => {
            "this configuration is behind: others have switched, and the repository is sealed under a key that came after \
             its present one"
        }
        Phase::Lacking => "a key is missing: it went from previousKeys too early, or this configuration never had it",
        Phase::Unannounced => {
            "step 1 was passed over: the present key is one that no process has been opened with. Processes at work would \
             be locked out"
        }
        Phase::Retiring => "step 3 of 3, retire: rows still need an earlier key",
        Phase::Done => "step 3 of 3, retire: no row needs an earlier key any more",
    }
}

/// What to do next, a line each.
fn next(rotation: &RotationReply, names: &Names, made: Option<&str>) -> Vec<String> {
    let again = "then call otp rotate again".to_owned();
    if let Some(file) = made {
        return vec![
            "next, step 1 of 3: bring the file to every host, for the services' user alone".to_owned(),
            format!("  in the configuration of every process, add {} to previousKeys", quoted(&format!("file:{file}"))),
            format!("  restart every process; {again}"),
        ];
    }
    let previous = || rotation.keys.iter().skip(1).zip(&names.previous);
    match rotation.phase {
        Phase::Rest => vec!["to begin one: otp rotate --new-key FILE".to_owned()],
        Phase::Announced => announced(previous, names, &again),
        Phase::Switching => {
            vec![format!(
                "next: restart every process with this configuration, and leave previousKeys as it is; {again}"
            )]
        }
        Phase::Behind => {
            let mut lines = switched(previous, names, &again);
            lines.push(
                "only to take step 2 back on purpose, restart every process with this configuration as it is"
                    .to_owned(),
            );
            lines
        }
        Phase::Lacking => vec![
            "next: in the configuration of every process, put the missing key back into previousKeys".to_owned(),
            format!("  restart every process; {again}"),
        ],
        Phase::Unannounced => switched(previous, names, &again).into_iter().chain(alone()).collect(),
        Phase::Retiring => {
            let mut lines: Vec<_> = previous()
                .filter(|(key, _)| !key.may_go)
                .filter_map(|(key, name)| {
                    Some(format!("next: leave {name} in previousKeys until {}", key.needed_until.as_ref()?))
                })
                .collect();
            lines.push(again);
            lines.push(restarted());
            lines
        }
        Phase::Done => {
            let gone: Vec<_> = previous().map(|(_, name)| name.as_str()).collect();
            vec![
                restarted(),
                format!("next: in the configuration of every process, remove {} from previousKeys", gone.join(" and ")),
                "  restart every process. Keep the key apart as long as there is a backup that was made before step 2"
                    .to_owned(),
            ]
        }
    }
}

fn passed_over() -> String {
    "a process was passed over in step 2: an earlier key's newest code is younger than the present key's oldest. \
     Restart those that were not restarted since the time of that code"
        .to_owned()
}

fn restarted() -> String {
    "make sure that every process was restarted in step 2: if an earlier key's newest code is younger, one was not"
        .to_owned()
}

fn announced<'a, I: Iterator<Item = (&'a KeyStanding, &'a String)>>(
    previous: impl Fn() -> I,
    names: &Names,
    again: &str,
) -> Vec<String> {
    let Some((key, name)) = previous().find(|(key, _)| key.comes) else { return Vec::new() };
    if !key.listed {
        return vec![format!("next: restart every process with this configuration; {again}")];
    }
    vec![
        "next, step 2 of 3, when every process, on every host, was restarted with this configuration:".to_owned(),
        format!("  in the configuration of every process, {}", names.make_present(name)),
        format!("  and in previousKeys put {} in place of {name}", names.present),
        format!("  restart every process; {again}"),
    ]
}

fn alone() -> Option<String> {
    let alone = "where one process alone uses the repository, it may be restarted with this configuration as it is";
    Some(alone.to_owned())
}

/// Has the key that seals the repository be the present one.
fn switched<'a, I: Iterator<Item = (&'a KeyStanding, &'a String)>>(
    previous: impl Fn() -> I,
    names: &Names,
    again: &str,
) -> Vec<String> {
    let Some((_, sealer)) = previous().find(|(key, _)| key.seals) else { return Vec::new() };
    vec![
        format!("next: in the configuration of every process, {}", names.make_present(sealer)),
        format!("  and in previousKeys put {} in place of {sealer}", names.present),
        format!("  restart every process; {again}"),
    ]
}
