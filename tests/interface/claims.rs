//! Figures of speed and size in README and docs, held to the results in `benches/results`.
//!
//! `benches/claims.json` has each sentence or row of a table that claims something: its text with `{}` where a figure
//! stands, and for each figure a benchmark and what of it is told. `UPDATE_CLAIMS=1 cargo test --test interface claims`
//! writes the figures of new results into the docs.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use regex::Regex;
use serde_json::Value;

const RESULT: &str = "benches/results/2-cores.json";
const MANUAL: &str = "docs/performance.md";

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn json(path: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(root(path)).unwrap()).unwrap()
}

/// What was measured, and the range it had over the rounds.
#[derive(Clone, Copy, Debug)]
struct Measured {
    value: f64,
    low: f64,
    high: f64,
}

impl Measured {
    fn map(self, change: impl Fn(f64) -> f64) -> Self {
        let (value, one, other) = (change(self.value), change(self.low), change(self.high));
        Self { value, low: one.min(other), high: one.max(other) }
    }
}

/// The stored results.
struct Results(BTreeMap<String, Value>);

impl Results {
    fn read() -> Self {
        let file = json(RESULT);
        assert!(file["format"] == "libotp benchmarks" && file["version"] == 1, "{RESULT}");
        let rows = file["benchmarks"].as_array().unwrap().iter();
        Self(rows.map(|row| (row["name"].as_str().unwrap().to_owned(), row.clone())).collect())
    }

    fn row(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or_else(|| panic!("{RESULT} has no benchmark {name:?}"))
    }

    /// A quantity of a benchmark: `median`, `ratio`, `times` (the inverse of the ratio), `p50`, `p99`; `codes`, each
    /// of which is one create and one verify; `min` and `max` are ends of the range themselves.
    fn quantity(&self, name: &str, what: &str) -> Measured {
        let read = |row: &Value, value: &str| {
            let number = |member: &str| row[member].as_f64().unwrap_or_else(|| panic!("{name}: no {what}"));
            Measured { value: number(value), low: number("min"), high: number("max") }
        };
        let end = |value: f64| Measured { value, low: value, high: value };
        match what {
            "median" => read(self.row(name), "median"),
            "min" => end(read(self.row(name), "median").low),
            "max" => end(read(self.row(name), "median").high),
            "ratio" => read(&self.row(name)["ratio"], "median"),
            "ratio min" => end(read(&self.row(name)["ratio"], "median").low),
            "ratio max" => end(read(&self.row(name)["ratio"], "median").high),
            "times" => read(&self.row(name)["ratio"], "median").map(|ratio| 1.0 / ratio),
            "p50" | "p99" => read(&self.row(name)["latency"][what], "all"),
            "codes" => {
                let [create, verify] =
                    ["create", "verify"].map(|work| self.quantity(&name.replace("WORK", work), "median"));
                let codes = |create: f64, verify: f64| create * verify / (create + verify);
                Measured {
                    value: codes(create.value, verify.value),
                    low: codes(create.low, verify.low),
                    high: codes(create.high, verify.high),
                }
            }
            other => panic!("{name}: there is no {other:?}"),
        }
    }
}

/// A sentence or a row with figures.
struct Claim {
    file: String,
    text: String,
    figures: Vec<Measured>,
}

fn claims(results: &Results) -> Vec<Claim> {
    let figure = |figure: &Value| {
        let text = |place: usize| figure[place].as_str().unwrap_or_else(|| panic!("{figure}"));
        let divisor = figure[2].as_f64().unwrap_or(1.0);
        results.quantity(text(0), text(1)).map(|value| value / divisor)
    };
    let claim = |claim: &Value| Claim {
        file: claim["file"].as_str().unwrap().to_owned(),
        text: claim["text"].as_str().unwrap().to_owned(),
        figures: claim["figures"].as_array().unwrap().iter().map(figure).collect(),
    };
    json("benches/claims.json")["claims"].as_array().unwrap().iter().map(claim).collect()
}

