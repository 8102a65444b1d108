//! A browser for tests: headless Chromium, asked over WebDriver. Where it is not installed there is none, and it is said.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// A browser with one page.
pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts it; `None` with a message if it is not installed.
    pub(crate) fn start() -> Option<Self> {
        let driver = installed(&["chromedriver", "/usr/bin/chromedriver", "/usr/lib/chromium/chromedriver"]);
        let chromium = installed(&["chromium", "/usr/bin/chromium", "google-chrome"]);
        let (Some(driver), Some(chromium)) = (driver, chromium) else {
            println!("SKIPPED: chromium and chromedriver are not installed, so the page is not opened");
            return None;
        };
        let mut driver = Command::new(driver).arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        // The first line repeats the port that was asked for, 0; the one after says which one it got.
        let port = lines.find_map(|line| line.ok()?.split("started successfully on port ").nth(1)?.trim_end_matches('.').parse().ok());
        let port = port.expect("chromedriver says its port");
        // What else it says is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Self { driver, port, session: String::new(), _profile: profile };
        let profile = format!("--user-data-dir={}", browser._profile.path().display());
        let flags = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--window-size=1300,1000",
            &profile,
        ];
        let options = json!({ "binary": chromium, "args": flags });
        let wanted = json!({
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let made = browser.post("/session", &json!({ "capabilities": { "alwaysMatch": wanted } }));
        browser.session = made["sessionId"].as_str().expect("a session").to_owned();
        browser.ask("timeouts", &json!({ "script": 110_000 }));
        Some(browser)
    }

    /// Opens a file, at a fragment, and waits until it is loaded and its scripts have run: the driver may answer while a page
    /// that took the place of another is still being read.
    pub(crate) fn open(&self, path: &Path, fragment: &str) {
        let url = format!("file://{}{fragment}", path.display());
        self.go(&url);
        self.settles("[location.pathname, document.readyState, performance.timing.loadEventEnd > 0]", &json!([path, "complete", true]));
    }

    /// Waits until an expression has a value: what a page shows follows some frames after what was done to it.
    ///
    /// # Panics
    ///
    /// If it has another one after half a minute.
    pub(crate) fn settles(&self, expression: &str, wanted: &Value) {
        let mut value = Value::Null;
        for _ in 0..600 {
            value = self.run(&format!("return {expression}"));
            if value == *wanted {
                return;
            }
            self.run_later("setTimeout(arguments[arguments.length - 1], 50)");
        }
        panic!("{expression} is {value}, not {wanted}");
    }

    pub(crate) fn go(&self, url: &str) {
        self.ask("url", &json!({ "url": url }));
    }

    /// Runs a script in the page and returns what it returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.ask("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Runs a script that calls its last argument with the outcome.
    pub(crate) fn run_later(&self, script: &str) -> Value {
        self.ask("execute/async", &json!({ "script": script, "args": [] }))
    }

    /// Sends a command of the developer tools.
    pub(crate) fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.ask("goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// Presses and releases keys, one after the other.
    pub(crate) fn press(&self, keys: &[char]) {
        let strokes: Vec<Value> = keys
            .iter()
            .flat_map(|key| [json!({ "type": "keyDown", "value": key.to_string() }), json!({ "type": "keyUp", "value": key.to_string() })])
            .collect();
        self.ask("actions", &json!({ "actions": [{ "type": "key", "id": "keys", "actions": strokes }] }));
    }

    /// Returns the entries of a log since it was last asked.
    pub(crate) fn log(&self, kind: &str) -> Vec<Value> {
        self.ask("se/log", &json!({ "type": kind })).as_array().cloned().unwrap_or_default()
    }

    /// Prints the page; returns how many sheets there are.
    pub(crate) fn print(&self) -> (usize, usize) {
        let pdf = base64(self.ask("print", &json!({ "background": true })).as_str().expect("a document"));
        let text: String = pdf.iter().map(|byte| char::from(*byte)).collect();
        assert!(text.starts_with("%PDF-"), "it is no document");
        (text.matches("/Type /Page\n").count(), pdf.len())
    }

    fn ask(&self, what: &str, body: &Value) -> Value {
        self.post(&format!("/session/{}/{what}", self.session), body)
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.request("POST", path, &body.to_string());
        let value: Value = serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{path}: {error}: {answer}"));
        assert!(value["value"]["error"].is_null(), "{path}: {}", value["value"]);
        value["value"].clone()
    }

    fn request(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.port,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(reader.read_line(&mut line).unwrap() > 0, "{path}: chromedriver went away");
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut bytes = vec![0; length];
        reader.read_exact(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.request("DELETE", &format!("/session/{}", self.session), "");
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Returns the first of these programs that starts.
fn installed(names: &[&str]) -> Option<String> {
    let starts = |name: &&&str| Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    let found = names.iter().find(starts)?;
    // chromedriver wants a path.
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let full = std::env::split_paths(&paths).map(|folder| folder.join(found)).find(|path| path.is_file());
    Some(full.map_or_else(|| (*found).to_owned(), |path| path.display().to_string()))
}

/// Reads standard base64.
fn base64(text: &str) -> Vec<u8> {
    let sextet = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut bytes, mut word, mut bits) = (Vec::new(), 0_u32, 0);
    for six in text.bytes().filter_map(sextet) {
        word = word << 6 | u32::from(six);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(word >> bits & 0xff).unwrap());
        }
    }
    bytes
}
