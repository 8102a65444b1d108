//! Where the services of a cloud are.
//!
//! Source: "Azure Government developer guide", "Azure China developer guide", "National cloud deployments" of Microsoft Graph.

use reqwest::Url;
use thiserror::Error;

use crate::remedy::plan::Service;

/// A service that is asked. Plans know two of them; Partner Center is read and never written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// Azure Resource Manager.
    Arm,
    /// Microsoft Graph.
    Graph,
    /// Partner Center, which answers partners.
    PartnerCenter,
}

impl From<Service> for Endpoint {
    fn from(service: Service) -> Self {
        match service {
            Service::Arm => Self::Arm,
            Service::Graph => Self::Graph,
        }
    }
}

/// The services of one cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cloud {
    /// Where identities sign in: origin.
    pub authority: String,
    /// Azure Resource Manager: origin.
    pub arm: String,
    /// Microsoft Graph: origin.
    pub graph: String,
    /// What a token for Azure Resource Manager is asked for.
    pub arm_scope: String,
    /// What a token for Microsoft Graph is asked for.
    pub graph_scope: String,
    /// Partner Center: origin, and what a token for it is asked for. None where nobody named it.
    partner_center: Option<(String, String)>,
}

/// An endpoint that is not used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CloudError {
    /// No cloud has this name.
    #[error("there is no cloud `{0}`; known are public, usgov and china, and `custom` with its endpoints")]
    Unknown(String),
    /// An endpoint that is no origin.
    #[error("`{0}` is no endpoint; write it as \"https://management.azure.com\"")]
    NoOrigin(String),
    /// A token would travel in the clear.
    #[error("`{0}` is not https; plain http is used for this machine alone")]
    Plain(String),
}

impl Cloud {
    /// Returns a cloud by its name.
    ///
    /// # Errors
    /// [`CloudError::Unknown`].
    pub fn named(name: &str) -> Result<Self, CloudError> {
        let (authority, arm, graph) = match name {
            "public" => {
                let cloud = Self::at("https://login.microsoftonline.com", "https://management.azure.com", "https://graph.microsoft.com")?;
                return cloud.with_partner_center("https://api.partnercenter.microsoft.com");
            }
            "usgov" => ("https://login.microsoftonline.us", "https://management.usgovcloudapi.net", "https://graph.microsoft.us"),
            "china" => ("https://login.chinacloudapi.cn", "https://management.chinacloudapi.cn", "https://microsoftgraph.chinacloudapi.cn"),
            _ => return Err(CloudError::Unknown(name.to_owned())),
        };
        Self::at(authority, arm, graph)
    }

    /// Returns a cloud with these endpoints; tokens are asked for with their names.
    ///
    /// # Errors
    /// If an endpoint is no origin, or is not https and not on this machine.
    pub fn at(authority: &str, arm: &str, graph: &str) -> Result<Self, CloudError> {
        let (arm, graph) = (origin(arm)?, origin(graph)?);
        let (arm_scope, graph_scope) = (format!("{arm}/.default"), format!("{graph}/.default"));
        Ok(Self { authority: origin(authority)?, arm, graph, arm_scope, graph_scope, partner_center: None })
    }

    /// Adds Partner Center at an endpoint.
    ///
    /// # Errors
    /// As [`Cloud::at`].
    pub fn with_partner_center(self, endpoint: &str) -> Result<Self, CloudError> {
        let endpoint = origin(endpoint)?;
        let scope = format!("{endpoint}/.default");
        Ok(Self { partner_center: Some((endpoint, scope)), ..self })
    }

    /// Returns the origin of a service that plans know.
    #[must_use]
    pub fn origin(&self, service: Service) -> &str {
        match service {
            Service::Arm => &self.arm,
            Service::Graph => &self.graph,
        }
    }

    /// Returns the origin of a service; none if this cloud names none.
    #[must_use]
    pub fn endpoint(&self, endpoint: Endpoint) -> Option<&str> {
        match endpoint {
            Endpoint::Arm => Some(&self.arm),
            Endpoint::Graph => Some(&self.graph),
            Endpoint::PartnerCenter => self.partner_center.as_ref().map(|(origin, _)| origin.as_str()),
        }
    }

    /// Returns what a token for a service is asked for; none if this cloud does not name the service.
    #[must_use]
    pub fn scope(&self, endpoint: Endpoint) -> Option<&str> {
        match endpoint {
            Endpoint::Arm => Some(&self.arm_scope),
            Endpoint::Graph => Some(&self.graph_scope),
            Endpoint::PartnerCenter => self.partner_center.as_ref().map(|(_, scope)| scope.as_str()),
        }
    }

