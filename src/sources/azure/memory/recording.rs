//! From recorded answers to a tenant, and back.
//!
//! A page that is written differs from the page that was read only by what was changed in between: items that are gone are
//! left out, items that changed are as they are now, new items stand on the last page of their list. Lists that were never
//! recorded are not written, and what was recorded as refused stays refused.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value as Json, json};
use thiserror::Error;

use super::call::{Call, Reply, same, text};
use super::route::{Route, route};
use super::store::Kind;
use super::{Caller, MemoryTenant};
use crate::model::trailing_guid;
use crate::remedy::plan::Service;
use crate::sources::azure::address::{address, path_and_query};

/// A recorded answer: `{request: {method, url}, response: {status, body}, time}`.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedPage {
    /// The name of its file.
    pub name: String,
    /// Its contents.
    pub page: Json,
}

/// Why no tenant could be made of recorded answers.
#[derive(Debug, Error)]
pub enum MemoryError {
    /// A page without its request.
    #[error("{name}: there is no recorded request; a page needs `request.url` and `response`")]
    NoRequest {
        /// The page.
        name: String,
    },
    /// Nothing says which directory it is.
    #[error("no answer tells the directory; record /organization or /tenants, or name it")]
    NoTenant,
}

/// Parameters that do not change which objects a list holds.
const HARMLESS: [&str; 6] = ["api-version", "$select", "$top", "$count", "$expandregistrationdefinition", "$expand"];
const NEXT: [&str; 3] = ["nextLink", "@nextLink", "@odata.nextLink"];

/// The recorded pages.
#[derive(Debug, Clone, Default)]
pub(super) struct Recorded {
    pages: Vec<Page>,
}

#[derive(Debug, Clone)]
struct Page {
    name: String,
    json: Json,
    service: Service,
    path: String,
    query: Vec<(String, String)>,
    status: u16,
}

type Key = (Service, String, Vec<(String, String)>);

fn key(service: Service, path: &str, query: &[(String, String)], with_token: bool) -> Key {
    let lower = query.iter().map(|(name, value)| (name.to_lowercase(), value.to_lowercase()));
    let mut kept: Vec<_> = lower.filter(|(name, _)| !HARMLESS.contains(&name.as_str()) && (with_token || name != "$skiptoken")).collect();
    kept.sort();
    (service, path.trim_end_matches('/').to_lowercase(), kept)
}

impl Page {
    fn read(recorded: &RecordedPage) -> Option<Self> {
        let json = recorded.page.clone();
        let url = text(&json, "/request/url")?;
        json.get("response")?;
        let (path, query) = path_and_query(url)?;
        let status = json.pointer("/response/status").and_then(Json::as_u64).and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
        let service = if url.contains("://graph.") || path.starts_with("/v1.0/") { Service::Graph } else { Service::Arm };
        Some(Self { name: recorded.name.clone(), service, path, query, status, json })
    }

    fn key(&self) -> Key {
        key(self.service, &self.path, &self.query, true)
    }

    fn call(&self) -> Call<'_> {
        Call { service: self.service, method: None, path: &self.path, query: &self.query, body: None, caller: "" }
    }

    fn body(&self) -> Option<&Json> {
        self.json.pointer("/response/body")
    }

    fn next(&self) -> Option<&str> {
        NEXT.iter().find_map(|name| self.body()?.get(name)?.as_str()).filter(|next| !next.is_empty())
    }

    fn items(&self) -> Vec<&Json> {
        let list = self.body().and_then(|body| body.get("value")).and_then(Json::as_array);
        list.map_or_else(|| self.body().into_iter().collect(), |list| list.iter().collect())
    }
}

impl Recorded {
    /// The refusal that was recorded for a request.
    pub(super) fn refusal(&self, call: &Call<'_>) -> Option<Reply> {
        let wanted = key(call.service, call.path, call.query, true);
        let refused = self.pages.iter().find(|page| page.status >= 400 && page.key() == wanted)?;
        Some(Reply { status: refused.status, headers: Vec::new(), body: refused.body().cloned() })
    }

