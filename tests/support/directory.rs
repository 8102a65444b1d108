//! A directory on this machine: it gives tokens to one application, which shows itself with a certificate, a secret or an
//! assertion, and refuses as Microsoft Entra words it.
//!
//! An assertion is verified against the certificate that was uploaded: algorithm, certificate, signature, audience, issuer, time,
//! and that it was not shown before.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use azure_core::base64;
use rustls::SignatureScheme;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value as Json, json};
use sha2::Digest as _;

pub(crate) type Form = BTreeMap<String, String>;

/// What the directory knows and what it saw.
pub(crate) struct Known {
    tenant: String,
    client: String,
    certificate: CertificateDer<'static>,
    /// Where it is asked for tokens.
    pub(crate) audience: String,
    /// What every token begins with.
    token: String,
    /// Assertions that were shown.
    shown: BTreeSet<String>,
    /// Every request that was granted.
    pub(crate) granted: Vec<Form>,
    /// What it says to whoever asks with claims, instead of granting it.
    pub(crate) against_claims: Option<&'static str>,
}

pub(crate) struct Directory {
    pub(crate) origin: String,
    pub(crate) known: Arc<Mutex<Known>>,
    _runtime: tokio::runtime::Runtime,
}

impl Directory {
    /// Starts a directory with one application and its certificate.
    pub(crate) fn start(tenant: &str, client: &str, certificate: &str, token: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))).unwrap();
        let address = listener.local_addr().unwrap();
        let known = Arc::new(Mutex::new(Known {
            tenant: tenant.to_owned(),
            client: client.to_owned(),
            certificate: CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap(),
            // The program believes that every authority is asked over https.
            audience: format!("https://{address}/{tenant}/oauth2/v2.0/token"),
            token: token.to_owned(),
            shown: BTreeSet::new(),
            granted: Vec::new(),
            against_claims: None,
        }));
        let app = Router::new().fallback(asked).with_state(Arc::clone(&known));
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self { origin: format!("http://{address}"), known, _runtime: runtime }
    }
}

async fn asked(State(known): State<Arc<Mutex<Known>>>, uri: Uri, body: Bytes) -> (StatusCode, axum::Json<Json>) {
    let form = reqwest::Url::parse(&format!("http://form.invalid/?{}", String::from_utf8_lossy(&body))).unwrap();
    let form: Form = form.query_pairs().into_owned().collect();
    let mut known = known.lock().unwrap();
    match known.judge(uri.path(), &form) {
        Ok(()) => {
            known.granted.push(form);
            let token = format!("{}-{}", known.token, known.granted.len());
            (
                StatusCode::OK,
                axum::Json(json!({ "token_type": "Bearer", "expires_in": 3600, "ext_expires_in": 3600, "access_token": token })),
            )
        }
        Err((error, why)) => {
            let code: i64 = why.split(':').next().unwrap().trim_start_matches("AADSTS").parse().unwrap();
            let body = json!({ "error": error, "error_description": why, "error_codes": [code] });
            (StatusCode::UNAUTHORIZED, axum::Json(body))
        }
    }
}

type Refusal = (&'static str, String);

impl Known {
    fn judge(&mut self, path: &str, form: &Form) -> Result<(), Refusal> {
        let of = |name: &str| form.get(name).map(String::as_str);
        let invalid = |why: &str| Err(("invalid_request", why.to_owned()));
        if path != format!("/{}/oauth2/v2.0/token", self.tenant) {
            return invalid("AADSTS90002: Tenant not found.");
        }
        if of("grant_type") != Some("client_credentials") || of("client_id") != Some(&self.client) {
            return invalid("AADSTS700016: Application was not found in the directory.");
        }
        if of("client_secret").is_none() {
            if of("client_assertion_type") != Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer") {
                return invalid("AADSTS7000218: The request body must contain client_assertion or client_secret.");
            }
            self.verify(of("client_assertion").unwrap_or_default()).map_err(|why| ("invalid_client", why))?;
        }
        match self.against_claims.filter(|_| of("claims").is_some()) {
            Some(why) => Err(("interaction_required", why.to_owned())),
            None => Ok(()),
        }
    }

    /// Verifies an assertion. Source: "Microsoft identity platform application authentication certificate credentials".
    pub(crate) fn verify(&mut self, assertion: &str) -> Result<(), String> {
        let parts: Vec<&str> = assertion.split('.').collect();
        let [head, payload, signature] = parts[..] else { return Err("AADSTS50027: JWT token is invalid or malformed.".to_owned()) };
        let json = |part: &str| serde_json::from_slice::<Json>(&base64::decode_url_safe(part).ok()?).ok();
        let (Some(header), Some(claims)) = (json(head), json(payload)) else {
            return Err("AADSTS50027: JWT token is invalid or malformed.".to_owned());
        };
        let print = base64::encode_url_safe(sha2::Sha256::digest(&self.certificate));
        if header["alg"] != "PS256" || header["typ"] != "JWT" || header["x5t#S256"] != print.as_str() {
            return Err("AADSTS700027: The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found.]".to_owned());
        }
        let signature = base64::decode_url_safe(signature).unwrap_or_default();
        if !is_signed(&self.certificate, &format!("{head}.{payload}"), &signature) {
            return Err("AADSTS700027: Client assertion failed signature validation.".to_owned());
        }
        if claims["aud"] != self.audience.as_str() {
            return Err("AADSTS700023: Client assertion audience claim does not match Realm issuer.".to_owned());
        }
        if claims["iss"] != self.client.as_str() || claims["sub"] != self.client.as_str() {
            return Err("AADSTS700021: Client assertion application identifier doesn't match 'client_id' parameter.".to_owned());
        }
        let now = jiff::Timestamp::now().as_second();
        let (Some(from), Some(until)) = (claims["nbf"].as_i64(), claims["exp"].as_i64()) else {
            return Err("AADSTS50027: JWT token is invalid or malformed.".to_owned());
        };
        if from > now + 300 || until <= now || until - from > 600 {
            return Err("AADSTS700024: Client assertion is not within its valid time range.".to_owned());
        }
        if !claims["jti"].as_str().is_some_and(|id| self.shown.insert(id.to_owned())) {
            return Err("AADSTS700025: The assertion was shown before.".to_owned());
        }
        Ok(())
    }
}

fn is_signed(certificate: &CertificateDer<'_>, text: &str, signature: &[u8]) -> bool {
    let parsed = rustls::server::ParsedCertificate::try_from(certificate).unwrap();
    let info = parsed.subject_public_key_info();
    let key = pkcs8::spki::SubjectPublicKeyInfoRef::try_from(info.as_ref()).unwrap();
    let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
    let (_, pss) = algorithms.mapping.iter().find(|(scheme, _)| *scheme == SignatureScheme::RSA_PSS_SHA256).unwrap();
    pss[0].verify_signature(key.subject_public_key.raw_bytes(), text.as_bytes(), signature).is_ok()
}
