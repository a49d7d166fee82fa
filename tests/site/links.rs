//! Links of the site lead somewhere, and nothing that a page loads comes from elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::built::{files, pages, site};

/// What a page names, and what leads out of it.
struct Page {
    places: BTreeSet<String>,
    links: Vec<String>,
    /// What a browser loads when it shows the page.
    loads: Vec<String>,
}

fn read(path: &Path) -> Page {
    let text = std::fs::read_to_string(path).unwrap();
    let all = |pattern: &str| -> Vec<String> {
        let found = Regex::new(pattern).unwrap();
        found.captures_iter(&text).map(|found| found[1].replace("&amp;", "&")).collect()
    };
    let loads = all(r#"<(?:script|img|iframe|source|embed|audio|video)\b[^>]*?\bsrc="([^"]*)""#);
    let styles = all(r#"<link\b[^>]*?\bhref="([^"]*)""#);
    Page {
        places: all(r#"\b(?:id|name)="([^"]*)""#).into_iter().collect(),
        links: all(r#"<a\b[^>]*?\bhref="([^"]*)""#),
        loads: loads.into_iter().chain(styles).collect(),
    }
}

fn is_elsewhere(link: &str) -> bool {
    ["http:", "https:", "mailto:", "//"].iter().any(|start| link.starts_with(start))
}

/// The file to which a link leads, and the place in it.
fn target(page: &Path, link: &str) -> (PathBuf, String) {
    let (path, place) = link.split_once('#').unwrap_or((link, ""));
    let path = path.split('?').next().unwrap();
    let file = if path.is_empty() { page.to_owned() } else { page.parent().unwrap().join(path) };
    (file, place.to_owned())
}

#[test]
fn links_lead_to_pages_and_places() {
    let Some(site) = site() else { return };
    let pages = pages(site);
    assert!(pages.len() > 40, "{}", pages.len());
    let mut known: BTreeMap<PathBuf, Page> = BTreeMap::new();
    let (mut count, mut broken) = (0, Vec::new());
    for page in &pages {
        for link in read(page).links {
            let (file, place) = target(page, &link);
            if is_elsewhere(&link) {
                continue;
            }
            count += 1;
            let Ok(file) = file.canonicalize() else {
                broken.push(format!("{}: {link}", page.display()));
                continue;
            };
            // Places in what rustdoc made may be made by its scripts.
            let is_page = file.extension().is_some_and(|ending| ending == "html");
            if is_page && !place.is_empty() && !file.starts_with(site.join("reference/rust")) {
                let there = known.entry(file.clone()).or_insert_with(|| read(&file));
                if !there.places.contains(&place) {
                    broken.push(format!("{}: {link}", page.display()));
                }
            }
        }
    }
    assert!(count > 500 && broken.is_empty(), "of {count} links: {broken:#?}");
}

/// Also of rustdoc's pages, and of style sheets.
#[test]
fn nothing_is_loaded_from_elsewhere() {
    let Some(site) = site() else { return };
    for page in files(site, ".html") {
        // Where a script puts a name together, the script is not to be read.
        for load in read(&page).loads.into_iter().filter(|load| !load.contains("${")) {
            assert!(!is_elsewhere(&load), "{}: {load}", page.display());
            let (file, _) = target(&page, &load);
            assert!(load.starts_with("data:") || file.exists(), "{}: {load}", page.display());
        }
    }
    let sheets = files(site, ".css");
    assert!(sheets.len() > 5);
    let outside = Regex::new(r#"(?:url\(\s*|@import\s+)["']?(?:https?:)?//"#).unwrap();
    for sheet in sheets {
        let text = std::fs::read_to_string(&sheet).unwrap();
        assert!(!outside.is_match(&text), "{}", sheet.display());
    }
    // The search is the only script that is handed data: it must not fetch them, or it would not work without a server.
    let scripts = files(site, ".js");
    assert!(scripts.iter().any(|path| path.file_name().unwrap().to_str().unwrap().starts_with("searchindex")));
}

/// Sources read well where they are written, too: each link of `docs` and README leads to a file there.
#[test]
fn links_hold_on_a_forge() {
    let (mut count, mut dead) = (0, Vec::new());
    for (page, _) in crate::markdown::sources() {
        let (links, lost) = testing::links::to_files(&page);
        count += links;
        dead.extend(lost);
    }
    assert!(count > 100 && dead.is_empty(), "of {count} links: {dead:#?}");
}

/// A link that leads nowhere is noticed, and one within code is none.
#[test]
fn a_dead_link_is_noticed() {
    let folder = testing::Folder::another("links");
    let page = folder.path().join("page.md");
    let text = "[self](page.md#here), [gone](gone.md), [there](https://example.com), [here](#here)\n```\n[a](b)\n```\n";
    std::fs::write(&page, text).unwrap();
    assert_eq!(testing::links::to_files(&page), (2, vec![format!("{}: gone.md", page.display())]));
}
