//! `tenet.toml`: what a governance repo says of itself.
//!
//! In: its text. Out: a [`Config`], or everything that is wrong with it, each with its place.
//!
//! Invariants: a key nobody knows is an error; a path that leaves the repo is an error, save for the snapshot folder, which
//! need not be in it.

use std::collections::BTreeMap;

use toml::Spanned as TomlSpanned;
use toml::de::{DeTable, DeValue};

use super::azure::cloud::Cloud;
use super::register::{CompletenessClaim, RegisterDeclaration, RegisterForm, Subjects};
use crate::text::{Diagnostic, FileId, SourceFile, SourceSet, Span, Spanned, did_you_mean, sort_diagnostics};

/// The largest configuration that is read.
const BYTES_MAX: usize = 1 << 20;
const KEYS: [&str; 11] =
    ["tenant", "policies", "waivers", "parameters", "registers", "snapshots", "packs", "builtin_policies", "approvers", "cloud", "plan"];
const PLAN_KEYS: [&str; 3] = ["principal", "planner", "approvals"];
/// The most approvals a plan can be asked to have.
const APPROVALS_MAX: i64 = 16;
const CLOUD_KEYS: [&str; 5] = ["name", "authority", "arm", "graph", "partner_center"];
const REGISTER_KEYS: [&str; 9] = ["file", "form", "entity", "name", "attested_by", "attested_on", "review_due", "complete", "optional"];
const CLAIM_KEYS: [&str; 6] = ["subjects", "from", "to", "attested_by", "attested_on", "list"];

/// A configuration. Spans point into the file it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The directory that is governed.
    pub tenant: Option<Spanned<String>>,
    /// Folders and files of policies, relative to the repo.
    pub policies: Vec<Spanned<String>>,
    /// Files of waivers.
    pub waivers: Vec<Spanned<String>>,
    /// Values of parameters by their full or last name, in order of name.
    pub parameters: BTreeMap<String, Spanned<ParameterValue>>,
    /// Registers in the order they are declared.
    pub registers: Vec<RegisterDeclaration>,
    /// The folder snapshots are kept in.
    pub snapshots: String,
    /// The packs in force; none means every rule.
    pub packs: Vec<Spanned<String>>,
    /// Whether the rules that ship with the program are used.
    pub builtin_policies: bool,
    /// Who a name in `approved by` and `waivable … by` stands for.
    pub approvers: BTreeMap<String, Vec<Spanned<String>>>,
    /// What plans are made for.
    pub plan: PlanConfig,
    /// Where the live services are; none means the public cloud.
    pub cloud: Option<Cloud>,
}

/// What every plan of the repo says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanConfig {
    /// Object id of the identity that applies plans; its own access is never taken by one.
    pub principal: Option<String>,
    /// Who makes plans, as approvers are named.
    pub planner: Option<String>,
    /// How many people must approve a plan.
    pub approvals: u32,
}

impl Default for PlanConfig {
    fn default() -> Self {
        Self { principal: None, planner: None, approvals: 1 }
    }
}

impl Default for Config {
    fn default() -> Self {
        let unplaced = |text: &str| vec![Spanned::new(text.to_owned(), Span::default())];
        Self {
            tenant: None,
            policies: unplaced("policies"),
            waivers: unplaced("waivers.tenet"),
            parameters: BTreeMap::new(),
            registers: Vec::new(),
            snapshots: "snapshots".to_owned(),
            packs: Vec::new(),
            builtin_policies: true,
            approvers: BTreeMap::new(),
            plan: PlanConfig::default(),
            cloud: None,
        }
    }
}

/// The value of a parameter as written; its type is the parameter's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterValue {
    /// Text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// Truth.
    Bool(bool),
    /// A time or date, as written.
    Time(String),
    /// A list.
    List(Vec<ParameterValue>),
}

