//! The HTML report: what it says and in which order, its size, hostile names, and how it behaves in a browser.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};
use tenet::model::Verdict;
use tenet::report::{Format, Rendering, ResultDocument, Surroundings, TableStyle, write_report};
use tenet::snapshot::Snapshot;

use crate::browser::Browser;
use crate::formats::{repo, tenants};
use crate::program::tenet;
use crate::tenant::Tenant;

const TABLE: TableStyle = TableStyle { lines: false, width: 160 };

/// Writes the page of a result.
fn page(result: &ResultDocument, surroundings: Option<Surroundings<'_>>) -> String {
    let mut bytes = Vec::new();
    write_report(Format::Html, result, Rendering { table: TABLE, surroundings }, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// The result of the demo tenant, and its snapshot.
fn contoso() -> (ResultDocument, Snapshot) {
    let folder = repo("contoso");
    let text = tenet(folder.path(), &["-q", "scan", "-f", "json"]).stdout;
    let tenant = Tenant::open("contoso");
    let records = tenant.records(&tenant.answers(), false).unwrap();
    (serde_json::from_str(&text).unwrap(), Snapshot::freeze(std::sync::Arc::clone(&tenant.compiled.policies.schema), records))
}

fn around<'a>(result: &ResultDocument, snapshot: &'a Snapshot) -> Surroundings<'a> {
    Surroundings { snapshot, now: result.now.parse().unwrap() }
}

/// A result with at least `n` findings that do not pass: that of the demo tenant, with every finding again for other subjects.
fn grown(result: &ResultDocument, n: usize) -> ResultDocument {
    let mut grown = result.clone();
    let is_told = |verdict: Verdict| matches!(verdict, Verdict::Fail | Verdict::Unknown | Verdict::Pending);
    let n_told = result.findings.iter().filter(|finding| is_told(finding.verdict)).count();
    let times = n.div_ceil(n_told);
    for copy in 1..times {
        grown.findings.extend(result.findings.iter().cloned().map(|mut finding| {
            finding.key += &format!("#{copy}");
            if let Some(subject) = finding.subject.as_mut() {
                // A tenant that is as many times as large.
                subject.id = subject.id.replace("/subscriptions/5b", &format!("/subscriptions/{copy:02x}")) + &format!("-{copy}");
                subject.name += &format!(" {copy}");
            }
            finding
        }));
    }
    let counts = &mut grown.summary.verdicts;
    for n in [&mut counts.fail, &mut counts.waived, &mut counts.unknown, &mut counts.pending, &mut counts.pass] {
        *n *= times;
    }
    grown
}

/// Checks that a page is well-formed XML with `xmllint`; says so where that is not installed.
fn is_well_formed(page: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.html");
    fs::write(&path, page).unwrap();
    match Command::new("xmllint").args(["--noout", "--nonet", "--huge"]).arg(&path).output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => println!("SKIPPED: xmllint is not installed, so the page is not parsed"),
    }
}

#[test]
fn every_fixture_gives_a_well_formed_page() {
    for tenant in tenants() {
        let folder = repo(tenant);
        let page = tenet(folder.path(), &["-q", "scan", "-f", "html"]).stdout;
        assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"), "{tenant}");
        is_well_formed(&page);
    }
}

