//! The tenant that a command works on.

use super::args::{Global, SignIn};
use super::exit::Failure;
use crate::remedy::plan::Plan;
use crate::remedy::target::Target;

/// Signs in to the tenant of a plan.
pub(super) fn open(_global: &Global, _args: &SignIn, _plan: &Plan) -> anyhow::Result<Box<dyn Target>> {
    Err(Failure::usage("no sign-in").into())
}
