//! The manifest: an in-toto Statement v1 with the test-result predicate v0.1 over the digests of the files.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{BundleError, FILES_MAX, MANIFEST, wrong_name};
use crate::model::canonical_json;

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";

/// What a bundle says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Descriptor>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: Predicate,
}

/// A file by name and digest: an in-toto ResourceDescriptor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Descriptor {
    name: String,
    digest: BTreeMap<String, String>,
}

/// How the tests came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Outcome {
    /// Nothing fails, and everything is known.
    Passed,
    /// Nothing fails, and something is unknown or waived.
    Warned,
    /// Something fails.
    Failed,
}

/// The test-result predicate; what in-toto does not know stands under `tenet`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Predicate {
    /// How it came out.
    pub result: Outcome,
    configuration: Vec<Descriptor>,
    /// Rules without a fail or an unknown.
    pub passed_tests: Vec<String>,
    /// Rules with an unknown or a waived fail, and no other fail.
    pub warned_tests: Vec<String>,
    /// Rules with a fail.
    pub failed_tests: Vec<String>,
    /// The program's version, the name of the snapshot, the instant of the run.
    pub tenet: BTreeMap<String, String>,
}

impl Predicate {
    /// Sums up a run.
    #[must_use]
    pub fn new(result: Outcome, tests: [Vec<String>; 3], tenet: BTreeMap<String, String>) -> Self {
        let [passed_tests, warned_tests, failed_tests] = tests;
        Self { result, configuration: Vec::new(), passed_tests, warned_tests, failed_tests, tenet }
    }
}

impl Manifest {
    /// Lists files by name with their sha256. Policies, waivers, registers and settings are the configuration.
    #[must_use]
    pub fn new(files: &BTreeMap<String, String>, mut predicate: Predicate) -> Self {
        let describe = |(name, digest): (&String, &String)| Descriptor {
            name: name.clone(),
            digest: BTreeMap::from([("sha256".to_owned(), digest.clone())]),
        };
        predicate.configuration = files.iter().filter(|(name, _)| name.starts_with("repo/")).map(describe).collect();
        let subject = files.iter().map(describe).collect();
        Self { kind: STATEMENT.to_owned(), subject, predicate_type: TEST_RESULT.to_owned(), predicate }
    }

    /// Returns what it says of the run.
    #[must_use]
    pub fn predicate(&self) -> &Predicate {
        &self.predicate
    }

    /// Writes it in canonical form.
    ///
    /// # Errors
    /// [`BundleError`] if it has no such form.
    pub fn to_json(&self) -> Result<String, BundleError> {
        let value = serde_json::to_value(self).map_err(|error| BundleError::changed(MANIFEST, error.to_string()))?;
        canonical_json(&value).map_err(|error| BundleError::changed(MANIFEST, error.to_string()))
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`BundleError`]
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        let wrong = |reason: String| BundleError::changed(MANIFEST, reason);
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| wrong(format!("it is no manifest: {error}")))?;
        if manifest.kind != STATEMENT || manifest.predicate_type != TEST_RESULT {
            return Err(wrong("it is no in-toto statement about a test result".to_owned()));
        }
        if manifest.to_json()?.as_bytes() != bytes {
            return Err(wrong("it is not in canonical form".to_owned()));
        }
        Ok(manifest)
    }

    /// Returns the files with their sha256.
    ///
    /// # Errors
    /// A name that is none, or twice there.
    pub fn files(&self) -> Result<BTreeMap<String, String>, BundleError> {
        if self.subject.len() > FILES_MAX {
            return Err(BundleError::Limit { what: "files of a bundle".to_owned(), limit: FILES_MAX as u64 });
        }
        let mut files = BTreeMap::new();
        for file in &self.subject {
            if let Some(reason) = wrong_name(&file.name) {
                return Err(BundleError::Name { name: file.name.clone(), reason });
            }
            let digest = file.digest.get("sha256").ok_or_else(|| BundleError::changed(MANIFEST, "a file has no sha256"))?;
            if files.insert(file.name.clone(), digest.clone()).is_some() {
                return Err(BundleError::changed(&file.name, "the manifest names it twice"));
            }
        }
        Ok(files)
    }
}
