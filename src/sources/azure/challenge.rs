//! Claims that a service demands of a token (Conditional Access, continuous access evaluation), and what can be done about it.
//!
//! Source: "Claims challenges, claims requests and client capabilities", section "Claims challenge header format", and
//! "Continuous access evaluation for workload identities" (both read 2026-11-28): 401 with `WWW-Authenticate: Bearer …
//! error="insufficient_claims", claims="…"`, where the claims are JSON in base64. An application passes them on as `claims` of its
//! request for a token. What a person signed in with passes on nothing: azure_identity 1.0 has no way to, so the person is told.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use azure_core::base64;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{Body, Context, Request, Url};
use http_auth::ChallengeParser;
use serde_json::Value as Json;

use super::credentials::AuthMethod;

/// The largest demand that is passed on.
const CLAIMS_BYTES_MAX: usize = 8 * 1024;

/// Claims that a service demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// A JSON object.
    claims: String,
}

impl Challenge {
    /// Finds the demand in the headers of an answer with status 401; none if there is none that can be understood.
    pub(super) fn of(headers: &[(String, String)]) -> Option<Self> {
        let named = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("www-authenticate"));
        let mut challenges = named.flat_map(|(_, value)| ChallengeParser::new(value).map_while(Result::ok));
        challenges.find_map(|challenge| {
            let of = |wanted: &str| {
                let found = challenge.params.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
                found.map(|(_, value)| value.to_unescaped())
            };
            let demands = challenge.scheme.eq_ignore_ascii_case("bearer") && of("error").as_deref() == Some("insufficient_claims");
            demands.then(|| of("claims")).flatten().and_then(|claims| Self::decoded(&claims))
        })
    }

    fn decoded(text: &str) -> Option<Self> {
        if text.len() > CLAIMS_BYTES_MAX {
            return None;
        }
        // Some write the one alphabet of base64 and some the other.
        let text = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
        let claims = String::from_utf8(base64::decode_url_safe(text).ok()?).ok()?;
        serde_json::from_str::<Json>(&claims).ok().filter(Json::is_object).map(|_| Self { claims })
    }

    /// The claims: a JSON object.
    pub(super) fn claims(&self) -> String {
        self.claims.clone()
    }

    /// The claims as command lines take them; letters, digits, `+`, `/` and `=` alone.
    fn encoded(&self) -> String {
        base64::encode(&self.claims)
    }

    /// Says what a service demands, and what whoever signed in this way can do.
    ///
    /// `why` is what the directory said to a request with these claims, if there was one and it was refused.
    pub(super) fn advice(&self, way: AuthMethod, tenant: Option<&str>, scope: &str, why: Option<&str>) -> String {
        let claims = self.encoded();
        let (in_az, in_azd) = match tenant {
            Some(tenant) => (format!(" --tenant {tenant}"), format!(" --tenant-id {tenant}")),
            None => Default::default(),
        };
        let what = match way {
            // Source: history of Azure CLI, version 2.76.0; it says the same two commands itself when it is challenged.
            AuthMethod::Az => format!(
                "run `az logout` and `az login{in_az} --scope {scope} --claims-challenge {claims}` (az 2.76 or later), then this again"
            ),
            // Source: Azure SDK, AzureDeveloperCliCredential; azd keeps the claims for the sign-in after.
            AuthMethod::Azd => format!(
                "run `azd auth token{in_azd} --scope {scope} --claims {claims}`, which asks for `azd auth login` (azd 1.18.1 or later), then this again"
            ),
            AuthMethod::TokenFile => {
                format!("put a token for {scope} into the file that was asked for with these claims (base64): {claims}")
            }
            AuthMethod::Managed => {
                "an identity of a machine cannot meet it: sign in another way, such as --auth env or --auth az".to_owned()
            }
            AuthMethod::Auto | AuthMethod::Env | AuthMethod::Workload => {
                let found = why.map_or_else(|| "a token with them is not taken either".to_owned(), |why| format!("none was given: {why}"));
                format!(
                    "a token was asked for with them, and {found}; a policy for workload identities keeps the application out: ask who administers it"
                )
            }
        };
        format!("the service demands claims that the sign-in lacks (insufficient_claims: {}): {what}", self.names())
    }

    /// Names the claims: those of the token, as nothing else is demanded of an access token.
    fn names(&self) -> String {
        let claims: Json = serde_json::from_str(&self.claims).unwrap_or(Json::Null);
        let names = claims.get("access_token").and_then(Json::as_object).map(|of| of.keys().map(String::as_str).collect::<Vec<_>>());
        names.filter(|names| !names.is_empty()).map_or_else(|| "not named".to_owned(), |names| names.join(", "))
    }
}

/// Claims that are asked for with each token, by what the token is for. Shared by a sign-in and what it sends.
#[derive(Debug, Clone, Default)]
pub(super) struct Demands(Arc<RwLock<BTreeMap<String, String>>>);

impl Demands {
    /// Asks for these claims, or for none, with tokens for this from now on. Returns what was asked for before.
    pub(super) fn demand(&self, scope: &str, claims: Option<String>) -> Option<String> {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match claims {
            Some(claims) => known.insert(scope.to_owned(), claims),
            None => known.remove(scope),
        }
    }

