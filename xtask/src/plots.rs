//! Plots of what `cargo bench` found, as SVG. The same input gives the same bytes.

mod axis;
mod chart;
mod result;

use std::path::PathBuf;

use crate::{Fault, root, write};
use chart::{Chart, Group, Kind, Mark, Row};
use result::{Benchmark, Range, Results};

/// Draws all plots from a file of results, `target/bench.json` unless another is given, into `docs/plots` unless
/// another folder is given.
pub fn plots(options: &[String]) -> Result<(), Fault> {
    let (mut file, mut folder) = (None, root().join("docs/plots"));
    let mut options = options.iter();
    while let Some(option) = options.next() {
        match option.as_str() {
            "--into" => folder = options.next().map(PathBuf::from).ok_or("--into: a folder must follow")?,
            name if name.starts_with('-') => return Err(format!("{name}: plots has no such option")),
            name if file.is_none() => file = Some(PathBuf::from(name)),
            name => return Err(format!("{name}: one file of results is enough")),
        }
    }
    let results = Results::read(&file.unwrap_or_else(|| root().join("target/bench.json")))?;
    std::fs::create_dir_all(&folder).map_err(|cause| format!("{}: {cause}", folder.display()))?;
    let mut drawn = 0;
    for chart in charts(&results) {
        for name in &chart.absent {
            eprintln!("{}: {name} is not in the results: {}", chart.name, results.why_absent(name));
        }
        if chart.is_empty() {
            eprintln!("{}: not drawn, the results have nothing of it", chart.name);
            continue;
        }
        write(&folder.join(format!("{}.svg", chart.name)), chart.svg(&results.caption))?;
        drawn += 1;
    }
    if drawn > 0 { Ok(()) } else { Err("plots: the results have nothing of any plot".to_owned()) }
}

/// The repositories, by their names in the results and for people.
const REPOSITORIES: [(&str, &str); 5] = [
    ("sqlite:", "sqlite:, synced"),
    ("json:", "json:, synced"),
    ("memory:", "memory:"),
    ("Redis", "redis://, not synced"),
    ("PostgreSQL", "postgres://, synced"),
];

/// Processes and threads of each.
const SHAPES: [(&str, &str); 3] =
    [("1 x 1", "1 thread"), ("1 x 64", "64 threads"), ("4 x 16", "4 processes, 16 threads each")];

const PEERS: [&str; 9] = [
    "libotp, sqlite:, synced",
    "libotp, sqlite:, not synced",
    "libotp, redis:, synced",
    "a check in Redis, synced",
    "a check in Redis, not synced",
    "the tutorial in Node, not synced",
    "liboath, usersfile of 10 users",
    "liboath, usersfile of 1,000 users",
    "django-otp, SQLite, synced",
];

const SIZES: [(&str, &str); 6] = [
    ("plain", "sqlite:, json: and memory: alone"),
    ("redis", "with redis://"),
    ("postgres", "with postgres://"),
    ("smtp", "with the sender smtp"),
    ("redis and postgres", "with redis:// and postgres://"),
    ("redis, postgres and smtp", "with all three"),
];

fn charts(results: &Results) -> Vec<Chart> {
    let mut charts = Vec::new();
    for (work, many) in [("create", "Creates"), ("verify", "Verifies")] {
        let title = format!("{many} a second, by repository");
        charts.push(repositories(results, &format!("throughput-{work}"), title, work, rate));
        let title = format!("Time of a {work}, by repository");
        charts.push(repositories(results, &format!("latency-{work}"), title, work, times));
        charts.push(peers(results, work));
    }
    charts.push(sizes(results));
    charts
}

/// What a plot shows of a benchmark.
type Marks = fn(&Benchmark) -> Vec<Mark>;

fn rate(benchmark: &Benchmark) -> Vec<Mark> {
    vec![Mark::new(Kind::Value, benchmark.value)]
}

fn times(benchmark: &Benchmark) -> Vec<Mark> {
    let mark = |kind, range: Option<Range>| range.map(|range| Mark::new(kind, range));
    [mark(Kind::P50, benchmark.p50), mark(Kind::P99, benchmark.p99)].into_iter().flatten().collect()
}

fn repositories(results: &Results, name: &str, title: String, work: &str, marks: Marks) -> Chart {
    let mut chart = Chart::new(name, title, if name.starts_with("latency") { "µs" } else { "/s" });
    for (engine, heading) in REPOSITORIES {
        // What lies in the memory of one process no other has.
        let shapes = SHAPES.iter().filter(|(shape, _)| engine != "memory:" || shape.starts_with('1'));
        let rows = shapes.map(|(shape, label)| (format!("engines/{engine}, {work}, {shape}"), *label));
        chart.add(heading, rows, |name| results.get(name).map(marks));
    }
    chart
}

fn peers(results: &Results, work: &str) -> Chart {
    let title = format!("Time of a {work} beside others, 1 thread");
    let mut chart = Chart::new(&format!("peers-{work}"), title, "µs");
    // liboath creates no codes: its users have counters.
    let peers = PEERS.iter().filter(|peer| work != "create" || !peer.starts_with("liboath"));
    let rows = peers.map(|peer| (format!("peers/{peer}: {work}"), *peer));
    chart.add("", rows, |name| results.get(name).map(times));
    chart
}

fn sizes(results: &Results) -> Chart {
    let mut chart = Chart::new("size", "Size of the shared library, stripped".to_owned(), "MB");
    let rows = SIZES.iter().map(|(name, label)| (format!("library/size stripped, {name}"), *label));
    chart.add("", rows, |name| results.get(name).map(rate));
    chart.from_zero = true;
    chart
}

impl Chart {
    /// Adds the rows of a group that the results have, and notes the others.
    fn add<'a>(
        &mut self,
        heading: &str,
        rows: impl Iterator<Item = (String, &'a str)>,
        marks: impl Fn(&str) -> Option<Vec<Mark>>,
    ) {
        let mut group = Group { heading: heading.to_owned(), rows: Vec::new() };
        for (name, label) in rows {
            match marks(&name).filter(|marks| !marks.is_empty()) {
                Some(marks) => group.rows.push(Row { label: label.to_owned(), marks }),
                None => self.absent.push(name),
            }
        }
        if !group.rows.is_empty() {
            self.groups.push(group);
        }
    }
}