/// A text as a pattern: any white space for white space, and a number for each `{}`.
fn pattern(text: &str) -> Regex {
    let words = text.split_whitespace().map(|word| regex::escape(word).replace(r"\{\}", r"(\d[\d,]*(?:\.\d+)?)"));
    Regex::new(&words.collect::<Vec<_>>().join(r"\s+")).unwrap()
}

/// Where the figures of a claim stand in its file, or why they cannot be found.
fn places(claim: &Claim, text: &str) -> Result<Vec<Range<usize>>, String> {
    let pattern = pattern(&claim.text);
    let mut found = pattern.captures_iter(text);
    let (Some(captures), None) = (found.next(), found.next()) else {
        return Err(format!("{}: does not say exactly once: {}", claim.file, claim.text));
    };
    let places: Vec<_> = captures.iter().skip(1).map(|figure| figure.unwrap().range()).collect();
    if places.len() != claim.figures.len() {
        return Err(format!("{}: as many {{}} as figures: {}", claim.file, claim.text));
    }
    Ok(places)
}

/// Whether a figure as it is written is one of the range: it may be rounded to two digits.
fn is_within(written: f64, measured: Measured) -> bool {
    let half = 0.5 * 10_f64.powf(written.abs().log10().floor() - 1.0);
    written >= measured.low - half && written <= measured.high + half
}

/// Two digits, and groups of three before the point.
fn written(value: f64) -> String {
    let power = value.abs().log10().floor() as i32;
    let unit = 10_f64.powi(power - 1);
    let plain = format!("{:.*}", (1 - power).max(0) as usize, (value / unit).round() * unit);
    let (whole, rest) = plain.split_once('.').map_or((plain.as_str(), ""), |(whole, _)| (whole, &plain[whole.len()..]));
    let digits = whole.chars().enumerate();
    let grouped = digits.map(|(place, digit)| match place > 0 && (whole.len() - place) % 3 == 0 {
        true => format!(",{digit}"),
        false => digit.to_string(),
    });
    grouped.collect::<String>() + rest
}

/// What is wrong with the figures of a text.
fn faults(claim: &Claim, text: &str) -> Vec<String> {
    let places = match places(claim, text) {
        Ok(places) => places,
        Err(why) => return vec![why],
    };
    let wrong = places.into_iter().zip(&claim.figures).filter_map(|(place, measured)| {
        let figure: f64 = text[place.clone()].replace(',', "").parse().unwrap();
        let Measured { low, high, .. } = measured;
        let is_wrong = !is_within(figure, *measured);
        is_wrong.then(|| format!("{}: {figure} is not within {low} to {high}: {}", claim.file, claim.text))
    });
    wrong.collect()
}

/// Figures with a unit of speed or size that no claim has: where they begin.
fn unclaimed(text: &str, claimed: &[Range<usize>]) -> Vec<usize> {
    let unit = r"(?:/s|(?:codes )?a second|ns|µs|us|ms|MB|R|times|of it|of these)";
    let figure = Regex::new(&format!(r"\d[\d,]*(?:\.\d+)?(?:\)|\*\*)?\s?{unit}(?:[^\w]|$)")).unwrap();
    let starts = figure.find_iter(text).map(|found| found.start());
    starts.filter(|start| !claimed.iter().any(|range| range.contains(start))).collect()
}

/// README, and the documents that are not lists of facts.
fn documents() -> Vec<(String, String)> {
    let mut files = vec!["README.md".to_owned()];
    let found = std::fs::read_dir(root("docs")).unwrap().map(|entry| entry.unwrap().file_name());
    files.extend(found.map(|name| format!("docs/{}", name.to_str().unwrap())).filter(|name| name.ends_with(".md")));
    files.sort();
    let read = |name: String| {
        let text = std::fs::read_to_string(root(&name)).unwrap();
        (name, text)
    };
    files.into_iter().map(read).collect()
}

/// The text without the table that is written from the results.
fn without_table(text: &str) -> String {
    match (text.find(BEGIN), text.find(END)) {
        (Some(begin), Some(end)) => format!("{}{}", &text[..begin], &text[end..]),
        _ => text.to_owned(),
    }
}