/// Reads a configuration; `name` is the file's name in messages.
///
/// # Errors
/// All diagnostics of the file; their spans are of the only file of a fresh [`SourceSet`] (`FileId(0)`).
pub fn load_config(text: &str, name: &str) -> Result<Config, Vec<Diagnostic>> {
    let mut sources = SourceSet::default();
    load_config_into(text, name, &mut sources)
}

/// Like [`load_config`], and adds the file to `sources`, so that its diagnostics can be shown beside those of others.
///
/// # Errors
/// All diagnostics of the file.
pub fn load_config_into(text: &str, name: &str, sources: &mut SourceSet) -> Result<Config, Vec<Diagnostic>> {
    let file = sources.add(SourceFile::new(name, text));
    let mut reader = Reader { file, diagnostics: Vec::new(), shift: 0 };
    if text.len() > BYTES_MAX {
        let message = format!("the configuration is larger than {BYTES_MAX} bytes");
        return Err(vec![Diagnostic::error("C0001", Span::new(file, 0, 0), message)]);
    }
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    reader.shift = text.len() - body.len();
    let (table, errors) = DeTable::parse_recoverable(body);
    for error in errors {
        let range = error.span().unwrap_or(0..0);
        let message = error.message().lines().next().unwrap_or("this is not TOML").to_owned();
        reader.error("C0001", range, message);
    }
    let config = if reader.diagnostics.is_empty() { reader.config(table.get_ref()) } else { Config::default() };
    if reader.diagnostics.is_empty() {
        return Ok(config);
    }
    sort_diagnostics(&mut reader.diagnostics);
    Err(reader.diagnostics)
}

type Value<'t> = TomlSpanned<DeValue<'t>>;

struct Reader {
    file: FileId,
    diagnostics: Vec<Diagnostic>,
    /// Bytes before the text that was parsed: a byte order mark.
    shift: usize,
}

impl Reader {
    fn span(&self, range: std::ops::Range<usize>) -> Span {
        Span::new(self.file, range.start + self.shift, range.end + self.shift)
    }

    fn error(&mut self, code: &'static str, range: std::ops::Range<usize>, message: impl Into<String>) {
        let span = self.span(range);
        self.diagnostics.push(Diagnostic::error(code, span, message));
    }

    fn unknown_key(&mut self, key: &TomlSpanned<std::borrow::Cow<'_, str>>, known: &[&str]) {
        let help = did_you_mean(key.get_ref(), known.iter().copied())
            .map_or_else(|| format!("known keys are {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
        let span = self.span(key.span());
        self.diagnostics.push(Diagnostic::error("C0002", span, format!("there is no key `{}` here", key.get_ref())).help(help));
    }

    fn is_tenant(&mut self, tenant: &Spanned<String>) -> bool {
        let groups: Vec<&str> = tenant.value.split('-').collect();
        let fits = groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
            && tenant.value.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        if !fits {
            let text = format!("`{}` is no id of a directory", tenant.value);
            let help = "write its id, such as \"00000000-0000-0000-0000-000000000000\"";
            self.diagnostics.push(Diagnostic::error("C0003", tenant.span, text).help(help));
        }
        fits
    }

    fn config(&mut self, table: &DeTable<'_>) -> Config {
        let mut config = Config::default();
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "tenant" => config.tenant = self.text(value).filter(|tenant| self.is_tenant(tenant)),
                "policies" => config.policies = self.paths(value),
                "waivers" => config.waivers = self.paths(value),
                "packs" => config.packs = self.texts(value),
                "snapshots" => config.snapshots = self.text(value).map_or(config.snapshots, |text| text.value),
                "builtin_policies" => config.builtin_policies = self.bool(value).unwrap_or(true),
                "parameters" => config.parameters = self.parameters(value),
                "approvers" => config.approvers = self.approvers(value),
                "cloud" => config.cloud = self.cloud(value),
                "registers" => config.registers = self.registers(value),
                "plan" => config.plan = self.plan(value),
                _ => self.unknown_key(key, &KEYS),
            }
        }
        self.check_register_names(&config.registers);
        config
    }