#[test]
fn the_page_says_everything_in_its_order() {
    let (result, snapshot) = contoso();
    let page = page(&result, Some(around(&result, &snapshot)));
    let mut last = 0;
    for part in [
        "<h1>Contoso</h1>",
        "a.snapshot, sha256:",
        "id=\"h-verdict\"",
        "79 requirements are not met, and 50 verdicts could not be decided.",
        "438 of 488 verdicts were decided",
        "id=\"h-unread\"",
        "<code>Scope.role_assignments</code>",
        "id=\"h-changes\"",
        "id=\"h-waivers\"",
        "GOV-121",
        "registers/designations.yaml",
        "id=\"h-overview\"",
        "class=\"heat\"",
        "id=\"h-partners\"",
        "guest user",
        "id=\"h-findings\"",
        "class=\"f fail\"",
        "id=\"h-rules\"",
        "DPOR-106",
    ] {
        let at = page[last..].find(part).unwrap_or_else(|| panic!("{part} does not stand after byte {last}"));
        last += at;
    }
    let told = page.matches("<details class=\"f ").count();
    let Verdicts { fail, waived, unknown, pending } = Verdicts::of(&result);
    assert_eq!(told, fail + waived + unknown + pending, "each finding that does not pass is told");
    for (verdict, n) in [("fail", fail), ("waived", waived), ("unknown", unknown), ("pending", pending)] {
        assert_eq!(page.matches(&format!("<details class=\"f {verdict}\"")).count(), n, "{verdict}");
    }
    for part in
        ["<b>Expected</b>", "<b>Observed</b>", "<b>To decide it, know</b>", "<b>Attested</b>", "<b>To do</b>", "Text of the rule", "<svg "]
    {
        assert!(page.contains(part), "{part}");
    }
    let anchors: Vec<&str> = page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let distinct: std::collections::BTreeSet<&str> = anchors.iter().copied().collect();
    assert_eq!(distinct.len(), anchors.len(), "every id stands once");
    for target in page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(distinct.contains(target), "#{target} leads nowhere");
    }
}

struct Verdicts {
    fail: usize,
    waived: usize,
    unknown: usize,
    pending: usize,
}

impl Verdicts {
    fn of(result: &ResultDocument) -> Self {
        let counts = &result.summary.verdicts;
        Self { fail: counts.fail, waived: counts.waived, unknown: counts.unknown, pending: counts.pending }
    }
}

#[test]
fn without_the_snapshot_the_page_says_that_it_has_no_pictures() {
    let folder = repo("contoso");
    let scanned = tenet(folder.path(), &["-q", "scan", "-f", "json=r.json", "-f", "html"]).stdout;
    let again = tenet(folder.path(), &["-q", "report", "r.json", "-f", "html"]).ends(0, "").stdout;
    assert!(scanned == again, "with the snapshot at hand the page is the same");
    fs::rename(folder.path().join("snapshots"), folder.path().join("elsewhere")).unwrap();
    let without = tenet(folder.path(), &["report", "r.json", "-f", "html"]).ends(0, "ok");
    assert!(without.stderr.contains("the page goes without pictures: the snapshot of the result is not in"), "{}", without.stderr);
    assert!(!without.stdout.contains("<svg ") && without.stdout.contains("This report was made without the snapshot"));
}

#[test]
fn a_gap_never_looks_green() {
    let folder = repo("stories/unreadable_users");
    let page = tenet(folder.path(), &["-q", "scan", "-f", "html"]).stdout;
    assert!(!page.contains("class=\"verdict pass\""), "there are unknowns");
    assert!(page.contains("could not be decided") && !page.contains("Everything the rules asked for was read."));
}

#[test]
fn pages_are_small_enough() {
    let (result, snapshot) = contoso();
    for (n, limit) in [(1_000, 1_000_000), (5_000, 5_000_000)] {
        let grown = grown(&result, n);
        let page = page(&grown, Some(around(&result, &snapshot)));
        println!("{n} findings: {} bytes", page.len());
        assert!(page.len() < limit, "{n} findings take {} bytes", page.len());
        let told = page.matches("<details class=\"f ").count();
        assert!(told >= n, "{told} of {n} are told");
        is_well_formed(&page);
    }
}