    /// The answer that was recorded for something the model does not understand.
    pub(super) fn fixed(&self, call: &Call<'_>) -> Option<Reply> {
        let wanted = key(call.service, call.path, call.query, true);
        let page = self.pages.iter().find(|page| page.status < 400 && page.key() == wanted)?;
        Some(Reply { status: page.status, headers: Vec::new(), body: page.body().cloned() })
    }

    /// The link to the page of a list that could not be read when it was recorded.
    pub(super) fn tail(&self, call: &Call<'_>, origin: &str) -> Option<String> {
        let wanted = key(call.service, call.path, call.query, false);
        let mine = self.pages.iter().filter(|page| page.status == 200 && key(page.service, &page.path, &page.query, false) == wanted);
        let next = mine.filter_map(Page::next).find(|next| !self.leads_on(call.service, next))?;
        let (path, query) = path_and_query(next)?;
        Some(address(origin, &path, &query))
    }

    fn leads_on(&self, service: Service, next: &str) -> bool {
        let Some((path, query)) = path_and_query(next) else { return true };
        let wanted = key(service, &path, &query, true);
        self.pages.iter().any(|page| page.status == 200 && page.key() == wanted)
    }
}

impl MemoryTenant {
    /// Makes a tenant of recorded answers, with a caller of the name `admin` who may do everything.
    ///
    /// # Errors
    /// [`MemoryError`].
    pub fn from_answers(pages: &[RecordedPage]) -> Result<Self, MemoryError> {
        let mut read = Vec::new();
        for page in pages {
            read.push(Page::read(page).ok_or_else(|| MemoryError::NoRequest { name: page.name.clone() })?);
        }
        let tenant = directory(&read).ok_or(MemoryError::NoTenant)?;
        let mut memory = Self::new(&tenant);
        for page in read.iter().filter(|page| page.status == 200) {
            memory.take(page);
        }
        memory.recorded.pages = read;
        let admin = Caller { object_id: "ad000000-0000-4000-8000-000000000000".to_owned(), grants: super::Grant::everything() };
        memory.add_caller("admin", admin);
        Ok(memory)
    }

    fn take(&mut self, page: &Page) {
        let found = route(page.service, &page.path);
        for item in page.items() {
            match &found {
                Route::List(kind, _) | Route::One(kind, ..) => self.seed(*kind, item),
                Route::Entities => self.seed(Kind::Entity, item),
                Route::Members { group, transitive: false } => {
                    // An object without an id is nothing that can be asked for; it is written back as it was read.
                    let Some(member) = text(item, "/id").map(str::to_lowercase) else { continue };
                    self.store.seed(Kind::Membership, &format!("{}/{member}", group.to_lowercase()), item.clone());
                }
                _ => {}
            }
        }
    }

    fn seed(&mut self, kind: Kind, item: &Json) {
        let mut item = item.clone();
        if kind == Kind::RoleAssignment
            && let Some(role) = text(&item, "/properties/roleDefinitionId")
        {
            self.known_roles.insert(trailing_guid(role));
        }
        if kind == Kind::RegistrationAssignment
            && let Some(properties) = item.get_mut("properties").and_then(Json::as_object_mut)
            && let Some(definition) = properties.shift_remove("registrationDefinition")
        {
            self.seed(Kind::RegistrationDefinition, &definition);
        }
        if let Some(key) = item_key(kind, &item) {
            self.store.seed(kind, &key, item);
        }
    }

    /// Writes the pages that were read, as they would be read at an instant; `read_at` is written as their time, or each
    /// keeps its own. A partner link of a caller comes as a page of its own.
    #[must_use]
    pub fn to_answers(&self, at: Timestamp, read_at: Option<Timestamp>) -> Vec<RecordedPage> {
        let mut pages: Vec<RecordedPage> = self.recorded.pages.iter().map(|page| self.written(page, at)).collect();
        let time = read_at.unwrap_or(at).to_string();
        for (oid, link) in self.store.all_visible(Kind::PartnerLink, at) {
            let url = format!("{}/providers/Microsoft.ManagementPartner/partners?api-version=2018-02-01", self.settings.arm_origin);
            let page = json!({ "request": { "method": "GET", "url": url }, "response": { "status": 200, "body": link }, "time": time });
            pages.push(RecordedPage { name: format!("partner-link-{oid}.json"), page });
        }
        if read_at.is_some() {
            for page in &mut pages {
                super::merge(&mut page.page, &json!({ "time": time }));
            }
        }
        pages
    }

