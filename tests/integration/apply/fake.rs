//! A small service for tests of apply: objects by path, faults on demand, and a record of every effect.
//!
//! With a folder it keeps its objects and effects in files, so that they outlive a process that is killed.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value as Json, json};
use tenet::remedy::plan::{Method, Read, Request};
use tenet::remedy::target::{Answer, Clock, ReadError, ReadTarget, SignedIn, Target, WriteError};

/// What goes wrong with the next write.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    Nothing,
    NotSent,
    LostBefore,
    LostAfter,
    Answer(u16, Json),
    /// The effect is there, and the service answers with an error.
    AnswerAfter(u16),
}

pub(super) struct Fake {
    pub(super) objects: BTreeMap<String, Json>,
    /// Every change, as `PUT /path`.
    pub(super) effects: Vec<String>,
    /// Every request, whether it changed anything or not.
    pub(super) requests: Vec<String>,
    pub(super) faults: VecDeque<Fault>,
    /// Readings that still show the old state after a write.
    pub(super) lag: usize,
    pub(super) stale: Option<(usize, BTreeMap<String, Json>)>,
    pub(super) signed_in: SignedIn,
    pub(super) refused_reads: Vec<String>,
    pub(super) n_reads: usize,
    folder: Option<PathBuf>,
    /// Called after an effect and before its answer.
    pub(super) after_effect: Box<dyn FnMut(&Request)>,
}

pub(super) const TENANT: &str = "10000000-0000-0000-0000-000000000000";
pub(super) const OPERATOR: &str = "20000000-0000-0000-0000-000000000000";

impl Fake {
    pub(super) fn new(objects: BTreeMap<String, Json>) -> Self {
        Self {
            objects,
            effects: Vec::new(),
            requests: Vec::new(),
            faults: VecDeque::new(),
            lag: 0,
            stale: None,
            signed_in: SignedIn { tenant: TENANT.to_uppercase(), principal: OPERATOR.into() },
            refused_reads: Vec::new(),
            n_reads: 0,
            folder: None,
            after_effect: Box::new(|_| {}),
        }
    }

    /// Opens the objects kept in a folder, or keeps these there.
    pub(super) fn kept(folder: PathBuf, objects: BTreeMap<String, Json>) -> Self {
        let kept = fs::read(folder.join("objects.json")).ok().map(|bytes| serde_json::from_slice(&bytes).unwrap());
        let mut fake = Self::new(kept.unwrap_or(objects));
        let effects = fs::read_to_string(folder.join("effects")).unwrap_or_default();
        fake.effects = effects.lines().map(str::to_owned).collect();
        fake.folder = Some(folder);
        fake
    }

    fn change(&mut self, effect: String, change: impl FnOnce(&mut BTreeMap<String, Json>)) {
        self.stale = (self.lag > 0).then(|| (self.lag, self.objects.clone()));
        change(&mut self.objects);
        if let Some(folder) = &self.folder {
            // The effect and the objects change together, as one rename can make them.
            let mut log = fs::OpenOptions::new().append(true).create(true).open(folder.join("effects")).unwrap();
            fs::write(folder.join("objects.new"), serde_json::to_vec(&self.objects).unwrap()).unwrap();
            writeln!(log, "{effect}").unwrap();
            fs::rename(folder.join("objects.new"), folder.join("objects.json")).unwrap();
        }
        self.effects.push(effect);
    }

