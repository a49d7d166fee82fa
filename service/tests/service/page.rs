//! The virtual phone's page in a browser.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testing::browser::{Browser, complaints};
use testing::{Folder, Watchdog};

use super::server::Server;
use super::wrong;

/// Longer than anything here takes, on any machine.
const HANGS: Duration = Duration::from_secs(60);

/// A visitor at the page.
struct Visitor {
    browser: Browser,
    server: Server,
    seen: Vec<Value>,
    _folder: Folder,
}

impl Visitor {
    fn new(width: u32, scheme: &str) -> Option<Self> {
        let mut browser = Browser::new()?;
        let folder = Folder::another("phone-browser");
        let server = Server::with_phone(folder.path());
        browser.look(width, scheme);
        let seen = browser.open(&format!("http://127.0.0.1:{}/", server.port));
        Some(Self { browser, server, seen, _folder: folder })
    }

    fn is(&mut self, condition: &str) -> bool {
        self.browser.evaluate(&format!("Boolean({condition})")) == json!(true)
    }

    fn wait(&mut self, condition: &str) {
        let begun = Instant::now();
        while !self.is(condition) {
            if begun.elapsed() > HANGS {
                panic!("not {condition}: {}", self.browser.evaluate("document.body.innerText"));
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.fits();
    }

    /// Nothing is wider than the window.
    fn fits(&mut self) {
        let wide = self.browser.evaluate("document.documentElement.scrollWidth - innerWidth").as_i64().unwrap();
        assert!(wide <= 0, "{wide} pixels too wide");
    }

    fn text(&mut self, selector: &str) -> String {
        let text = self.browser.evaluate(&format!("document.querySelector('{selector}')?.innerText ?? ''"));
        text.as_str().unwrap().to_owned()
    }

    /// Waits for something that can be pressed, and presses it with the mouse.
    fn press(&mut self, selector: &str) {
        self.wait(&format!("document.querySelector('{selector}') && !document.querySelector('{selector}').disabled"));
        let place = format!(
            "(() => {{ const it = document.querySelector('{selector}'); it.scrollIntoView({{block: 'center'}});
               const box = it.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }})()"
        );
        let place = self.browser.evaluate(&place);
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1});
            self.browser.call("Input.dispatchMouseEvent", event);
        }
    }

    /// Types a code into the form, and waits for the answer in words.
    fn types(&mut self, code: &str, answer: &str) {
        self.browser.evaluate("document.getElementById('verified').replaceChildren()");
        self.browser.evaluate("document.getElementById('code').select()");
        self.browser.call("Input.insertText", json!({"text": code}));
        self.press("#verify-button");
        self.wait(&format!("document.getElementById('verified').innerText.includes('{answer}')"));
    }

    fn time_runs(&mut self, speed: u32) {
        let choose = format!(
            "(() => {{ const it = document.getElementById('speed'); it.value = '{speed}';
               it.dispatchEvent(new Event('change')); }})()"
        );
        self.browser.evaluate(&choose);
    }

    fn minutes_pass(&mut self, minutes: u32) {
        (0..minutes).for_each(|_| self.press("#skip"));
    }

    /// Reads a message by this channel, and gives the code in it.
    fn reads(&mut self, channel: &str) -> String {
        self.press(&format!(".message.{channel} .yes"));
        self.wait(&format!("document.querySelector('.message.{channel} .text')"));
        let text = self.text(&format!(".message.{channel} .text"));
        text.chars().filter(char::is_ascii_digit).take(6).collect()
    }

    fn step_is(&mut self, channel: &str, state: &str) {
        self.wait(&format!("document.querySelector('.step[data-channel={channel}][data-state={state}]')"));
    }

    fn starts_over(&mut self) {
        self.press("#reset");
        self.wait("!document.getElementById('empty').hidden && !document.getElementById('created').innerText");
    }

    /// Nothing was asked for elsewhere, and no script complained.
    fn leaves(mut self) {
        self.seen.extend(self.browser.events());
        let here = format!("http://127.0.0.1:{}/", self.server.port);
        assert!(self.seen.iter().any(|event| event["method"] == "Network.requestWillBeSent"));
        let found = complaints(&self.seen, |url| url.starts_with(&here) || url.starts_with("about:"));
        assert_eq!(found, Vec::<String>::new());
    }
}

