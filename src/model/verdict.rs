//! What a scan says of one requirement and one subject.

/// A verdict. A waiver is an overlay and never one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// The rule does not speak about the subject.
    NotApplicable,
    /// It holds, whatever else may come to light.
    Pass,
    /// It does not hold yet, and the day by which it must has not come.
    Pending,
    /// It cannot be decided with what was read.
    Unknown,
    /// It does not hold, whatever else may come to light.
    Fail,
}

impl Verdict {
    /// Returns the name used in every format.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
            Self::Pending => "pending",
            Self::NotApplicable => "not_applicable",
        }
    }

    /// Reads a name as written by [`Verdict::name`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Pass, Self::Fail, Self::Unknown, Self::Pending, Self::NotApplicable].into_iter().find(|verdict| verdict.name() == name)
    }
}

/// How much a rule matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleSeverity {
    /// Information only; the one place where `known(…)` may decide.
    Advice,
    /// Worth mending.
    Low,
    /// Should be mended.
    Medium,
    /// Must be mended.
    High,
    /// Must be mended now.
    Critical,
}

impl RuleSeverity {
    /// All of them, least first.
    pub const ALL: [Self; 5] = [Self::Advice, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Returns the name used in policies and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Advice => "advice",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Reads a name as written by [`RuleSeverity::name`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.name() == name)
    }
}
