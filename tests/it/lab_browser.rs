//! `examples/lab` in Chromium: the page that is recorded, and the live page with each of its
//! buttons.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::browser::{Browser, PATIENCE, chromium};
use crate::examples::Example;
use crate::lab::{finish, lab, path};

#[test]
fn a_recorded_page_shows_each_client_and_lists_it() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out.html");
    let script = "0:silent=300 0:sleep=200 20:sleep=100 40:panic";
    let strategies = ["--strategies", "sequential,threading:2,forking,prefork:2"];
    finish(lab(&["record", path(&out), script]), &strategies, 0);
    assert!(!fs::read_to_string(&out).unwrap().contains("<script"), "it needs a script");

    let profile = tempfile::tempdir().unwrap();
    let mut command = chromium(profile.path());
    command.arg("--dump-dom").arg(format!("file://{}", out.display()));
    let Ok(output) = command.stderr(Stdio::null()).output() else {
        println!("skipped: there is no chromium");
        return;
    };
    let page = String::from_utf8(output.stdout).unwrap();
    let panels: Vec<_> = page.split("<section ").skip(1).collect();
    assert_eq!(panels.len(), 4, "{page}");
    for panel in panels {
        let (_, picture) = panel.split_once("by-client").unwrap();
        let (picture, _) = picture.split_once("by-worker").unwrap();
        let count = |class: &str| picture.matches(&format!("<rect class=\"{class}")).count();
        assert_eq!([count("silent"), count("w w"), count("lost")], [1, 2, 1], "{picture}");
        assert_eq!(count("wait"), 3, "{picture}");
        assert_eq!(count(""), picture.matches("<title>").count(), "{picture}");
        // A text beside each colour.
        assert_eq!(picture.matches("<text class=\"who\"").count(), 4, "{picture}");
        assert!(picture.contains("said nothing") && picture.contains(">✗ "), "{picture}");
        let (_, table) = panel.split_once("<table>").unwrap();
        assert_eq!(table.matches("<th scope=\"row\">").count(), 4, "{table}");
        assert_eq!(table.matches("<td>answered</td>").count(), 2, "{table}");
    }
}

#[test]
fn each_button_of_the_live_page_does_what_it_says() {
    let example = Example::run("lab", &["0"]);
    let Some(mut page) = Page::open(&format!("http://{}/", example.address)) else { return };
    page.wait_for("document.body.dataset.ready === '1'");

    page.evaluate("document.querySelector('button[value=slow]').click()");
    page.wait_for("$('status').textContent === 'Runs: slow'");
    // Bars grow.
    let width =
        "parseFloat(document.querySelector('#panel0 .by-client .w0')?.getAttribute('width'))";
    page.wait_for(&format!("{width} > 1"));
    let before = page.evaluate(width).as_f64().unwrap();
    page.wait_for(&format!("{width} > {before} + 1"));
    page.wait_for("$('status').textContent === 'Done: slow'");
    let answered = "all('section').map(one => one.querySelector('.figures b').textContent).join()";
    assert_eq!(page.evaluate(answered), "6 of 6,6 of 6,6 of 6,6 of 6");

    // A crash is red, more of it where clients share a process; and so again.
    let lost = "all('section').map(one => one.querySelectorAll('.by-client .lost').length).join()";
    page.evaluate("document.querySelector('button[value=crash]').click()");
    page.wait_for("$('status').textContent === 'Done: crash'");
    let after_crash = page.evaluate(lost);
    assert!(after_crash.as_str().unwrap().starts_with("4,5,1,"), "{after_crash}");
    page.evaluate("$('again').click()");
    page.wait_for("$('status').textContent === 'Runs: crash'");
    page.wait_for("$('status').textContent === 'Done: crash'");
    assert!(page.evaluate(lost).as_str().unwrap().starts_with("4,5,1,"));

    for button in ["flood", "preconnect", "slowloris", "reader", "panic", "state", "spin"] {
        page.evaluate(&format!("document.querySelector('button[value={button}]').click()"));
        page.wait_for(&format!("$('status').textContent === 'Runs: {button}'"));
        page.wait_for(&format!(
            "document.querySelector('button[value={button}]').ariaPressed === 'true'"
        ));
    }

    // A strategy that is chosen between two runs is there with its lines; one that is not is gone.
    let seen = "all('section', main).filter(one => !one.hidden).map(nameOf).join()";
    let ours = "Sequential,ThreadPool(2),Forking,PreFork(2)";
    page.wait_for("$('status').textContent === 'Done: spin'");
    page.evaluate("document.querySelector('#strategies input[value=own]').click()");
    assert_eq!(page.evaluate(seen), format!("{ours},ThreadingMixIn, your own"));
    page.evaluate("document.querySelector('#strategies input[value=own]').click()");
    assert_eq!(page.evaluate(seen), ours);

    // Strategies are chosen, and their lines shown.
    page.evaluate("all('#strategies input').forEach(box => box.checked = box.value === 'own')");
    page.evaluate("document.querySelector('[name=slower][value=\"2\"]').click()");
    page.evaluate("$('own').value = '0:count 100:sleep=50'");
    page.evaluate("document.querySelector('#controls button:not([type])').click()");
    page.wait_for("$('status').textContent === 'Done: your own clients'");
    assert_eq!(page.evaluate("$('words').textContent"), "0:count 200:sleep=100");
    assert_eq!(page.evaluate("all('section').length"), 1);
    page.evaluate("document.querySelector('.line summary').click()");
    let line = page.evaluate(
        "document.querySelector('.line code').checkVisibility() && \
                              document.querySelector('.line code').textContent",
    );
    assert!(line.as_str().unwrap().contains("ThreadingMixIn::default()"), "{line}");
    page.evaluate("$('own').value = '0:fly'");
    page.evaluate("document.querySelector('#controls button:not([type])').click()");
    page.wait_for("$('status').textContent.includes(\"no client does 'fly'\")");

    // The other lanes, and the page to keep.
    let shown = "['.by-client', '.by-worker'].map(one => \
                 document.querySelector(one).checkVisibility()).join()";
    assert_eq!(page.evaluate(shown), "true,false");
    page.evaluate("$('by-worker').click()");
    assert_eq!(page.evaluate(shown), "false,true");
    let saved = page.evaluate("fetch($('save').href).then(answer => answer.text())");
    let saved = saved.as_str().unwrap();
    assert!(saved.contains("visit 1 Thread-1") && saved.ends_with("</html>\n"), "{saved}");
}