#[test]
fn hostile_names_stay_text() {
    let (mut result, _) = contoso();
    let plain = page(&result, None);
    let elements = |page: &str| page.matches('<').count();
    let hostile = [
        "</script><img src=x onerror=alert(1)>",
        "'\"><svg onload=alert(1)>",
        "]]></style><script>/*",
        "&lt;b&gt; &#60; {{ 7*7 }} {% raw %}",
        "\u{1b}[31m\u{202e}\u{0}\u{ffff}\r\n",
        "javascript:alert(1)",
    ];
    let long = "A<".repeat(32_768);
    let name = |at: usize| if at.is_multiple_of(50) { long.clone() } else { hostile[at % hostile.len()].to_owned() };
    for (at, finding) in result.findings.iter_mut().enumerate() {
        if let Some(subject) = finding.subject.as_mut() {
            subject.name = name(at);
        }
        finding.message = finding.message.as_ref().map(|_| name(at + 1));
        finding.remedy = finding.remedy.as_ref().map(|_| name(at + 2));
        for line in &mut finding.explanation {
            line.text = name(at + 3);
            for item in &mut line.evidence {
                item.value = name(at + 4);
                item.subject.name = name(at + 5);
                item.source = Some(name(at + 1));
            }
        }
    }
    for (at, unread) in result.unread.iter_mut().enumerate() {
        unread.reasons = vec![name(at + 1), name(at + 2)];
    }
    result.tenant = Some(name(1));
    let made = page(&result, None);
    is_well_formed(&made);
    let scripts = |page: &str| {
        (page.matches("<script").count(), page.matches("<style").count(), page.matches("<img").count(), page.matches("<svg").count())
    };
    assert_eq!(scripts(&made), scripts(&plain));
    assert!(elements(&made) > 1_000);
    let controls =
        made.chars().filter(|c| (c.is_control() && *c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{fffe}' | '\u{ffff}'));
    assert_eq!(controls.count(), 0);
    assert!(!made.contains(&"A&#60;".repeat(400)), "long names are cut");
}

/// The axes of the page in a browser, over one session, since starting it takes longest.
#[test]
fn the_page_works_in_a_browser() {
    let Some(browser) = Browser::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (result, snapshot) = contoso();
    let path = folder.path().join("report.html");
    fs::write(&path, page(&result, Some(around(&result, &snapshot)))).unwrap();
    browser.log("performance");
    browser.open(&path, "");
    filters_narrow(&browser, &result);
    the_state_stands_in_the_fragment(&browser, &path, &result);
    a_link_leads_to_a_finding(&browser, &path, &result);
    tables_are_sorted(&browser, &path);
    the_keyboard_is_enough(&browser, &path);
    nothing_is_asked_for(&browser, &path);
    it_prints(&browser);
    it_is_accessible(&browser, &path);
    many_findings_open(&browser, folder.path(), &result, &snapshot);
    it_works_without_scripts(&browser, folder.path(), &path);
}

/// Keys as WebDriver names them (section "Keyboard actions").
const TAB: char = '\u{e004}';
const ENTER: char = '\u{e007}';

const SHOWN: &str = "[...document.querySelectorAll('.f')].filter(f => !f.closest('[hidden]'))";

fn n(browser: &Browser, script: &str) -> usize {
    usize::try_from(browser.run(&format!("return {script}")).as_u64().unwrap_or_else(|| panic!("{script}"))).unwrap()
}

/// Waits until so many findings are shown.
fn shows(browser: &Browser, wanted: usize) {
    browser.settles(&format!("{SHOWN}.length"), &json!(wanted));
}

fn set(browser: &Browser, script: &str) {
    let body = format!("{script}; document.getElementById('filters').dispatchEvent(new Event('input', {{ bubbles: true }}))");
    browser.run(&body);
    browser.run_later("setTimeout(arguments[arguments.length - 1], 200)");
}

fn filters_narrow(browser: &Browser, result: &ResultDocument) {
    let Verdicts { fail, waived, unknown, pending } = Verdicts::of(result);
    let all = fail + waived + unknown + pending;
    shows(browser, all);
    let status = browser.run("return document.getElementById('shown').textContent");
    assert_eq!(status, format!("{all} of {all} findings shown"));
    set(browser, "document.querySelector('input[value=unknown]').click()");
    shows(browser, unknown);
    set(browser, "document.querySelector('input[value=fail]').click()");
    shows(browser, unknown + fail);
    set(browser, "document.querySelector('input[value=critical]').click()");
    let critical = result.findings.iter().filter(|finding| {
        let told = finding.verdict == Verdict::Unknown || (finding.verdict == Verdict::Fail && !finding.waived);
        told && finding.severity.name() == "critical"
    });
    shows(browser, critical.count());
    set(browser, "document.querySelector('button[type=reset]').click(); document.forms[0].elements.r.value = 'OWNER-001'");
    let owner = |finding: &&tenet::report::FindingResult| {
        finding.rule == "OWNER-001" && matches!(finding.verdict, Verdict::Fail | Verdict::Unknown)
    };
    shows(browser, result.findings.iter().filter(owner).count());
    set(browser, "document.querySelector('button[type=reset]').click(); document.forms[0].elements.q.value = 'hr systems payroll'");
    let texts = browser.run(&format!("return {SHOWN}.map(f => f.textContent.toLowerCase())"));
    let texts = texts.as_array().unwrap();
    assert!(!texts.is_empty() && texts.iter().all(|text| text.as_str().unwrap().contains("hr systems")), "{texts:?}");
    set(browser, "document.querySelector('button[type=reset]').click(); document.querySelector('input[value=pass]').click()");
    shows(browser, 0);
    assert!(n(browser, "[...document.querySelectorAll('.ok')].filter(f => !f.closest('[hidden]')).length") > 10);
    set(browser, "document.querySelector('button[type=reset]').click()");
    shows(browser, all);
}

fn the_state_stands_in_the_fragment(browser: &Browser, path: &Path, result: &ResultDocument) {
    set(
        browser,
        "document.querySelector('input[value=unknown]').click(); const s = document.forms[0].elements.u; s.selectedIndex = [...s.options].findIndex(o => o.textContent === 'Logistics')",
    );
    let fragment = browser.run("return location.hash").as_str().unwrap().to_owned();
    assert_eq!(fragment, "#?v=unknown&u=Logistics");
    let shown = n(browser, &format!("{SHOWN}.length"));
    assert!(shown > 0 && shown < result.summary.verdicts.unknown);
    browser.go("about:blank");
    browser.open(path, &fragment);
    shows(browser, shown);
    browser.settles("document.querySelector('input[value=unknown]').checked", &json!(true));
}

fn a_link_leads_to_a_finding(browser: &Browser, path: &Path, result: &ResultDocument) {
    browser.go("about:blank");
    browser.open(path, "");
    let anchor = browser.run("return document.querySelectorAll('.f')[40].id").as_str().unwrap().to_owned();
    browser.go("about:blank");
    browser.open(path, &format!("#{anchor}"));
    let in_view = "(f => { const at = f.getBoundingClientRect(); return f.open && at.top >= 0 && at.top < innerHeight; })";
    browser.settles(&format!("{in_view}(document.getElementById('{anchor}'))"), &json!(true));
    browser.press(&[TAB]);
    assert_eq!(browser.run("return document.activeElement.closest('.f').id"), json!(anchor), "the next stop of the keyboard is there");
    // A link to what a filter hides takes the filter away.
    set(browser, "document.querySelector('input[value=pass]').click()");
    shows(browser, 0);
    browser.run(&format!("location.hash = '#{anchor}'"));
    let told =
        result.summary.verdicts.fail + result.summary.verdicts.waived + result.summary.verdicts.unknown + result.summary.verdicts.pending;
    shows(browser, told);
}

fn tables_are_sorted(browser: &Browser, path: &Path) {
    browser.open(path, "");
    let column = |at: usize| {
        format!("[...document.querySelector('#rule-table').tBodies[0].rows].map(r => r.cells[{at}].dataset.n || r.cells[{at}].textContent)")
    };
    let click = |at: usize| {
        browser.run(&format!("document.querySelectorAll('#rule-table thead th')[{at}].querySelector('button').click()"));
        browser.run(&format!("return document.querySelectorAll('#rule-table thead th')[{at}].getAttribute('aria-sort')"))
    };
    for at in [0, 2, 5] {
        for order in ["ascending", "descending"] {
            assert_eq!(click(at), json!(order));
            let values = browser.run(&format!("return {}", column(at)));
            let texts: Vec<&str> = values.as_array().unwrap().iter().map(|value| value.as_str().unwrap()).collect();
            let mut sorted = texts.clone();
            match texts[0].parse::<i64>() {
                Ok(_) => sorted.sort_by_key(|text| text.parse::<i64>().unwrap()),
                Err(_) => sorted.sort_by_key(|text| text.to_lowercase()),
            }
            if order == "descending" {
                sorted.reverse();
            }
            assert_eq!(texts, sorted, "column {at}, {order}");
        }
    }
    assert_eq!(n(browser, "document.querySelectorAll('#rule-table [aria-sort]').length"), 1);
}

fn the_keyboard_is_enough(browser: &Browser, path: &Path) {
    browser.go("about:blank");
    browser.open(path, "");
    // The keyboard starts at the top of the page, wherever it was before.
    browser.run("const b = document.body; b.tabIndex = -1; b.focus(); b.removeAttribute('tabindex')");
    browser.press(&[TAB]);
    assert_eq!(browser.run("return document.activeElement.className"), json!("skip"), "the first stop leads past everything");
    browser.press(&[ENTER]);
    // On from there: boxes, lists, buttons, and then the first finding.
    let mut stops = Vec::new();
    for _ in 0..60 {
        browser.press(&[TAB]);
        let stop = browser.run("const e = document.activeElement; return (e.closest('.f') ? 'FINDING ' : '') + e.tagName + ' ' + (e.name || e.id || e.textContent.slice(0, 20))");
        stops.push(stop.as_str().unwrap().to_owned());
        if stops.last().unwrap().starts_with("FINDING") {
            break;
        }
    }
    for stop in ["INPUT v", "INPUT s", "SELECT r", "SELECT u", "INPUT q", "BUTTON open-all"] {
        assert!(stops.iter().any(|seen| seen == stop), "{stop} is not reached: {stops:?}");
    }
    assert!(stops.last().unwrap().starts_with("FINDING SUMMARY"), "{stops:?}");
    assert_eq!(browser.run("return document.activeElement.closest('.f').open"), json!(false));
    browser.press(&[ENTER]);
    assert_eq!(browser.run("return document.activeElement.closest('.f').open"), json!(true));
    let outline = browser.run("return getComputedStyle(document.activeElement).outlineStyle");
    assert_eq!(outline, json!("solid"), "the focus is seen");
}

fn nothing_is_asked_for(browser: &Browser, path: &Path) {
    let entries = browser.run("return performance.getEntriesByType('resource').map(e => e.name)");
    assert_eq!(entries, json!([]), "the page loads nothing");
    let asked: Vec<String> = browser
        .log("performance")
        .iter()
        .filter_map(|entry| serde_json::from_str::<Value>(entry["message"].as_str()?).ok())
        .filter(|message| message["message"]["method"] == "Network.requestWillBeSent")
        .filter_map(|message| Some(message["message"]["params"]["request"]["url"].as_str()?.to_owned()))
        .collect();
    let own = format!("file://{}", path.display());
    assert!(!asked.is_empty(), "the browser logs what it asks for");
    // What the browser shows before the first page comes out of itself.
    let inner = |url: &str| ["about:", "chrome://", "chrome-untrusted://", "data:"].iter().any(|own| url.starts_with(own));
    let others: Vec<&String> = asked.iter().filter(|url| !url.starts_with(&own) && !inner(url)).collect();
    assert!(others.is_empty(), "{others:?}");
    // The policy of the page holds: what a script of somebody else would do is refused.
    let refused = browser.run_later(
        "const done = arguments[arguments.length - 1]; const seen = []; document.addEventListener('securitypolicyviolation', e => seen.push(e.effectiveDirective)); \
         const img = new Image(); img.src = 'http://127.0.0.1:9/x.png'; document.body.append(img); \
         const s = document.createElement('script'); s.textContent = 'window.broken = true'; document.body.append(s); \
         document.body.setAttribute('style', 'color: red'); \
         setTimeout(() => { img.remove(); s.remove(); document.body.removeAttribute('style'); done([seen.sort(), window.broken === undefined]); }, 300)",
    );
    assert_eq!(refused, json!([["img-src", "script-src-elem", "style-src-attr"], true]));
    let errors: Vec<Value> = browser
        .log("browser")
        .into_iter()
        .filter(|entry| !entry["message"].as_str().unwrap_or("").contains("Content Security Policy"))
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
}

fn it_prints(browser: &Browser) {
    let (pages, bytes) = browser.print();
    println!("printed: {pages} pages, {bytes} bytes");
    assert!((20..400).contains(&pages), "{pages} pages");
    browser.devtools("Emulation.setEmulatedMedia", json!({ "media": "print" }));
    let shown = browser.run(
        "const b = document.querySelector('.f .b'); return [b.getBoundingClientRect().height > 20, getComputedStyle(document.querySelector('nav')).display, getComputedStyle(document.getElementById('filters')).display]",
    );
    assert_eq!(shown, json!([true, "none", "none"]), "closed findings are printed, controls are not");
    browser.devtools("Emulation.setEmulatedMedia", json!({ "media": "" }));
}

fn it_is_accessible(browser: &Browser, path: &Path) {
    let axe = fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/axe/axe.min.js")).unwrap();
    for scheme in ["light", "dark"] {
        browser.go("about:blank");
        browser.devtools("Emulation.setEmulatedMedia", json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] }));
        browser.open(path, "");
        let background = browser.run("return getComputedStyle(document.body).backgroundColor");
        assert_eq!(background == json!("rgb(255, 255, 255)"), scheme == "light", "{scheme}: {background}");
        // A picture, a rule, and findings of every kind are open; what is closed has no contrast to look at.
        browser.run(
            "for (const k of ['fail', 'unknown', 'pending', 'waived']) for (const f of [...document.querySelectorAll('.f.' + k)].slice(0, 4)) f.open = true; \
             for (const q of [...document.querySelectorAll('.quiet')].slice(0, 6)) q.open = true; \
             const p = document.querySelector('figure svg'); if (p) p.closest('.f').open = true; document.querySelector('#rule-table button').click()",
        );
        browser.run(&axe);
        let outcome = browser.run_later(
            "const done = arguments[arguments.length - 1]; axe.run(document, { resultTypes: ['violations'] }).then(r => done({ violations: r.violations.map(v => v.id + ': ' + v.help + ' ' + v.nodes.slice(0, 3).map(x => x.html.slice(0, 200) + ' ' + x.failureSummary).join(' | ')), passes: r.passes.length, incomplete: r.incomplete.map(v => v.id) }), e => done({ violations: [String(e)], passes: 0, incomplete: [] }))",
        );
        println!("axe, {scheme}: {} rules pass, incomplete {}", outcome["passes"], outcome["incomplete"]);
        assert_eq!(outcome["violations"], json!([]), "{scheme}");
        assert!(outcome["passes"].as_u64().unwrap() > 20, "{scheme}: {outcome}");
    }
    browser.devtools("Emulation.setEmulatedMedia", json!({ "features": [] }));
}

