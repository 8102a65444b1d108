//! The descriptions in `fixtures/openapi`, and what they say of a request and of its answer.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jsonschema::Validator;
use serde_json::{Map, Value as Json, json};

/// Versions that no published client has, with the description that stands for each: `fixtures/openapi/README.md` says why.
const STANDS_FOR: &[(&str, &str)] = &[("resources-2024-07-01", "2024-03-01")];

/// A request as it reaches a service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    /// From the host, decoded.
    pub(crate) path: &'a str,
    /// Decoded.
    pub(crate) query: &'a [(String, String)],
    pub(crate) body: Option<&'a Json>,
    /// Whether it follows a link of an earlier answer, which brings a token of its own.
    pub(crate) continued: bool,
    /// Whether a null of its body stands for what will be found.
    pub(crate) template: bool,
}

/// All descriptions.
pub(crate) struct Descriptions {
    files: Vec<Description>,
    validators: RefCell<BTreeMap<String, Validator>>,
}

struct Description {
    name: String,
    version: String,
    paths: Map<String, Json>,
    definitions: Json,
}

/// What a request was found to be.
pub(crate) struct Matched<'d> {
    all: &'d Descriptions,
    file: &'d Description,
    /// Method and path as described.
    pub(crate) named: String,
    operation: &'d Json,
}

/// What a schema is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// What is sent: without what the service alone sets.
    Sent,
    /// The same, where a null stands for what will be found.
    Template,
    /// What is answered; anything may be null.
    Answered,
}

impl Descriptions {
    pub(crate) fn read() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/openapi");
        let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|end| end == "json"));
        paths.sort();
        let files = paths.iter().map(|path| Description::read(path)).collect();
        Self { files, validators: RefCell::default() }
    }

    /// Finds what a request is, and holds it to that.
    pub(crate) fn check(&self, asked: &Asked<'_>) -> Result<Matched<'_>, String> {
        let matched = self.find(asked)?;
        let declared = parameters(matched.operation);
        query(&declared, asked)?;
        if let Some(names) = asked.query.iter().find(|(name, _)| name == "$select" && matched.file.is_graph()) {
            matched.selected(&names.1)?;
        }
        match (declared.iter().find(|one| one["in"] == "body"), asked.body) {
            (None, None) => Ok(matched),
            (None, Some(_)) => Err(format!("{} takes no body", matched.named)),
            (Some(one), None) if one["required"] == true => Err(format!("{} needs a body", matched.named)),
            (Some(_), None) => Ok(matched),
            (Some(one), Some(body)) => {
                let purpose = if asked.template { Use::Template } else { Use::Sent };
                self.valid(matched.file, &one["schema"], purpose, body).map_err(|why| format!("the body of {}: {why}", matched.named))?;
                Ok(matched)
            }
        }
    }

    /// The most exact path of those with the version and the method.
    fn find(&self, asked: &Asked<'_>) -> Result<Matched<'_>, String> {
        let path = asked.path;
        let all = self.files.iter().flat_map(|file| file.paths.iter().map(move |(template, item)| (file, template, item)));
        let mut found: Vec<_> =
            all.filter_map(|(file, template, item)| Some((exactness(template, item, path)?, file, template, item))).collect();
        found.sort_by_key(|one| std::cmp::Reverse(one.0));
        let best = found.first().ok_or_else(|| format!("no description has the path {path}"))?.0;
        found.retain(|one| one.0 == best);
        if !path.starts_with("/v1.0/") {
            let version =
                asked.query.iter().find(|(name, _)| name == "api-version").ok_or_else(|| format!("{path} is asked without api-version"))?;
            let known: Vec<&str> = found.iter().map(|one| one.1.version.as_str()).collect();
            let none = format!("the version {} of {path} is not described, but {}", version.1, known.join(", "));
            found.retain(|one| one.1.version == version.1);
            found.first().ok_or(none)?;
        }
        let method = asked.method.to_lowercase();
        let (_, file, template, item) = found[0];
        let known: Vec<String> = item.as_object().unwrap().keys().map(|name| name.to_uppercase()).collect();
        let operation = item.get(&method).ok_or_else(|| format!("{template} knows {}, and no {}", known.join(", "), asked.method))?;
        Ok(Matched { all: self, file, named: format!("{} {template} ({})", asked.method, file.version), operation })
    }

    fn valid(&self, file: &Description, schema: &Json, purpose: Use, value: &Json) -> Result<(), String> {
        let key = format!("{} {purpose:?} {schema}", file.name);
        let mut validators = self.validators.borrow_mut();
        let validator = validators.entry(key).or_insert_with(|| {
            let mut root = strict(schema, purpose);
            let all = file.definitions.as_object().unwrap().iter();
            let mut definitions: Map<String, Json> = all.map(|(name, one)| (name.clone(), strict(one, purpose))).collect();
            // What is answered as a directory object is a user, a group or another type below it, with the properties of that.
            if let Some(base) = definitions.get_mut("DirectoryObject").filter(|_| purpose == Use::Answered) {
                base["additionalProperties"] = json!(true);
            }
            root["definitions"] = Json::Object(definitions);
            if let Some(reference) = root.as_object_mut().unwrap().remove("$ref") {
                root["allOf"] = json!([{ "$ref": reference }]);
            }
            jsonschema::options().should_validate_formats(true).build(&root).unwrap()
        });
        let errors: Vec<String> = validator.iter_errors(value).take(5).map(|error| format!("{}: {error}", error.instance_path())).collect();
        if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) }
    }
}

