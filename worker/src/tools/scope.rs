//! What a run may search and read: what the tenant may, what the job names, and what the program asks for, intersected.
//!
//! Invariants:
//! - a program can narrow its scope, never widen it;
//! - where nothing is left nothing is asked: an empty list means "everything" to some servers;
//! - files are the tenant's own uploads, checked against its record at each call.

use std::collections::HashSet;

use shared::{id::TenantId, queue::Attempt, store::Store};

use crate::patience;

const NO_FILE: &str = "none of the files named is one that this run may use: they have to be uploaded by the same \
                       account, and be among the run's file_ids where it has some";
const NO_DOCUMENT: &str = "there is no document to analyse: give the run file_ids, or name documents that the same \
                           account has uploaded";
const NO_WORKSPACE: &str = "none of the workspaces named is one that this run may search";

/// What one run may use.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    tenant: TenantId,
    /// The job's own; none when it names none.
    job_files: Option<Vec<i64>>,
}

/// Why nothing may be asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// Nothing is left of what was asked for.
    Nothing(&'static str),
    /// The attempt is over.
    Over,
}

impl Scope {
    /// Of a job with these files.
    pub(super) fn of_job(tenant: TenantId, file_ids: &[String]) -> Self {
        let ids: Vec<i64> = file_ids.iter().filter_map(|id| id.parse().ok()).collect();
        Self { tenant, job_files: (!file_ids.is_empty()).then_some(ids) }
    }

    pub(super) fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The files a search is limited to; `None`: to none in particular.
    pub(super) async fn files(
        &self,
        store: &Store,
        attempt: &Attempt,
        asked: Option<Vec<i64>>,
    ) -> Result<Option<Vec<i64>>, Denied> {
        let Some(wanted) = narrowed(asked, self.job_files.as_deref()) else { return Ok(None) };
        let names: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        let own = patience::until_stored(attempt, || store.own_files(&self.tenant, &names)).await;
        let own: Vec<i64> = own.ok_or(Denied::Over)?.iter().filter_map(|id| id.parse().ok()).collect();
        if own.is_empty() { Err(Denied::Nothing(NO_FILE)) } else { Ok(Some(own)) }
    }

    /// The documents an analysis reads.
    pub(super) async fn documents(
        &self,
        store: &Store,
        attempt: &Attempt,
        asked: Option<Vec<i64>>,
    ) -> Result<Vec<i64>, Denied> {
        self.files(store, attempt, asked).await?.ok_or(Denied::Nothing(NO_DOCUMENT))
    }
}

/// The workspaces a search is limited to; `None`: to all that the key sees. A search in the tenant's own files needs
/// no workspace: uploads may lie in none.
pub(super) fn workspaces(
    allowed: Option<&[i64]>,
    asked: Option<Vec<i64>>,
    in_files: bool,
) -> Result<Option<Vec<i64>>, Denied> {
    let allowed = allowed.filter(|_| asked.is_some() || !in_files);
    match narrowed(asked, allowed) {
        Some(left) if left.is_empty() => Err(Denied::Nothing(NO_WORKSPACE)),
        left => Ok(left),
    }
}

/// What is left of what was asked for; everything allowed when nothing in particular was. `None`: no limit at all.
fn narrowed(asked: Option<Vec<i64>>, allowed: Option<&[i64]>) -> Option<Vec<i64>> {
    let mut left = match (asked, allowed) {
        (None, None) => return None,
        (None, Some(allowed)) => allowed.to_vec(),
        (Some(asked), None) => asked,
        (Some(asked), Some(allowed)) => asked.into_iter().filter(|id| allowed.contains(id)).collect(),
    };
    let mut seen = HashSet::new();
    left.retain(|id| seen.insert(*id));
    Some(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_narrows_and_never_widens() {
        assert_eq!(narrowed(None, None), None);
        assert_eq!(narrowed(None, Some(&[1, 2])), Some(vec![1, 2]));
        assert_eq!(narrowed(Some(vec![3]), None), Some(vec![3]));
        assert_eq!(narrowed(Some(vec![2, 3, 2]), Some(&[1, 2])), Some(vec![2]));
        assert_eq!(narrowed(Some(vec![]), None), Some(vec![]), "nothing is not everything");
    }

    #[test]
    fn workspaces_are_the_tenants() {
        let none_left = || Err(Denied::Nothing(NO_WORKSPACE));
        assert_eq!(workspaces(None, None, false), Ok(None));
        assert_eq!(workspaces(Some(&[7]), None, false), Ok(Some(vec![7])));
        assert_eq!(workspaces(Some(&[7]), Some(vec![7, 8]), false), Ok(Some(vec![7])));
        assert_eq!(workspaces(Some(&[7]), Some(vec![8]), false), none_left());
        assert_eq!(workspaces(Some(&[]), None, false), none_left(), "a tenant without workspaces");
        assert_eq!(workspaces(Some(&[7]), None, true), Ok(None), "its own files are its own");
        assert_eq!(workspaces(Some(&[7]), Some(vec![8]), true), none_left());
    }

    #[test]
    fn a_jobs_files_are_a_limit_even_when_none_of_them_reads() {
        let scope = Scope::of_job(TenantId::default_tenant(), &["nonsense".to_owned()]);
        assert_eq!(narrowed(Some(vec![5]), scope.job_files.as_deref()), Some(vec![]));
    }
}
