//! The pages in a browser, from files and without a server.

use std::path::Path;

use serde_json::{Value, json};
use testing::browser::{self, Browser};

use crate::built::{pages, site};

/// A telephone, and a desk.
const WIDTHS: [u32; 2] = [390, 1280];

/// What a page asked for that is not a file here, and what its scripts complained of.
fn complaints(events: &[Value]) -> Vec<String> {
    browser::complaints(events, |url| ["file://", "data:", "about:"].iter().any(|start| url.starts_with(start)))
}

fn url(page: &Path) -> String {
    format!("file://{}", page.canonicalize().unwrap().display())
}

/// How light the paper is and how light the text, from 0 to 255.
const LIGHT: &str = "(() => {
    const light = (colour) => { const [r, g, b] = colour.match(/[0-9.]+/g).map(Number); return (r + g + b) / 3; };
    const style = getComputedStyle(document.querySelector('main p, main li, main td'));
    return [light(getComputedStyle(document.documentElement).backgroundColor), light(style.color)];
})()";

#[test]
fn every_page_fits_in_both_widths_and_colours() {
    let Some(site) = site() else { return };
    let Some(mut browser) = Browser::new() else { return };
    for page in pages(site) {
        for (width, scheme) in [(WIDTHS[0], "light"), (WIDTHS[0], "dark"), (WIDTHS[1], "light")] {
            browser.look(width, scheme);
            let events = browser.open(&url(&page));
            assert!(events.iter().any(|event| event["method"] == "Network.requestWillBeSent"), "{}", page.display());
            let place = format!("{} at {width} in {scheme}", page.display());
            assert_eq!(complaints(&events), Vec::<String>::new(), "{place}");
            let wide = browser.evaluate("document.documentElement.scrollWidth - innerWidth").as_i64().unwrap();
            assert!(wide <= 0, "{place}: {wide} pixels too wide");
            let light = browser.evaluate(LIGHT);
            let [paper, text] = [0, 1].map(|place| light[place].as_f64().unwrap());
            let is_right = if scheme == "light" { paper > 200.0 && text < 90.0 } else { paper < 60.0 && text > 150.0 };
            assert!(is_right, "{place}: {light}");
        }
    }
}

#[test]
fn the_search_finds_a_word_without_a_server() {
    let Some(site) = site() else { return };
    let Some(mut browser) = Browser::new() else { return };
    browser.look(WIDTHS[0], "light");
    let opened = browser.open(&url(&site.join("index.html")));
    assert_eq!(complaints(&opened), Vec::<String>::new());
    let search = "(async () => {
        document.querySelector('#mdbook-search-toggle, #search-toggle').click();
        const bar = document.querySelector('#mdbook-searchbar, #searchbar');
        for (let turn = 0; turn < 400; turn++) {
            bar.value = 'pumping';
            for (const kind of ['input', 'keyup']) bar.dispatchEvent(new Event(kind, { bubbles: true }));
            await new Promise((resolve) => setTimeout(resolve, 25));
            const found = document.querySelectorAll('#mdbook-searchresults a, #searchresults a');
            if (found.length) return [...found].map((link) => link.getAttribute('href'));
        }
        return [];
    })()";
    let found = browser.evaluate(search);
    let links: Vec<_> = found.as_array().unwrap().iter().map(|link| link.as_str().unwrap()).collect();
    assert!(links.iter().any(|link| link.contains("threats.html")), "{links:?}");
    // It is a page: following the first result leads to it.
    assert!(site.join(links[0].split(['?', '#']).next().unwrap()).exists(), "{links:?}");
}

/// What is looked for is seen when it is there.
#[test]
fn a_page_that_asks_elsewhere_is_noticed() {
    let Some(mut browser) = Browser::new() else { return };
    let page = testing::Folder::another("page");
    let file = page.path().join("page.html");
    // Nobody listens at this port, and nothing leaves the machine.
    let text = "<body style='width: 900px'><img src='http://127.0.0.1:1/x.png'><script>console.error('no')</script>";
    std::fs::write(&file, text).unwrap();
    browser.look(WIDTHS[0], "light");
    let found = complaints(&browser.open(&url(&file)));
    assert!(found.iter().any(|line| line.starts_with("asks for http://127.0.0.1:1/")), "{found:?}");
    assert!(found.iter().any(|line| line.contains("\"no\"")), "{found:?}");
    assert_ne!(browser.evaluate("document.documentElement.scrollWidth > 390"), json!(false));
}