    fn written(&self, page: &Page, at: Timestamp) -> RecordedPage {
        let mut json = page.json.clone();
        let found = route(page.service, &page.path);
        if page.status == 200
            && let (Some(before), Some(after)) = (self.look(page, &found, Timestamp::MIN), self.look(page, &found, at))
            && before != after
        {
            if let Some(list) = json.pointer_mut("/response/body/value").and_then(Json::as_array_mut) {
                change(list, &before, &after, self.is_last(page));
            } else {
                let now = after.into_values().next();
                let (status, body) = now.map_or_else(|| (404, json!({ "error": { "code": "NotFound" } })), |body| (200, body));
                super::merge(json.get_mut("response").unwrap_or(&mut Json::Null), &json!({ "status": status, "body": body }));
            }
        }
        RecordedPage { name: page.name.clone(), page: json }
    }

    /// New items stand on one page of a list: the one that leads to no other that was read.
    fn is_last(&self, page: &Page) -> bool {
        page.next().is_none_or(|next| !self.recorded.leads_on(page.service, next))
    }

    /// Returns what a page is about as it was or is at an instant, by key; none if the model does not understand it.
    fn look(&self, page: &Page, found: &Route, at: Timestamp) -> Option<BTreeMap<String, Json>> {
        let call = page.call();
        let items = match found {
            Route::List(kind, scope) => self.listed(*kind, scope, &call, at).ok()?,
            Route::One(kind, _, name) => {
                let body = self.store.visible(*kind, &self.key(*kind, name, call.path), at);
                body.cloned().into_iter().collect()
            }
            Route::Entities => self.store.all_visible(Kind::Entity, at).into_iter().map(|(_, body)| body.clone()).collect(),
            Route::Members { .. } => {
                let every = Call { query: &[], ..call };
                let body = self.read(&nobody(), &every, found, at).body?;
                body.get("value")?.as_array()?.clone()
            }
            _ => return None,
        };
        Some(items.into_iter().filter_map(|item| Some((listed_key(&item)?, item))).collect())
    }
}

/// Members are read without regard to who asks.
fn nobody() -> Caller {
    Caller { object_id: String::new(), grants: Vec::new() }
}

fn change(list: &mut Vec<Json>, before: &BTreeMap<String, Json>, after: &BTreeMap<String, Json>, last: bool) {
    list.retain(|item| listed_key(item).is_none_or(|key| after.contains_key(&key) || !before.contains_key(&key)));
    for item in list.iter_mut() {
        let Some(key) = listed_key(item) else { continue };
        if let Some(now) = after.get(&key).filter(|now| before.get(&key).is_some_and(|was| was != *now)) {
            *item = now.clone();
        }
    }
    if last {
        list.extend(after.iter().filter(|(key, _)| !before.contains_key(*key)).map(|(_, item)| item.clone()));
    }
}

fn listed_key(item: &Json) -> Option<String> {
    text(item, "/id").map(str::to_lowercase)
}

fn item_key(kind: Kind, item: &Json) -> Option<String> {
    if matches!(kind, Kind::AuthorizationPolicy | Kind::SubscriptionPolicy) {
        return Some("default".to_owned());
    }
    let id = text(item, "/id")?;
    Some(match kind {
        Kind::RoleDefinition => trailing_guid(id),
        Kind::HierarchySettings => id.to_lowercase().trim_end_matches("/settings/default").to_owned(),
        _ => id.to_lowercase(),
    })
}

fn directory(pages: &[Page]) -> Option<String> {
    let of = |path: &str, field: &str| {
        let page = pages.iter().find(|page| page.status == 200 && same(&page.path, path))?;
        page.items().into_iter().find_map(|item| text(item, field).map(str::to_owned))
    };
    of("/v1.0/organization", "/id").or_else(|| of("/tenants", "/tenantId")).or_else(|| of("/subscriptions", "/tenantId"))
}