    fn effect(&mut self, request: &Request) -> Answer {
        let path = request.path.clone();
        let answer = |status, body: Json| Answer { status, body: Some(body), request_id: Some(format!("request-{status}")) };
        let body = request.body.clone().unwrap_or(Json::Null);
        match request.method {
            Method::Put if self.objects.get(&path) == Some(&body) => answer(200, body),
            Method::Put => {
                self.change(format!("PUT {path}"), |objects| drop(objects.insert(path, body.clone())));
                answer(201, body)
            }
            Method::Patch => match self.objects.get(&path).cloned() {
                None => answer(404, json!({"error": {"code": "NotFound", "message": "no such thing"}})),
                Some(mut object) => {
                    for (name, value) in body["properties"].as_object().unwrap() {
                        object["properties"][name] = value.clone();
                    }
                    if self.objects.get(&path) != Some(&object) {
                        self.change(format!("PATCH {path}"), |objects| drop(objects.insert(path, object.clone())));
                    }
                    answer(200, object)
                }
            },
            Method::Delete => match self.objects.get(&path).cloned() {
                None => Answer { status: 204, body: None, request_id: None },
                Some(old) => {
                    self.change(format!("DELETE {path}"), |objects| drop(objects.remove(&path)));
                    answer(200, old)
                }
            },
            Method::Post => {
                let id = format!("made-{}", self.objects.len());
                let mut made = body;
                made["id"] = json!(id);
                let mail = made["mail"].clone();
                self.change(format!("POST {path} {mail}"), |objects| drop(objects.insert(format!("{path}/{id}"), made.clone())));
                answer(201, made)
            }
        }
    }
}

impl ReadTarget for Fake {
    fn signed_in(&mut self) -> Result<SignedIn, ReadError> {
        Ok(self.signed_in.clone())
    }

    fn read(&mut self, read: &Read) -> Result<Answer, ReadError> {
        self.n_reads += 1;
        if self.refused_reads.contains(&read.path) {
            return Err(ReadError::Refused { path: read.path.clone(), reason: "403".into() });
        }
        let objects = match &mut self.stale {
            Some((left, old)) if *left > 0 => {
                *left -= 1;
                &*old
            }
            _ => &self.objects,
        };
        let body = if read.path == "/mails" {
            let below = objects.iter().filter(|(path, _)| path.starts_with("/mails/"));
            Some(json!({ "value": below.map(|(_, object)| object.clone()).collect::<Vec<_>>() }))
        } else {
            objects.get(&read.path).cloned()
        };
        let status = if body.is_some() { 200 } else { 404 };
        Ok(Answer { status, body, request_id: None })
    }
}

impl Target for Fake {
    fn write(&mut self, request: &Request) -> Result<Answer, WriteError> {
        self.requests.push(format!("{:?} {}", request.method, request.path));
        match self.faults.pop_front() {
            Some(Fault::NotSent) => Err(WriteError::NotSent("no token".into())),
            Some(Fault::LostBefore) => Err(WriteError::Lost("reset".into())),
            Some(Fault::Answer(status, body)) => Ok(Answer { status, body: Some(body), request_id: Some("refused".into()) }),
            Some(Fault::LostAfter) => {
                self.effect(request);
                Err(WriteError::Lost("reset".into()))
            }
            Some(Fault::AnswerAfter(status)) => {
                self.effect(request);
                Ok(Answer { status, body: None, request_id: None })
            }
            Some(Fault::Nothing) | None => {
                let answer = self.effect(request);
                (self.after_effect)(request);
                Ok(answer)
            }
        }
    }
}

/// A clock that waits by moving on.
pub(super) struct Hands {
    now: Cell<Timestamp>,
    pub(super) waited: Cell<Duration>,
    /// Asks to stop when it was asked so often whether to.
    pub(super) stop_after: Cell<Option<usize>>,
}

impl Hands {
    pub(super) fn at(now: Timestamp) -> Self {
        Self { now: Cell::new(now), waited: Cell::new(Duration::ZERO), stop_after: Cell::new(None) }
    }

    pub(super) fn set(&self, now: Timestamp) {
        self.now.set(now);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        self.now.get()
    }

    fn wait(&self, duration: Duration) {
        self.now.set(self.now.get().checked_add(duration).unwrap());
        self.waited.set(self.waited.get() + duration);
    }

    fn stop_requested(&self) -> bool {
        match self.stop_after.get() {
            Some(0) => true,
            Some(n) => {
                self.stop_after.set(Some(n - 1));
                false
            }
            None => false,
        }
    }
}