fn walk(width: u32, scheme: &str) {
    let Some(mut visitor) = Visitor::new(width, scheme) else { return };
    let _watchdog = Watchdog::new("the virtual phone in a browser", 240);
    visitor.fits();
    // What is to pass is skipped, so that nothing depends on how fast this machine is.
    visitor.time_runs(1);

    // Read: no further step is begun.
    visitor.press("#create-button");
    visitor.wait("document.getElementById('created').innerText.includes('Sent by Messenger')");
    let code = visitor.reads("messenger");
    visitor.step_is("messenger", "read");
    visitor.step_is("sms", "stopped");
    visitor.types(&wrong(&code), "4 tries are left");
    visitor.types(&code, "Right");
    visitor.types(&code, "Already used");
    assert!(visitor.text("#standing").contains("verified, once"));

    // Ignored: the next step comes, and nobody who types a code in time is called.
    visitor.starts_over();
    visitor.press("#create-button");
    visitor.press(".message.messenger .no");
    visitor.wait("document.querySelector('.message.messenger').innerText.includes('Ignored')");
    visitor.minutes_pass(2);
    let code = visitor.reads("sms");
    visitor.step_is("sms", "delivered");
    assert!(visitor.text(".step[data-channel=sms]").contains("Then a call in"));
    visitor.types(&code, "Right");
    visitor.step_is("voice", "stopped");

    // Locked: after five wrong codes not even the right one is looked at.
    visitor.starts_over();
    visitor.press("#create-button");
    let code = visitor.reads("messenger");
    for left in ["4 tries are left", "3 tries are left", "2 tries are left", "1 try is left", "that was the last try"] {
        visitor.types(&wrong(&code), left);
    }
    visitor.types(&code, "Locked");
    visitor.press("#again");
    visitor.wait("document.getElementById('verified').innerText.includes('Create a new code')");
    visitor.wait("document.getElementById('limits').innerText.includes('5 of 5')");

    // Expired.
    visitor.starts_over();
    visitor.press("#create-button");
    let code = visitor.reads("messenger");
    visitor.minutes_pass(10);
    visitor.types(&code, "Expired");

    // A carrier that refuses: the next one has the message at once. And what the limits do not allow is refused.
    visitor.starts_over();
    let refuse = "(() => { const it = document.getElementById('carrier-vonage'); it.value = 'refuses';
                    it.dispatchEvent(new Event('change')); })()";
    visitor.browser.evaluate(refuse);
    visitor.press("#create-button");
    visitor.wait("document.getElementById('created').innerText.includes('Sent by SMS')");
    visitor.step_is("messenger", "failed");
    visitor.wait("document.getElementById('carrier-vonage').value === 'works'");
    visitor.press("#create-button");
    visitor.wait("document.getElementById('created').innerText.includes('Too many messages')");
    visitor.press("#call");
    visitor.wait("document.getElementById('verified').innerText.includes('Too many messages')");
    visitor.leaves();
}

#[test]
fn a_telephone_s_browser_reads_ignores_and_types() {
    walk(390, "dark");
}

#[test]
fn a_desk_s_browser_reads_ignores_and_types() {
    walk(1280, "light");
}

/// What is new on the phone is told to who does not see it, and the keyboard reaches all of it.
#[test]
fn the_page_is_for_everybody() {
    let Some(mut visitor) = Visitor::new(1280, "light") else { return };
    let unnamed = "[...document.querySelectorAll('input, select, button')].filter((it) => it.offsetParent
        && !(it.labels?.length || it.ariaLabel || it.innerText.trim())).map((it) => it.outerHTML)";
    visitor.press("#create-button");
    visitor.wait("document.querySelector('.message.messenger')");
    assert_eq!(visitor.browser.evaluate(unnamed), json!([]), "every control has a name");
    for (place, role) in [("screen", "log"), ("created", "status"), ("verified", "status")] {
        assert_eq!(
            visitor.browser.evaluate(&format!("document.getElementById('{place}').role")),
            json!(role),
            "{place}"
        );
    }
    // From the form to the phone by the keyboard alone; what was read keeps the focus.
    visitor.browser.evaluate("document.querySelector('.message.messenger .yes').focus()");
    for kind in ["keyDown", "keyUp"] {
        let key = json!({"type": kind, "key": "Enter", "code": "Enter", "text": "\r", "windowsVirtualKeyCode": 13});
        visitor.browser.call("Input.dispatchKeyEvent", key);
    }
    visitor.wait("document.activeElement.matches('.message.messenger.read')");
    for width in [320, 760, 1100, 1920] {
        visitor.browser.look(width, "dark");
        visitor.fits();
    }
    visitor.leaves();
}

/// The picture in README. `UPDATE_SCREENSHOT=1` takes it anew.
#[test]
fn the_picture_in_the_readme_is_of_this_page() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/phone.png");
    if std::env::var("UPDATE_SCREENSHOT").as_deref() == Ok("1") {
        let mut visitor = Visitor::new(1280, "light").expect("chromium takes the picture");
        visitor.press("#create-button");
        visitor.press(".message.messenger .no");
        visitor.minutes_pass(2);
        let code = visitor.reads("sms");
        visitor.types(&wrong(&code), "4 tries are left");
        visitor.step_is("sms", "delivered");
        visitor.browser.evaluate("document.activeElement.blur(), scrollTo(0, 0)");
        std::fs::write(&file, visitor.browser.picture(1280, 860)).unwrap();
    }
    let picture = std::fs::read(&file).unwrap();
    let number = |place: usize| u32::from_be_bytes(picture[place..place + 4].try_into().unwrap());
    assert_eq!((&picture[..8], number(16)), (&b"\x89PNG\r\n\x1a\n"[..], 1280), "a PNG of a desk's width");
    assert!(picture.len() < 150 * 1024, "{} bytes", picture.len());
}
