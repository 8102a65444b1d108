//! One step: read what it relies on, write down what is about to happen, send, write down the answer, verify.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value as Json;

use super::answer::{error_code, existing_assignment, refusal};
use super::apply::{Ending, Event, Run};
use super::expect::{look, pointers, readable, same};
use super::journal::{Kind, Stage, State};
use super::plan::{Expectation, Method, Operation, Read, Service, Step, Undo};
use super::target::{Answer, WriteError};
use super::undo::complete_body;
use super::verify::{AGREEING, PAUSE_FIRST, longer};

/// How often a step may turn from one state to another in one run; waiting for a new principal needs the most.
const TURNS_MAX: usize = 1_000;
/// How often a request that had no effect is sent again in one run.
const RESENDS_MAX: usize = 3;

/// What a step was waited for in this run.
struct Patience {
    /// Until when a principal may be unknown to the service.
    deadline: Timestamp,
    pause: Duration,
    resends: usize,
}

impl Run<'_> {
    /// Brings one step to its end.
    pub(super) fn step(&mut self, step: &Step) -> Result<(), Ending> {
        let mut patience = Patience { deadline: self.deadline(step), pause: PAUSE_FIRST, resends: 0 };
        for _ in 0..TURNS_MAX {
            match self.progress.state(&step.id) {
                State::Verified(_) | State::Skipped(_) => return Ok(()),
                State::Accepted(attempt) => self.verify(step, &attempt)?,
                State::Unknown(attempt) => {
                    self.reconcile(step, &attempt)?;
                    patience.resends += 1;
                }
                State::NotBegun if patience.resends > RESENDS_MAX => {
                    let message = format!("it was sent {} times, without an answer and without effect", patience.resends);
                    return Err(Ending::Failed { step: step.id.clone(), message });
                }
                State::NotBegun => self.begin(step, &mut patience)?,
            }
        }
        Err(Ending::Failed { step: step.id.clone(), message: format!("no end after {TURNS_MAX} turns") })
    }

    /// The end of the window of a step, from now.
    pub(super) fn deadline(&self, step: &Step) -> Timestamp {
        let window = Duration::from_secs(step.operation.window_seconds.into());
        self.clock.now().checked_add(window).unwrap_or(Timestamp::MAX)
    }

    fn begin(&mut self, step: &Step, patience: &mut Patience) -> Result<(), Ending> {
        if self.clock.stop_requested() {
            return Err(Ending::Stopped);
        }
        let stale = |moved| Ending::Stale { step: step.id.clone(), moved };
        if self.clock.now() >= self.plan.expires {
            return Err(stale(vec![format!("the plan expired at {}", self.plan.expires)]));
        }
        if let Some(missing) = step.depends_on.iter().find(|id| !self.progress.state(id).is_done()) {
            return Err(stale(vec![format!("it depends on step {missing}, which is not done")]));
        }
        let nothing = BTreeMap::new();
        let before = look(self.target, &step.operation.before, &nothing);
        self.note(Some(step), Kind::Recheck { moved: before.differs.clone() })?;
        if !before.holds() {
            return Err(stale(before.differs));
        }
        let telling = self.is_telling(&step.operation.after);
        let undo = complete_undo(&step.undo, &before.answers);
        self.tell(Event::Begins(step));
        self.note(Some(step), Kind::Begin { undo, telling })?;
        match self.target.write(&step.operation.request) {
            Ok(answer) => self.answered(step, &answer, patience),
            Err(WriteError::Lost(message)) => self.note(Some(step), Kind::Unknown { message }),
            Err(WriteError::NotSent(message)) => {
                self.failed(step, Stage::NotSent, None, &message)?;
                Err(Ending::Failed { step: step.id.clone(), message: format!("the request was not sent: {message}") })
            }
        }
    }

    /// Tells whether reading can show later that the step took effect: what will be looked for is not there yet.
    fn is_telling(&mut self, after: &[Expectation]) -> bool {
        let nothing = BTreeMap::new();
        let readable = readable(after, &nothing);
        let found = look(self.target, &readable, &nothing);
        !found.unreadable && !found.differs.is_empty()
    }

    fn answered(&mut self, step: &Step, answer: &Answer, patience: &mut Patience) -> Result<(), Ending> {
        match answer.status {
            200..=299 => self.note(Some(step), sent(step, answer)),
            400 if error_code(answer) == Some("PrincipalNotFound") => self.principal_not_found(step, answer, patience),
            409 if existing_assignment(answer).is_some() => self.exists(step, answer),
            400..=407 | 409..=499 => {
                let message = format!("the service refused it: {}", refusal(answer));
                self.failed(step, Stage::Refused, Some(answer), &message)?;
                Err(Ending::Failed { step: step.id.clone(), message })
            }
            // An answer that says neither yes nor no: the request may have had its effect.
            _ => self.note(Some(step), Kind::Unknown { message: format!("the service answered {}", refusal(answer)) }),
        }
    }

    pub(super) fn failed(&mut self, step: &Step, stage: Stage, answer: Option<&Answer>, message: &str) -> Result<(), Ending> {
        let (status, request_id) = (answer.map(|answer| answer.status), answer.and_then(|answer| answer.request_id.clone()));
        self.note(Some(step), Kind::Failed { stage, status, request_id, message: message.to_owned() })
    }

    /// A principal the service does not know is either new, and will be known soon, or does not exist: the directory is asked.
    fn principal_not_found(&mut self, step: &Step, answer: &Answer, patience: &mut Patience) -> Result<(), Ending> {
        self.failed(step, Stage::Refused, Some(answer), "the service does not know the principal yet")?;
        let failed = |message: String| Err(Ending::Failed { step: step.id.clone(), message });
        let body = step.operation.request.body.as_ref();
        let text = |pointer: &str| body.and_then(|body| body.pointer(pointer)).and_then(Json::as_str);
        let principal = text("/properties/principalId").unwrap_or_default();
        let mut doubt = "the directory knows it";
        // A group of another directory has no object in this one.
        let list = match text("/properties/principalType") {
            Some("User") => Some("users"),
            Some("Group") => Some("groups"),
            Some("ServicePrincipal") => Some("servicePrincipals"),
            _ => None,
        };
        match list.and_then(|list| self.in_directory(list, principal)) {
            Some(true) => {}
            Some(false) => return failed(format!("the principal {principal} does not exist: the directory does not know it either")),
            None => doubt = "the directory could not be asked",
        }
        if self.clock.now() >= patience.deadline {
            let window = step.operation.window_seconds;
            return failed(format!("the service does not know the principal {principal} after {window} seconds; {doubt}"));
        }
        self.tell(Event::Waits(step, "the service does not know the principal yet"));
        self.clock.wait(patience.pause);
        patience.pause = longer(patience.pause);
        Ok(())
    }

    /// Asks the directory whether a principal exists; a replica may lag behind, so a *no* must be said several times.
    fn in_directory(&mut self, list: &str, principal: &str) -> Option<bool> {
        let read = Read {
            service: Service::Graph,
            path: format!("/v1.0/{list}/{principal}"),
            query: vec![("$select".to_owned(), "id".to_owned())],
        };
        let mut pause = PAUSE_FIRST;
        for asked in 1..=AGREEING {
            match self.target.read(&read).ok()?.status {
                200 => return Some(true),
                404 if asked < AGREEING => self.clock.wait(pause),
                404 => {}
                _ => return None,
            }
            pause = longer(pause);
        }
        Some(false)
    }

    /// The same role for the same principal under another name is what the step is for, and not ours to undo.
    fn exists(&mut self, step: &Step, answer: &Answer) -> Result<(), Ending> {
        let request = &step.operation.request;
        let id = existing_assignment(answer).unwrap_or_default();
        let (parent, _) = request.path.rsplit_once('/').unwrap_or(("", ""));
        let read = Read { service: request.service, path: format!("{parent}/{id}"), query: request.query.clone() };
        let wanted = request.body.as_ref().and_then(|body| body.pointer("/properties")).unwrap_or(&Json::Null);
        let found = self.target.read(&read);
        let is_same = found.as_ref().is_ok_and(|found| found.status == 200 && is_same_grant(wanted, found));
        if is_same {
            let message = format!("the same role assignment is there already as {id}");
            self.note(Some(step), Kind::Skipped { message: message.clone() })?;
            self.tell(Event::Skipped(step, &message));
            return Ok(());
        }
        let message = format!("a role assignment like it is there already as {id}, and differs or cannot be read");
        self.failed(step, Stage::Refused, Some(answer), &message)?;
        Err(Ending::Failed { step: step.id.clone(), message })
    }
}

