//! Signing in: an ordered chain of ways, each with the reason why it did not do.
//!
//! Tokens live in [`Secret`], which shows nothing; they are never printed, logged or stored.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use azure_core::error::{Error, ErrorKind};
use azure_core::http::ClientOptions;
use azure_core::time::OffsetDateTime;
use azure_identity as identity;
use serde_json::Value as Json;
use thiserror::Error;
use tokio::sync::Mutex;

use super::challenge::{Challenge, Demands};
use super::cloud::{Cloud, Endpoint};
use super::environment::{self, variable};
use super::wire;
use crate::remedy::target::SignedIn;

/// Time for one way of signing in.
const TIME_MAX: Duration = Duration::from_secs(20);
/// Time for the identity of a machine, which is asked for at an address that elsewhere answers nothing.
const MACHINE_TIME_MAX: Duration = Duration::from_secs(3);
/// The largest file with a token.
const TOKEN_BYTES_MAX: u64 = 64 * 1024;

/// A way of signing in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMethod {
    /// The first way of the others, save a file, that works: environment, workload, machine, az, azd.
    Auto,
    /// A secret, a certificate or an assertion from the environment.
    Env,
    /// A federated token of a workload.
    Workload,
    /// The identity of the machine.
    Managed,
    /// The Azure command line.
    Az,
    /// The Azure Developer command line.
    Azd,
    /// A file that holds a token.
    TokenFile,
}

impl AuthMethod {
    /// All of them with their names, in the order in which `auto` tries them.
    pub const ALL: [(&'static str, Self); 7] = [
        ("auto", Self::Auto),
        ("env", Self::Env),
        ("workload", Self::Workload),
        ("managed", Self::Managed),
        ("az", Self::Az),
        ("azd", Self::Azd),
        ("token-file", Self::TokenFile),
    ];

    /// Returns its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, method)| *method == self).map_or("auto", |(name, _)| name)
    }
}

/// What signing in works with.
#[derive(Debug, Clone)]
pub struct SignInOptions {
    /// The way.
    pub method: AuthMethod,
    /// The directory; where it is none, the one of the credential.
    pub tenant: Option<String>,
    /// The file for [`AuthMethod::TokenFile`].
    pub token_file: Option<PathBuf>,
}