    fn wrong(&mut self, value: &Value<'_>, wanted: &str) {
        self.error("C0003", value.span(), format!("{wanted} is wanted here, not {}", kind(value.get_ref())));
    }

    fn text(&mut self, value: &Value<'_>) -> Option<Spanned<String>> {
        match value.get_ref().as_str() {
            Some(text) if text.trim().is_empty() => self.error("C0003", value.span(), "the text is empty"),
            Some(text) => return Some(Spanned::new(text.to_owned(), self.span(value.span()))),
            None => self.wrong(value, "text"),
        }
        None
    }

    fn bool(&mut self, value: &Value<'_>) -> Option<bool> {
        let found = value.get_ref().as_bool();
        if found.is_none() {
            self.wrong(value, "true or false");
        }
        found
    }

    fn texts(&mut self, value: &Value<'_>) -> Vec<Spanned<String>> {
        let Some(list) = value.get_ref().as_array() else {
            self.wrong(value, "a list of texts");
            return Vec::new();
        };
        list.iter().filter_map(|item| self.text(item)).collect()
    }

    fn paths(&mut self, value: &Value<'_>) -> Vec<Spanned<String>> {
        let paths = self.texts(value);
        paths.into_iter().filter_map(|path| self.inside(path)).collect()
    }

    /// Refuses a path that leaves the repo.
    fn inside(&mut self, path: Spanned<String>) -> Option<Spanned<String>> {
        match leaves_folder(&path.value) {
            None => Some(path),
            Some(why) => {
                let message = format!("`{}` {why}; paths are relative to the governance repo and stay inside it", path.value);
                self.diagnostics.push(Diagnostic::error("C0004", path.span, message));
                None
            }
        }
    }

