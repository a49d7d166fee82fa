//! What others do, where it is installed: the tutorial's repository in Node, and liboath's usersfile.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Size;
use crate::disk::{Folder, settle};
use crate::durable::Ours;
use crate::table::{Samples, Table, Target};

pub fn measure(table: &mut Table, size: Size, ours: Option<&Ours>) {
    table.heading("Peers, 1 thread; the ratio is libotp's durable rate above over theirs");
    if ours.is_none() {
        table.note("no ratios: the part durable was not asked for");
    }
    tutorial(table, size, ours);
    liboath(table, size, ours);
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers").join(name)
}

/// One JSON file a token, read, compared and written back, never synced.
fn tutorial(table: &mut Table, size: Size, ours: Option<&Ours>) {
    let folder = Folder::new("tutorial");
    let count = (size.base / 3).max(1000);
    let mut command = Command::new("node");
    command.arg(source("tutorial.js")).arg(folder.path()).arg(count.to_string());
    print(table, "the tutorial in Node, not synced", &mut command, size, ours);
}

/// One text file of all users, rewritten at every success.
fn liboath(table: &mut Table, size: Size, ours: Option<&Ours>) {
    let folder = Folder::new("liboath");
    let program = folder.file("usersfile");
    let built = Command::new("cc").arg("-O2").arg("-o").arg(&program).arg(source("usersfile.c")).arg("-loath").output();
    match built {
        Ok(output) if output.status.success() => {}
        Ok(_) => return table.absent("liboath's usersfile", "liboath/oath.h or the library is not installed"),
        Err(_) => return table.absent("liboath's usersfile", "there is no C compiler cc"),
    }
    for users in [10, 1000] {
        let mut command = Command::new(&program);
        command.arg(folder.file("users")).arg(users.to_string()).arg(size.cell_ms.to_string());
        print(table, &format!("liboath's usersfile of {users} users"), &mut command, size, ours);
    }
}

/// Runs the peer, which prints lines of a name and a rate, once a round.
fn print(table: &mut Table, peer: &str, command: &mut Command, size: Size, ours: Option<&Ours>) {
    let mut rates: Vec<(String, Samples)> = Vec::new();
    for _ in 0..size.rounds {
        settle();
        let output = match command.output() {
            Ok(output) if output.status.success() => output,
            Ok(output) => return table.absent(peer, String::from_utf8_lossy(&output.stderr).trim()),
            Err(cause) => return table.absent(peer, &format!("{:?}: {cause}", command.get_program())),
        };
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let (name, rate) = line.split_once(' ').expect("a name and a rate");
            let rate = rate.parse().expect("a rate");
            match rates.iter_mut().find(|(known, _)| known == name) {
                Some((_, samples)) => samples.push(rate),
                None => rates.push((name.to_owned(), Samples::of([rate]))),
            }
        }
    }
    for (name, samples) in rates {
        let own = ours.and_then(|ours| match name.as_str() {
            "create" => Some(&ours.create),
            "verify" => Some(&ours.verify),
            "wrong" => Some(&ours.wrong),
            "unknown" => Some(&ours.unknown),
            _ => None,
        });
        let row = format!("{peer}: {name}");
        match own {
            Some(own) => {
                let ratio = Samples::of([own.median() / samples.median()]);
                table.ratio(&row, &samples, "/s", (&ratio, "times"), Target::None);
            }
            None => table.value(&row, &samples, "/s", Target::None),
        }
    }
}