/// Widths and heights, of a phone and of two beamers among them.
const SCREENS: [(&str, u32, u32); 4] =
    [("phone", 390, 844), ("small", 1024, 768), ("laptop", 1280, 900), ("beamer", 1920, 1080)];

/// `LAB_SHOTS=DIRECTORY` keeps the pictures, to be looked at.
#[test]
fn pages_fit_a_phone_a_beamer_and_the_dark() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out.html");
    let script = "0:slow-reader=1000 0:sleep=200 20:sleep=100 40:panic 50:count 60:count";
    let ours = ["--strategies", "sequential,threading:2,forking,prefork:2"];
    finish(lab(&["record", path(&out), script]), &ours, 0);
    let Some(mut page) = Page::open(&format!("file://{}", out.display())) else { return };
    page.wait_for("document.readyState === 'complete'");
    check_looks(&mut page, "recorded");
    check_print(&mut page);

    let example = Example::run("lab", &["0"]);
    let url = format!("http://{}/", example.address);
    page.call("Page.navigate", json!({"url": url}));
    page.wait_for("document.body.dataset.ready === '1'");
    page.evaluate(&format!("run('{script}')"));
    page.wait_for("$('status').textContent === 'Done: your own clients'");
    check_looks(&mut page, "live");
}

/// Nothing of a page is out of sight, in the light and in the dark.
fn check_looks(page: &mut Page, name: &str) {
    for (screen, width, height) in SCREENS {
        let is_phone = width < 600;
        let screen_size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone,
        });
        page.call("Emulation.setDeviceMetricsOverride", screen_size);
        for (scheme, ink) in [("light", "rgb(0, 0, 0)"), ("dark", "rgb(255, 255, 255)")] {
            page.emulate("", scheme);
            let text = "getComputedStyle(document.querySelector('text.who')).fill";
            assert_eq!(page.evaluate(text), ink, "{name}, {screen}, {scheme}");
            page.keep_shot(&format!("{name}-{screen}-{scheme}"));
        }
        let view = format!("{name}, {screen}");
        let hidden = page.evaluate(
            "[...document.querySelectorAll('main :not(.table *), p, fieldset')].filter(one => {
                const box = one.getBoundingClientRect();
                const place = one.closest('section')?.getBoundingClientRect();
                return box.width && (box.left < (place?.left ?? 0)
                    || box.right > (place?.right ?? innerWidth));
            }).map(one => one.outerHTML.slice(0, 200)).join('; ')",
        );
        assert_eq!(hidden, "", "{view}");
        let sideways = "document.documentElement.scrollWidth <= innerWidth";
        assert_eq!(page.evaluate(sideways), true, "{view}");
        // A class sees all of them at once, and the buttons above.
        let end = "Math.max(...[...document.querySelectorAll('.pictures')].map(one => \
                   one.getBoundingClientRect().bottom)) <= innerHeight && scrollY === 0";
        assert!(is_phone || page.evaluate(end) == true, "{view}");
    }
}