    fn table<'a, 't>(&mut self, value: &'a Value<'t>) -> Option<&'a DeTable<'t>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong(value, "a table");
        }
        table
    }

    fn parameters(&mut self, value: &Value<'_>) -> BTreeMap<String, Spanned<ParameterValue>> {
        let mut parameters = BTreeMap::new();
        if let Some(table) = self.table(value) {
            self.flatten("", table, &mut parameters);
        }
        parameters
    }

    /// Reads `lib.dpor.partner_id = 1`, which TOML takes for nested tables, and `"lib.dpor.partner_id" = 1` alike.
    fn flatten(&mut self, prefix: &str, table: &DeTable<'_>, parameters: &mut BTreeMap<String, Spanned<ParameterValue>>) {
        for (key, value) in table {
            let name = if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
            if let Some(inner) = value.get_ref().as_table() {
                self.flatten(&name, inner, parameters);
                continue;
            }
            let Some(found) = self.parameter(value) else { continue };
            let span = self.span(value.span());
            if let Some(earlier) = parameters.insert(name.clone(), Spanned::new(found, span)) {
                let twice = Diagnostic::error("C0005", span, format!("the parameter `{name}` is set twice"));
                self.diagnostics.push(twice.label(earlier.span, "first set here"));
            }
        }
    }

    fn parameter(&mut self, value: &Value<'_>) -> Option<ParameterValue> {
        match value.get_ref() {
            DeValue::String(text) => Some(ParameterValue::Text(text.to_string())),
            DeValue::Boolean(found) => Some(ParameterValue::Bool(*found)),
            DeValue::Datetime(time) => Some(ParameterValue::Time(time.to_string())),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Some(ParameterValue::Int(number)),
                Err(_) => {
                    self.error("C0003", value.span(), "the number does not fit into 64 bits");
                    None
                }
            },
            DeValue::Array(list) => list.iter().map(|item| self.parameter(item)).collect::<Option<_>>().map(ParameterValue::List),
            DeValue::Float(_) | DeValue::Table(_) => {
                self.wrong(value, "text, a whole number, true or false, a date or a list of those");
                None
            }
        }
    }

    fn approvers(&mut self, value: &Value<'_>) -> BTreeMap<String, Vec<Spanned<String>>> {
        let Some(table) = self.table(value) else { return BTreeMap::new() };
        table.iter().map(|(name, people)| (name.get_ref().to_string(), self.texts(people))).collect()
    }

    fn plan(&mut self, value: &Value<'_>) -> PlanConfig {
        let mut plan = PlanConfig::default();
        let Some(table) = self.table(value) else { return plan };
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "principal" => plan.principal = self.text(value).map(|text| text.value),
                "planner" => plan.planner = self.text(value).map(|text| text.value),
                "approvals" => plan.approvals = self.approvals(value).unwrap_or(plan.approvals),
                _ => self.unknown_key(key, &PLAN_KEYS),
            }
        }
        plan
    }

    fn approvals(&mut self, value: &Value<'_>) -> Option<u32> {
        let number = value.get_ref().as_integer().and_then(|number| i64::from_str_radix(number.as_str(), number.radix()).ok());
        match number {
            Some(number) if (0..=APPROVALS_MAX).contains(&number) => return u32::try_from(number).ok(),
            _ => self.wrong(value, &format!("a whole number from 0 to {APPROVALS_MAX}")),
        }
        None
    }

    fn cloud(&mut self, value: &Value<'_>) -> Option<Cloud> {
        let mut said: BTreeMap<&str, String> = BTreeMap::new();
        for (key, value) in self.table(value)? {
            match CLOUD_KEYS.iter().find(|known| **known == key.get_ref().as_ref()) {
                Some(known) => said.extend(self.text(value).map(|text| (*known, text.value))),
                None => self.unknown_key(key, &CLOUD_KEYS),
            }
        }
        let of = |key: &str| said.get(key).map(String::as_str);
        let made = match (of("name").filter(|name| *name != "custom"), of("arm"), of("graph")) {
            (Some(name), None, None) => Cloud::named(name),
            (None, Some(arm), Some(graph)) => Cloud::at(of("authority").unwrap_or("https://login.microsoftonline.com"), arm, graph),
            _ => {
                self.error("C0003", value.span(), "a cloud has either a `name` (public, usgov, china) or both `arm` and `graph`");
                return None;
            }
        };
        let made = match of("partner_center") {
            Some(endpoint) => made.and_then(|cloud| cloud.with_partner_center(endpoint)),
            None => made,
        };
        made.map_err(|error| self.error("C0003", value.span(), error.to_string())).ok()
    }

    fn registers(&mut self, value: &Value<'_>) -> Vec<RegisterDeclaration> {
        let Some(list) = value.get_ref().as_array() else {
            self.wrong(value, "`[[registers]]`");
            return Vec::new();
        };
        list.iter().filter_map(|item| self.register(item)).collect()
    }

    fn register(&mut self, value: &Value<'_>) -> Option<RegisterDeclaration> {
        let table = self.table(value)?;
        let (mut file, mut form, mut entity, mut name) = (None, None, None, None);
        let mut declaration = RegisterDeclaration::new("", RegisterForm::Designations);
        declaration.span = self.span(value.span());
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "file" => file = self.text(value).and_then(|path| self.inside(path)),
                "form" => form = self.text(value),
                "entity" => entity = self.text(value),
                "name" => name = self.text(value),
                "attested_by" => declaration.attested_by = self.text(value).map(|text| text.value),
                "attested_on" => declaration.attested_on = self.time(value),
                "review_due" => declaration.review_due = self.time(value),
                "optional" => declaration.optional = self.bool(value).unwrap_or(false),
                "complete" => declaration.complete = self.claim(value),
                _ => self.unknown_key(key, &REGISTER_KEYS),
            }
        }
        let form = match (form, entity) {
            (Some(form), None) => self.form(&form)?,
            (None, Some(entity)) => RegisterForm::Entity(entity.value),
            _ => {
                self.error("C0006", value.span(), "a register has either `form` or `entity`");
                return None;
            }
        };
        let Some(file) = file else {
            if !table.iter().any(|(key, _)| key.get_ref() == "file") {
                self.error("C0006", value.span(), "a register has a `file`");
            }
            return None;
        };
        declaration.name = name.map_or_else(|| form.name().to_owned(), |name| name.value);
        Some(RegisterDeclaration { file: file.value, form, ..declaration })
    }

    fn form(&mut self, form: &Spanned<String>) -> Option<RegisterForm> {
        let found = RegisterForm::from_name(&form.value);
        if found.is_none() {
            let help = did_you_mean(&form.value, RegisterForm::NAMES).map(|near| format!("did you mean `{near}`?"));
            let message = format!("there is no register form `{}`; forms are {}", form.value, RegisterForm::NAMES.join(", "));
            let help = help.or_else(|| Some("for an entity of your own write `entity = \"Name\"`".to_owned()));
            self.diagnostics.push(Diagnostic::error("C0006", form.span, message).maybe_help(help));
        }
        found
    }

    /// Reads a date, written as TOML's own or as text.
    fn time(&mut self, value: &Value<'_>) -> Option<String> {
        match value.get_ref() {
            DeValue::Datetime(time) => Some(time.to_string()),
            _ => self.text(value).map(|text| text.value),
        }
    }

    fn claim(&mut self, value: &Value<'_>) -> Option<CompletenessClaim> {
        let table = self.table(value)?;
        let mut claim = CompletenessClaim { span: self.span(value.span()), ..CompletenessClaim::default() };
        let mut subjects = None;
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "subjects" if value.get_ref().as_str() == Some("all") => subjects = Some(Subjects::All),
                "subjects" => subjects = Some(Subjects::Listed(self.texts(value))),
                "from" => claim.from = self.time(value),
                "to" => claim.to = self.time(value),
                "attested_by" => claim.attested_by = self.text(value).map(|text| text.value),
                "attested_on" => claim.attested_on = self.time(value),
                "list" => claim.list = self.text(value).map(|text| text.value),
                _ => self.unknown_key(key, &CLAIM_KEYS),
            }
        }
        match subjects {
            Some(subjects) => Some(CompletenessClaim { subjects, ..claim }),
            None => {
                self.error("C0006", value.span(), "`complete` says for which `subjects`: \"all\" or a list of ids");
                None
            }
        }
    }

    fn check_register_names(&mut self, registers: &[RegisterDeclaration]) {
        let mut seen: BTreeMap<(&str, &str), Span> = BTreeMap::new();
        for register in registers {
            if let Some(first) = seen.insert((&register.name, &register.file), register.span) {
                let message = format!("the register `{}` of {} is declared twice", register.name, register.file);
                self.diagnostics.push(Diagnostic::error("C0005", register.span, message).label(first, "first declared here"));
            }
        }
    }
}

