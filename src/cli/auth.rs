//! Signing in from the command line.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::exit::Failure;
use crate::sources::azure::client::ReadClient;
use crate::sources::azure::cloud::Cloud;
use crate::sources::azure::credentials::{AuthMethod, SignInOptions, sign_in};
use crate::sources::azure::pace::MachinePace;
use crate::sources::azure::retry::Patience;
use crate::sources::config::Config;

/// How to sign in.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Sign-in")]
pub struct AuthArgs {
    /// How to sign in; auto tries the environment, a workload, the machine, az and azd in this order
    #[arg(long, value_name = "METHOD", default_value = "auto", value_parser = method(), env = "TENET_AUTH")]
    pub auth: AuthMethod,
    /// The file with the token for --auth token-file: a token, or JSON with a token for arm and one for graph
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

fn method() -> impl TypedValueParser<Value = AuthMethod> {
    PossibleValuesParser::new(AuthMethod::ALL.map(|(name, _)| name)).map(|text| {
        let found = AuthMethod::ALL.into_iter().find(|(name, _)| *name == text);
        found.map_or(AuthMethod::Auto, |(_, method)| method)
    })
}

impl AuthArgs {
    /// Signs in to the directory and cloud that the configuration names. What is given can only read;
    /// [`WriteClient::for_apply`](crate::sources::azure::client::WriteClient::for_apply) is apply's.
    ///
    /// # Errors
    /// If nobody could sign in, with the reason of each way that was tried, or if the network is not to be used.
    pub fn connect(&self, config: &Config, offline: bool) -> anyhow::Result<ReadClient> {
        if offline {
            return Err(Failure::usage("--offline forbids what this command needs: a connection to the tenant").into());
        }
        let cloud = match &config.cloud {
            Some(cloud) => cloud.clone(),
            None => Cloud::named("public")?,
        };
        let tenant = config.tenant.as_ref().map(|tenant| tenant.value.clone());
        let options = SignInOptions { method: self.auth, tenant, token_file: self.token_file.clone() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let credential = runtime.block_on(sign_in(&options, &cloud))?;
        ReadClient::new(cloud, credential, Patience::default(), Arc::new(MachinePace::default())).map_err(anyhow::Error::msg)
    }
}
