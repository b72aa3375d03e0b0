//! Where the programs of the nodes are.

use crate::LocalnetError;
use std::{
    env,
    path::{Path, PathBuf},
};

/// The environment variable that names the anvil program, before any other place.
pub const ANVIL_ENV: &str = "PROOFMILL_ANVIL";

/// Finds anvil: [`ANVIL_ENV`], then the native program that npm installed under `node_modules` of the current folder,
/// of its parents, or of the parents of the running program, then `PATH`.
///
/// `node_modules/.bin/anvil` itself is a script that starts the native program as its child: a signal to the script
/// need not reach the node, and one that is killed leaves it behind. Therefore the native program is taken also where the script is
/// what is named, or what is found in `PATH`.
pub fn locate_anvil() -> Result<PathBuf, LocalnetError> {
    if let Some(path) = env::var_os(ANVIL_ENV).map(PathBuf::from) {
        return if path.is_file() { Ok(native(path)) } else { Err(LocalnetError::NotAFile { path }) };
    }
    let starts = [env::current_dir().ok(), env::current_exe().ok()];
    starts
        .iter()
        .flatten()
        .flat_map(|start| start.ancestors())
        .find_map(in_node_modules)
        .or_else(|| in_path("anvil"))
        .map(native)
        .ok_or(LocalnetError::NotInstalled)
}

/// The native program in place of the script that npm installed beside it; anything else as it is.
fn native(program: PathBuf) -> PathBuf {
    let Ok(real) = program.canonicalize() else { return program };
    let of_npm = real.components().any(|part| part.as_os_str() == "node_modules");
    let found = if of_npm { real.ancestors().map(native_in).find(|path| path.is_file()) } else { None };
    found.unwrap_or(program)
}

fn in_node_modules(root: &Path) -> Option<PathBuf> {
    [native_in(root), root.join("node_modules/.bin/anvil")].into_iter().find(|path| path.is_file())
}

/// Where npm installs the native program, in a folder that has `node_modules`.
fn native_in(root: &Path) -> PathBuf {
    let os = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    root.join(format!("node_modules/@foundry-rs/anvil-{os}-{arch}/bin/anvil"))
}

/// The first program of this name in `PATH`.
pub(crate) fn in_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join(name)).find(|path| path.is_file())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    #[test]
    fn the_script_of_npm_is_not_what_is_started() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let modules = root.join("node_modules");
        let (script, link) = (modules.join("@foundry-rs/anvil/bin.mjs"), modules.join(".bin/anvil"));
        let elsewhere = root.join("bin/anvil");
        for file in [&script, &link, &elsewhere] {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
        }
        fs::write(&script, "#!/usr/bin/env node").unwrap();
        fs::write(&elsewhere, "").unwrap();
        symlink("../@foundry-rs/anvil/bin.mjs", &link).unwrap();
        // Without the native program the script is better than nothing.
        assert_eq!(native(link.clone()), link);
        let program = native_in(&root);
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        fs::write(&program, "").unwrap();
        for of_npm in [&link, &script, &program] {
            assert_eq!(native(of_npm.clone()), program);
        }
        // Another installation's is left alone.
        assert_eq!(native(elsewhere.clone()), elsewhere);
    }
}