/// Tells why a path leaves the folder it is relative to, if it does. Both slashes count: a repo is used on any system.
#[must_use]
pub fn leaves_folder(path: &str) -> Option<&'static str> {
    let is_drive = path.chars().nth(1) == Some(':') && path.starts_with(|first: char| first.is_ascii_alphabetic());
    if path.starts_with(['/', '\\']) || is_drive {
        return Some("is absolute");
    }
    path.split(['/', '\\']).any(|part| part == "..").then_some("leads out of the folder through `..`")
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = r#"
tenant = "11111111-0000-0000-0000-000000000000"
policies = ["policies", "more/rules.tenet"]
waivers = ["waivers.tenet"]
snapshots = "../snapshots"
packs = ["ea_baseline"]
builtin_policies = false

[parameters]
"lib.dpor.partner_id" = "3664167"
partner_tenant = "2222"
lib.dpor.link_within = "7 days"
count = 3

[[registers]]
file = "registers/designations.yaml"
form = "designations"
complete = { subjects = "all", from = 2025-01-01, attested_by = "jo@x" }

[[registers]]
file = "registers/cc.csv"
entity = "CostCenter"
name = "cost_centers"

[approvers]
governance-board = ["a@x", "b@x"]

[plan]
principal = "ab"
planner = "jo@x"
approvals = 2
"#;

    fn errors(text: &str) -> Vec<String> {
        let mut sources = SourceSet::default();
        let diagnostics = load_config_into(text, "tenet.toml", &mut sources).unwrap_err();
        let file = sources.get(FileId(0)).unwrap();
        let show = |d: &Diagnostic| {
            let (line, column) = file.line_column(d.span.start);
            format!("{line}:{column} {} {}{}", d.code, d.message, d.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default())
        };
        diagnostics.iter().map(show).collect()
    }

    #[test]
    fn reads_everything() {
        let config = load_config(FULL, "tenet.toml").unwrap();
        assert_eq!(config.tenant.unwrap().value, "11111111-0000-0000-0000-000000000000");
        assert_eq!(config.policies.len(), 2);
        assert!(!config.builtin_policies);
        let names: Vec<&str> = config.parameters.keys().map(String::as_str).collect();
        assert_eq!(names, ["count", "lib.dpor.link_within", "lib.dpor.partner_id", "partner_tenant"]);
        assert_eq!(config.registers[0].form, RegisterForm::Designations);
        assert_eq!(config.registers[0].complete.as_ref().unwrap().from.as_deref(), Some("2025-01-01"));
        assert_eq!(config.registers[1].form, RegisterForm::Entity("CostCenter".into()));
        assert_eq!(config.registers[1].name, "cost_centers");
        assert_eq!(config.approvers["governance-board"].len(), 2);
        assert_eq!(config.plan, PlanConfig { principal: Some("ab".into()), planner: Some("jo@x".into()), approvals: 2 });
    }

    #[test]
    fn an_empty_file_has_defaults() {
        let config = load_config("\u{feff}", "tenet.toml").unwrap();
        assert_eq!(config.policies[0].value, "policies");
        assert_eq!(config.snapshots, "snapshots");
        assert!(config.builtin_policies);
    }

    #[test]
    fn errors_have_places_and_hints() {
        let found = errors(
            "tennant = \"x\"\npolicies = \"policies\"\nwaivers = [1]\n\n[[registers]]\nfile = \"r.yaml\"\nform = \"designation\"\nfrom = 1\n",
        );
        assert_eq!(
            found,
            [
                "1:1 C0002 there is no key `tennant` here (did you mean `tenant`?)",
                "2:12 C0003 a list of texts is wanted here, not text",
                "3:12 C0003 text is wanted here, not a number",
                "7:8 C0006 there is no register form `designation`; forms are designations, partner_links, partners, reviews, principals, subscriptions (did you mean `designations`?)",
                "8:1 C0002 there is no key `from` here (did you mean `form`?)",
            ]
        );
    }

    #[test]
    fn paths_stay_inside() {
        for path in ["../x", "a/../../x", "/etc/x", "C:/x", "a\\\\..\\\\x", "\\\\x"] {
            let found = errors(&format!("policies = [\"{path}\"]\n"));
            assert!(found[0].starts_with("1:13 C0004"), "{found:?}");
        }
        assert!(load_config("policies = [\"a..b/c\"]", "t").is_ok());
    }

    #[test]
    fn what_is_no_toml_has_a_place() {
        assert!(errors("tenant = \n")[0].starts_with("1:10 C0001"), "{:?}", errors("tenant = \n"));
        assert!(errors("a = 1\na = 2\n")[0].contains("C0001"), "{:?}", errors("a = 1\na = 2\n"));
    }

    #[test]
    fn hostile_bytes_are_no_panic() {
        for text in [
            "[[[[[[",
            "a = [[[[",
            "\u{0}",
            "[parameters]\na.b = 1\na.b.c = 2",
            "a = 99999999999999999999",
            "[[registers]]\n",
            &"[".repeat(100_000),
        ] {
            let _ = load_config(text, "t");
        }
        assert!(load_config("[parameters]\nx = 99999999999999999999999\n", "t").is_err());
    }
}
