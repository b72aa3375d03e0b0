//! The binary as tests need it. It has a second prover type, for rollups that need two: [`StandIn`], under the name of `openvm`. And
//! its `exec`, which takes milliseconds, can be held in the middle of a segment.

use proofmill_backends::{Backend, BackendError, ExecBackend, Job, Plan, Registry};
use proofmill_stand_in::{StandIn, forward};
use std::{env, fs, path::Path, process::ExitCode, sync::Arc, thread, time::Duration};

fn main() -> ExitCode {
    let (stand_in, held) = (StandIn::default(), Held(ExecBackend::default()));
    proofmill::main_with(Registry::default().with(Arc::new(held)).with(Arc::new(stand_in)))
}

/// `exec`, of which a test holds a segment: the first one that is begun while the file is there that this variable names. It takes the
/// file to its own folder, as `held`, and goes on when somebody has removed it there. All others go on.
struct Held(ExecBackend);

const HOLD: &str = "PROOFMILL_TEST_HOLD";

fn wait_where_held() {
    let Some(hold) = env::var_os(HOLD) else { return };
    let held = Path::new("held");
    // Of several only one can take it away.
    if fs::rename(hold, held).is_ok() {
        while held.exists() {
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Backend for Held {
    forward! { 0: prover_type weight budget_for program_version encode_input execute plan tree node_weight reduce finish verify }
    fn prove_segment(&self, job: &Job<'_>, plan: &Plan, index: u32) -> Result<Vec<u8>, BackendError> {
        wait_where_held();
        self.0.prove_segment(job, plan, index)
    }
}