    /// Adds the claims to a request for a token, if there are any for it.
    fn added_to(&self, form: &[u8]) -> Option<Vec<u8>> {
        let mut address = Url::parse("https://form.invalid/").ok()?;
        address.set_query(Some(std::str::from_utf8(form).ok()?));
        let scope = address.query_pairs().find(|(name, _)| name == "scope")?.1.into_owned();
        let claims = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&scope)?.clone();
        address.query_pairs_mut().append_pair("claims", &claims);
        address.query().map(|query| query.as_bytes().to_vec())
    }
}

#[async_trait]
impl Policy for Demands {
    async fn send(&self, ctx: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        if let Body::Bytes(form) = request.body()
            && let Some(form) = self.added_to(form)
        {
            request.set_body(form);
        }
        let no_transport = || azure_core::Error::with_message(azure_core::error::ErrorKind::Other, "nothing carries the request");
        let (first, rest) = next.split_first().ok_or_else(no_transport)?;
        first.send(ctx, request, rest).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> Vec<(String, String)> {
        values.iter().map(|value| ("WWW-Authenticate".to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn demands_are_found_among_challenges() {
        let claims = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"},"nbf":{"essential":true,"value":"1"}}}"#;
        let encoded = base64::encode(claims);
        let plain =
            format!("Bearer realm=\"\", authorization_uri=\"https://l.example/x,y\", error=\"insufficient_claims\", claims=\"{encoded}\"");
        let found = Challenge::of(&headers(&[&plain])).unwrap();
        assert_eq!((found.claims.as_str(), found.names().as_str()), (claims, "acrs, nbf"));
        let among = format!("PoP nonce=\"claims=x\", bearer Error=insufficient_claims , claims=\"{}\"", encoded.trim_end_matches('='));
        assert_eq!(Challenge::of(&headers(&["Basic realm=\"a\\\"b\"", &among])), Some(found));
        for none in [
            "",
            "Bearer",
            "Bearer error=\"invalid_token\", claims=\"e30=\"",
            "Bearer error=\"insufficient_claims\"",
            "Bearer error=\"insufficient_claims\", claims=\"e30",
            "Bearer error=\"insufficient_claims\", claims=\"%%%\"",
            "Bearer error=\"insufficient_claims\", claims=\"W10=\"",
            "PoP error=\"insufficient_claims\", claims=\"e30=\"",
            "Bearer realm=\"error=insufficient_claims, claims=e30=\"",
        ] {
            assert_eq!(Challenge::of(&headers(&[none])), None, "{none}");
        }
        let large = format!("Bearer error=\"insufficient_claims\", claims=\"{}\"", base64::encode(vec![b' '; CLAIMS_BYTES_MAX]));
        assert_eq!(Challenge::of(&headers(&[&large])), None);
    }

    #[test]
    fn a_command_holds_nothing_of_the_service_but_base64() {
        let challenge = Challenge::decoded(&base64::encode(r#"{"access_token":{"`rm`$(x)":1}}"#)).unwrap();
        let advice = challenge.advice(AuthMethod::Az, Some("t"), "https://arm.example/.default", None);
        let (_, command) = advice.split_once("run `az logout` and `az login --tenant t --scope ").unwrap();
        let (command, _) = command.split_once('`').unwrap();
        assert_eq!(command, format!("https://arm.example/.default --claims-challenge {}", challenge.encoded()));
    }

    #[test]
    fn each_way_is_told_what_it_can_do() {
        let challenge = Challenge::decoded("e30").unwrap();
        let says = |way, why| challenge.advice(way, None, "s/.default", why);
        let lacks = "the service demands claims that the sign-in lacks (insufficient_claims: not named): ";
        assert!(
            says(AuthMethod::Az, None)
                .starts_with(&format!("{lacks}run `az logout` and `az login --scope s/.default --claims-challenge e30=`"))
        );
        assert!(says(AuthMethod::Azd, None).contains("run `azd auth token --scope s/.default --claims e30=`"));
        assert!(says(AuthMethod::TokenFile, None).contains("put a token for s/.default into the file"));
        assert!(says(AuthMethod::Managed, None).contains("sign in another way"));
        assert!(says(AuthMethod::Workload, Some("no")).contains("none was given: no; a policy for workload identities"));
        assert!(says(AuthMethod::Env, None).contains("a token with them is not taken either"));
    }

    #[test]
    fn claims_go_with_the_tokens_they_are_demanded_of() {
        let demands = Demands::default();
        demands.demand("https://arm.example/.default", Some(r#"{"a":"&="}"#.to_owned()));
        let form = b"client_id=x&grant_type=client_credentials&scope=https%3A%2F%2Farm.example%2F.default&client_secret=a%2Bb+c";
        let with = String::from_utf8(demands.added_to(form).unwrap()).unwrap();
        assert_eq!(with.strip_prefix(std::str::from_utf8(form).unwrap()).unwrap(), "&claims=%7B%22a%22%3A%22%26%3D%22%7D");
        assert_eq!(demands.added_to(b"scope=https%3A%2F%2Fgraph.example%2F.default"), None);
        assert_eq!(demands.added_to(b"scope"), None);
    }
}