#[test]
fn the_claims_are_what_was_measured() {
    let results = Results::read();
    let claims = claims(&results);
    if std::env::var_os("UPDATE_CLAIMS").is_some() {
        return update(&claims);
    }
    let facts = json("benches/claims.json")["facts"].as_array().unwrap().clone();
    let mut wrong = Vec::new();
    for (name, text) in documents() {
        let text = without_table(&text);
        let mut claimed = Vec::new();
        for claim in claims.iter().filter(|claim| claim.file == name) {
            wrong.extend(faults(claim, &text));
            claimed.extend(places(claim, &text).unwrap_or_default());
        }
        for fact in facts.iter().filter(|fact| fact["file"] == name.as_str()) {
            let found = pattern(fact["text"].as_str().unwrap()).find(&text).map(|found| found.range());
            claimed.push(found.unwrap_or_else(|| panic!("{name} does not say {fact}")));
        }
        let lines = unclaimed(&text, &claimed).into_iter().map(|start| {
            let line = text[..start].rfind('\n').map_or(0, |end| end + 1);
            format!("{name}: no claim of benches/claims.json has: {}", text[line..].lines().next().unwrap())
        });
        wrong.extend(lines);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(claims.len() > 20 && claims.iter().all(|claim| !claim.figures.is_empty()), "{}", claims.len());
    let known: Vec<_> = documents().into_iter().map(|(name, _)| name).collect();
    assert!(claims.iter().all(|claim| known.contains(&claim.file)), "a claim is of a file that is not there");
}

/// Who writes into the documents: two tests do, at the same time.
fn writing() -> MutexGuard<'static, ()> {
    static WRITING: Mutex<()> = Mutex::new(());
    WRITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes the middle of what was measured into the documents.
fn update(claims: &[Claim]) {
    let _writing = writing();
    for claim in claims {
        let text = std::fs::read_to_string(root(&claim.file)).unwrap();
        let mut changed = text.clone();
        let places = places(claim, &text).unwrap_or_else(|why| panic!("{why}"));
        for (place, measured) in places.into_iter().zip(&claim.figures).rev() {
            changed.replace_range(place, &written(measured.value));
        }
        std::fs::write(root(&claim.file), changed).unwrap();
    }
}

#[test]
fn every_claim_names_its_command() {
    let results = Results::read();
    let list = json("benches/claims.json");
    let documents: BTreeMap<_, _> = documents().into_iter().collect();
    for claim in list["claims"].as_array().unwrap() {
        for figure in claim["figures"].as_array().unwrap() {
            let name = figure[0].as_str().unwrap().replace("WORK", "create");
            let part = results.row(&name)["part"].as_str().unwrap();
            let text = &documents[claim["file"].as_str().unwrap()];
            let names = |line: &str| {
                line.split("cargo bench --")
                    .skip(1)
                    .any(|rest| rest.split('`').next().unwrap().split_whitespace().any(|word| word == part))
            };
            assert!(text.lines().any(names), "{}: no `cargo bench -- {part}` for {name}", claim["file"]);
        }
    }
}

#[test]
fn a_wrong_claim_is_found() {
    let measured = Measured { value: 4_700.0, low: 4_200.0, high: 5_300.0 };
    let claim = |text: &str| Claim { file: "README.md".into(), text: text.into(), figures: vec![measured] };
    let text = "A create takes one\n  commit: 4,700/s on this machine.";
    assert_eq!(faults(&claim("takes one commit: {}/s on"), text), Vec::<String>::new());
    assert!(faults(&claim("takes one commit: {}/s on"), &text.replace("4,700", "5,400"))[0].contains("5400"));
    assert!(faults(&claim("takes one commit: {}/s on"), &text.replace("4,700", "4,100"))[0].contains("4100"));
    assert!(faults(&claim("takes a commit: {}/s on"), text)[0].contains("does not say"), "the sentence is another");
    assert!(faults(&claim("takes one commit:"), text)[0].contains("as many"), "a figure that nobody holds");
    let found = places(&claim("commit: {}/s"), text).unwrap();
    assert_eq!(unclaimed(text, &found), Vec::<usize>::new());
    assert_eq!(unclaimed(text, &[]).len(), 1);
    assert_eq!(unclaimed("12 µs, 0.43 R and 1.1 times; 6.0 MB, 3,200 codes a second", &[]).len(), 5);
    assert_eq!(unclaimed("30 seconds, 64 MiB, 32 bytes, 0.1.0, Rust 1.91", &[]).len(), 0);
    assert_eq!([4_712.0, 0.4349, 12.51, 99.7, 105_000.0].map(written), ["4,700", "0.43", "13", "100", "110,000"]);
}

const BEGIN: &str = "<!-- The test of the claims writes these tables. -->\n\n";
const END: &str = "<!-- End. -->";

/// The parts, and what they are about.
const PARTS: [(&str, &str); 10] = [
    ("durable", "One process on `sqlite:`, synced"),
    ("processes", "Four processes on one database, synced"),
    ("engines", "Every repository, synced where it can be; processes x threads"),
    ("carrier", "Creates that are delivered to a carrier on loopback"),
    ("peers", "Beside others, 1 thread"),
    ("scale", "Many live items"),
    ("due", "Much that is due"),
    ("border", "The border to C"),
    ("metrics", "Metrics that are read"),
    ("library", "The shared library"),
];

/// Three digits.
fn cell(value: &Value) -> String {
    let value = value.as_f64().unwrap();
    if value == 0.0 {
        return "0".to_owned();
    }
    let power = value.abs().log10().floor() as i32;
    let unit = 10_f64.powi(power - 2);
    format!("{:.*}", (2 - power).max(0) as usize, (value / unit).round() * unit)
}

fn spread(row: &Value, value: &str) -> String {
    let range = if row["min"] == row["max"] {
        String::new()
    } else {
        format!(" ({} to {})", cell(&row["min"]), cell(&row["max"]))
    };
    cell(&row[value]) + &range
}

fn table(results: &Results) -> String {
    let mut text = String::new();
    for (part, title) in PARTS {
        let rows: Vec<_> = results.0.values().filter(|row| row["part"] == part).collect();
        let Some(first) = rows.first() else {
            text += &format!("### {title}\n\nNot in the stored results: `cargo bench -- {part}` measures it.\n\n");
            continue;
        };
        text += &format!("### {title}\n\n`{}`\n\n", first["command"].as_str().unwrap());
        text += "| benchmark | unit | median (range) | p50, µs | p99, µs | ratio |\n|---|---|---|---|---|---|\n";
        for row in rows {
            let name = row["name"].as_str().unwrap().split_once('/').unwrap().1;
            let unit = row["unit"].as_str().unwrap();
            let share = |share: &str| match &row["latency"][share] {
                Value::Null => String::new(),
                range => spread(range, "all"),
            };
            let ratio = match &row["ratio"] {
                Value::Null => String::new(),
                ratio => format!("{} {}", spread(ratio, "median"), ratio["unit"].as_str().unwrap()),
            };
            let (value, p50, p99) = (spread(row, "median"), share("p50"), share("p99"));
            text += &format!("| {name} | {unit} | {value} | {p50} | {p99} | {ratio} |\n");
        }
        text += "\n";
    }
    text
}

#[test]
fn the_manual_has_all_that_was_measured() {
    let (wanted, path, _writing) = (table(&Results::read()), root(MANUAL), writing());
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("a place for the tables");
    let (found, after) = rest.split_once(END).expect("an end of the tables");
    if std::env::var_os("UPDATE_CLAIMS").is_some() {
        return std::fs::write(&path, format!("{before}{BEGIN}{wanted}{END}{after}")).unwrap();
    }
    assert!(found == wanted, "{MANUAL} is out of date: UPDATE_CLAIMS=1 cargo test --test interface claims");
}
