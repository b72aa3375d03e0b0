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
/// need not reach the node, therefore the native program is looked for.
pub fn locate_anvil() -> Result<PathBuf, LocalnetError> {
    if let Some(path) = env::var_os(ANVIL_ENV).map(PathBuf::from) {
        return if path.is_file() { Ok(path) } else { Err(LocalnetError::NotAFile { path }) };
    }
    let starts = [env::current_dir().ok(), env::current_exe().ok()];
    starts
        .iter()
        .flatten()
        .flat_map(|start| start.ancestors())
        .find_map(in_node_modules)
        .or_else(|| in_path("anvil"))
        .ok_or(LocalnetError::NotInstalled)
}

fn in_node_modules(root: &Path) -> Option<PathBuf> {
    let os = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let modules = root.join("node_modules");
    let native = modules.join(format!("@foundry-rs/anvil-{os}-{arch}/bin/anvil"));
    [native, modules.join(".bin/anvil")].into_iter().find(|path| path.is_file())
}

/// The first program of this name in `PATH`.
pub(crate) fn in_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join(name)).find(|path| path.is_file())
}
