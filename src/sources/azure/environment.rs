//! Signing in as an application, from the environment: a secret, a certificate or an assertion.
//!
//! Source: "EnvironmentCredential Class" of the Azure SDK (read 2026-11-28): names of variables, and that a secret goes before a
//! certificate. `AZURE_CLIENT_ASSERTION` is of this program.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::Uuid;
use azure_core::credentials::{Secret, TokenCredential};
use azure_core::error::{Error, ErrorKind};
use azure_core::http::{ClientMethodOptions, ClientOptions};
use azure_core::time::OffsetDateTime;
use azure_identity as identity;
use jiff::Timestamp;

use super::certificate::{CertificateFile, Parties};
use super::credentials::shown;

/// Makes the credential that the environment holds, which signs in at an authority.
pub(super) fn credential(
    tenant: Option<String>,
    authority: &str,
    client_options: ClientOptions,
) -> Result<Arc<dyn TokenCredential>, String> {
    let tenant = tenant.or_else(|| variable("AZURE_TENANT_ID")).ok_or("AZURE_TENANT_ID is not set")?;
    let client = variable("AZURE_CLIENT_ID").ok_or("AZURE_CLIENT_ID is not set")?;
    if let Some(secret) = variable("AZURE_CLIENT_SECRET") {
        let options = identity::ClientSecretCredentialOptions { client_options };
        let made = identity::ClientSecretCredential::new(&tenant, client, Secret::new(secret), Some(options));
        return Ok(made.map_err(|error| shown(&error))?);
    }
    let options = identity::ClientAssertionCredentialOptions { client_options };
    if let Some(file) = certificate_file()? {
        let audience = format!("{authority}/{tenant}/oauth2/v2.0/token");
        let assertion = Signed { file, parties: Parties { client: client.clone(), audience } };
        // What is wrong with the file is told before anything is asked.
        assertion.made()?;
        return Ok(identity::ClientAssertionCredential::new(tenant, client, assertion, Some(options)).map_err(|error| shown(&error))?);
    }
    if let Some(assertion) = variable("AZURE_CLIENT_ASSERTION") {
        let assertion = Given(Secret::new(assertion));
        return Ok(identity::ClientAssertionCredential::new(tenant, client, assertion, Some(options)).map_err(|error| shown(&error))?);
    }
    Err("none of AZURE_CLIENT_SECRET, AZURE_CLIENT_CERTIFICATE_PATH and AZURE_CLIENT_ASSERTION is set".to_owned())
}

fn certificate_file() -> Result<Option<CertificateFile>, String> {
    let Some(path) = variable("AZURE_CLIENT_CERTIFICATE_PATH") else { return Ok(None) };
    let name = "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN";
    let sends_chain = match variable(name).map(|text| text.to_ascii_lowercase()).as_deref() {
        Some("true" | "1") => true,
        Some("false" | "0") | None => false,
        Some(_) => return Err(format!("{name} is neither true nor false")),
    };
    let password = variable("AZURE_CLIENT_CERTIFICATE_PASSWORD").map(Secret::new);
    Ok(Some(CertificateFile { path: PathBuf::from(path), password, sends_chain }))
}

/// Returns a variable of the environment that is set to something.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(OsString::into_string).and_then(Result::ok).filter(|value| !value.is_empty())
}

/// An assertion that is made of a certificate each time.
#[derive(Debug)]
struct Signed {
    file: CertificateFile,
    parties: Parties,
}

impl Signed {
    fn made(&self) -> Result<String, String> {
        let now = Timestamp::from_second(OffsetDateTime::now_utc().unix_timestamp()).map_err(|error| error.to_string())?;
        self.file.assertion(&self.parties, now, &Uuid::new_v4().to_string())
    }
}

#[async_trait]
impl identity::ClientAssertion for Signed {
    async fn secret(&self, _options: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        self.made().map_err(|why| Error::with_message(ErrorKind::Credential, why))
    }
}

/// A signed assertion that somebody else made.
struct Given(Secret);

impl fmt::Debug for Given {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Given")
    }
}

#[async_trait]
impl identity::ClientAssertion for Given {
    async fn secret(&self, _options: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        Ok(self.0.secret().to_owned())
    }
}