    /// Tells whether an address is on the host of a service. Only there a token is sent.
    #[must_use]
    pub fn is_home(&self, endpoint: impl Into<Endpoint>, address: &str) -> bool {
        match (self.endpoint(endpoint.into()).map(Url::parse), Url::parse(address)) {
            (Some(Ok(home)), Ok(address)) => home.origin() == address.origin() && address.username().is_empty(),
            _ => false,
        }
    }

    /// Tells whether every service is on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let origins = [Endpoint::Arm, Endpoint::Graph, Endpoint::PartnerCenter].into_iter().filter_map(|one| self.endpoint(one));
        origins.map(Url::parse).all(|origin| origin.is_ok_and(|url| is_loopback(&url)))
    }
}

fn origin(text: &str) -> Result<String, CloudError> {
    let no_origin = || CloudError::NoOrigin(text.to_owned());
    let url = Url::parse(text.trim()).map_err(|_| no_origin())?;
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if !bare || url.host_str().is_none() {
        return Err(no_origin());
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => return Err(CloudError::Plain(text.to_owned())),
        _ => return Err(no_origin()),
    }
    Ok(url.origin().ascii_serialization())
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_stay_at_home() {
        let cloud = Cloud::named("public").unwrap();
        assert!(cloud.is_home(Service::Arm, "https://management.azure.com/x?y"));
        assert!(cloud.is_home(Service::Arm, "https://MANAGEMENT.azure.com:443/x"));
        for away in [
            "https://management.azure.com.evil.example/x",
            "http://management.azure.com/x",
            "https://management.azure.com:444/x",
            "https://management.azure.com@evil.example/",
            "https://me@management.azure.com/",
            "https://graph.microsoft.com/",
            "/x",
            "...",
        ] {
            assert!(!cloud.is_home(Service::Arm, away), "{away}");
        }
    }

    #[test]
    fn each_cloud_has_its_own_endpoints_and_scopes() {
        let known = [
            ("public", "login.microsoftonline.com", "management.azure.com", "graph.microsoft.com"),
            ("usgov", "login.microsoftonline.us", "management.usgovcloudapi.net", "graph.microsoft.us"),
            ("china", "login.chinacloudapi.cn", "management.chinacloudapi.cn", "microsoftgraph.chinacloudapi.cn"),
        ];
        for (name, authority, arm, graph) in known {
            let cloud = Cloud::named(name).unwrap();
            assert_eq!(cloud.authority, format!("https://{authority}"));
            assert_eq!(
                (cloud.origin(Service::Arm), cloud.origin(Service::Graph)),
                (&*format!("https://{arm}"), &*format!("https://{graph}"))
            );
            let scopes = [cloud.scope(Endpoint::Arm), cloud.scope(Endpoint::Graph)].map(Option::unwrap);
            assert_eq!(scopes, [format!("https://{arm}/.default"), format!("https://{graph}/.default")]);
            // A token of one cloud goes to no other.
            for (other, _, arm, graph) in known.iter().filter(|other| other.0 != name) {
                assert!(!cloud.is_home(Service::Arm, &format!("https://{arm}/x")), "{name} {other}");
                assert!(!cloud.is_home(Service::Graph, &format!("https://{graph}/x")), "{name} {other}");
            }
            assert!(!cloud.is_home(Service::Arm, &format!("https://{graph}/x")), "{name}");
            // Partner Center is known in the public cloud alone, and takes tokens of its own.
            let partner = "https://api.partnercenter.microsoft.com/v1/customers";
            assert_eq!(cloud.is_home(Endpoint::PartnerCenter, partner), name == "public");
            assert!(!cloud.is_home(Endpoint::Graph, partner) && !cloud.is_home(Endpoint::PartnerCenter, &format!("https://{arm}/x")));
        }
    }

    #[test]
    fn endpoints_are_https_or_here() {
        assert_eq!(Cloud::named("usgov").unwrap().graph_scope, "https://graph.microsoft.us/.default");
        assert!(matches!(Cloud::named("moon"), Err(CloudError::Unknown(_))));
        let at = |arm: &str| Cloud::at("https://login.x.example", arm, "https://graph.x.example");
        assert!(at("http://127.0.0.1:8080").unwrap().arm == "http://127.0.0.1:8080");
        assert!(at("http://[::1]:8080/").is_ok() && at("http://localhost").is_ok());
        assert_eq!(at("http://arm.x.example"), Err(CloudError::Plain("http://arm.x.example".to_owned())));
        assert!(matches!(at("https://arm.x.example/path"), Err(CloudError::NoOrigin(_))));
        assert!(matches!(at("ftp://arm.x.example"), Err(CloudError::NoOrigin(_))));
    }
}
