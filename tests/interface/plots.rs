//! The plots of `docs/plots` are drawn from the stored results, and need nothing but themselves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use testing::Folder;

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn draw(results: &Path, folder: &Path) -> Output {
    let mut xtask = Command::new(env!("CARGO"));
    xtask.args(["run", "--quiet", "--locked", "--package", "xtask", "--", "plots"]).current_dir(root(""));
    xtask.arg(results).arg("--into").arg(folder).output().unwrap()
}

/// The plots of a folder.
fn plots(folder: &Path) -> BTreeMap<String, String> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    files.map(|path| (name(&path), std::fs::read_to_string(&path).unwrap())).collect()
}

#[test]
fn the_same_results_give_the_same_plots() {
    let folder = Folder::another("plots");
    let results = root("benches/results/2-cores.json");
    let drawn = ["one", "two"].map(|name| {
        let output = draw(&results, &folder.path().join(name));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        plots(&folder.path().join(name))
    });
    assert_eq!(drawn[0], drawn[1]);
    let kept = plots(&root("docs/plots"));
    assert_eq!(drawn[0].keys().collect::<Vec<_>>(), kept.keys().collect::<Vec<_>>());
    for (name, svg) in &drawn[0] {
        assert!(kept[name] == *svg, "{name} is out of date: cargo xtask plots benches/results/2-cores.json");
    }
}

#[test]
fn a_plot_is_small_and_needs_nothing_else() {
    let kept = plots(&root("docs/plots"));
    let manual = std::fs::read_to_string(root("docs/performance.md")).unwrap();
    assert!(kept.len() >= 7, "{:?}", kept.keys());
    for (name, svg) in kept {
        assert!(svg.len() < 16_384, "{name}: {} bytes", svg.len());
        assert!(
            svg.contains("<title id=") && svg.contains("<desc id=") && svg.contains("prefers-color-scheme"),
            "{name}"
        );
        let links = svg.replace("http://www.w3.org/2000/svg", "");
        for foreign in ["<script", "http", "@font-face", "@import", "url(", "href"] {
            assert!(!links.contains(foreign), "{name}: {foreign}");
        }
        assert!(manual.contains(&format!("plots/{name}")), "docs/performance.md does not show {name}");
    }
}

#[test]
fn what_is_missing_is_said() {
    let folder = Folder::another("plots-missing");
    let file = folder.path().join("results.json");
    let mut results: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(root("benches/results/2-cores.json")).unwrap()).unwrap();
    let rows = results["benchmarks"].as_array_mut().unwrap();
    rows.retain(|row| row["name"] != "peers/django-otp, SQLite, synced: verify");
    std::fs::write(&file, results.to_string()).unwrap();
    let output = draw(&file, &folder.path().join("drawn"));
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("django-otp, SQLite, synced: verify is not in the results"), "{said}");
    assert!(!plots(&folder.path().join("drawn"))["peers-verify.svg"].contains("django"));

    std::fs::write(&file, r#"{"format": "libotp benchmarks", "version": 2}"#).unwrap();
    let output = draw(&file, &folder.path().join("drawn"));
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("another version"));
}

/// Every member of the file of results has its place in the manual.
#[test]
fn the_shape_of_the_results_is_described() {
    let text = std::fs::read_to_string(root("benches/results/2-cores.json")).unwrap();
    let results: serde_json::Value = serde_json::from_str(&text).unwrap();
    let manual = std::fs::read_to_string(root("docs/performance.md")).unwrap();
    let mut names = std::collections::BTreeSet::new();
    let mut todo = vec![&results];
    while let Some(value) = todo.pop() {
        if let Some(object) = value.as_object() {
            names.extend(object.keys());
        }
        todo.extend(value.as_object().into_iter().flat_map(|object| object.values()));
        todo.extend(value.as_array().into_iter().flatten());
    }
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        assert!(manual.contains(&format!("`{name}`")), "docs/performance.md does not describe {name}");
    }
    let rows = results["benchmarks"].as_array().unwrap();
    let timed = rows.iter().filter(|row| row["latency"]["n"].as_u64().is_some_and(|number| number > 100)).count();
    assert!(timed > 60, "{timed} benchmarks have times");
    for row in rows {
        // The machine was not the measurement's own.
        assert!(row["note"].as_str().is_some_and(|note| note.contains("shared")), "{row}");
        let is_full = row["size"] == "full" && row["command"].as_str().unwrap().starts_with("OTP_BENCH_SIZE=full ");
        assert!(is_full || row["size"] == "small" && ["scale", "due"].iter().any(|part| row["part"] == *part), "{row}");
    }
}