impl Description {
    fn read(path: &Path) -> Self {
        let whole: Json = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut version = whole["info"]["version"].as_str().unwrap().to_owned();
        let mut paths = whole["paths"].as_object().unwrap().clone();
        if let Some((_, stands_for)) = STANDS_FOR.iter().find(|(known, _)| *known == name) {
            let text = Json::Object(paths).to_string().replace(&version, stands_for);
            paths = serde_json::from_str(&text).unwrap();
            version = (*stands_for).to_owned();
        }
        Self { name, version, paths, definitions: whole["definitions"].clone() }
    }

    fn is_graph(&self) -> bool {
        self.name.starts_with("graph-")
    }

    fn resolved<'a>(&'a self, schema: &'a Json) -> &'a Json {
        let name = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/definitions/"));
        name.map_or(schema, |name| &self.definitions[name])
    }
}

impl Matched<'_> {
    /// Holds an answer to the description.
    pub(crate) fn answered(&self, status: u16, body: Option<&Json>) -> Result<(), String> {
        let body = body.filter(|body| !body.is_null());
        if status >= 400 {
            let error = body.map(|body| &body["error"]);
            let whole = error.is_some_and(|error| error["code"].is_string() && error["message"].is_string());
            return if whole { Ok(()) } else { Err(format!("{}: {status} without an error of code and message", self.named)) };
        }
        let responses = &self.operation["responses"];
        let declared = responses.get(status.to_string()).or_else(|| responses.get("2XX"));
        let declared = declared.ok_or_else(|| format!("{} never answers {status}", self.named))?;
        match (declared.get("schema"), body) {
            (None, None) => Ok(()),
            // Microsoft Graph describes one answer for 200, which has a body, and 204, which has none.
            (Some(_), None) if status == 204 => Ok(()),
            (None, Some(_)) => Err(format!("{} answers {status} without a body", self.named)),
            (Some(_), None) => Err(format!("{} answers {status} with a body", self.named)),
            (Some(schema), Some(body)) => {
                let said = self.all.valid(self.file, schema, Use::Answered, body);
                said.map_err(|why| format!("the answer of {}: {why}", self.named))
            }
        }
    }

    /// What is selected are properties of what is answered.
    fn selected(&self, names: &str) -> Result<(), String> {
        let schema = self.file.resolved(&self.operation["responses"]["2XX"]["schema"]);
        let items = &schema["properties"]["value"]["items"];
        let of = if items.is_null() { schema } else { self.file.resolved(items) };
        match names.split(',').find(|name| of["properties"].get(name).is_none()) {
            Some(name) => Err(format!("{}: there is no property {name} to select", self.named)),
            None => Ok(()),
        }
    }
}

fn parameters(operation: &Json) -> Vec<&Json> {
    operation["parameters"].as_array().unwrap().iter().collect()
}

