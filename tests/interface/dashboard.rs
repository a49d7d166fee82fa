//! `docs/grafana.json` names what there is to be counted, and all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use regex::Regex;
use serde_json::Value;

/// What Prometheus adds to every sample.
const OF_PROMETHEUS: [&str; 2] = ["job", "instance"];

/// What else stands in an expression outside of braces.
const WORDS: [&str; 5] = ["sum", "max", "rate", "increase", "by"];

/// The values of each label of each metric.
type Metrics = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn text(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// All that is counted, from the file to which every language is held.
fn counted() -> Metrics {
    let label = Regex::new(r#"([a-z]+)="([^"]*)""#).unwrap();
    let mut metrics = Metrics::new();
    for line in text("tests/data/openmetrics.txt").lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let labels = metrics.entry(name.to_owned()).or_default();
        for found in label.captures_iter(line) {
            labels.entry(found[1].to_owned()).or_default().insert(found[2].to_owned());
        }
    }
    metrics
}

/// What an expression names that is not there, and the metrics that it reads.
fn checked(expression: &str, legend: &str, metrics: &Metrics) -> (Vec<String>, BTreeSet<String>) {
    let (mut wrong, mut read) = (Vec::new(), BTreeSet::new());
    let selector = Regex::new(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{([^}]*)\}(\[[^\]]*\])?").unwrap();
    let matcher = Regex::new(r#"^\s*([a-z]+)\s*(=~|!~|!=|=)\s*"([^"]*)"\s*$"#).unwrap();
    for found in selector.captures_iter(expression) {
        let Some(labels) = metrics.get(&found[1]) else {
            wrong.push(found[1].to_owned());
            continue;
        };
        read.insert(found[1].to_owned());
        for part in found[2].split(',') {
            let Some(matched) = matcher.captures(part) else {
                wrong.push(part.to_owned());
                continue;
            };
            let is_added = OF_PROMETHEUS.contains(&&matched[1]) && matched[3].starts_with('$');
            let is_there = |values: &BTreeSet<String>| matched[3].split('|').all(|value| values.contains(value));
            if !is_added && !labels.get(&matched[1]).is_some_and(is_there) {
                wrong.push(part.to_owned());
            }
        }
    }
    let rest = selector.replace_all(expression, " ");
    let groups = Regex::new(r"\bby \(([^)]*)\)").unwrap();
    let grouped: BTreeSet<_> = groups
        .captures_iter(&rest)
        .flat_map(|found| found[1].split(',').map(|label| label.trim().to_owned()).collect::<Vec<_>>())
        .collect();
    let is_label = |label: &String| {
        OF_PROMETHEUS.contains(&label.as_str()) || read.iter().all(|name| metrics[name].contains_key(label))
    };
    wrong.extend(grouped.iter().filter(|label| !is_label(label)).cloned());
    let names = Regex::new(r"\{\{([^}]*)\}\}").unwrap();
    let named = names.captures_iter(legend).map(|found| found[1].to_owned());
    wrong.extend(named.filter(|label| !grouped.contains(label)));
    let words = Regex::new(r"[a-zA-Z_][a-zA-Z0-9_]*").unwrap();
    let others = groups.replace_all(&rest, "by");
    wrong
        .extend(words.find_iter(&others).map(|word| word.as_str().to_owned()).filter(|word| !WORDS.contains(&&**word)));
    (wrong, read)
}

#[test]
fn the_dashboard_names_only_what_is_counted_and_all_of_it() {
    let metrics = counted();
    assert!(metrics.len() == 9 && metrics["otp_calls_total"]["call"].len() == 9, "{metrics:?}");
    let dashboard: Value = serde_json::from_str(&text("docs/grafana.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() >= 10, "{}", panels.len());
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    let titles: BTreeSet<_> = panels.iter().map(|panel| panel["title"].as_str().unwrap()).collect();
    assert_eq!(
        (ids.len(), titles.len()),
        (panels.len(), panels.len()),
        "each panel has a number and a title of its own"
    );
    let mut shown = BTreeSet::new();
    for panel in panels {
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{panel}");
        for target in targets {
            let member = |name: &str| target[name].as_str().unwrap();
            let (wrong, read) = checked(member("expr"), member("legendFormat"), &metrics);
            assert!(wrong.is_empty() && !read.is_empty(), "{}: {wrong:?}", member("expr"));
            shown.extend(read);
        }
    }
    assert_eq!(shown, metrics.keys().cloned().collect(), "everything that is counted is shown");
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let query = variable["query"].as_str().unwrap();
        let name = query.strip_prefix("label_values(").map(|rest| rest.split(['{', ',']).next().unwrap());
        assert!(name.map_or(query == "prometheus", |name| metrics.contains_key(name)), "{query}");
    }
}

#[test]
fn what_is_not_counted_is_found() {
    let wrong = |expression: &str, legend: &str| checked(expression, legend, &counted()).0;
    assert!(wrong(r#"sum by (call) (rate(otp_calls_total{call="create",job=~"$job"}[5m]))"#, "{{call}}").is_empty());
    assert_eq!(wrong("rate(otp_calls{}[5m])", ""), ["otp_calls"]);
    assert_eq!(wrong("rate(otp_calls_total[5m])", ""), ["otp_calls_total", "m"]);
    assert_eq!(wrong(r#"otp_calls_total{kind="create"}"#, ""), [r#"kind="create""#]);
    assert_eq!(wrong(r#"otp_calls_total{result=~"OTP_OK|OTP_BAD"}"#, ""), [r#"result=~"OTP_OK|OTP_BAD""#]);
    assert_eq!(wrong(r#"sum by (sender) (otp_calls_total{call="create"})"#, "{{call}}"), ["sender", "call"]);
}
