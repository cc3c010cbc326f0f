//! How `wf` ends. Scripts branch on these numbers: they are public and never renumbered.

use std::process::ExitCode;

/// The end of one `wf` command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// Anything without a number of its own; stderr says what.
    Error = 1,
    /// The command line cannot be read (clap's number).
    Usage = 2,
    /// The job failed, or the workflow did not become ready.
    JobFailed = 3,
    /// Missing, unknown or insufficient API key.
    Auth = 4,
    /// No such workflow or job.
    NotFound = 5,
    /// The job was cancelled.
    Cancelled = 6,
    /// Over a rate or a quota.
    Limited = 7,
    /// `--wait` ended before the job did; the job goes on.
    WaitTimedOut = 8,
    /// Ctrl-C; a job waited for goes on.
    Interrupted = 130,
}

impl Exit {
    /// What an HTTP error status means to a script.
    pub fn from_http_status(status: u16) -> Self {
        match status {
            401 | 403 => Self::Auth,
            404 => Self::NotFound,
            429 => Self::Limited,
            _ => Self::Error,
        }
    }

    /// What a final job means to a script; `None` while the job is not final.
    pub fn from_job_status(status: &str) -> Option<Self> {
        match status {
            "succeeded" => Some(Self::Ok),
            "failed" => Some(Self::JobFailed),
            "cancelled" => Some(Self::Cancelled),
            _ => None,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn http_errors_have_the_documented_numbers() {
        let numbers =
            [(400, 1), (401, 4), (403, 4), (404, 5), (409, 1), (422, 1), (429, 7), (500, 1), (503, 1)];
        for (status, number) in numbers {
            assert_eq!(Exit::from_http_status(status) as u8, number, "status {status}");
        }
    }

    #[test]
    fn only_final_jobs_have_a_number() {
        assert_eq!(Exit::from_job_status("succeeded"), Some(Exit::Ok));
        assert_eq!(Exit::from_job_status("failed"), Some(Exit::JobFailed));
        assert_eq!(Exit::from_job_status("cancelled"), Some(Exit::Cancelled));
        for status in ["queued", "running", "some_future_status"] {
            assert_eq!(Exit::from_job_status(status), None);
        }
    }
}