/// On paper a page is light, and panels stay whole.
fn check_print(page: &mut Page) {
    page.emulate("print", "dark");
    let looks = "['section', '.by-client .who', '.by-client .w0', 'form, fieldset'].map(one => \
                 getComputedStyle(document.querySelector(one))).map((style, index) => \
                 [style.breakInside, style.fill, style.fill, style.display][index]).join('; ')";
    assert_eq!(page.evaluate(looks), "avoid; rgb(0, 0, 0); rgb(68, 119, 170); none");
    page.emulate("", "light");
    let document = page.call("Page.printToPDF", json!({"printBackground": false}));
    let document = BASE64.decode(document["data"].as_str().unwrap().as_bytes()).unwrap();
    let text = String::from_utf8_lossy(&document);
    assert!(text.starts_with("%PDF-") && text.contains("/Count 1\n"), "one page");
}

/// A page in a browser, driven by the protocol of its debugger.
struct Page {
    _browser: Browser,
    socket: WebSocket<TcpStream>,
    session: Option<String>,
    calls: u64,
}

impl Page {
    fn open(url: &str) -> Option<Self> {
        let mut browser = Browser::start(|command| {
            command.args(["--remote-debugging-port=0", "about:blank"]);
            command.stdout(Stdio::null()).stderr(Stdio::piped());
        })?;
        let lines = BufReader::new(browser.child.stderr.take().unwrap()).lines();
        let mut addresses = lines
            .map_while(Result::ok)
            .filter_map(|line| Some(line.split_once("ws://")?.1.to_owned()));
        let address = addresses.next().expect("where the browser listens");
        thread::spawn(move || addresses.for_each(drop)); // It must not wait for a reader.
        let stream = TcpStream::connect(address.split('/').next().unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (socket, _) = tungstenite::client(format!("ws://{address}"), stream).unwrap();
        let mut page = Self { _browser: browser, socket, session: None, calls: 0 };
        let target = page.call("Target.createTarget", json!({"url": url}))["targetId"].clone();
        let attach = json!({"targetId": target, "flatten": true});
        let session = page.call("Target.attachToTarget", attach)["sessionId"].clone();
        page.session = Some(session.as_str().unwrap().to_owned());
        Some(page)
    }

    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.calls += 1;
        let mut call = json!({"id": self.calls, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            call["sessionId"] = session.as_str().into();
        }
        self.socket.send(Message::text(call.to_string())).unwrap();
        loop {
            let message = self.socket.read().unwrap();
            let Ok(text) = message.to_text() else { continue };
            let answer: Value = serde_json::from_str(text).unwrap();
            if answer["id"] == self.calls {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    /// Pretends that it is shown on this medium, to a user who likes this scheme.
    fn emulate(&mut self, medium: &str, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({"media": medium, "features": features}));
    }

    fn keep_shot(&mut self, name: &str) {
        let Some(directory) = env::var_os("LAB_SHOTS") else { return };
        let shot = self.call("Page.captureScreenshot", json!({"captureBeyondViewport": true}));
        let shot = BASE64.decode(shot["data"].as_str().unwrap().as_bytes()).unwrap();
        fs::write(Path::new(&directory).join(name).with_extension("png"), shot).unwrap();
    }

    fn evaluate(&mut self, expression: &str) -> Value {
        let parameters =
            json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", parameters);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until this is true; what fails while the page is loaded is not.
    fn wait_for(&mut self, condition: &str) {
        let end = Instant::now() + PATIENCE;
        let condition = format!("(() => {{ try {{ return {condition} }} catch {{}} }})()");
        while self.evaluate(&condition) != true {
            let status = "document.getElementById('status')?.textContent";
            assert!(Instant::now() < end, "{condition}: {}", self.evaluate(status));
            thread::sleep(Duration::from_millis(20));
        }
    }
}
