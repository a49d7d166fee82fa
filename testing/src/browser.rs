//! Chromium without a window, told by its own protocol over two pipes what to do.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::{Folder, Watchdog, tool};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

pub struct Browser {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    session: Option<String>,
    count: u64,
    /// What it told since it was last asked.
    events: Vec<Value>,
    _folder: Folder,
    _watchdog: Watchdog,
}

impl Browser {
    /// None, said loudly, where there is no Chromium.
    pub fn new() -> Option<Self> {
        let chromium = tool("chromium")?;
        let folder = Folder::another("chromium");
        // It wants the pipes as the descriptors 3 and 4. Where tests run as root it has no sandbox.
        let script = "exec \"$0\" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
                      --disable-background-networking --disable-component-update --disable-sync \
                      --user-data-dir=\"$1\" --remote-debugging-pipe 3<&0 4>&1 0</dev/null 1>/dev/null 2>&1";
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(chromium).arg(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let (events, watchdog) = (Vec::new(), Watchdog::new("chromium", 300));
        let mut browser =
            Self { process, input, output, session: None, count: 0, events, _folder: folder, _watchdog: watchdog };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Network", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    fn read(&mut self) -> Value {
        let mut message = Vec::new();
        self.output.read_until(0, &mut message).unwrap();
        assert_eq!(message.pop(), Some(0), "chromium ended");
        serde_json::from_slice(&message).unwrap()
    }

    /// Asks for something, and waits for the answer.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.count += 1;
        let mut message = json!({"id": self.count, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.input.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let mut answer = self.read();
            if answer["id"] == self.count {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].take();
            }
            self.events.push(answer);
        }
    }

    /// The window's width, and the colours that its user prefers.
    pub fn look(&mut self, width: u32, scheme: &str) {
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", size);
        let colours = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", colours);
    }

    /// Opens a page, waits until it has loaded all that it loads, and gives what happened meanwhile.
    pub fn open(&mut self, url: &str) -> Vec<Value> {
        // The same address with another place in it would not be loaded anew.
        self.call("Page.navigate", json!({"url": "about:blank"}));
        self.events.clear();
        self.call("Page.navigate", json!({"url": url}));
        let is_loaded = |event: &Value| event["method"] == "Page.loadEventFired";
        let mut loads = self.events.iter().filter(|event| is_loaded(event)).count();
        // The first may be that of the blank page.
        while loads == 0 || self.evaluate("document.readyState + location.href") != json!(format!("complete{url}")) {
            let event = self.read();
            loads += usize::from(is_loaded(&event));
            self.events.push(event);
        }
        std::mem::take(&mut self.events)
    }

    /// The upper part of the page, of this size, as a PNG in 256 colours, which is small. It leaves the page.
    pub fn picture(&mut self, width: u32, height: u32) -> Vec<u8> {
        self.call("Emulation.setScrollbarsHidden", json!({"hidden": true}));
        let clip = json!({"x": 0, "y": 0, "width": width, "height": height, "scale": 1});
        let taken = self.call("Page.captureScreenshot", json!({"format": "png", "clip": clip}));
        // A page's own rules may forbid what makes the picture small.
        self.call("Page.navigate", json!({"url": "about:blank"}));
        let taken = taken["data"].as_str().unwrap();
        let small =
            self.evaluate(&format!("({})('data:image/png;base64,{taken}')", include_str!("browser/picture.js")));
        let part = |name: &str| STANDARD.decode(small[name].as_str().unwrap()).unwrap();
        png(width, height, &part("palette"), &part("rows"))
    }

    /// What happened since it was last asked.
    pub fn events(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.events)
    }

    /// What an expression comes to, or what it promises.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut answer = self.call("Runtime.evaluate", asked);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].take()
    }
}

/// A picture whose rows, compressed, name colours of a palette.
fn png(width: u32, height: u32, palette: &[u8], rows: &[u8]) -> Vec<u8> {
    let (mut file, by_palette) = (b"\x89PNG\r\n\x1a\n".to_vec(), [8, 3, 0, 0, 0]);
    let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), &by_palette].concat();
    for (kind, content) in [(b"IHDR", &head[..]), (b"PLTE", palette), (b"IDAT", rows), (b"IEND", &[])] {
        file.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
        let chunk = [kind, content].concat();
        file.extend_from_slice(&chunk);
        file.extend(crc32(&chunk).to_be_bytes());
    }
    file
}

/// The checksum of PNG and zip.
fn crc32(bytes: &[u8]) -> u32 {
    let shift = |sum: u32| (sum >> 1) ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 };
    !bytes.iter().fold(!0, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), |sum, _| shift(sum)))
}

/// What a page asked for that is not here, and what its scripts complained of.
pub fn complaints(events: &[Value], is_here: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for event in events {
        let parameters = &event["params"];
        match event["method"].as_str().unwrap_or_default() {
            "Network.requestWillBeSent" => {
                let url = parameters["request"]["url"].as_str().unwrap();
                found.extend((!is_here(url)).then(|| format!("asks for {url}")));
            }
            "Network.loadingFailed" => found.push(format!("was not given {parameters}")),
            "Runtime.exceptionThrown" => found.push(parameters["exceptionDetails"].to_string()),
            "Runtime.consoleAPICalled" if parameters["type"] == "error" => found.push(parameters["args"].to_string()),
            "Log.entryAdded" if parameters["entry"]["level"] == "error" => found.push(parameters["entry"].to_string()),
            _ => {}
        }
    }
    found
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
