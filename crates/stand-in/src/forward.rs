//! A backend that does what another one does, but for what a test is about.

/// Methods of a [`Backend`](proofmill_backends::Backend) that do what those of one of its fields do. What is left to write is what
/// differs.
///
/// ```
/// use proofmill_backends::{Backend, BackendError, ExecBackend, Proof};
/// use proofmill_primitives::ProgramVersion;
///
/// /// Takes every proof.
/// struct Trusting(ExecBackend);
///
/// impl Backend for Trusting {
///     proofmill_stand_in::forward! { 0: prover_type weight budget_for program_version encode_input execute plan prove_segment tree
///         node_weight reduce finish }
///     fn verify(&self, _: &Proof, _: ProgramVersion) -> Result<(), BackendError> {
///         Ok(())
///     }
/// }
/// ```
#[macro_export]
macro_rules! forward {
    ($field:tt: $($method:ident)+) => {
        $($crate::forward! { @$method $field })+
    };
    (@prover_type $field:tt) => {
        fn prover_type(&self) -> $crate::types::ProverType {
            self.$field.prover_type()
        }
    };
    (@weight $field:tt) => {
        fn weight(
            &self,
            kind: $crate::types::TaskKind,
            budget: $crate::types::SegmentBudget,
        ) -> $crate::types::Weight {
            self.$field.weight(kind, budget)
        }
    };
    (@budget_for $field:tt) => {
        fn budget_for(&self, memory: $crate::types::Weight) -> $crate::types::SegmentBudget {
            self.$field.budget_for(memory)
        }
    };
    (@program_version $field:tt) => {
        fn program_version(
            &self,
            program: &[u8],
        ) -> Result<$crate::types::ProgramVersion, $crate::types::BackendError> {
            self.$field.program_version(program)
        }
    };
    (@encode_input $field:tt) => {
        fn encode_input(
            &self,
            frames: &[&[u8]],
            proofs: &[$crate::types::Proof],
        ) -> Result<Vec<u8>, $crate::types::BackendError> {
            self.$field.encode_input(frames, proofs)
        }
    };
    (@execute $field:tt) => {
        fn execute(
            &self,
            job: &$crate::types::Job<'_>,
        ) -> Result<$crate::types::Execution, $crate::types::BackendError> {
            self.$field.execute(job)
        }
    };
    (@plan $field:tt) => {
        fn plan(
            &self,
            job: &$crate::types::Job<'_>,
            budget: $crate::types::SegmentBudget,
        ) -> Result<$crate::types::Plan, $crate::types::BackendError> {
            self.$field.plan(job, budget)
        }
    };
    (@prove_segment $field:tt) => {
        fn prove_segment(
            &self,
            job: &$crate::types::Job<'_>,
            plan: &$crate::types::Plan,
            index: u32,
        ) -> Result<Vec<u8>, $crate::types::BackendError> {
            self.$field.prove_segment(job, plan, index)
        }
    };
    (@tree $field:tt) => {
        fn tree(
            &self,
            segments: &[$crate::types::Segment],
            mode: $crate::types::ProofMode,
            budget: $crate::types::SegmentBudget,
        ) -> Result<Vec<$crate::types::Node>, $crate::types::BackendError> {
            self.$field.tree(segments, mode, budget)
        }
    };
    (@node_weight $field:tt) => {
        fn node_weight(&self, node: &$crate::types::Node) -> $crate::types::Weight {
            self.$field.node_weight(node)
        }
    };
    (@reduce $field:tt) => {
        fn reduce(
            &self,
            program: &[u8],
            node: &$crate::types::Node,
            children: &[Vec<u8>],
        ) -> Result<Vec<u8>, $crate::types::BackendError> {
            self.$field.reduce(program, node, children)
        }
    };
    (@finish $field:tt) => {
        fn finish(
            &self,
            job: &$crate::types::Job<'_>,
            plan: &$crate::types::Plan,
            mode: $crate::types::ProofMode,
            parts: &[Vec<u8>],
        ) -> Result<$crate::types::Proof, $crate::types::BackendError> {
            self.$field.finish(job, plan, mode, parts)
        }
    };
    (@verify $field:tt) => {
        fn verify(
            &self,
            proof: &$crate::types::Proof,
            expected: $crate::types::ProgramVersion,
        ) -> Result<(), $crate::types::BackendError> {
            self.$field.verify(proof, expected)
        }
    };
}
