//! Which operations are asked.

use std::collections::BTreeSet;

use thiserror::Error;

use super::operation::Operation;
use crate::text::did_you_mean;

/// What is read, as far as it was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    operations: BTreeSet<Operation>,
    /// Those that were asked for by name.
    named: BTreeSet<Operation>,
    /// Those that are left out, whatever needs them.
    skipped: BTreeSet<Operation>,
}

/// A read that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no read `{name}`{hint}")]
pub struct ChoiceError {
    name: String,
    hint: String,
}

impl Default for Choice {
    /// Everything.
    fn default() -> Self {
        Self { operations: Operation::ALL.into_iter().collect(), named: BTreeSet::new(), skipped: BTreeSet::new() }
    }
}

impl Choice {
    /// Chooses by name: those of `only` or all, without those of `skip`.
    ///
    /// # Errors
    /// For a name that no read has.
    pub fn named(only: &[String], skip: &[String]) -> Result<Self, ChoiceError> {
        let named = operations(only)?;
        let mut choice = if only.is_empty() { Self::default() } else { Self { operations: named.clone(), named, ..Self::default() } };
        choice.skipped = operations(skip)?;
        choice.operations.retain(|operation| !choice.skipped.contains(operation));
        choice.named.retain(|operation| !choice.skipped.contains(operation));
        Ok(choice)
    }

    /// Keeps what gives the facts that the schema says come from these reads.
    #[must_use]
    pub fn for_reads<'a>(self, apis: impl IntoIterator<Item = &'a str>) -> Self {
        let apis: BTreeSet<&str> = apis.into_iter().map(str::trim).collect();
        let serves = |operation: &&Operation| apis.iter().any(|api| operation.serves(api));
        let operations: BTreeSet<Operation> = self.operations.iter().filter(serves).copied().collect();
        let named = self.named.intersection(&operations).copied().collect();
        Self { operations, named, ..self }
    }

    /// Tells whether an operation was asked for by name, or another one that depends on it.
    #[must_use]
    pub fn names(&self, operation: Operation) -> bool {
        self.named.iter().any(|named| *named == operation || named.depends_on(operation))
    }

    /// Returns what is asked, in order: what was chosen, and what says of what it is asked. What nothing that is asked says
    /// this of is left out.
    #[must_use]
    pub fn asked(&self) -> Vec<Operation> {
        let mut asked = self.operations.clone();
        // Who the directory is has to be known for anything to be told apart from other directories.
        asked.extend([Operation::Organization]);
        let mut open: Vec<Operation> = asked.iter().copied().collect();
        while let Some(operation) = open.pop() {
            for parent in operation.parents().iter().filter(|parent| !self.skipped.contains(parent)) {
                if asked.insert(*parent) {
                    open.push(*parent);
                }
            }
        }
        let mut ordered: Vec<Operation> = Vec::new();
        for operation in Operation::ALL.into_iter().filter(|operation| asked.contains(operation)) {
            let parents = operation.parents();
            if parents.is_empty() || parents.iter().any(|parent| ordered.contains(parent)) {
                ordered.push(operation);
            }
        }
        ordered
    }
}

fn operations(names: &[String]) -> Result<BTreeSet<Operation>, ChoiceError> {
    let mut found = BTreeSet::new();
    for name in names {
        let meant: Vec<Operation> = Operation::ALL.into_iter().filter(|operation| is_named(*operation, name)).collect();
        if meant.is_empty() {
            let known = Operation::ALL.map(Operation::name);
            let near = did_you_mean(name, known).map(|near| format!("; did you mean `{near}`?"));
            let hint = near.unwrap_or_else(|| {
                let known: BTreeSet<&str> = known.into_iter().collect();
                format!("; there are {}", known.into_iter().collect::<Vec<_>>().join(", "))
            });
            return Err(ChoiceError { name: name.clone(), hint });
        }
        found.extend(meant);
    }
    Ok(found)
}

/// A read may be named without its service, and the service alone stands for all its reads.
fn is_named(operation: Operation, name: &str) -> bool {
    let full = operation.name();
    let part = |(service, short): (&str, &str)| short.eq_ignore_ascii_case(name) || service.eq_ignore_ascii_case(name);
    full.eq_ignore_ascii_case(name) || full.split_once(':').is_some_and(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_something_depends_on_is_asked_too() {
        let choice = Choice::named(&["groups/members".to_owned()], &[]).unwrap();
        assert_eq!(choice.asked(), [Operation::Organization, Operation::Groups, Operation::GroupMembers]);
        assert!(choice.names(Operation::GroupMembers) && choice.names(Operation::Groups) && !choice.names(Operation::Users));
        let choice = Choice::named(&[], &["arm:roleAssignments".to_owned()]).unwrap();
        assert!(!choice.asked().contains(&Operation::GroupRoleAssignments));
        let choice = Choice::named(&[], &["partnercenter".to_owned()]).unwrap();
        assert!(choice.asked().iter().all(|operation| !operation.name().starts_with("partnercenter:")));
        // What only a list that is left out would name cannot be asked.
        let asked = Choice::named(&[], &["partnercenter:subscriptions".to_owned(), "groups".to_owned()]).unwrap().asked();
        let left_out = [Operation::CustomerSubscriptions, Operation::AzureEntitlements, Operation::Groups, Operation::GroupMembers];
        assert!(left_out.iter().all(|operation| !asked.contains(operation)), "{asked:?}");
        assert!([Operation::Customers, Operation::PartnerProfile].iter().all(|operation| asked.contains(operation)));
        // What several lists name comes with all of them.
        let asked = Choice::named(&["graph:tenantInformation".to_owned()], &[]).unwrap().asked();
        assert!([Operation::Subscriptions, Operation::CommerceSubscriptions].iter().all(|operation| asked.contains(operation)));
        let error = Choice::named(&["arm:roleAssignment".to_owned()], &[]).unwrap_err();
        assert_eq!(error.to_string(), "there is no read `arm:roleAssignment`; did you mean `arm:roleAssignments`?");
    }

    #[test]
    fn a_footprint_chooses_what_serves_it() {
        let choice = Choice::default().for_reads(["billing:billingSubscriptions", " graph:users"]);
        assert_eq!(
            choice.asked(),
            [
                Operation::Organization,
                Operation::Subscriptions,
                Operation::BillingAccounts,
                Operation::Aliases,
                Operation::Users,
                Operation::DeletedUsers,
                Operation::CommerceSubscriptions,
                Operation::BillingSubscriptions,
                Operation::SubscriptionEvents,
                Operation::Customers,
                Operation::CustomerSubscriptions
            ]
        );
    }
}
