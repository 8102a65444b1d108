//! The live services as what apply reads and writes.

use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;

use super::client::{Got, ReadClient, ReadFailure, WriteClient};
use crate::remedy::plan::{Read, Request};
use crate::remedy::target::{Answer, ReadError, ReadTarget, SignedIn, Target, WriteError};

/// The reading side of the live services.
#[derive(Debug)]
pub struct HttpReader {
    runtime: Runtime,
    client: ReadClient,
}

impl HttpReader {
    /// Reads with a client.
    ///
    /// # Errors
    /// If the machine gives no runtime.
    pub fn new(client: ReadClient) -> std::io::Result<Self> {
        Ok(Self { runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?, client })
    }
}

impl ReadTarget for HttpReader {
    fn signed_in(&mut self) -> Result<SignedIn, ReadError> {
        self.runtime.block_on(self.client.signed_in()).map_err(|failure| read_error("sign-in", failure))
    }

    fn read(&mut self, read: &Read) -> Result<Answer, ReadError> {
        self.runtime.block_on(whole(&self.client, read)).map_err(|failure| read_error(&read.path, failure))
    }
}

/// The live services, to be written by apply.
#[derive(Debug)]
pub struct HttpTarget {
    reader: HttpReader,
    writer: WriteClient,
}

impl HttpTarget {
    /// Writes with a client.
    ///
    /// # Errors
    /// If the machine gives no runtime.
    pub fn new(writer: WriteClient) -> std::io::Result<Self> {
        Ok(Self { reader: HttpReader::new(writer.reader().clone())?, writer })
    }
}

impl ReadTarget for HttpTarget {
    fn signed_in(&mut self) -> Result<SignedIn, ReadError> {
        self.reader.signed_in()
    }

    fn read(&mut self, read: &Read) -> Result<Answer, ReadError> {
        self.reader.read(read)
    }
}

impl Target for HttpTarget {
    fn write(&mut self, request: &Request) -> Result<Answer, WriteError> {
        self.reader.runtime.block_on(self.writer.write(request))
    }
}

/// Reads one place; of a list all pages, put together under `/value`.
async fn whole(client: &ReadClient, read: &Read) -> Result<Answer, ReadFailure> {
    let mut pages = client.pages(read.service, &read.path, &read.query);
    let mut items: Vec<Json> = Vec::new();
    let mut first: Option<Got> = None;
    while let Some(mut got) = pages.next().await? {
        let list = got.body.as_mut().and_then(|body| body.get_mut("value")).and_then(Json::as_array_mut).map(std::mem::take);
        match (list, first.is_some()) {
            (Some(list), _) => items.extend(list),
            (None, false) => {
                let request_id = got.request_id().map(str::to_owned);
                return Ok(Answer { status: got.status, body: got.body, request_id });
            }
            (None, true) => return Err(ReadFailure::Unusable("a later page of the list holds no list".to_owned())),
        }
        first.get_or_insert(got);
    }
    let request_id = first.as_ref().and_then(Got::request_id).map(str::to_owned);
    Ok(Answer { status: 200, body: Some(json!({ "value": items })), request_id })
}

fn read_error(path: &str, failure: ReadFailure) -> ReadError {
    let (path, reason) = (path.to_owned(), failure.to_string());
    match failure {
        ReadFailure::SignIn(_) | ReadFailure::Refused(_) | ReadFailure::Challenged(_) => ReadError::Refused { path, reason },
        ReadFailure::GivenUp { .. } | ReadFailure::Unusable(_) => ReadError::Failed { path, reason },
    }
}