fn query(declared: &[&Json], asked: &Asked<'_>) -> Result<(), String> {
    let of_query: Vec<&Json> = declared.iter().filter(|one| one["in"] == "query").copied().collect();
    for (at, (name, value)) in asked.query.iter().enumerate() {
        if asked.query[..at].iter().any(|(earlier, _)| earlier == name) {
            return Err(format!("the parameter {name} is given twice"));
        }
        let Some(one) = of_query.iter().find(|one| one["name"] == **name) else {
            if asked.continued && name.eq_ignore_ascii_case("$skiptoken") {
                continue;
            }
            return Err(format!("{} has no parameter {name}", asked.path));
        };
        let allowed = one["enum"].as_array();
        let fits = match one["type"].as_str() {
            Some("integer") => value.parse::<i64>().is_ok(),
            Some("boolean") => matches!(value.as_str(), "true" | "false"),
            _ => !value.is_empty(),
        };
        if !fits || allowed.is_some_and(|allowed| !allowed.iter().any(|one| one == value.as_str())) {
            return Err(format!("{value:?} is no value of the parameter {name} of {}", asked.path));
        }
    }
    let missing = of_query.iter().find(|one| one["required"] == true && !asked.query.iter().any(|(name, _)| one["name"] == **name));
    missing.map_or(Ok(()), |one| Err(format!("{} is asked without {}", asked.path, one["name"])))
}

/// How many segments of a path are those of a template, if the template fits at all.
fn exactness(template: &str, item: &Json, path: &str) -> Option<usize> {
    let spans = |name: &str| {
        let all = item.as_object().unwrap().values().flat_map(parameters);
        all.into_iter().any(|one| one["in"] == "path" && one["name"] == name && one["x-ms-skip-url-encoding"] == true)
    };
    let template: Vec<&str> = template.trim_matches('/').split('/').collect();
    let path: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    let scope = template.first().and_then(|first| variable(first)).filter(|name| spans(name));
    match scope {
        // The scope at the beginning spans any number of segments, none at the root.
        Some(_) => (0..=path.len()).filter_map(|n| fits(&template[1..], &path[n..])).max(),
        None => fits(&template, &path),
    }
}

/// How many segments are the same, where each other one fills a variable. Azure ids have no case; no segment is empty.
fn fits(template: &[&str], path: &[&str]) -> Option<usize> {
    let same = |(one, other): (&&str, &&str)| match variable(one) {
        Some(_) => (!other.is_empty()).then_some(0),
        None => (same_segment(one, other) || called(one, other)).then_some(1),
    };
    if template.len() == path.len() { template.iter().zip(path).map(same).sum() } else { None }
}

/// Tells whether a segment is a call of a function with one argument: `name(argument='{variable}')`.
fn called(template: &str, segment: &str) -> bool {
    let Some((before, after)) = template.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?.1))) else {
        return false;
    };
    let argument = segment.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    argument.is_some_and(|argument| !argument.is_empty() && !argument.contains(['\'', '/', '(', ')']))
}

fn variable(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

/// `graph` is the alias of the namespace `microsoft.graph`; the description uses it, the documentation does not.
fn same_segment(one: &str, other: &str) -> bool {
    let bare = |segment: &str| segment.to_lowercase().replace("microsoft.graph.", "graph.");
    bare(one) == bare(other)
}

/// Makes a schema refuse what it does not name.
fn strict(schema: &Json, purpose: Use) -> Json {
    let Json::Object(schema) = schema else { return schema.clone() };
    let mut out = Map::new();
    for (name, value) in schema {
        match name.as_str() {
            "properties" => {
                let known = value.as_object().unwrap().iter().filter(|(_, one)| purpose == Use::Answered || one["readOnly"] != true);
                out.insert(name.clone(), Json::Object(known.map(|(name, one)| (name.clone(), strict(one, purpose))).collect()));
            }
            "items" | "additionalProperties" => {
                out.insert(name.clone(), strict(value, purpose));
            }
            "readOnly" => {}
            // Some descriptions want a link on every page; the last one has none.
            "required" if purpose == Use::Answered => {
                let names = value.as_array().unwrap().iter().filter(|name| **name != "nextLink").cloned();
                out.insert(name.clone(), Json::Array(names.collect()));
            }
            _ => {
                out.insert(name.clone(), value.clone());
            }
        }
    }
    if out.contains_key("properties") && !out.contains_key("additionalProperties") {
        out.insert("additionalProperties".to_owned(), json!(false));
        out.insert("patternProperties".to_owned(), json!({ "^@odata\\.": {} }));
    }
    if purpose != Use::Sent {
        // A reference leads to a schema that takes null itself.
        if let Some(ty) = out.get_mut("type") {
            *ty = json!([ty.clone(), "null"]);
        }
        if let Some(Json::Array(values)) = out.get_mut("enum") {
            values.push(Json::Null);
        }
    }
    Json::Object(out)
}
