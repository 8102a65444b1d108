//! Runs the program in a folder of its own.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What a run of the program gave.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Returns the last line on stderr: the name of the exit code.
    pub(crate) fn last_line(&self) -> &str {
        self.stderr.lines().last().unwrap_or("")
    }

    /// Fails the test unless the program ended with this code and said so.
    #[track_caller]
    pub(crate) fn ends(self, code: i32, name: &str) -> Self {
        let told = format!("stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        assert_eq!((self.code, self.last_line()), (code, name), "{told}");
        assert!(!self.stderr.contains("panicked"), "{told}");
        self
    }
}

/// Prepares the program in a folder, with nothing inherited that could change what it does.
pub(crate) fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenet"));
    command.args(args).current_dir(folder).env_clear().stdin(Stdio::null());
    command
}

/// Runs the program in a folder.
pub(crate) fn tenet(folder: &Path, args: &[&str]) -> Run {
    finish(&command(folder, args).output().expect("the program starts"))
}

pub(crate) fn finish(output: &Output) -> Run {
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout.clone()).expect("stdout is UTF-8"),
        stderr: String::from_utf8(output.stderr.clone()).expect("stderr is UTF-8"),
    }
}

/// Returns the path of a file or folder of the fixtures.
pub(crate) fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name).display().to_string()
}