/// Why nobody is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("nobody could sign in{}", list_of(.refusals))]
pub struct SignInError {
    /// Each way that was tried, with the reason.
    pub refusals: Vec<(&'static str, String)>,
}

fn list_of(refusals: &[(&'static str, String)]) -> String {
    refusals.iter().map(|(way, why)| format!("\n  {way}: {why}")).collect()
}

/// Somebody who is signed in.
#[derive(Clone)]
pub struct Credential {
    inner: Arc<RwLock<Arc<dyn TokenCredential>>>,
    options: SignInOptions,
    method: AuthMethod,
    demands: Demands,
    /// One at a time.
    renewing: Arc<Mutex<()>>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credential").field("way", &self.way()).finish_non_exhaustive()
    }
}

impl Credential {
    /// Returns the way of signing in that worked.
    #[must_use]
    pub fn way(&self) -> &'static str {
        self.method.name()
    }

    /// Returns a token for a service.
    pub(super) async fn token(&self, cloud: &Cloud, endpoint: Endpoint) -> Result<Secret, String> {
        let inner = Arc::clone(&*self.inner.read().unwrap_or_else(PoisonError::into_inner));
        token_of(&*inner, scope_of(cloud, endpoint)?).await
    }

    /// Signs in anew in the same way, past all tokens that are kept, for a service that did not take its token. Tells whether the
    /// token is another one; if it is not, everything stays as it was.
    ///
    /// The claims that the service demands are asked for, if there are any. Applications pass them on; other ways cannot.
    pub(super) async fn renew(&self, cloud: &Cloud, endpoint: Endpoint, challenge: Option<&Challenge>) -> Result<bool, String> {
        let _turn = self.renewing.lock().await;
        let scope = scope_of(cloud, endpoint)?;
        let before = self.token(cloud, endpoint).await?;
        let demanded = challenge.map(|challenge| self.demands.demand(scope, Some(challenge.claims())));
        let fresh = async {
            let fresh = attempt(self.method, &self.options, cloud, &self.demands).await?;
            let after = token_of(&*fresh, scope).await.map_err(explained)?;
            Ok((before.secret() != after.secret()).then_some(fresh))
        };
        let fresh: Result<Option<Arc<dyn TokenCredential>>, String> = fresh.await;
        match (&fresh, demanded) {
            (Ok(Some(fresh)), _) => *self.inner.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(fresh),
            (_, Some(before)) => drop(self.demands.demand(scope, before)),
            (_, None) => {}
        }
        fresh.map(|fresh| fresh.is_some())
    }

    /// Says what can be done about claims that a service demands and that no new token brought; `why` is what the directory said.
    pub(super) fn advice(&self, cloud: &Cloud, endpoint: Endpoint, challenge: &Challenge, why: Option<&str>) -> String {
        let scope = cloud.scope(endpoint).unwrap_or(&cloud.arm_scope);
        challenge.advice(self.method, self.options.tenant.as_deref(), scope, why)
    }

    /// Tells who is signed in where, by what the token says of itself. Its signature is not verified here: the services do
    /// that with each request; this is to tell a wrong sign-in before anything is sent.
    pub(super) async fn signed_in(&self, cloud: &Cloud) -> Result<SignedIn, String> {
        let token = self.token(cloud, Endpoint::Arm).await?;
        claims(token.secret()).ok_or_else(|| "the token does not tell its directory and identity (claims tid and oid)".to_owned())
    }
}

/// What a token for a service is asked for.
fn scope_of(cloud: &Cloud, endpoint: Endpoint) -> Result<&str, String> {
    cloud.scope(endpoint).ok_or_else(|| "the cloud names no endpoint of Partner Center; set partner_center in [cloud]".to_owned())
}

async fn token_of(credential: &dyn TokenCredential, scope: &str) -> Result<Secret, String> {
    match tokio::time::timeout(TIME_MAX, credential.get_token(&[scope], None)).await {
        Ok(Ok(token)) => Ok(token.token),
        Ok(Err(error)) => Err(shown(&error)),
        Err(_) => Err(format!("no token for {scope} within {} seconds", TIME_MAX.as_secs())),
    }
}

fn claims(token: &str) -> Option<SignedIn> {
    let payload = token.split('.').nth(1)?.trim_end_matches('=');
    let decoded = azure_core::base64::decode_url_safe(payload).ok()?;
    let claims: Json = serde_json::from_slice(&decoded).ok()?;
    let of = |name: &str| claims.get(name)?.as_str().map(str::to_lowercase);
    Some(SignedIn { tenant: of("tid")?, principal: of("oid")? })
}

/// Signs in: takes the first way that gives a token for Azure Resource Manager.
///
/// # Errors
/// Each way that was tried, with the reason why it did not do.
pub async fn sign_in(options: &SignInOptions, cloud: &Cloud) -> Result<Credential, SignInError> {
    let ways: Vec<AuthMethod> = match options.method {
        AuthMethod::Auto => AuthMethod::ALL.iter().map(|(_, method)| *method).filter(|way| !is_last_resort(*way)).collect(),
        one => vec![one],
    };
    let mut refusals = Vec::new();
    let demands = Demands::default();
    for way in ways {
        match attempt(way, options, cloud, &demands).await {
            Ok(inner) => {
                let (inner, renewing) = (Arc::new(RwLock::new(inner)), Arc::default());
                return Ok(Credential { inner, options: options.clone(), method: way, demands, renewing });
            }
            Err(why) => refusals.push((way.name(), why)),
        }
    }
    Err(SignInError { refusals })
}

fn is_last_resort(way: AuthMethod) -> bool {
    matches!(way, AuthMethod::Auto | AuthMethod::TokenFile)
}

async fn attempt(way: AuthMethod, options: &SignInOptions, cloud: &Cloud, demands: &Demands) -> Result<Arc<dyn TokenCredential>, String> {
    let credential = credential(way, options, cloud, demands)?;
    let time = if way == AuthMethod::Managed { MACHINE_TIME_MAX } else { TIME_MAX };
    match tokio::time::timeout(time, credential.get_token(&[&cloud.arm_scope], None)).await {
        Ok(Ok(_)) => Ok(credential),
        Ok(Err(error)) => Err(explained(shown(&error))),
        Err(_) => Err(format!("no answer within {} seconds", time.as_secs())),
    }
}

/// What the directory means, in words, for what often keeps people from signing in. Source: "Microsoft Entra authentication and
/// authorization error codes".
const MEANINGS: [(&str, &str); 10] = [
    ("AADSTS7000222", "the secret of the application has expired: make a new one and set AZURE_CLIENT_SECRET"),
    ("AADSTS7000215", "the secret is not one of the application: its value is needed, not its id"),
    (
        "AADSTS700027",
        "the certificate is not one of the application: upload it (App registrations, Certificates & secrets), or name the one that is there in AZURE_CLIENT_CERTIFICATE_PATH",
    ),
    ("AADSTS700016", "the directory does not know the application: AZURE_CLIENT_ID or AZURE_TENANT_ID is of another one"),
    ("AADSTS90002", "there is no such directory: AZURE_TENANT_ID is wrong, or it is in another cloud"),
    ("AADSTS900023", "AZURE_TENANT_ID is no id of a directory"),
    ("AADSTS700024", "the assertion is not valid at this time: is the clock of this machine right?"),
    ("AADSTS50076", "the directory demands another factor: sign in anew with `az login`"),
    ("AADSTS700082", "the sign-in has lapsed: sign in anew with `az login`"),
    ("AADSTS53003", "a Conditional Access policy blocks the sign-in"),
];

fn explained(why: String) -> String {
    match MEANINGS.iter().find(|(code, _)| why.contains(&format!("{code}:"))) {
        Some((_, meaning)) => format!("{meaning} ({why})"),
        None => why,
    }
}

fn credential(way: AuthMethod, options: &SignInOptions, cloud: &Cloud, demands: &Demands) -> Result<Arc<dyn TokenCredential>, String> {
    let tenant = options.tenant.clone();
    let said = |error: Error| shown(&error);
    Ok(match way {
        AuthMethod::Auto | AuthMethod::Env => environment::credential(tenant, &authority(cloud), client_options(cloud, demands)?)?,
        AuthMethod::Workload => {
            let credential_options = identity::ClientAssertionCredentialOptions { client_options: client_options(cloud, demands)? };
            let options = identity::WorkloadIdentityCredentialOptions { credential_options, tenant_id: tenant, ..Default::default() };
            identity::WorkloadIdentityCredential::new(Some(options)).map_err(said)?
        }
        AuthMethod::Managed => {
            let user_assigned_id = variable("AZURE_CLIENT_ID").map(identity::UserAssignedId::ClientId);
            let options = identity::ManagedIdentityCredentialOptions { user_assigned_id, client_options: client_options(cloud, demands)? };
            identity::ManagedIdentityCredential::new(Some(options)).map_err(said)?
        }
        AuthMethod::Az => {
            let options = identity::AzureCliCredentialOptions { tenant_id: tenant, ..Default::default() };
            identity::AzureCliCredential::new(Some(options)).map_err(said)?
        }
        AuthMethod::Azd => {
            let options = identity::AzureDeveloperCliCredentialOptions { tenant_id: tenant, ..Default::default() };
            identity::AzureDeveloperCliCredential::new(Some(options)).map_err(said)?
        }
        AuthMethod::TokenFile => {
            let path = options.token_file.clone().ok_or("no file is named; give --token-file FILE")?;
            Arc::new(TokenFile { path, cloud: cloud.clone() })
        }
    })
}

/// The authority as the library wants it: it signs in at https addresses only.
fn authority(cloud: &Cloud) -> String {
    cloud.authority.replacen("http://", "https://", 1)
}

fn client_options(cloud: &Cloud, demands: &Demands) -> Result<ClientOptions, String> {
    let mut custom = CustomConfiguration::default();
    custom.authority_host = authority(cloud);
    let transport = wire::transport(cloud).map_err(|error| error.to_string())?;
    Ok(ClientOptions {
        transport: Some(transport),
        cloud: Some(Arc::new(CloudConfiguration::Custom(custom))),
        per_call_policies: vec![Arc::new(demands.clone())],
        ..Default::default()
    })
}

/// A file that holds a token, or a JSON object with one for each service: `{"arm": …, "graph": …, "partner_center": …}`. It is read again each time,
/// so that another program may renew it.
struct TokenFile {
    path: PathBuf,
    cloud: Cloud,
}

impl fmt::Debug for TokenFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TokenFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl TokenFile {
    fn read(&self, scope: &str) -> Result<String, String> {
        let at = self.path.display();
        let size = std::fs::metadata(&self.path).map_err(|error| format!("{at}: {error}"))?.len();
        if size > TOKEN_BYTES_MAX {
            return Err(format!("{at} is larger than a token may be ({TOKEN_BYTES_MAX} bytes)"));
        }
        let text = std::fs::read_to_string(&self.path).map_err(|error| format!("{at}: {error}"))?;
        let text = text.trim();
        let token = if text.starts_with('{') {
            let services = [(Endpoint::Arm, "arm"), (Endpoint::Graph, "graph"), (Endpoint::PartnerCenter, "partner_center")];
            let service = services.into_iter().find(|(endpoint, _)| self.cloud.scope(*endpoint) == Some(scope));
            let service = service.map(|(_, name)| name).ok_or_else(|| format!("no service has tokens for {scope}"))?;
            let found: Json = serde_json::from_str(text).map_err(|_| format!("{at} is neither a token nor JSON with tokens"))?;
            found.get(service).and_then(Json::as_str).map(str::to_owned).ok_or_else(|| format!("{at} has no token `{service}`"))?
        } else {
            text.to_owned()
        };
        if token.is_empty() || token.chars().any(|one| one.is_whitespace() || one.is_control()) {
            return Err(format!("{at} holds no token"));
        }
        Ok(token)
    }
}

#[async_trait]
impl TokenCredential for TokenFile {
    async fn get_token(&self, scopes: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        let token = self.read(scopes.first().copied().unwrap_or_default());
        let token = token.map_err(|why| Error::with_message(ErrorKind::Credential, why))?;
        Ok(AccessToken::new(token, OffsetDateTime::now_utc() + azure_core::time::Duration::minutes(5)))
    }
}

/// Shows an error with its causes on one line, without anything that looks like a token.
pub(super) fn shown(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    without_tokens(&text)
}

/// Replaces what looks like a signed token, and joins lines.
pub(super) fn without_tokens(text: &str) -> String {
    let separates = |one: char| one.is_whitespace() || "\"'`,;<>()[]{}".contains(one);
    let mut out = String::new();
    for piece in text.split_inclusive(separates) {
        let word = piece.trim_end_matches(separates);
        match word.find("eyJ").map(|at| word.split_at(at)) {
            Some((before, token)) if token.len() > 20 => out += &format!("{before}[token]"),
            _ => out += word,
        }
        out += piece.get(word.len()..).unwrap_or_default();
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_left_out_of_what_is_shown() {
        let text = "bad token \"eyJhbGciOiJub25lIn0.eyJ0aWQiOiJ4In0==.c2ln\"\n of eyJ, a=eyJhbGciOiJub25lIn0.eyJ0aWQi";
        assert_eq!(without_tokens(text), "bad token \"[token]\" of eyJ, a=[token]");
    }

    #[test]
    fn claims_tell_who_it_is() {
        let payload = azure_core::base64::encode_url_safe(br#"{"tid":"C0","oid":"AD","exp":1}"#);
        let found = claims(&format!("e30.{payload}.x")).unwrap();
        assert_eq!((found.tenant.as_str(), found.principal.as_str()), ("c0", "ad"));
        assert!(claims("opaque").is_none() && claims("a.b.c").is_none());
    }

    #[test]
    fn every_way_has_its_name() {
        for (name, method) in AuthMethod::ALL {
            assert_eq!(method.name(), name);
        }
    }
}