fn many_findings_open(browser: &Browser, folder: &Path, result: &ResultDocument, snapshot: &Snapshot) {
    let path = folder.join("large.html");
    fs::write(&path, page(&grown(result, 5_000), Some(around(result, snapshot)))).unwrap();
    browser.go("about:blank");
    let started = Instant::now();
    browser.open(&path, "");
    let shown = n(browser, &format!("{SHOWN}.length"));
    let opened = started.elapsed();
    assert!(shown >= 5_000);
    let timing = browser.run("const t = performance.timing; return t.loadEventEnd - t.navigationStart").as_u64().unwrap();
    let filtered = browser.run_later(
        "const done = arguments[arguments.length - 1]; const said = () => document.getElementById('shown').textContent; const before = said(); \
         const f = document.forms[0]; f.elements.q.value = 'hr systems'; const t = performance.now(); f.dispatchEvent(new Event('input', { bubbles: true })); \
         const look = () => said() !== before ? done(performance.now() - t) : setTimeout(look, 5); look()",
    );
    println!("5,000 findings: loaded in {timing} ms, ready in {} ms, filtered in {filtered} ms", opened.as_millis());
}

/// The page with a policy that lets no script run: what a browser without scripts shows.
fn it_works_without_scripts(browser: &Browser, folder: &Path, path: &Path) {
    let page = fs::read_to_string(path).unwrap();
    let from = page.find("script-src ").unwrap();
    let to = from + page[from..].find(';').unwrap();
    let without = folder.join("without.html");
    fs::write(&without, [&page[..from], "script-src 'none'", &page[to..]].concat()).unwrap();
    browser.open(&without, "");
    let state = browser.run("return [document.getElementById('filters').hidden, document.querySelectorAll('th button').length, document.querySelectorAll('.f').length]");
    assert_eq!(state[0], json!(true), "controls that need a script are not there");
    assert_eq!(state[1], json!(0));
    assert!(state[2].as_u64().unwrap() > 100, "every finding is");
    let opened = browser.run("const f = document.querySelector('.f'); f.querySelector('summary').click(); return f.open");
    assert_eq!(opened, json!(true), "and opens");
}