fn is_same_grant(wanted: &Json, found: &Answer) -> bool {
    let Some(found) = found.body.as_ref().and_then(|body| body.pointer("/properties")) else { return false };
    let equal = |name: &str| {
        let of = |value: &Json| value.get(name).cloned().unwrap_or(Json::Null);
        same(&of(wanted), &of(found))
    };
    ["principalId", "roleDefinitionId", "condition"].iter().all(|name| equal(name))
}

/// What of an answer is kept: what a DELETE returned, and what `after` or the undo ask for. Nothing else, since answers hold
/// things that are nobody's business, such as links that redeem an invitation.
fn sent(step: &Step, answer: &Answer) -> Kind {
    let operation = &step.operation;
    let removed = answer.body.clone().filter(|body| operation.request.method == Method::Delete && body.is_object());
    let mut asked: Vec<String> = operation.after.iter().flat_map(|expectation| pointers(&expectation.read.path)).collect();
    if let Undo::By(undo) = &step.undo {
        asked.extend(operation_pointers(undo));
    }
    let value = |pointer: &String| answer.body.as_ref()?.pointer(pointer)?.as_str().map(str::to_owned);
    let answered = asked.iter().filter_map(|pointer| Some((pointer.clone(), value(pointer)?))).collect();
    Kind::Sent { status: answer.status, request_id: answer.request_id.clone(), removed, answered }
}

fn operation_pointers(operation: &Operation) -> Vec<String> {
    let reads = operation.before.iter().chain(&operation.after).map(|expectation| &expectation.read.path);
    reads.chain([&operation.request.path]).flat_map(|path| pointers(path)).collect()
}

/// Completes the body of an undo by what was read just before the step.
fn complete_undo(undo: &Undo, answers: &[(Read, Answer)]) -> Undo {
    let Undo::By(operation) = undo else { return undo.clone() };
    let mut operation = operation.clone();
    let found = answers.iter().find(|(read, answer)| answer.status == 200 && read.path.eq_ignore_ascii_case(&operation.request.path));
    if let (Some(body), Some((_, answer))) = (&mut operation.request.body, found) {
        complete_body(body, answer.body.as_ref().unwrap_or(&Json::Null));
    }
    Undo::By(operation)
}
